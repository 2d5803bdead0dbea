"""Compiles the kernels of the processes, so that the first real call does not wait."""


def warmup() -> int:
    """Call each kernel once on a toy; return how many there are."""
    import numpy as np

    from drivetrain.approximation.processes import q_learning, random_walk, td0
    from drivetrain.approximation.processes.chains import DecisionProcess

    walk = random_walk(1)
    td0(walk, steps=2, random_state=0)
    td0(walk, steps=2, features=np.eye(3), random_state=0)
    q_learning(DecisionProcess([[[1.0]]], [[1.0]]), steps=2, random_state=0)
    return 4

"""Compiles the kernels of averaged SGD ahead of use, or reads them from the cache."""

import numpy as np


def warmup() -> None:
    """Run every kernel once on a few samples."""
    from drivetrain.approximation.gains import Gain
    from drivetrain.approximation.inference.batches import BatchMeans
    from drivetrain.approximation.inference.engine import AveragedSGD
    from drivetrain.approximation.inference.recipe import METHODS, Recipe
    from drivetrain.approximation.inference.scaling import RandomScaling

    X, y = np.ones((3, 1)), np.ones(3)
    for kind in METHODS:
        recipe = Recipe(loss="squared", gain=Gain(a=0.5, alpha=0.6), inference=kind)
        engine = AveragedSGD(1, recipe).update(X, y)
        if kind != "plug_in":  # three equal samples have no invertible Hessian
            engine.estimate()
    RandomScaling(0.0).update(y).estimate()
    BatchMeans(0.0).update(y).estimate()

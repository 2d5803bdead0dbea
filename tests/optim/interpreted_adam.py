"""Runs the Triton kernels by Triton's interpreter: a process of its own, for it must be chosen
before triton is imported. ``python interpreted_adam.py JOBS ANSWERS``, both torch.save files.
"""

import os
import sys

os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import torch

from drivetrain.optim import _triton

# Several chunks a tensor, several blocks a chunk, tails in both. The loop over an empty chunk's
# blocks costs the interpreter as much as that over a full one: no longer than needed.
CHUNK = 2500
_triton.CHUNK = 3072


def chunks_of(lengths: list[int]) -> torch.Tensor:
    """The table of (row, start, length)."""
    found = [
        (row, start, min(CHUNK, length - start))
        for row, length in enumerate(lengths)
        for start in range(0, length, CHUNK)
    ]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 3)


def constants(job: dict, t: int) -> list[float]:
    """One case, as the host computes it."""
    lr, (beta1, beta2), decay = job["lr"], job["betas"], job["weight_decay"]
    return [
        -1.0 if job["maximize"] else 1.0,
        1 - lr * decay if job["decoupled"] else 1.0,
        0.0 if job["decoupled"] else decay,
        1 - beta1,
        beta2,
        1 - beta2,
        job["eps"],
        lr / (1 - beta1**t),
        float(np.sqrt(1 - beta2**t)),
    ]


def run(job: dict) -> dict:
    """Step a job's parameters through all its gradients; return the tensors afterwards."""
    names = [
        "p",
        "m",
        "v",
        *(["vmax"] if job["amsgrad"] else []),
        *(["copy"] if job["copy"] else []),
    ]
    state = {name: job[name] for name in names}
    count, norms = len(job["p"]), []
    chunks = chunks_of([p.numel() for p in job["p"]])
    has = [name for name in ("vmax", "copy") if name in state]
    columns = _triton.Columns(**{name: 5 + i for i, name in enumerate(has)})
    for step, grads in enumerate(job["grads"]):
        held = [grads, grads, state["m"], state["v"], *(state[name] for name in has)]
        rows = torch.tensor(
            [[state["p"][i].data_ptr(), *(column[i].data_ptr() for column in held)]
             for i in range(count)], dtype=torch.int64,
        )  # fmt: skip
        norms.append(_triton.gradient_norm(chunks, rows, dtype=grads[0].dtype))
        # Every second parameter is one step behind: a launch serves several cases.
        cases = torch.tensor([constants(job, step + 1), constants(job, step + 2)])
        case_of = torch.arange(count) % 2
        p, copy = state["p"][0].dtype, state["copy"][0].dtype if job["copy"] else torch.float32
        _triton.adam_step(
            (chunks, rows, case_of, cases),
            torch.tensor(job["control"], dtype=torch.float32),
            dtypes=(p, grads[0].dtype, state["m"][0].dtype, copy),
            columns=columns,
            stochastic=job["stochastic"],
            aligned=job["aligned"],
            seed=job["seed"] + step,
        )
    return {**state, "norms": norms}


if __name__ == "__main__":
    jobs = torch.load(sys.argv[1])
    torch.save([run(job) for job in jobs], sys.argv[2])

"""Steps parameter groups by the Triton path, interpreted: a process of its own, for that must be
chosen before triton is imported. ``python interpreted_group.py JOBS ANSWERS``.
"""

import os
import sys

os.environ["TRITON_INTERPRET"] = "1"

import torch

from drivetrain.optim import _triton, on_gpu

_triton.CHUNK = 2048


def run(job: dict) -> dict:
    """Step a job's parameters through all its gradients; return them, their state, the norms."""
    state = dict(zip(job["params"], job["state"]))
    norms = []
    for grads in job["grads"]:
        norms.append(on_gpu.squares_by_triton(grads))
        on_gpu.step_by_triton(job["group"], job["params"], grads, state, job["factor"])
    versions = [p._version for p in job["params"]]
    return {"params": job["params"], "state": job["state"], "norms": norms, "versions": versions}


if __name__ == "__main__":
    jobs = torch.load(sys.argv[1])
    torch.save([run(job) for job in jobs], sys.argv[2])

"""Runs whole optimizers by the Triton backend, interpreted: a process of its own, for that must be
chosen before triton is imported. ``python interpreted_optimizer.py JOBS ANSWERS``.
"""

import os
import sys

os.environ["TRITON_INTERPRET"] = "1"

import torch

from drivetrain.core.backend import use
from drivetrain.optim import Adam, AdamW, _triton
from drivetrain.optim.functional import adamw_

# The loop over an empty chunk's blocks costs the interpreter as much as that over a full one.
_triton.CHUNK = 2048
LAUNCHES = []


def counted(launch):
    """Return a launcher that keeps count."""

    def run(tables, control, **options):
        LAUNCHES.append((*options["dtypes"], options["stochastic"]))
        launch(tables, control, **options)

    return run


def made(job: dict, groups: list[list[torch.Tensor]]) -> torch.optim.Optimizer:
    """The job's optimizer over its parameters."""
    kind = {"Adam": Adam, "AdamW": AdamW}[job["kind"]]
    pairs = zip(groups, job["groups"], strict=True)
    return kind([{"params": params, **own} for params, own in pairs], **job["options"])


def run(job: dict) -> dict:
    """Step through all gradients, changing the backend where the job says so."""
    if job["kind"] == "adamw_":
        return run_function(job)
    LAUNCHES.clear()
    torch.manual_seed(job.get("seed", 0))
    groups = [[torch.nn.Parameter(p.clone()) for p in params] for params in job["params"]]
    params = [p for own in groups for p in own]
    optimizer = made(job, groups)
    versions = [p._version for p in params]
    norms = []
    for t, (grads, backend) in enumerate(zip(job["grads"], job["backends"], strict=True)):
        if t == job.get("reload") or (t and backend != job["backends"][t - 1]):
            before, optimizer = optimizer, made(job, groups)
            optimizer.load_state_dict(before.state_dict())
        for p, g in zip(params, grads, strict=True):
            p.grad = g
        for group, lr in zip(optimizer.param_groups, job["lrs"][t]):
            group["lr"] = lr
        if "scale" in job:
            optimizer.grad_scale = torch.tensor(job["scale"])
            optimizer.found_inf = torch.tensor(float(t in job["found_inf"]))
        with use(backend):
            optimizer.step()
        norms.append(optimizer.grad_norm)
    return {
        "params": [p.detach() for p in params],
        "state": optimizer.state_dict()["state"],
        "launches": list(LAUNCHES),
        "norms": norms,
        "skipped": optimizer.skipped_steps,
        "changes": [p._version - old for p, old in zip(params, versions)],
    }


def run_function(job: dict) -> dict:
    """The same by the function over lists of tensors."""
    LAUNCHES.clear()
    (params,) = job["params"]
    m, v = ([torch.zeros_like(p) for p in params] for _ in range(2))
    steps = [torch.zeros(()) for _ in params]
    for grads, (lr,) in zip(job["grads"], job["lrs"], strict=True):
        adamw_(params, grads, m, v, steps, backend="triton", lr=lr, **job["options"])
    state = {
        i: {"step": step, "exp_avg": a, "exp_avg_sq": b}
        for i, (step, a, b) in enumerate(zip(steps, m, v))
    }
    return {"params": params, "state": state, "launches": list(LAUNCHES)}


if __name__ == "__main__":
    _triton.adam_step = counted(_triton.adam_step)
    jobs = torch.load(sys.argv[1])
    torch.save([run(job) for job in jobs], sys.argv[2])

"""The Triton path of a whole group, interpreted on the CPU, against torch's operations."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from drivetrain.optim import Adam, AdamW
from drivetrain.optim.by_torch import step_by_torch

pytest.importorskip("triton")

STEPS, EPS = 3, 2.0**-23
KINDS = {
    "adamw": (AdamW, {}, 1.0),
    "adam l2 amsgrad maximize": (
        Adam,
        {"weight_decay": 0.1, "amsgrad": True, "maximize": True},
        1.0,
    ),
    "clipped schedule": (AdamW, {"decay": "schedule", "weight_decay": 0.05}, 0.125),
}


def job(kind, options: dict, factor: float) -> dict:
    random = torch.Generator().manual_seed(0)
    params = [torch.randn(shape, generator=random) for shape in ((5,), (40, 70), (0,), (2048,))]
    params.append(torch.randn(9, 16, generator=random).T)
    # What the kernel leaves to torch: another precision, and memory with gaps.
    params.append(torch.randn(6, generator=random, dtype=torch.float64))
    params.append(torch.randn(6, 8, generator=random)[:, ::2])
    group = kind([torch.nn.Parameter(torch.ones(1))], lr=0.01, **options).param_groups[0]
    group["params"] = []
    state = [
        {
            # Two parameters have been through more steps than the others.
            "step": torch.tensor(2.0 * (i % 2)),
            "exp_avg": torch.zeros_like(p),
            "exp_avg_sq": torch.zeros_like(p),
            "max_exp_avg_sq": torch.zeros_like(p),
        }
        for i, p in enumerate(params)
    ]
    grads = [
        [torch.empty_like(p).copy_(torch.randn(p.shape, generator=random)) for p in params]
        for _ in range(STEPS)
    ]
    return {"params": params, "state": state, "grads": grads, "group": group, "factor": factor}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("triton")
    torch.save([job(*kind) for kind in KINDS.values()], folder / "jobs")
    child = Path(__file__).with_name("interpreted_group.py")
    command = [sys.executable, str(child), str(folder / "jobs"), str(folder / "answers")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(KINDS, torch.load(folder / "answers"), strict=True))


@pytest.mark.parametrize("name", KINDS)
def test_a_group_is_stepped_as_by_torch(name: str, answers: dict[str, dict]) -> None:
    made, ours = copy.deepcopy(job(*KINDS[name])), answers[name]
    state = dict(zip(made["params"], made["state"]))
    for grads in made["grads"]:
        step_by_torch(made["group"], made["params"], grads, state, made["factor"])
    for a, b in zip(ours["params"], made["params"], strict=True):
        # Some eight roundings a step of values of order 4, and none of a sign.
        torch.testing.assert_close(a, b, rtol=0, atol=STEPS * 8 * EPS * 4)
    for a, b in zip(ours["state"], made["state"], strict=True):
        assert float(a["step"]) == float(b["step"])
        for key in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
            torch.testing.assert_close(a[key], b[key], rtol=0, atol=STEPS * 8 * EPS * 16)


@pytest.mark.parametrize("name", KINDS)
def test_squares_of_all_gradients(name: str, answers: dict[str, dict]) -> None:
    for found, grads in zip(answers[name]["norms"], job(*KINDS[name])["grads"], strict=True):
        exact = sum(float(grad.double().square().sum()) for grad in grads)
        # fp32 sums of two terms a lane and a tree of ten levels.
        assert found == pytest.approx(exact, rel=30 * EPS)


def test_autograd_sees_the_change(answers: dict[str, dict]) -> None:
    assert all(version >= STEPS for version in answers["adamw"]["versions"])

"""AdamWScheduleFree against the authors' package: trajectory, modes, states both ways."""

import pytest
import torch

from drivetrain.optim.neighbours import AdamWScheduleFree

schedulefree = pytest.importorskip("schedulefree")
pytestmark = pytest.mark.peer
STEPS = 200
SHAPES = ((5,), (33, 70), (20000,), (0,))


def parameters() -> list[torch.nn.Parameter]:
    random = torch.Generator().manual_seed(1)
    return [torch.nn.Parameter(torch.randn(shape, generator=random)) for shape in SHAPES]


def advance(pairs: list, steps: int, seed: int = 2) -> None:
    random = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        grads = [torch.randn(shape, generator=random) for shape in SHAPES]
        for params, optimizer in pairs:
            for p, g in zip(params, grads):
                p.grad = g.clone()  # the package overwrites gradients
            optimizer.step()


def assert_near(a: list, b: list) -> None:
    # A few roundings a step of a parameter of order 1.
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=STEPS * 4 * 2.0**-23 * 4)


@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_decay": 0.1},
        {"warmup_steps": 50, "weight_decay": 0.05},
        {"r": 1.0, "weight_lr_power": 1.0, "betas": (0.95, 0.98), "eps": 1e-6},
        {"lr": 0.0},
    ],
)
def test_trajectory_and_modes(options: dict, foreach: bool) -> None:
    options = {"lr": 0.01, **options}
    a, b = parameters(), parameters()
    ours = AdamWScheduleFree(a, **options)
    theirs = schedulefree.AdamWScheduleFree(b, foreach=foreach, **options)
    for part in range(3):
        ours.train()
        theirs.train()
        advance([(a, ours), (b, theirs)], STEPS // 3, seed=part)
        assert_near(a, b)
        ours.eval()
        theirs.eval()
        assert_near(a, b)
    for key in ("k", "weight_sum", "lr_max", "scheduled_lr", "train_mode"):
        assert ours.param_groups[0][key] == pytest.approx(theirs.param_groups[0][key], rel=1e-12)


def test_states_both_ways_in_mid_run() -> None:
    a, b = parameters(), parameters()
    whole = schedulefree.AdamWScheduleFree(b, lr=0.01, warmup_steps=20)
    current = schedulefree.AdamWScheduleFree(a, lr=0.01, warmup_steps=20)
    whole.train()
    current.train()
    for part in range(4):
        if part:
            kind = AdamWScheduleFree if part % 2 else schedulefree.AdamWScheduleFree
            follower = kind(a)
            follower.load_state_dict(current.state_dict())
            current = follower
        advance([(a, current), (b, whole)], 30, seed=part)
    current.eval()
    whole.eval()
    assert_near(a, b)

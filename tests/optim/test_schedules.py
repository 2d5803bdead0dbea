"""Schedules: closed forms, torch's own schedulers, resuming."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR

from drivetrain.optim import AdamW, reference
from drivetrain.optim.schedules import (
    Multiplier,
    warmup_constant,
    warmup_cosine,
    warmup_linear,
    warmup_stable_decay,
)


def optimizer(lr: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)


def rates(schedule, opt: torch.optim.Optimizer, steps: int) -> list[float]:
    seen = []
    for _ in range(steps):
        seen.append(opt.param_groups[0]["lr"])
        opt.step()
        schedule.step()
    return seen


def test_wsd_golden() -> None:
    eta = Multiplier(warmup_steps=4, total_steps=20, decay_steps=4, shape="linear", final=0.2)
    expected = [0.25, 0.5, 0.75, *[1.0] * 14, 0.8, 0.6, 0.4, 0.2, 0.2]
    assert [eta(t) for t in range(22)] == pytest.approx(expected, rel=1e-15)


def test_sqrt_fall_is_hagele() -> None:
    eta = Multiplier(total_steps=8, decay_steps=4, shape="sqrt")
    assert [eta(t) for t in (4, 5, 6, 8)] == pytest.approx([1, 0.5, 1 - math.sqrt(0.5), 0])


def test_cosine_is_torchs() -> None:
    ours, theirs = optimizer(0.3), optimizer(0.3)
    a = rates(warmup_cosine(ours, total_steps=50, final=0.1), ours, 50)
    b = rates(CosineAnnealingLR(theirs, 50, eta_min=0.03), theirs, 50)
    # torch's scheduler multiplies its way along: one rounding a step.
    assert a == pytest.approx(b, rel=50 * 4 * 2**-52)


def test_linear_is_torchs() -> None:
    ours, theirs = optimizer(0.3), optimizer(0.3)
    a = rates(warmup_linear(ours, total_steps=50, final=0.1), ours, 60)
    b = rates(LinearLR(theirs, 1.0, 0.1, total_iters=50), theirs, 60)
    assert a == pytest.approx(b, rel=60 * 4 * 2**-52)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_bounded_rising_then_falling(data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 200))
    warmup = data.draw(st.integers(0, total))
    decay = data.draw(st.none() | st.integers(0, total - warmup))
    final = data.draw(st.floats(0, 1))
    shape = data.draw(st.sampled_from(["cosine", "linear", "sqrt"]))
    eta = Multiplier(
        warmup_steps=warmup, total_steps=total, decay_steps=decay, final=final, shape=shape
    )
    values = [eta(t) for t in range(total + 3)]
    # final + (1 - final)·f is rounded twice, so it may pass 1 by an ulp.
    assert all(0 <= value <= 1 + 2**-52 for value in values)
    assert values[:warmup] == sorted(values[:warmup])
    falling = values[max(warmup - 1, 0) :]
    assert all(a >= b - 2**-52 for a, b in itertools.pairwise(falling))
    assert values[total:] == [final] * 3
    assert 0.0 not in values[:warmup]


def test_constant_after_warmup() -> None:
    opt = optimizer(2.0)
    assert rates(warmup_constant(opt, warmup_steps=2), opt, 5) == [1.0, 2.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("schedule", [warmup_cosine, warmup_linear])
def test_initial_lr_is_set_for_decay_schedule(schedule) -> None:
    opt = optimizer(0.5)
    schedule(opt, total_steps=10, warmup_steps=5)
    assert opt.param_groups[0]["initial_lr"] == 0.5
    assert opt.param_groups[0]["lr"] == pytest.approx(0.1)


def test_decay_by_schedule_follows_eta() -> None:
    # The paper's decay: θ ← θ − η_t(α·u + λθ), with η_t from the schedule and α the first lr.
    p = torch.nn.Parameter(torch.tensor([2.0, -1.0], dtype=torch.float64))
    opt = AdamW([p], lr=0.1, weight_decay=0.1, decay="schedule")
    schedule = warmup_linear(opt, total_steps=4)
    θ, state = p.detach().clone(), reference.State(0, 0 * p.detach(), 0 * p.detach())
    for η, g in zip((1.0, 0.75, 0.5), ((0.5, 0.01), (-0.2, 0.02), (0.1, 0.03))):
        p.grad = torch.tensor(g, dtype=torch.float64)
        opt.step()
        schedule.step()
        θ, state = reference.adamw_step(
            θ, p.grad, state, lr=0.1 * η, weight_decay=0.1, decay="schedule", initial_lr=0.1
        )
    torch.testing.assert_close(p.detach(), θ, rtol=1e-14, atol=1e-14)


def test_every_group_keeps_its_own_rate() -> None:
    ps = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    opt = torch.optim.SGD([{"params": ps[:1], "lr": 1.0}, {"params": ps[1:], "lr": 3.0}])
    warmup_linear(opt, total_steps=4, warmup_steps=2)
    assert [group["lr"] for group in opt.param_groups] == [0.5, 1.5]


def test_state_goes_on_where_it_was() -> None:
    opt = optimizer()
    schedule = warmup_stable_decay(opt, total_steps=20, decay_steps=5, warmup_steps=3)
    whole = rates(schedule, opt, 20)
    opt = optimizer()
    first = warmup_stable_decay(opt, total_steps=20, decay_steps=5, warmup_steps=3)
    head = rates(first, opt, 9)
    second = optimizer()
    resumed = warmup_stable_decay(second, total_steps=20, decay_steps=5, warmup_steps=3)
    resumed.load_state_dict(first.state_dict())
    second.load_state_dict(opt.state_dict())
    assert head + rates(resumed, second, 11) == whole


def test_last_epoch_of_torch() -> None:
    opt = optimizer()
    opt.param_groups[0]["initial_lr"] = 1.0
    schedule = warmup_linear(opt, total_steps=10, last_epoch=4)
    assert schedule.get_last_lr() == [0.5]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"total_steps": 0}, ValueError, "total_steps must be >= 1"),
        ({"total_steps": 5, "warmup_steps": -1}, ValueError, "warmup_steps must be >= 0"),
        ({"total_steps": 5, "warmup_steps": 6}, ValueError, "warmup_steps"),
        ({"total_steps": 5, "warmup_steps": 3, "decay_steps": 3}, ValueError, "3 \\+ 3 > 5"),
        ({"total_steps": 5.5}, TypeError, "total_steps must be an integer"),
        ({"total_steps": 5, "final": 1.5}, ValueError, "final must be >= 0 and <= 1"),
        ({"total_steps": 5, "final": float("nan")}, ValueError, "final"),
        ({"total_steps": 5, "shape": "cosin"}, ValueError, "Did you mean 'cosine'"),
        ({"decay_steps": 5}, ValueError, "decay_steps needs total_steps"),
    ],
)
def test_bad_input_is_named(options, error, words) -> None:
    with pytest.raises(error, match=words):
        Multiplier(**options)

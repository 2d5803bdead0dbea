"""Golden values of Adam and AdamW, their textbook properties, and the backends against them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core.backend import use
from drivetrain.optim import Adam, AdamW, reference

GRADIENTS = ((0.5, 0.01), (-0.2, 0.02), (0.1, 0.03))
L2 = ((1.9000000014285714, -0.9000000111111098), (1.8340644963660238, -0.8014189801779527),
      (1.762835611558362, -0.7059383141962694))  # fmt: skip
BY_LR = ((1.880000002, -1.0899999000001), (1.826639418096511, -1.1756180425480023),
         (1.770433846634731, -1.2596619401982023))  # fmt: skip
BY_SCHEDULE = ((1.700000002, -0.9999999000001), (1.4954394179165107, -0.9965180515479932),
               (1.3079562988440445, -0.9926663244688739))  # fmt: skip
BY_SCHEDULE_FALLING = ((1.700000002, -0.9999999000001), (1.5977197099582554, -0.9982589757740465),
                       (1.5482919228890952, -0.9972525208986154))  # fmt: skip
BY_LR_FALLING = ((1.880000002, -1.0899999000001), (1.8533197100482555, -1.132808971274051),
                 (1.839201616452931, -1.153926968364786))  # fmt: skip
CONSTANT, FALLING = (1.0, 1.0, 1.0), (1.0, 0.5, 0.25)
TABLE = [
    (Adam, {}, CONSTANT, L2),
    (AdamW, {"decoupled_weight_decay": False}, CONSTANT, L2),
    (AdamW, {}, CONSTANT, BY_LR),
    (Adam, {"decoupled_weight_decay": True}, CONSTANT, BY_LR),
    (AdamW, {"decay": "schedule"}, CONSTANT, BY_SCHEDULE),
    (AdamW, {"decay": "schedule"}, FALLING, BY_SCHEDULE_FALLING),
    (AdamW, {"decay": "lr"}, FALLING, BY_LR_FALLING),
]
BACKENDS = ("reference", "torch", "numba")
# A step is some ten float64 operations on numbers near 2, each rounded to half an ulp of them.
STEP_ERROR = 10 * np.finfo(np.float64).eps * 2


def trajectory(make, schedule=CONSTANT, gradients=GRADIENTS):
    """The parameters after each step, with the learning rate of a torch scheduler."""
    p = torch.nn.Parameter(torch.tensor([2.0, -1.0], dtype=torch.float64))
    optimizer = make([p])
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: schedule[min(step, len(schedule) - 1)]
    )
    path = []
    for gradient in gradients:
        p.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        scheduler.step()
        path.append(p.detach().numpy().copy())
    return np.array(path)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("cls", "options", "schedule", "expected"), TABLE)
def test_golden_trajectories(cls, options, schedule, expected, backend):
    with use(backend):
        path = trajectory(lambda ps: cls(ps, lr=0.1, weight_decay=0.1, **options), schedule)
    np.testing.assert_allclose(path, expected, rtol=0, atol=3 * STEP_ERROR)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"decoupled": False}, L2),
        ({}, BY_LR),
        ({"decay": "schedule", "initial_lr": 0.1}, BY_SCHEDULE),
    ],
)
def test_reference_gives_the_golden_values_in_numpy(options, expected):
    θ = np.array([2.0, -1.0])
    state = reference.State(0, 0 * θ, 0 * θ)
    for t, g in enumerate(GRADIENTS):
        θ, state = reference.adamw_step(θ, np.array(g), state, lr=0.1, weight_decay=0.1, **options)
        np.testing.assert_allclose(θ, expected[t], rtol=0, atol=3 * STEP_ERROR)
    assert state.t == 3


def test_l2_turns_the_second_component_round():
    l2 = trajectory(lambda ps: Adam(ps, lr=0.1, weight_decay=0.1))[:, 1]
    decoupled = trajectory(lambda ps: AdamW(ps, lr=0.1, weight_decay=0.1))[:, 1]
    assert (np.diff(l2) > 0).all() and (np.diff(decoupled) < 0).all()


def test_one_step_of_the_lesson():
    for cls, expected in ((Adam, 0.9), (AdamW, 0.89)):
        p = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        p.grad = torch.tensor(0.5, dtype=torch.float64)
        cls([p], lr=0.1, weight_decay=0.1).step()
        # ε = 1e-8 against |g| = 0.5 (0.6 with L2) shortens the step of 0.1 by 2e-8 of it.
        assert p.item() == pytest.approx(expected, abs=0.1 * 2.1e-8)


@given(scale=st.floats(1e-3, 1e3), sign=st.sampled_from([-1.0, 1.0]), lr=st.floats(1e-4, 1.0))
@settings(deadline=None, max_examples=40)
def test_the_first_step_is_lr_whatever_the_gradient(scale, sign, lr):
    p = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    p.grad = torch.full_like(p, sign * scale)
    Adam([p], lr=lr, eps=0.0).step()
    np.testing.assert_allclose(p.detach().numpy(), -sign * lr, rtol=1e-15 * 10)


@given(
    seed=st.integers(0, 2**31),
    lr=st.floats(1e-4, 0.5),
    decay=st.floats(0.0, 1.0),
    betas=st.tuples(st.floats(0.0, 0.999), st.floats(0.0, 0.9999)),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)
@settings(deadline=None, max_examples=60)
def test_kernels_equal_the_reference(seed, lr, decay, betas, flags):
    amsgrad, maximize, decoupled, by_schedule = flags
    generator = torch.Generator().manual_seed(seed)
    begin = torch.randn(37, generator=generator, dtype=torch.float64)
    gradients = torch.randn(5, 37, generator=generator, dtype=torch.float64)
    paths = []
    for backend in ("reference", "numba"):
        p = torch.nn.Parameter(begin.clone())
        optimizer = AdamW([p], lr, betas, 1e-8, decay, amsgrad, maximize=maximize,
                          decoupled_weight_decay=decoupled,
                          decay="schedule" if by_schedule else "lr")  # fmt: skip
        with use(backend):
            for gradient in gradients:
                p.grad = gradient.clone()
                optimizer.step()
        paths.append((p.detach(), optimizer.state[p]["exp_avg"], optimizer.state[p]["exp_avg_sq"]))
    size = max(float(begin.abs().max()), 1.0) + 5 * lr
    for ours, theirs in zip(*paths):
        # Where m̂/√v̂ cancels (β1 far above √β2) the quotient is at most 1/√(1-β2), 100 here.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=5 * STEP_ERROR * 100 * size)


@pytest.mark.parametrize("decay", ["lr", "schedule"])
def test_l2_is_decoupled_decay_for_plain_sgd_and_not_for_adam(decay):
    """θ - lr·(g + λθ) = θ·(1 - lr·λ) - lr·g; by the schedule the same with λ·α."""
    θ, g, α, λ = np.array([2.0, -1.0]), np.array([0.5, 0.01]), 0.1, 0.3
    sgd_l2 = θ - α * (g + λ * θ)
    λ_decoupled = λ if decay == "lr" else λ * α
    shrink = 1 - (α if decay == "lr" else 1.0) * λ_decoupled
    np.testing.assert_allclose(sgd_l2, θ * shrink - α * g, rtol=1e-15 * 4)
    coupled = trajectory(lambda ps: Adam(ps, lr=α, weight_decay=λ))
    apart = trajectory(lambda ps: AdamW(ps, lr=α, weight_decay=λ_decoupled, decay=decay))
    assert np.abs(coupled - apart).max() > 0.05

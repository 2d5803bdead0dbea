"""Every optimizer in float64 against its paper's equations, and golden values by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core.backend import use
from drivetrain.optim.neighbours import (
    SGD,
    Adagrad,
    AdamWScheduleFree,
    Lion,
    NAdamW,
    RMSprop,
    reference,
)

STEPS = 60
# Each step of float64 errs by a few ulp of values of order 1; torch and numpy order them alike.
BOUND = STEPS * 16 * 2.0**-52
EMPTY = np.zeros(0)


def gradients(seed: int = 0, n: int = 40, steps: int = STEPS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(steps, n))


def follow(optimizer: torch.optim.Optimizer, p: torch.Tensor, gs: np.ndarray) -> np.ndarray:
    for g in gs:
        p.grad = torch.tensor(g)
        optimizer.step()
    return p.detach().numpy()


def start(n: int = 40) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.linspace(-1, 1, n, dtype=torch.float64))


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("maximize", [False, True])
def test_sgd(backend: str, maximize: bool) -> None:
    p, gs = start(), gradients()
    theta, b = p.detach().numpy().copy(), None
    for g in gs:
        g = reference.objective_gradient(theta, g, weight_decay=0.1, maximize=maximize)
        theta, b = reference.sgd_step(theta, g, b, lr=0.05, momentum=0.9, nesterov=True)
    optimizer = SGD([p], lr=0.05, momentum=0.9, weight_decay=0.1, nesterov=True, maximize=maximize)
    with use(backend):
        np.testing.assert_allclose(follow(optimizer, p, gs), theta, rtol=0, atol=BOUND)


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_lion(backend: str) -> None:
    p, gs = start(), gradients()
    theta, m = p.detach().numpy().copy(), np.zeros(40)
    for g in gs:
        theta, m = reference.lion_step(theta, g, m, lr=0.01, weight_decay=0.3)
    with use(backend):
        found = follow(Lion([p], lr=0.01, weight_decay=0.3), p, gs)
    np.testing.assert_allclose(found, theta, rtol=0, atol=BOUND)


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("warmup", [0, 10])
@pytest.mark.parametrize("r", [0.0, 1.0])
def test_schedule_free(backend: str, warmup: int, r: float) -> None:
    options = {"lr": 0.02, "weight_decay": 0.1, "warmup_steps": warmup, "r": r}
    p, gs = start(), gradients()
    state = reference.ScheduleFree(
        x=p.detach().numpy().copy(), z=p.detach().numpy().copy(), v=np.zeros(40)
    )
    for g in gs:
        state = reference.schedule_free_step(state, g, reference.ScheduleFreeSettings(**options))
    optimizer = AdamWScheduleFree([p], **options)
    optimizer.train()
    with use(backend):
        # y is kept where the paper keeps x, and x had from it by dividing by β1.
        np.testing.assert_allclose(follow(optimizer, p, gs), state.y(0.9), rtol=0, atol=BOUND)
    optimizer.eval()
    np.testing.assert_allclose(p.detach().numpy(), state.x, rtol=0, atol=2 * BOUND)
    optimizer.train()
    np.testing.assert_allclose(p.detach().numpy(), state.y(0.9), rtol=0, atol=2 * BOUND)


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_nadamw(backend: str) -> None:
    p, gs = start(), gradients()
    theta = p.detach().numpy().copy()
    state = reference.Nadam(m=np.zeros(40), v=np.zeros(40))
    for g in gs:
        theta = theta * (1 - 0.01 * 0.1)
        theta, state = reference.nadam_step(theta, g, state, lr=0.01)
    with use(backend):
        found = follow(NAdamW([p], lr=0.01, weight_decay=0.1), p, gs)
    # The product of momenta is kept in float32, as torch keeps it: a relative error of an ulp
    # a step in 1 − Π, of a step of lr; and at first Π is close to 1/2.
    np.testing.assert_allclose(found, theta, rtol=0, atol=STEPS * 2.0**-23 * 0.01 * 4)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop(centered: bool, momentum: float) -> None:
    p, gs = start(), gradients()
    theta, zero = p.detach().numpy().copy(), np.zeros(40)
    state = reference.Rms(v=zero, mean=zero, b=zero)
    for g in gs:
        theta, state = reference.rmsprop_step(theta, g, state, momentum=momentum, centered=centered)
    found = follow(RMSprop([p], momentum=momentum, centered=centered), p, gs)
    np.testing.assert_allclose(found, theta, rtol=0, atol=BOUND)


def test_adagrad() -> None:
    p, gs = start(), gradients()
    theta, s = p.detach().numpy().copy(), np.zeros(40)
    for t, g in enumerate(gs, start=1):
        theta, s = reference.adagrad_step(theta, g, s, t, lr_decay=0.1)
    np.testing.assert_allclose(follow(Adagrad([p], lr_decay=0.1), p, gs), theta, rtol=0, atol=BOUND)


def test_first_steps_by_hand() -> None:
    one, zero = np.ones(1), np.zeros(1)
    assert reference.sgd_step(one, 2 * one, lr=0.1, momentum=0.9)[0] == pytest.approx(0.8)
    assert reference.sgd_step(one, 2 * one, lr=0.1, momentum=0.9, nesterov=True)[
        0
    ] == pytest.approx(1 - 0.1 * 3.8)
    assert reference.lion_step(one, 7 * one, zero, lr=0.1, weight_decay=0.5)[0] == pytest.approx(
        1 - 0.1 * (1 + 0.5)
    )
    # RMSprop's first step is lr/√(1 − α), whatever the gradient.
    state = reference.Rms(v=zero, mean=zero, b=zero)
    assert reference.rmsprop_step(one, 5 * one, state)[0] == pytest.approx(0.9, rel=1e-8)


@settings(deadline=None, max_examples=40)
@given(st.floats(1e-6, 1e6), st.floats(1e-5, 1.0))
def test_lion_moves_by_lr_whatever_the_scale(scale: float, lr: float) -> None:
    p = torch.nn.Parameter(torch.zeros(8, dtype=torch.float64))
    p.grad = scale * torch.tensor([1.0, -1, 2, -2, 3, -3, 4, 0], dtype=torch.float64)
    Lion([p], lr=lr).step()
    assert torch.equal(p.detach(), -lr * p.grad.sign())


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 0.5), st.floats(0, 1.0), st.integers(0, 10**6))
def test_l2_is_decoupled_decay_for_plain_sgd(lr: float, decay: float, seed: int) -> None:
    gs, p, q = gradients(seed, n=5, steps=3), start(5), start(5)
    follow(SGD([p], lr=lr, weight_decay=decay), p, gs)
    plain = SGD([q], lr=lr)
    for g in gs:
        with torch.no_grad():
            q.grad = torch.tensor(g)
            before = q.clone()
            plain.step()
            q.sub_(lr * decay * before)
    torch.testing.assert_close(p, q, rtol=0, atol=100 * 2.0**-52)


def test_schedule_free_weights_follow_the_warmup() -> None:
    # With r = 0 and p = 2 the weights are γ_max², so c is γ_t² / Σγ².
    p = start(3)
    optimizer = AdamWScheduleFree([p], lr=1.0, warmup_steps=4)
    optimizer.train()
    follow(optimizer, p, gradients(n=3, steps=4))
    group = optimizer.param_groups[0]
    assert group["weight_sum"] == pytest.approx(sum((t / 4) ** 2 for t in range(1, 5)))
    assert (group["k"], group["scheduled_lr"], group["lr_max"]) == (4, 1.0, 1.0)

"""Dvoretzky's process with each condition, and with one broken at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation import Gain, GainWarning
from drivetrain.approximation.processes import Dvoretzky, FiniteDvoretzky, gridworld, reference

R = 500


def size(process: Dvoretzky, steps: int = 3000) -> float:
    """Return the root mean square of Δ at the end."""
    path = process.simulate(5.0, steps, replicas=R, random_state=0)
    return float(np.sqrt(np.mean(path[-1] ** 2)))


@given(st.integers(0, 10**6), st.sampled_from([Gain(), Gain(0.5, 0.7), Gain(2.0, 1.0, 3.0)]))
@settings(deadline=None, max_examples=20)
def test_equals_the_recursion(seed: int, gain: Gain) -> None:
    path = Dvoretzky(gain, 0.3).simulate(2.0, 30, random_state=seed)
    eta = np.random.default_rng(seed).standard_normal((30, 1))[:, 0]
    expected = reference.dvoretzky(2.0, gain.array(30).tolist(), [0.3] * 30, eta.tolist())
    assert path[:, 0].tolist() == expected


def test_all_conditions_together_give_convergence() -> None:
    process = Dvoretzky(Gain(), Gain())
    assert process.check().ok
    # The mean of k normals and a start that is forgotten: 1/sqrt(3000) = .018.
    assert size(process) == pytest.approx(3000**-0.5, rel=0.15)


def test_noise_whose_sum_is_finite_is_allowed() -> None:
    """Σβ_k = ∞ is not required: with β = 0, and with β_k = 1/k², it converges."""
    for beta in (0.0, Gain(alpha=2.0)):
        process = Dvoretzky(Gain(alpha=0.8), beta)
        assert process.check().ok
        assert size(process) < 0.02


@pytest.mark.parametrize(
    ("process", "words"),
    [
        (Dvoretzky(Gain(0.5, 1.5), 0.0), "sum alpha_k < inf"),
        (Dvoretzky(Gain(), 0.5), r"sum beta_k\^2 = inf"),
        (Dvoretzky(0.5, 0.5), r"sum alpha_k\^2 = inf, sum beta_k\^2 = inf"),
        (Dvoretzky(0.0, Gain(alpha=0.7)), "sum alpha_k < inf"),
    ],
)
def test_one_broken_condition_is_enough(process: Dvoretzky, words: str) -> None:
    with pytest.warns(GainWarning, match=words):
        assert not process.check().ok
    assert size(process) > 0.25


def test_noise_that_is_not_centred_breaks_it() -> None:
    shifted = Dvoretzky(Gain(), Gain(), lambda rng, k, path: 1.0 + rng.standard_normal(R))
    assert shifted.check().ok  # the sums do not see it: condition (b) fails
    assert size(shifted) == pytest.approx(1.0, rel=0.01)


def test_noise_without_a_bounded_second_moment_breaks_it() -> None:
    growing = Dvoretzky(Gain(), Gain(), lambda rng, k, path: k**0.6 * rng.standard_normal(R))
    assert size(growing) > 0.5


def test_coefficients_may_depend_on_the_history() -> None:
    """α_k = 1/k while Δ is large, β_k proportional to |Δ_k|/k: noise that dies out with Δ."""

    def beta(k, path):
        assert path.shape == (k, R)
        return np.minimum(np.abs(path[-1]), 1.0) / k

    process = Dvoretzky(lambda k, path: 1.0 / k, beta)
    assert process.check().beta_squares_finite is None
    assert process.check().ok
    assert size(process) < 0.02


def test_the_extension_covers_q_learning() -> None:
    """Δ = q - q* of Q-learning is such a process, and its noise contracts by γ."""
    world = gridworld("..\n#G", gamma=0.8, slip=0.2)
    best = world.value_iteration().ravel()
    n, m = world.shape
    P, rewards = np.asarray(world.transitions), np.asarray(world.rewards)
    visits = np.zeros(n * m)

    def draw(k, delta, rng):
        q = (best + delta).reshape(n, m)
        alpha = np.zeros(n * m)
        cell = rng.integers(n * m)
        visits[cell] += 1
        alpha[cell] = visits[cell] ** -0.7
        after = rng.choice(n, p=P[cell // m, cell % m])
        eta = np.zeros(n * m)
        eta[cell] = rewards.ravel()[cell] + 0.8 * q[after].max() - best[cell]
        return alpha, alpha, eta

    path = FiniteDvoretzky(draw).simulate(np.full(n * m, -5.0), 15_000, random_state=0)
    assert np.abs(path[-1]).max() < 0.3
    assert np.abs(path[-1]).max() < np.abs(path[3000]).max() < 5.0

    def all_cells(k, delta, rng):  # the mean of η over every cell at once
        q = (best + delta).reshape(n, m)
        return 1.0, 1.0, world.backup(q.max(axis=1)).ravel() - best

    for seed in range(5):
        delta = np.random.default_rng(seed).standard_normal(n * m)
        assert FiniteDvoretzky(all_cells).contraction(delta, draws=1) <= 0.8 + 1e-12


def test_without_contraction_the_extension_runs_away() -> None:
    def draw(k, delta, rng):
        return 1 / k, 1 / k, 1.5 * np.abs(delta).max() + rng.standard_normal(3)

    process = FiniteDvoretzky(draw)
    assert process.contraction(np.ones(3), random_state=0) > 1.0
    assert process.simulate(np.ones(3), 5000, random_state=0)[-1].max() > 20.0
    calm = FiniteDvoretzky(lambda k, d, rng: (1 / k, 1 / k, 0.5 * d + rng.standard_normal(3)))
    assert np.abs(calm.simulate(np.ones(3), 5000, random_state=0)[-1]).max() < 0.2


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="alpha must be >= 0"):
        Dvoretzky(-0.1, 0.0)
    with pytest.raises(ValueError, match=r"beta_k must be >= 0\. Got -1 at k = 1"):
        Dvoretzky(0.1, lambda k, path: -1.0).simulate(1.0, 3)
    with pytest.raises(ValueError, match="alpha_k must be finite"):
        Dvoretzky(lambda k, path: np.nan, 0.0).simulate(1.0, 3)
    with pytest.raises(ValueError, match="steps must be >= 0"):
        Dvoretzky(0.1, 0.0).simulate(1.0, -1)
    with pytest.raises(ValueError, match=r"alpha_k must be >= 0\. Got -1 at k = 1"):
        FiniteDvoretzky(lambda k, d, rng: (-1.0, 0.0, 0.0)).simulate([1.0], 2)
    with pytest.raises(ValueError, match="alpha must be >= 0 and < inf"):
        Dvoretzky(np.inf, 0.0)
    with pytest.raises(TypeError, match="noise must be a function"):
        Dvoretzky(0.1, 0.0, "normal")
    with pytest.raises(ValueError, match="start must be"):
        Dvoretzky(0.1, 0.0).simulate(np.inf, 3)
    with pytest.raises(ValueError, match="eta_k must be finite"):
        Dvoretzky(0.1, 0.1, lambda rng, k, path: np.nan).simulate(1.0, 3)
    with pytest.raises(ValueError, match=r"eta_k must be a number or \(2,\)\. Got \(7,\)"):
        Dvoretzky(0.1, 0.1, lambda rng, k, path: np.ones(7)).simulate(1.0, 3, replicas=2)
    with pytest.raises(TypeError, match="draw must be a function"):
        FiniteDvoretzky(3)
    with pytest.raises(ValueError, match=r"draw must return \(alpha_k, beta_k, eta_k\)"):
        FiniteDvoretzky(lambda k, d, rng: (1.0, 0.0)).simulate([1.0], 2)
    with pytest.raises(ValueError, match="alpha_k must be finite"):
        FiniteDvoretzky(lambda k, d, rng: (np.nan, 0.0, 0.0)).simulate([1.0], 2)
    with pytest.raises(ValueError, match="delta must not be 0"):
        FiniteDvoretzky(lambda k, d, rng: (1.0, 0.0, 0.0)).contraction([0.0])

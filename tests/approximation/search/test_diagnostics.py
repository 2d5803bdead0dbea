"""Stationarity tests and the differential equation."""

import math
import warnings

import numpy as np
import pytest

from drivetrain.approximation import Gain, GainWarning
from drivetrain.approximation.search import (
    DistanceSlope,
    FluctuationRelation,
    Pflug,
    gain_clock,
    lyapunov,
    ode_path,
    robbins_monro,
)


def sgd(steps: int, gain: float, start: float, seed: int = 0):
    """Yield (w, g, next w) of a constant-gain search on a quadratic."""
    rng, w = np.random.default_rng(seed), np.full(2, start)
    for _ in range(steps):
        g = w + rng.standard_normal(2)
        after = w - gain * g
        yield w, g, after
        w = after


def test_pflug_is_the_running_sum_of_inner_products() -> None:
    g = np.random.default_rng(0).standard_normal((50, 3))
    test = Pflug(burn_in=5)
    for row in g:
        test.update(row)
    assert test.statistic == pytest.approx(sum(g[k] @ g[k - 1] for k in range(5, 50)), rel=1e-12)


def test_pflug_turns_negative_only_after_arrival() -> None:
    """Near the root E<g_k, g_{k-1}> = -p·a·s²/(2 - a) = -0.22; the way there adds 444."""
    test, first = Pflug(), None
    for k, (_, g, _) in enumerate(sgd(5000, 0.2, 10.0)):
        test.update(g)
        first = k if first is None and test.stationary else first
    assert first is not None
    # 444/0.22 = 2000 steps, give or take the sum's own noise of sqrt(2000)·1.5/0.22 = 300.
    assert 1000 < first < 3000
    late = Pflug(burn_in=200)
    for _, g, _ in sgd(5000, 0.2, 10.0):
        late.update(g)
    assert late.stationary


def test_fluctuation_relation_is_exact_in_the_stationary_state() -> None:
    relation = FluctuationRelation(0.2, origin=[0.0, 0.0])
    ratios = []
    for k, (w, g, _) in enumerate(sgd(60000, 0.2, 100.0), start=1):
        relation.update(w, g)
        if k in (16, 60000):
            ratios.append((relation.ratio, relation.stationary))
    # The telescoped sum leaves (|w_0|² - |w_n|²)/2a over n·E|g|²·a/2: two parts in a thousand at
    # most, and the law of large numbers as much again.
    assert ratios[0][0] > 2.0
    assert ratios[0][1] is False
    assert ratios[1][0] == pytest.approx(1.0, abs=0.03)
    assert ratios[1][1] is True


def test_fluctuation_relation_drops_the_past() -> None:
    relation = FluctuationRelation(1.0)
    for _ in range(1000):
        relation.update(1e6, 1.0)
    for _ in range(3000):
        relation.update(1.0, 2.0)
    assert relation.ratio == 1.0  # <w·g> = 2 = (1/2)·<g·g>


def test_distance_slope_falls_from_two_to_nothing() -> None:
    drifting = DistanceSlope(0.0)
    for k in range(1, 2000):
        drifting.update(0.01 * k)
    assert drifting.slope == pytest.approx(2.0, rel=1e-12)
    assert not drifting.stationary
    arrived = DistanceSlope([100.0, 100.0])
    for k, (_, _, w) in enumerate(sgd(3000, 0.05, 100.0), start=1):
        arrived.update(w)
        if k == 30:
            assert not arrived.stationary
    assert arrived.stationary
    assert abs(arrived.slope) < 0.05


def test_distance_slope_looks_at_powers_of_q() -> None:
    test, seen = DistanceSlope(0.0, q=2.0, first=2), []
    for k in range(1, 40):
        before = test.slope
        test.update(float(k) ** 1.5)
        if test.slope is not before:
            seen.append(k)
    assert seen == [8, 16, 32]
    assert test.slope == pytest.approx(3.0, rel=1e-12)


def test_nothing_is_said_too_early() -> None:
    assert not Pflug().update([1.0]).stationary
    assert math.isnan(FluctuationRelation(0.1).ratio)
    assert not FluctuationRelation(0.1).stationary
    assert not DistanceSlope(0.0).update(1.0).stationary
    assert math.isnan(DistanceSlope(0.0, first=0).update(0.0).update(0.0).update(1.0).slope)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Pflug(0), "burn_in must be >= 1"),
        (lambda: Pflug().update(np.nan), "gradient must be finite"),
        (lambda: FluctuationRelation(0.0), "gain must be > 0"),
        (lambda: FluctuationRelation(1.0).update([1.0, 2.0], 1.0), "must be alike"),
        (lambda: Pflug().update([1.0, 2.0]).update([1.0]), "must hold 2 numbers, as before"),
        (lambda: FluctuationRelation(1.0, origin=[1.0, 2.0]).update(1.0, 1.0), "must be alike"),
        (lambda: DistanceSlope(0.0).update([1.0, 2.0]), "w must have the shape of start"),
        (lambda: ode_path(lambda w: np.ones(3), 0.0, [0.0, 1.0]), r"g\(w\) must have the shape"),
        (lambda: lyapunov(3.0, 0.0), "path must be"),
        (lambda: lyapunov([[1.0, 2.0]], [1.0, 2.0, 3.0]), "path must be"),
        (lambda: DistanceSlope(0.0, q=1.0), "q must be > 1"),
        (lambda: DistanceSlope(0.0, threshold=3.0), "threshold must be > 0 and <= 2"),
        (lambda: ode_path(lambda w: w, 1.0, [0.0, 2.0, 1.0]), "times must rise"),
        (lambda: gain_clock(1.0, -1), "steps must be >= 0"),
    ],
)
def test_bad_input_is_named(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_ode_of_a_line_is_an_exponential() -> None:
    t = np.linspace(0.0, 3.0, 31)
    path = ode_path(lambda w: 2.0 * (w - 1.0), np.array([3.0, 0.0]), t)
    expected = 1.0 + np.exp(-2.0 * t)[:, None] * np.array([2.0, -1.0])
    # Runge-Kutta errs by (2h)^5/120 a step with h = .01, 300 steps: 3e-9 at most.
    assert path == pytest.approx(expected, abs=3e-9)
    v = lyapunov(path, [1.0, 1.0])
    assert v == pytest.approx(2.5 * np.exp(-4.0 * t), abs=2e-8)
    assert np.all(np.diff(v) < 0.0)


def test_a_search_follows_its_ode() -> None:
    gain = Gain(1.0, 0.9, 200.0)
    clock = gain_clock(gain, 3000)
    assert clock[:2].tolist() == [0.0, gain.at(1)]
    r = robbins_monro(
        np.tanh, 3.0, gain=gain, steps=3000, noise=0.2, random_state=0, keep_path=True
    )
    ode = ode_path(np.tanh, 3.0, clock, substeps=1)
    # Fluctuations are sqrt(a_k·s²/2b) = 0.2·sqrt(.0085/2) = .013; five of those.
    assert np.abs(r.path - ode).max() < 0.07


def test_clock_takes_any_gain() -> None:
    assert gain_clock(lambda k: 1 / k, 3).tolist() == [0.0, 1.0, 1.5, 1.5 + 1 / 3]
    with warnings.catch_warnings():
        warnings.simplefilter("error", GainWarning)
        assert gain_clock(Gain(), 0).tolist() == [0.0]

"""Critical values: golden, exact against simulation, and joint tails."""

import math

import numpy as np
import pytest
from scipy import stats

from drivetrain.approximation.inference.pivots import (
    NormalPivot,
    RandomScalingPivot,
    StudentPivot,
    critical,
)


@pytest.mark.parametrize(("level", "golden"), [(0.8, 3.875), (0.9, 5.323), (0.95, 6.747)])
def test_random_scaling_quantiles_are_the_published_ones(level, golden):
    # Published to three decimals: half a unit of the last is 5e-4.
    assert critical(RandomScalingPivot(), level) == pytest.approx(golden, abs=5.1e-4)


def test_normal_and_student_quantiles_are_scipys():
    assert critical(NormalPivot(), 0.99) == pytest.approx(stats.norm.ppf(0.995), rel=1e-11)
    assert critical(StudentPivot(7), 0.95) == pytest.approx(stats.t.ppf(0.975, 7), rel=1e-11)


@pytest.mark.parametrize("level", [1e-6, 0.5, 0.999999])
@pytest.mark.parametrize("pivot", [NormalPivot(), StudentPivot(1), RandomScalingPivot()])
def test_critical_value_inverts_the_tail(pivot, level):
    q = critical(pivot, level)
    assert 1.0 - pivot.tail(q) == pytest.approx(level, abs=1e-9)


def test_tail_of_random_scaling_agrees_with_simulated_brownian_paths():
    # W(1)/(∫bridge²)^½ from the definition, on a grid of 500 steps: bias 1/(6·500) of ∫bridge².
    rng = np.random.default_rng(0)
    draws, steps = 20_000, 500
    steps_of_w = rng.standard_normal((draws, steps)) / math.sqrt(steps)
    w = np.cumsum(steps_of_w, axis=1)
    bridge = w - np.arange(1, steps + 1) / steps * w[:, -1:]
    t = np.abs(w[:, -1]) / np.sqrt(np.mean(bridge**2, axis=1))
    for q in (1.0, 3.875, 6.747):
        p = RandomScalingPivot().tail(q)
        # Four standard errors of the simulation and its grid.
        assert np.mean(t > q) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / draws) + 0.002)


def test_tail_starts_at_one_and_falls_to_zero():
    pivot = RandomScalingPivot()
    assert pivot.tail(0.0) == 1.0
    values = [pivot.tail(t) for t in (1e-8, 0.1, 1.0, 10.0, 100.0, 1e6)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(1.0, abs=1e-7)
    assert values[-1] < 1e-6


def test_joint_tails():
    for pivot in (NormalPivot(), StudentPivot(9), RandomScalingPivot()):
        assert pivot.joint_tail(4.0, 1) == pytest.approx(pivot.tail(2.0), rel=1e-9)
    assert NormalPivot().joint_tail(5.99146, 2) == pytest.approx(0.05, rel=1e-5)
    # Kiefer, Vogelsang and Bunzel (2000), table II, q = 2 at 95 %: F* = 51.41, for W(1)'/2 W.
    statistic = 2 * 51.41
    assert RandomScalingPivot().joint_tail(statistic, 2) == pytest.approx(0.05, abs=4 * 0.0016)


def test_joint_tail_of_student_needs_the_freedom():
    with pytest.raises(ValueError, match="8 restrictions needs"):
        StudentPivot(7).joint_tail(1.0, 8)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_level_must_lie_inside(level):
    with pytest.raises(ValueError, match="level must be"):
        critical(NormalPivot(), level)

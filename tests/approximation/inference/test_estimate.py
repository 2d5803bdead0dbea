"""Intervals, contrasts, the delta method and joint tests."""

import numpy as np
import pytest

from drivetrain.approximation.inference import Estimate
from drivetrain.approximation.inference.pivots import NormalPivot, RandomScalingPivot

C = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.02], [0.0, 0.02, 0.16]])
VALUE = np.array([1.0, 2.0, -4.0])


def made(**changes):
    settings = {"value": VALUE, "covariance": C, "pivot": NormalPivot(), "method": "m", "n": 10}
    return Estimate(**(settings | changes))


def test_interval_reaches_the_critical_value_in_standard_errors():
    interval = made().interval(0.95)
    np.testing.assert_allclose(interval.high - VALUE, 1.959963984540054 * np.sqrt(np.diag(C)))
    np.testing.assert_allclose(interval.width, interval.high - interval.low)
    assert interval.array().shape == (3, 2)
    assert interval.level == 0.95
    assert interval.contains(VALUE).all()
    assert not interval.contains(VALUE + 10).any()


def test_contrast_is_linear_algebra():
    R = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, 1.0]])
    found = made().contrast(R)
    np.testing.assert_allclose(found.value, R @ VALUE)
    np.testing.assert_allclose(found.covariance, R @ C @ R.T)


def test_function_agrees_with_its_jacobian_and_with_ratio():
    by_hand = made().ratio(0, 1)
    gradient = np.array([1 / 2.0, -1 / 4.0, 0.0])
    np.testing.assert_allclose(by_hand.covariance, [[gradient @ C @ gradient]])
    given = made().function(lambda b: b[0] / b[1], lambda b: [1 / b[1], -b[0] / b[1] ** 2, 0.0])
    np.testing.assert_allclose(given.covariance, by_hand.covariance, rtol=1e-14)
    # Central differences: error eps^(2/3) ~ 4e-11 of the slope.
    guessed = made().function(lambda b: b[0] / b[1])
    np.testing.assert_allclose(guessed.covariance, by_hand.covariance, rtol=1e-9)
    assert guessed.value == [0.5]


def test_function_may_be_a_vector():
    found = made().function(lambda b: [b @ b, b[0]])
    assert found.covariance.shape == (2, 2)
    np.testing.assert_allclose(found.covariance[0, 0], 4 * VALUE @ C @ VALUE, rtol=1e-8)


def test_joint_test_is_the_quadratic_form():
    outcome = made().test()
    assert outcome.statistic == pytest.approx(VALUE @ np.linalg.solve(C, VALUE), rel=1e-12)
    assert outcome.rank == 3
    assert 0.0 <= outcome.p_value < 1e-6
    assert made().test([1.0, 0.0, 0.0], 1.0).p_value == 1.0


def test_joint_test_does_not_hang_on_units():
    scale = np.array([1e9, 1.0, 1e-9])
    scaled = made(value=VALUE * scale, covariance=C * np.outer(scale, scale))
    assert scaled.test().statistic == pytest.approx(made().test().statistic, rel=1e-9)


def test_singular_matrix_gives_intervals_but_no_joint_test():
    rank_one = made(covariance=np.outer(VALUE, VALUE), pivot=RandomScalingPivot())
    assert np.isfinite(rank_one.interval().array()).all()
    with pytest.raises(ValueError, match="singular"):
        rank_one.test()
    with pytest.raises(ValueError, match="no spread"):
        made(covariance=np.zeros((3, 3))).test()


def test_diagonal_only_refuses_what_needs_the_whole():
    diagonal = made(joint=False)
    assert np.isfinite(diagonal.interval().array()).all()
    for call in (
        lambda: diagonal.contrast([1.0, 0.0, 0.0]),
        lambda: diagonal.ratio(0, 1),
        lambda: diagonal.function(lambda b: b[0]),
        diagonal.test,
    ):
        with pytest.raises(ValueError, match="diagonal only"):
            call()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="weights must have 3 columns"):
        made().contrast([1.0, 2.0])
    with pytest.raises(ValueError, match="jacobian must have 3 columns"):
        made().function(lambda b: b[0], lambda b: [1.0])
    with pytest.raises(ValueError, match="denominator"):
        made().ratio(0, 3)
    with pytest.raises(ValueError, match="must not be 0"):
        made(value=np.array([1.0, 0.0, 1.0])).ratio(0, 1)
    with pytest.raises(ValueError, match="position 1"):
        made().contrast([1.0, np.nan, 0.0])

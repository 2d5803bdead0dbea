"""Gains: the numbers, the symbolic conditions, the textbook failures."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import SGDRegressor

from drivetrain.approximation import Gain, GainWarning, advise_gain, check_gain, robbins_monro
from drivetrain.approximation.gains import tabulated
from drivetrain.approximation.search import simulate


def quietly(gain: Gain, **kwargs: float):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GainWarning)
        return gain.check(**kwargs)


@pytest.mark.parametrize(
    ("gain", "infinite", "finite"),
    [
        (Gain(alpha=1.0), True, True),
        (Gain(alpha=0.7), True, True),
        (Gain(alpha=0.5), True, False),
        (Gain(alpha=0.5, log_power=-0.5), True, False),
        (Gain(alpha=0.5, log_power=-0.6), True, True),
        (Gain(alpha=1.0, log_power=-1.0), True, True),
        (Gain(alpha=1.0, log_power=-1.1), False, True),
        (Gain(alpha=1.2), False, True),
        (Gain(alpha=1.2, log_power=9.0), False, True),
        (Gain.constant(0.1), True, False),
        (Gain.invscaling(0.01, 0.25), True, False),
        (Gain.optimal(1e-4), True, True),
    ],
)
def test_conditions_are_decided_by_the_exponents(gain: Gain, infinite: bool, finite: bool) -> None:
    report = quietly(gain)
    assert (report.sum_infinite, report.squares_finite) == (infinite, finite)
    assert report.ok == (infinite and finite)


def test_what_fails_is_warned_about_with_the_reason() -> None:
    with pytest.warns(GainWarning, match=r"constant gain does not settle.*alpha = 0 < 1/2"):
        Gain.constant(0.1).check()
    with pytest.warns(GainWarning, match=r"sum a_k < inf: alpha = 1.5 > 1"):
        Gain(alpha=1.5).check()
    with pytest.warns(GainWarning, match=r"a\*b = 0.4 <= 1/2.*take a = 2"):
        Gain(a=0.8).check(slope=0.5)


@pytest.mark.parametrize(
    ("gain", "fast"),
    [
        (Gain(a=1.0), True),
        (Gain(a=0.5), False),
        (Gain(a=0.1, alpha=0.9), True),
        (Gain(a=0.1, log_power=1.0), True),
        (Gain(a=9.0, log_power=-1.0), False),
        (Gain(a=9.0, alpha=1.1), False),
    ],
)
def test_rate_needs_more_than_half_only_for_one_over_k(gain: Gain, fast: bool) -> None:
    assert quietly(gain, slope=1.0).fast is fast


@given(
    a=st.floats(1e-3, 1e3),
    alpha=st.sampled_from([0.0, 0.3, 0.5, 0.505, 1.0, 1.5]),
    A=st.floats(-0.9, 1e3),
    beta=st.sampled_from([0.0, -1.0, 0.5, 2.0]),
    start=st.integers(1, 1000),
)
@settings(deadline=None, max_examples=60)
def test_array_holds_the_very_numbers_of_at(
    a: float, alpha: float, A: float, beta: float, start: int
) -> None:
    gain = Gain(a, alpha, A, beta)
    assert gain.array(50, start).tolist() == [gain.at(k) for k in range(start, start + 50)]


def test_the_first_step_is_one() -> None:
    assert Gain().at(1) == 1.0
    for call in (Gain().at, Gain()):
        with pytest.raises(ValueError, match=r"k must be >= 1\. Got 0"):
            call(0)
    with pytest.raises(ValueError, match="start must be >= 1"):
        Gain().array(3, start=0)


@pytest.mark.parametrize("beta", [1.0, -1.0])
def test_log_of_one_neither_stops_nor_blows_up_the_first_step(beta: float) -> None:
    first = Gain(log_power=beta).at(1)
    assert first == math.log(2) ** beta
    assert Gain(log_power=beta).at(3) == math.log(3) ** beta / 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"a": 0.0}, "a must be > 0"),
        ({"a": math.inf}, "a must be"),
        ({"alpha": -0.1}, "alpha must be >= 0"),
        ({"A": -1.0}, "A must be > -1"),
        ({"A": math.nan}, "A must be"),
        ({"log_power": math.inf}, "log_power must be"),
    ],
)
def test_bad_parameters_are_named(options: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Gain(**options)


def test_invscaling_is_that_of_scikit_learn() -> None:
    """One step of SGD on x = 1 from w = 0 moves by eta·y, so partial fits reveal the gain."""
    gain = Gain.invscaling(0.3, 0.505)
    model = SGDRegressor(penalty=None, eta0=0.3, power_t=0.505, fit_intercept=False, shuffle=False)
    w = 0.0
    for k in range(1, 40):
        model.partial_fit([[1.0]], [2.0])
        w -= gain.at(k) * (w - 2.0)
        assert model.coef_[0] == pytest.approx(w, rel=1e-15, abs=0.0)


def test_optimal_is_that_of_scikit_learn() -> None:
    model = SGDRegressor(
        penalty="l2", alpha=1e-3, learning_rate="optimal", fit_intercept=False, shuffle=False
    )
    gain, w = Gain.optimal(1e-3), 0.0
    for k in range(1, 40):
        model.partial_fit([[0.1]], [2.0])
        w = w * (1.0 - gain.at(k) * 1e-3) - gain.at(k) * (0.1 * w - 2.0) * 0.1
        # Forty steps, each contracting, with a gain that is right to four ulp: 40·4·eps.
        assert model.coef_[0] == pytest.approx(w, rel=4e-14)


@pytest.mark.parametrize(
    ("function", "infinite", "finite"),
    [
        (lambda k: 1 / k**0.7, True, True),
        (lambda k: 2 / (k + 50) ** 0.8, True, True),
        (lambda k: 1 / k**0.3, True, False),
        (lambda k: 1 / k**1.5, False, True),
        (lambda k: 0.1, True, False),
        (lambda k: 1 / k, None, True),
    ],
)
def test_functions_are_judged_by_their_slope(function, infinite, finite) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = check_gain(function)
    assert (report.sum_infinite, report.squares_finite) == (infinite, finite)
    assert len(caught) == (not report.ok)
    assert "no proof" in str(report)


def test_a_function_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"gain\(10000\) must be >= 0"):
        check_gain(lambda k: -1.0)


def test_a_function_that_vanishes_or_ends_is_allowed() -> None:
    with pytest.warns(GainWarning, match=r"k\^-inf"):
        report = check_gain(lambda k: 0.5**k)
    assert (report.sum_infinite, report.squares_finite) == (False, True)
    table = [1.0, 0.5, 0.25]
    report = check_gain(lambda k: table[k - 1])
    assert (report.sum_infinite, report.squares_finite) == (None, None)
    assert robbins_monro(lambda w: w - 1.0, 0.0, steps=3, gain=lambda k: table[k - 1]).x == 1.0


def test_steep_gains_fall_to_nothing_instead_of_overflowing() -> None:
    # 10^400 is no float; 1/inf is 0, which is what a_10 rounds to.
    gain = Gain(alpha=400.0)
    assert gain.at(10) == 0.0
    assert gain.array(10).tolist() == [gain.at(k) for k in range(1, 11)]


def test_parameters_become_python_floats() -> None:
    gain = Gain(np.float32(0.1), np.int64(1), np.float32(2.0))  # type: ignore[arg-type]
    assert all(type(value) is float for value in (gain.a, gain.alpha, gain.A, gain.at(3)))


def test_a_number_is_a_constant_gain() -> None:
    with pytest.warns(GainWarning, match="does not settle"):
        assert check_gain(0.1).squares_finite is False


def test_pilot_run_gives_the_best_gain() -> None:
    r = robbins_monro(
        lambda w: 4.0 * (w - 1.0), 10.0, gain=Gain(0.05, 0.6), steps=400, noise=1.0, random_state=0
    )
    advice = advise_gain(r.path[:-1], r.observations)
    # Five standard errors, as the regression itself reports them.
    assert abs(advice.slope - 4.0) < 5 * advice.error
    assert advice.gain == Gain(1.0 / advice.slope)
    assert abs(advice.root[0] - 1.0) < 0.2
    assert quietly(advice.gain, slope=4.0).fast


def test_pilot_run_in_two_dimensions_takes_the_least_eigenvalue() -> None:
    H = np.array([[3.0, 1.0], [1.0, 2.0]])
    w = np.random.default_rng(0).standard_normal((50, 2))
    advice = advise_gain(w, (w - 1.0) @ H, target=0.0)
    assert advice.slope == pytest.approx(np.linalg.eigvalsh(H)[0], rel=1e-12)
    assert advice.root == pytest.approx([1.0, 1.0], rel=1e-12)


@pytest.mark.parametrize(
    ("w", "y", "words"),
    [
        ([1.0, 2.0], [1.0, 2.0], "n >= p"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "spread"),
        ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0], "sign=-1"),
        ([1.0, math.nan, 3.0], [3.0, 2.0, 1.0], "points must be finite. Got nan at position 1"),
    ],
)
def test_bad_pilot_runs_say_what_is_wrong(w, y, words) -> None:
    with pytest.raises(ValueError, match=words):
        advise_gain(w, y)


def spread(gain: Gain, steps: int) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GainWarning)
        study = simulate(lambda w: w, 1.0, steps=steps, gain=gain, random_state=0, replicas=400)
    return float(np.sqrt(np.mean(study.x**2)))


def test_textbook_failures() -> None:
    """A constant step and alpha < 1/2 do not settle, alpha > 1 stops early, ab <= 1/2 is slow.

    400 searches know a root mean square to 4 %; every margin below is many times that.
    """
    assert spread(Gain.constant(0.5), 4000) == pytest.approx(
        spread(Gain.constant(0.5), 400), rel=0.2
    )
    assert spread(Gain(alpha=0.3), 4000) > 4 * spread(Gain(), 4000)
    early = spread(Gain(a=0.3, alpha=1.5), 4000)
    assert early == pytest.approx(spread(Gain(a=0.3, alpha=1.5), 400), rel=0.05)
    assert early > 0.3
    # From n = 400 to 4000 the error falls by sqrt(10) = 3.2 if ab > 1/2, by 1.6 for ab = 0.2.
    assert spread(Gain(0.2), 400) / spread(Gain(0.2), 4000) < 2.0
    assert spread(Gain(1.0), 400) / spread(Gain(1.0), 4000) > 2.7


def test_tabulated_gains_are_the_same_numbers_in_any_order() -> None:
    gain = Gain(0.5, 0.7, 3.0, 1.0)
    table = tabulated(gain)
    for k in (1, 2, 256, 257, 900, 3, 1, 10**6):
        assert table(k) == gain.at(k)
    function = lambda k: 1 / k  # noqa: E731
    assert tabulated(function) is function
    with pytest.raises(ValueError, match="must be >= 1"):
        tabulated(gain)(0)

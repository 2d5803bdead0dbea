"""The incremental mean: exact for 1/k, the recursion for any other gain."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation.gains import Gain
from drivetrain.approximation.streams import (
    Covariance,
    EWMean,
    EWMoments,
    Mean,
    Moments,
    Quantiles,
)
from drivetrain.approximation.streams import reference as ref
from drivetrain.core.errors import CheckpointError

numbers = st.floats(-1e100, 1e100, allow_subnormal=False)


# Golden values.


def test_running_means_of_a_short_list() -> None:
    stream = Mean()
    assert [stream.update(x).mean for x in (3.0, 1.0, 5.0, 3.0)] == [3.0, 2.0, 3.0, 3.0]


def test_constant_gain_is_the_recursion() -> None:
    # 8 -> 4 + 0.5 * (2 - 4) and so on, exact in binary.
    stream = Mean(gain=lambda k: 0.5)
    assert [stream.update(x).mean for x in (8.0, 2.0, 7.0)] == [4.0, 3.0, 5.0]


# Properties.


@settings(deadline=None, max_examples=40)
@given(st.lists(numbers, min_size=1, max_size=60))
def test_each_reading_is_within_one_ulp_of_the_exact_mean(values: list[float]) -> None:
    stream, exact = Mean(), Fraction(0)
    for k, x in enumerate(values, start=1):
        exact += Fraction(x)
        mean = float(exact / k)
        # One rounding of sum + carry and one of the quotient, half a unit each; the carry itself
        # is rounded at the scale of the largest terms, 2^-53 of it squared.
        scale = max(abs(v) for v in values[:k])
        assert abs(stream.update(x).mean - mean) <= math.ulp(mean) + k * scale * 2.0**-104


def test_the_step_is_robbins_monro_with_gain_one_over_k() -> None:
    values = np.random.default_rng(0).standard_normal(500)
    stream = Mean()
    for path in ref.incremental_mean(values):
        x = values[stream.count]
        # The reference rounds thrice a step and each error lives on: k/2 ulps at most.
        assert stream.update(float(x)).mean == pytest.approx(path, abs=500 * 2.0**-53)


def test_a_million_values_end_within_an_ulp() -> None:
    values = np.random.default_rng(1).standard_normal(10**6) + 7
    exact = math.fsum(values) / len(values)
    assert abs(Mean().update(values).mean - exact) <= math.ulp(exact)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(numbers, max_size=40), st.lists(numbers, max_size=40), st.lists(numbers, min_size=1)
)
def test_merge_is_associative_and_commutative(a: list, b: list, c: list) -> None:
    def mean(*parts: list) -> Mean:
        stream = Mean()
        for part in parts:
            stream.merge(Mean().update(np.array(part)))
        return stream

    left, right = mean(a, b, c), mean(c, a).merge(mean(b))
    scale = max(map(abs, [*a, *b, *c]))
    assert left.mean == pytest.approx(right.mean, rel=2.0**-52, abs=scale * 1e-30)


def test_any_gain_equals_its_loop_to_the_bit() -> None:
    gain = Gain(a=1.0, alpha=0.7)
    values = np.random.default_rng(2).standard_normal((3000, 3))
    whole, loop = Mean(gain, shape=3).update(values), Mean(gain, shape=3)
    for row in values:
        loop.update(row)
    assert np.array_equal(whole.mean, loop.mean)
    path = list(ref.incremental_mean(values, gain.at))
    np.testing.assert_allclose(whole.mean, path[-1], rtol=0, atol=1e-14)


# The face.


def test_vectors_matrices_iterators_and_strides() -> None:
    x = np.arange(24.0).reshape(4, 2, 3)
    for stream in (
        Mean(shape=(2, 3)).update(x),
        Mean(shape=(2, 3)).update(iter([x[:1], x[1], x[2:]])),
        Mean(shape=(2, 3)).update(np.asfortranarray(x)),
        Mean(shape=(2, 3)).update(x.astype(np.int32)),
    ):
        assert stream.count == 4
        np.testing.assert_array_equal(stream.get(), x.mean(axis=0))


@pytest.mark.parametrize("gain", [None, Gain(alpha=0.6)])
def test_resuming_continues_to_the_bit(tmp_path, gain) -> None:
    x = np.random.default_rng(3).standard_normal(2500)
    through = Mean(gain).update(x)
    first = Mean(gain).update(x[:777])
    first.save(tmp_path)
    resumed = Mean.load(tmp_path, gain=gain)
    assert resumed.update(x[777:]).mean == through.mean
    assert resumed.count == 2500


# The edge table.


def test_empty_stream_is_nan_and_says_so() -> None:
    with pytest.warns(RuntimeWarning, match="empty stream"):
        assert math.isnan(Mean().mean)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_policies(bad: float) -> None:
    stream = Mean().update([1.0, 2.0])
    with pytest.raises(ValueError, match=r"x must be finite\. Got .* at position 2"):
        stream.update(bad)
    with pytest.raises(ValueError, match="at position 1"):
        stream.update([5.0, bad])
    assert stream.mean == 1.5
    assert Mean(nan_policy="omit").update([1.0, bad, 2.0]).update(bad).mean == 1.5
    assert not math.isfinite(Mean(nan_policy="propagate").update([1.0, bad]).mean)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Mean().update("text"), TypeError, "real numbers"),
        (lambda: Mean().update([[1.0]]), ValueError, r"0-d or 1-d\. Got shape \(1, 1\)"),
        (lambda: Mean(shape=2).update(1.0), ValueError, r"Got \(\)"),
        (lambda: Mean(shape=2).update([1.0, 2.0, 3.0]), ValueError, r"Got \(3,\)"),
        (lambda: Mean(gain=-1.0), ValueError, "gain must be > 0"),
        (lambda: Mean(gain=0.5).merge(Mean()), ValueError, "gain=None"),
        (lambda: Mean().merge(3), TypeError, "other must be a Mean"),
        (lambda: Mean(nan_policy="omti"), ValueError, "Did you mean 'omit'"),
        (lambda: Mean.from_state({"count": 1}), CheckpointError, "Missing: shape"),
    ],
)
def test_hostile_input_gets_one_line(call, error, words) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_gain_is_given_again_when_resuming() -> None:
    with pytest.raises(ValueError, match="gain must be the gain of the saved stream"):
        Mean.from_state(Mean(gain=0.5).state_dict())


@pytest.mark.peer
def test_agrees_with_river() -> None:
    stats = pytest.importorskip("river.stats")
    ours, theirs = Mean(), stats.Mean()
    for x in np.random.default_rng(4).standard_normal(300).tolist():
        ours.update(x)
        theirs.update(x)
    # river's recursion: three roundings a step, of numbers below 4.
    assert ours.get() == pytest.approx(theirs.get(), abs=300 * 4 * 2.0**-53)


def test_a_sum_that_overflows_is_told() -> None:
    stream = Mean().update(np.full(3, 1e308))
    with pytest.warns(RuntimeWarning, match="the sum overflows"):
        assert np.isnan(stream.mean)
    assert Moments(1).update(np.full(3, 1e308)).mean == 1e308


def test_masked_values_are_not_taken_for_data() -> None:
    x = np.ma.masked_equal([1.0, 2.0, 99.0], 99.0)
    for stream in (Mean(), Moments(), EWMean(0.5), EWMoments(0.5), Quantiles([0.5])):
        with pytest.raises(ValueError, match=r"no masked values. Got 1: give x.compressed\(\)"):
            stream.update(x)
        stream.update(np.ma.masked_array([1.0, 2.0]))
    with pytest.raises(ValueError, match="masked"):
        Covariance(3).update(x)

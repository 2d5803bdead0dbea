"""Exponentially weighted means and moments."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation.streams import EWMean, EWMoments
from drivetrain.approximation.streams import reference as ref
from drivetrain.core.errors import CheckpointError

# Golden values.


def test_four_values_by_hand() -> None:
    # alpha = 1/2: weights 1/8 1/8 1/4 1/2 of 8 0 4 2, mean 3, deviations 5 -3 1 -1.
    s = EWMoments(0.5, order=4).update([8.0, 0.0, 4.0, 2.0])
    assert (s.mean, s.var, s.count) == (3.0, (25 + 9 + 2 + 4) / 8, 4)
    assert s.skew == pytest.approx((125 - 27 + 2 - 4) / 8 / 5**1.5, rel=1e-14)
    assert s.kurtosis == pytest.approx((625 + 81 + 2 + 4) / 8 / 25 - 3, rel=1e-14)
    assert EWMean(0.5).update([8.0, 0.0, 4.0, 2.0]).mean == 3.0


# Against the definition.


@settings(deadline=None, max_examples=30)
@given(st.floats(0.001, 1.0), st.integers(1, 3000), st.integers(0, 99))
def test_equals_the_weights_written_out(alpha: float, n: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(n) + 1e3
    want = ref.exponential_moments(x, alpha)
    s = EWMoments(alpha, order=4).update(x)
    # (1 - alpha)^age by one power or by block after block: some n eps apart at worst.
    assert s.mean == pytest.approx(want.m, rel=1e-14)
    for got, power in ((s._moment("var", 2), 2), (s._moment("m3", 3), 3), (s._moment("m4", 4), 4)):
        assert got == pytest.approx(want[power] / want.n, abs=1e-10)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_loop_and_any_cut_give_the_same_bits(order: int) -> None:
    x = np.random.default_rng(1).standard_normal(4000)
    whole, loop, parts = (EWMoments(0.01, order) for _ in range(3))
    whole.update(x)
    for value in x.tolist():
        loop.update(value)
    for part in np.array_split(x, 13):
        parts.update(part)
        assert math.isfinite(parts.mean)
    assert whole.get() == loop.get() == parts.get()


def test_mean_alone_equals_the_moments_and_its_loop() -> None:
    x = np.random.default_rng(2).standard_normal(4000) + 5
    loop = EWMean(0.02)
    for value in x.tolist():
        loop.update(value)
    # The loop rounds each step; what is forgotten takes its errors with it: 1/alpha steps live.
    assert EWMean(0.02).update(x).mean == pytest.approx(loop.mean, rel=50 * 2.0**-52)
    assert EWMoments(0.02).update(x).mean == pytest.approx(loop.mean, rel=50 * 2.0**-52)


def test_far_from_zero_the_variance_keeps_its_digits() -> None:
    x = np.random.default_rng(3).standard_normal(5000)
    near, far = EWMoments(0.01).update(x + 16.0), EWMoments(0.01).update(x + 2.0**30)
    # Adding 2^30 rounds each value by 2^-23 at most.
    assert far.var == pytest.approx(near.var, abs=4 * 2.0**-23)


# State and edges.


@pytest.mark.parametrize("kind", [EWMean, EWMoments])
def test_resuming_continues_to_the_bit(tmp_path, kind) -> None:
    x = np.random.default_rng(4).standard_normal(3000)
    through = kind(0.1).update(x[:1500]).update(x[1500:])
    kind(0.1).update(x[:1500]).save(tmp_path)
    assert kind.load(tmp_path).update(x[1500:]).get() == through.get()
    kind(0.1).save(tmp_path)
    assert kind.load(tmp_path).update(x[:5]).get() == kind(0.1).update(x[:5]).get()


@pytest.mark.parametrize("kind", [EWMean, EWMoments])
def test_nan_policies(kind) -> None:
    x = np.array([1.0, math.nan, 3.0])
    stream = kind(0.5).update([4.0])
    with pytest.raises(ValueError, match="at position 1"):
        stream.update(x)
    with pytest.raises(ValueError, match="Got inf"):
        stream.update(math.inf)
    assert stream.mean == 4.0
    assert kind(0.5, nan_policy="omit").update(x).mean == 2.0
    assert math.isnan(kind(0.5, nan_policy="propagate").update(x).mean)


def test_empty_constant_and_iterators() -> None:
    for stream in (EWMean(0.1), EWMoments(0.1)):
        with pytest.warns(RuntimeWarning, match="empty stream"):
            assert math.isnan(stream.mean)
        assert stream.update(iter([[1.0, 1.0], 1])).mean == 1.0
    with pytest.warns(RuntimeWarning, match="do not vary"):
        assert math.isnan(EWMoments(0.1, 3).update([1.0, 1.0]).skew)
    assert EWMoments(1.0).update([1.0, 5.0]).get() == {"mean": 5.0, "var": 0.0}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: EWMean(0.0), ValueError, "alpha must be > 0 and <= 1"),
        (lambda: EWMoments(1.5), ValueError, "alpha must be > 0 and <= 1"),
        (lambda: EWMoments(0.5).kurtosis, ValueError, "kurtosis needs order >= 4"),
        (lambda: EWMoments(0.5).update(np.ones((2, 2))), ValueError, r"\(2, 2\)"),
        (lambda: EWMean.from_state({}), CheckpointError, "Missing: alpha"),
    ],
)
def test_hostile_input_gets_one_line(call, error, words) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.peer
def test_agrees_with_river() -> None:
    stats = pytest.importorskip("river.stats")
    ours, mean, var = EWMoments(0.3), stats.EWMean(0.3), stats.EWVar(0.3)
    for x in np.random.default_rng(5).standard_normal(200).tolist():
        ours.update(x)
        mean.update(x)
        var.update(x)
    assert ours.mean == pytest.approx(mean.get(), rel=1e-13)
    # river takes E[x²] - E[x]², which near zero is harmless.
    assert ours.var == pytest.approx(var.get(), rel=1e-12)

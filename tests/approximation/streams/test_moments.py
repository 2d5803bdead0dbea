"""Streaming moments against exact rational arithmetic, the reference, scipy and river."""

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from drivetrain.approximation.streams import Moments, _numba
from drivetrain.approximation.streams import reference as ref
from drivetrain.core.errors import CheckpointError

EPS = 2.0**-52
samples = st.lists(st.integers(-(10**6), 10**6).map(lambda i: i / 64), min_size=2, max_size=50)


def exact(values: np.ndarray) -> list[Fraction]:
    """Return the mean and the central power sums of orders 2 to 4, without any rounding."""
    parts = [Fraction(v) for v in values.tolist()]
    mean = sum(parts, Fraction(0)) / len(parts)
    return [mean, *(sum((v - mean) ** p for v in parts) for p in (2, 3, 4))]


# Golden values.


def test_a_sample_worked_by_hand() -> None:
    # 1 2 3 4 10: mean 4, deviations -3 -2 -1 0 6, M2 = 50, M3 = 180, M4 = 1394.
    s = Moments(order=4).update([1, 2, 3, 4, 10])
    assert (s.mean, s.var, s.min, s.max, s.count, s.weight) == (4.0, 12.5, 1.0, 10.0, 5, 5.0)
    assert s.skew == pytest.approx(5**0.5 * 180 / 50**1.5, rel=4 * EPS)
    assert s.kurtosis == pytest.approx(5 * 1394 / 2500 - 3, rel=4 * EPS)


def test_an_offset_of_1e9_costs_no_digit() -> None:
    x = 1e9 + np.random.default_rng(1).standard_normal(10**5)
    mean, m2, m3, m4 = exact(x)
    s = Moments(order=4, ddof=0).update(x)
    # The goal is 1e-14; block sums of 1024 terms over 100 merges leave some ten roundings.
    assert abs(Fraction(s.var) * len(x) / m2 - 1) <= 1e-14
    assert abs(Fraction(s.mean) - mean) <= math.ulp(1e9)
    # M3 nearly cancels, so its error is measured on the scale M2^(3/2) / sqrt(n).
    assert s.skew == pytest.approx(float(m3) / float(m2) ** 1.5 * len(x) ** 0.5, abs=1e-13)
    assert s.kurtosis + 3 == pytest.approx(float(m4 / m2**2) * len(x), rel=1e-13)
    assert Moments(order=2, ddof=0).update(x).var == pytest.approx(s.var, rel=1e-15)


# Properties.


@settings(deadline=None, max_examples=50)
@given(samples)
def test_equals_exact_arithmetic(values: list[float]) -> None:
    x = np.array(values)
    mean, m2, m3, m4 = (float(v) for v in exact(x))
    s = Moments(order=4, ddof=0).update(x)
    n, spread = len(x), float(np.ptp(x))
    # Each of n terms is rounded a few times at the scale of the spread to its power.
    assert s.mean == pytest.approx(mean, abs=4 * math.ulp(np.abs(x).max()))
    assert s.var == pytest.approx(m2 / n, rel=1e-14, abs=n * spread**2 * EPS * EPS)
    if spread:
        assert s.skew * s.var**1.5 == pytest.approx(m3 / n, abs=8 * n * EPS * spread**3)
        assert (s.kurtosis + 3) * s.var**2 == pytest.approx(m4 / n, abs=8 * n * EPS * spread**4)
    assert (s.min, s.max) == (x.min(), x.max())


@settings(deadline=None, max_examples=30)
@given(samples, samples, samples)
def test_merge_is_associative_and_commutative(a: list, b: list, c: list) -> None:
    def of(values: list) -> Moments:
        return Moments(order=4).update(np.array(values))

    left = of(a).merge(of(b)).merge(of(c))
    right = of(c).merge(of(b).merge(of(a)))
    scale = float(np.ptp([*a, *b, *c])) or 1.0
    assert left.mean == pytest.approx(right.mean, rel=1e-15, abs=1e-15 * scale)
    assert left.var == pytest.approx(right.var, rel=4e-15, abs=(1e-15 * scale) ** 2)
    assert (left.min, left.max, left.count) == (right.min, right.max, right.count)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 4), st.lists(st.integers(0, 2500), max_size=6), st.integers(0, 9))
def test_any_cut_of_a_stream_gives_the_same_bits(order: int, cuts: list, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(5000)
    whole, parts = Moments(order).update(x), Moments(order)
    for part in np.split(x, np.sort(cuts)):
        parts.update(part)
        assert parts.count or not len(part)
    assert parts.get() == whole.get()


def test_batch_equals_the_loop_of_single_updates() -> None:
    x = np.random.default_rng(5).standard_normal(3000)
    loop = Moments(4)
    for value in x.tolist():
        loop.update(value)
    assert loop.get() == Moments(4).update(x).get()


@settings(deadline=None, max_examples=30)
@given(samples, st.integers(0, 1000))
def test_whole_weights_repeat_observations(values: list, seed: int) -> None:
    w = np.random.default_rng(seed).integers(0, 4, len(values))
    w[0] = 2
    weighted = Moments(order=4).update(values, weights=w)
    repeated = Moments(order=4).update(np.repeat(values, w))
    assert weighted.weight == w.sum() and weighted.weight_squared == (w**2).sum()
    assert weighted.count == np.count_nonzero(w)
    assert (weighted.min, weighted.max) == (repeated.min, repeated.max)
    assert weighted.var == pytest.approx(repeated.var, rel=1e-13)
    if repeated.var:
        # Skewness and kurtosis are bounded by √n and n here; their sums lose a few eps of that.
        assert weighted.skew == pytest.approx(repeated.skew, abs=1e-12)
        assert weighted.kurtosis == pytest.approx(repeated.kurtosis, abs=1e-11)


def test_columns_are_streams_of_their_own() -> None:
    x = np.random.default_rng(6).standard_normal((4000, 3)) * (1, 10, 100) + 1e6
    whole = Moments(order=4).update(x[:1500]).update(x[1500:])
    for j in range(3):
        alone = Moments(order=4).update(x[:, j])
        for name in ("mean", "var", "min", "max", "count"):
            assert getattr(whole, name)[j] == pytest.approx(getattr(alone, name), rel=1e-14)
        assert whole.kurtosis[j] == pytest.approx(alone.kurtosis, abs=1e-12)


# Kernels against the reference.


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [1, 2, 7, 1023, 1024, 1025, 5000])
def test_kernel_equals_reference(n: int, weighted: bool) -> None:
    rng = np.random.default_rng(n)
    x, w = rng.standard_normal(n) + 3, rng.random(n) if weighted else None
    s = Moments(order=4, ddof=0).update(x, weights=w)
    row, want = s._settled(), ref.moments(x, w)
    assert row[_numba.SHIFT] + row[_numba.MEAN] == pytest.approx(want.m, rel=1e-14)
    # A few roundings a term, of terms whose sizes add to the absolute moments.
    for power, index in ((2, _numba.M2), (3, _numba.M3), (4, _numba.M4)):
        scale = float(np.sum(np.abs(x - want.m) ** power)) + EPS
        assert row[index] == pytest.approx(want[power], abs=2e-14 * scale)


def test_merge_equals_the_references_merge() -> None:
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal(100), rng.exponential(size=37) + 5
    want = ref.merge(ref.moments(x), ref.moments(y))
    row = Moments(4).update(x).merge(Moments(4).update(y))._settled()
    got = [row[_numba.WEIGHT], row[_numba.SHIFT] + row[_numba.MEAN], *row[5:8]]
    np.testing.assert_allclose(got, want, rtol=1e-12)


# The edge table.


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.int64, np.uint8, bool])
def test_dtypes(dtype) -> None:
    x = np.random.default_rng(9).integers(0, 100, 3000).astype(dtype)
    assert Moments().update(x).get() == pytest.approx(
        Moments().update(x.astype(np.float64)).get(), rel=1e-14
    )


def test_strides_lists_tensors_and_iterators() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(10).standard_normal(6000)
    want = Moments(4).update(x).get()
    tensor = torch.from_numpy(x.copy()).requires_grad_()
    inputs = [x.tolist(), x[::-1][::-1], np.repeat(x, 2)[::2], tensor, iter(np.array_split(x, 7))]
    for given_x in inputs:
        assert Moments(4).update(given_x).get() == want
    low = torch.ones(5, dtype=torch.bfloat16)
    assert Moments().update(low).mean == 1.0
    columns = np.asfortranarray(x.reshape(-1, 3))
    assert np.array_equal(Moments().update(columns).var, Moments().update(x.reshape(-1, 3)).var)


def test_empty_and_single() -> None:
    with pytest.warns(RuntimeWarning, match="mean of an empty stream"):
        assert math.isnan(Moments().update([]).mean)
    with pytest.warns(RuntimeWarning, match="min of an empty stream"):
        assert math.isnan(Moments().min)
    one = Moments(4).update(5.0)
    assert (one.mean, one.min, one.max) == (5.0, 5.0, 5.0)
    with pytest.warns(RuntimeWarning, match="weight above ddof=1. Got 1"):
        assert math.isnan(one.var)
    assert Moments(ddof=0).update(5.0).var == 0.0
    with pytest.warns(RuntimeWarning, match="do not vary"):
        assert math.isnan(Moments(4).update([2.0, 2.0]).kurtosis)
    with pytest.warns(RuntimeWarning, match="empty"):
        assert math.isnan(Moments().update([1.0, 2.0], weights=0).mean)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("position", [0, 5, 1024, 2999])
def test_nan_policy_raise_names_the_place_and_keeps_the_stream(bad: float, position: int) -> None:
    x = np.random.default_rng(11).standard_normal(3000)
    stream = Moments(4).update(x[:100])
    before = stream.get()
    x[position] = bad
    with pytest.raises(ValueError, match=f"Got {bad} at position {position}"):
        stream.update(x)
    assert stream.get() == before
    with pytest.raises(ValueError, match="at position 100"):
        stream.update(bad)
    columns = Moments().update(np.ones((10, 3)))
    with pytest.raises(ValueError, match=rf"position \({position // 3}, {position % 3}\)"):
        columns.update(x.reshape(-1, 3))
    assert columns.count.tolist() == [10, 10, 10]


def test_nan_policy_omit_and_propagate() -> None:
    x = np.random.default_rng(12).standard_normal(3000)
    x[[0, 7, 1500]] = math.nan, math.inf, -math.inf
    good = x[np.isfinite(x)]
    got, want = Moments(4, nan_policy="omit").update(x).get(), Moments(4).update(good).get()
    assert got == pytest.approx(want, rel=1e-12)
    spoiled = Moments(4, nan_policy="propagate").update(x).update(np.ones(2000))
    assert all(math.isnan(spoiled.get()[name]) for name in ("mean", "var", "skew", "kurtosis"))
    assert math.isnan(spoiled.min) and math.isnan(spoiled.max) and spoiled.count == 5000
    assert math.isnan(Moments().update([1.0]).merge(spoiled_order_two(x)).max)
    by_column = Moments(nan_policy="omit").update([[1.0, math.nan], [3.0, 4.0]])
    assert by_column.count.tolist() == [2, 1] and by_column.mean.tolist() == [2.0, 4.0]


def spoiled_order_two(x: np.ndarray) -> Moments:
    return Moments(nan_policy="propagate").update(x)


def test_huge_and_tiny_values() -> None:
    assert Moments(ddof=0).update([1e-160, 3e-160]).var == pytest.approx(1e-320, rel=1e-3)
    huge = Moments().update([1e300, 1.1e300])
    assert huge.mean == pytest.approx(1.05e300) and huge.var == math.inf


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Moments(5), ValueError, "order must be >= 1 and <= 4"),
        (lambda: Moments(ddof=-1), ValueError, "ddof must be >= 0"),
        (lambda: Moments().skew, ValueError, r"skew needs order >= 3. Got Moments\(order=2\)"),
        (lambda: Moments().update("a"), TypeError, "real numbers"),
        (lambda: Moments().update([[1, 2], [3]]), ValueError, "rectangular"),
        (lambda: Moments().update(1j), TypeError, "complex"),
        (lambda: Moments().update(np.ones((2, 2, 2))), ValueError, r"Got shape \(2, 2, 2\)"),
        (lambda: Moments().update([1.0, 2.0], weights=[1.0, -2.0]), ValueError, "position 1"),
        (lambda: Moments().update([1.0], weights=[1.0, 2.0]), ValueError, "length 1"),
        (lambda: Moments().update(iter([]), weights=[1.0]), ValueError, "each block"),
        (lambda: Moments().update(np.ones((3, 2))).update(1.0), ValueError, r"\(n, 2\)"),
        (lambda: Moments().update(np.ones((3, 2))).update(np.ones((3, 4))), ValueError, "2"),
        (lambda: Moments().update(1.0).update(np.ones((3, 2))), ValueError, "1-d"),
        (lambda: Moments().merge(Moments(3)), ValueError, "order 2. Got order 3"),
        (lambda: Moments().merge(None), TypeError, "NoneType"),
        (lambda: Moments.from_state({}), CheckpointError, "Missing: order"),
    ],
)
def test_hostile_input_gets_one_line(call, error, words) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(5000,), (1250, 4)])
def test_resuming_continues_to_the_bit(tmp_path, shape) -> None:
    x = np.random.default_rng(13).standard_normal(5000).reshape(shape)
    through = Moments(4).update(x[:777]).update(x[777:])
    Moments(4, ddof=0.5).update(x[:777]).save(tmp_path)
    resumed = Moments.load(tmp_path).update(x[777:])
    assert resumed.ddof == 0.5
    assert np.array_equal(resumed.state_dict()["rows"], through.state_dict()["rows"])
    assert np.array_equal(resumed.kurtosis, through.kurtosis)


def test_loading_another_statistic_is_refused(tmp_path) -> None:
    from drivetrain.approximation.streams import Mean

    Mean().update(1.0).save(tmp_path)
    with pytest.raises(CheckpointError, match=r"state of Moments\. Got Mean"):
        Moments.load(tmp_path)


# Parity with the peers.


def test_agrees_with_scipy() -> None:
    x = np.random.default_rng(14).exponential(size=10**5)
    s = Moments(4).update(x)
    assert s.var == pytest.approx(np.var(x, ddof=1), rel=1e-13)
    assert s.skew == pytest.approx(scipy_stats.skew(x), rel=1e-12)
    assert s.kurtosis == pytest.approx(scipy_stats.kurtosis(x), rel=1e-12)


@pytest.mark.peer
def test_agrees_with_river() -> None:
    stats = pytest.importorskip("river.stats")
    peers = {"mean": stats.Mean(), "var": stats.Var(), "max": stats.Max(), "min": stats.Min()}
    ours = Moments()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for x in np.random.default_rng(15).standard_normal(500).tolist():
            ours.update(x)
            for peer in peers.values():
                peer.update(x)
    for name, peer in peers.items():
        # Welford's recursion rounds a few times a step.
        assert getattr(ours, name) == pytest.approx(peer.get(), rel=500 * EPS, abs=500 * EPS)

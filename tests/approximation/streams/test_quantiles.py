"""Streaming quantiles: sort, sketches, recursions, merging, state."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation.streams import Quantiles, TrendWarning
from drivetrain.approximation.streams.quantiles import _numba
from drivetrain.approximation.streams.quantiles import reference as ref
from drivetrain.core.errors import CheckpointError

LEVELS = [0.01, 0.5, 0.9, 0.99, 0.999]
METHODS = ["tdigest", "kll", "rm", "p2"]
SKETCHES = ["tdigest", "kll"]


def data(kind: str, n: int = 10**6) -> np.ndarray:
    z = np.random.default_rng(0).standard_normal(n)
    return {"normal": z, "lognormal": np.exp(2 * z), "sorted": np.sort(z)}[kind]


def rank_error(x: np.ndarray, values: np.ndarray, levels: list[float]) -> float:
    return float(np.abs(np.searchsorted(np.sort(x), values) / len(x) - levels).max())


# Golden values.


@pytest.mark.parametrize("kind", ["normal", "lognormal", "sorted"])
def test_tdigest_keeps_its_promise(kind: str) -> None:
    x = data(kind)
    assert rank_error(x, Quantiles(LEVELS).update(x).values, LEVELS) <= 2e-5
    grid = list(np.linspace(0.001, 0.999, 333))
    assert rank_error(x, Quantiles(grid).update(x).values, grid) <= 1e-4


@pytest.mark.parametrize("kind", ["normal", "lognormal", "sorted"])
def test_kll_keeps_its_bound_in_any_order(kind: str) -> None:
    x = data(kind, 200_000)
    assert rank_error(x, Quantiles(LEVELS, "kll").update(x).values, LEVELS) <= 2 / 800


def test_recursions_on_random_order() -> None:
    x = data("normal", 200_000)
    # The averaged recursion's error in rank has deviation sqrt(q (1 - q) / n) / share kept.
    assert rank_error(x, Quantiles(LEVELS, "rm").update(x).values, LEVELS) <= 1e-2
    assert rank_error(x, Quantiles(LEVELS, "p2").update(x).values, LEVELS) <= 2e-3


def test_p_square_follows_its_paper() -> None:
    # Jain and Chlamtac 1985, table I: the median of 20 observations; the article prints 4.44.
    x = [0.02, 0.15, 0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92]
    x += [34.60, 10.28, 1.47, 0.40, 0.05, 11.39, 0.27, 0.42, 0.09, 11.37]
    stream = Quantiles(0.5, "p2").update(x)
    assert stream.values == pytest.approx(4.44, abs=0.005)
    np.testing.assert_allclose(ref.p_square(np.array(x), 0.5), stream.values, rtol=1e-12)


# Kernels against their references.


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=300))
def test_radix_sort_sorts(values: list[float]) -> None:
    check_sort(np.array(values))


def test_radix_sort_where_33_bits_do_not_tell() -> None:
    rng = np.random.default_rng(1)
    for x in (
        np.r_[-1e300, 1e9 + rng.standard_normal(3000)],
        np.r_[1e-300, 1e300, 1 + 1e-12 * rng.random(2000)],
        np.full(100, 3.0),
        np.repeat([-0.0, 0.0, 5e-324, -5e-324], 50),
        np.sort(rng.standard_normal(1000))[::-1].copy(),
    ):
        check_sort(x)


def check_sort(x: np.ndarray) -> None:
    keys, spare = np.empty(len(x), np.uint64), np.empty(len(x), np.uint64)
    got = _numba.radix_sort(x, keys, spare, np.empty((3, 2048), np.int32))
    np.testing.assert_array_equal(got, np.sort(x))


def test_digest_obeys_the_scale_function() -> None:
    x = np.random.default_rng(2).standard_normal(20000)
    none = np.empty(0)
    mean, weight, _ = _numba.digest(x, 1024, none, none, 0, 100.0, 0)
    assert weight.sum() == len(x) and np.all(np.diff(mean) >= 0)
    assert len(mean) <= 102
    ends = np.concatenate([[0.0], np.cumsum(weight)]) / len(x)
    spans = np.diff([ref.scale(q, 100.0) for q in ends])
    # A single value may be wider than the rule allows; a cluster of several may not.
    assert np.all(spans[weight > 1] <= 1 + 1e-9)


def test_one_run_of_the_digest_equals_the_reference() -> None:
    x = np.random.default_rng(3).standard_normal(3000)
    none = np.empty(0)
    mean, weight, _ = _numba.digest(x, 4096, none, none, 0, 50.0, 0)
    want = ref.clusters(np.sort(x), 50.0)
    assert [w for _, w in want] == weight.tolist()
    np.testing.assert_allclose(mean, [m for m, _ in want], rtol=1e-12)


def test_robbins_monro_equals_the_recursion() -> None:
    x = np.random.default_rng(4).exponential(size=2000)
    got = Quantiles([0.3, 0.9], "rm").update(x).values
    # Gains by roots or by a power differ by a few ulps, and 2000 steps add them.
    np.testing.assert_allclose(got, ref.robbins_monro(x, [0.3, 0.9], 2.0), rtol=1e-11)


# Properties.


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(METHODS),
    st.lists(st.floats(-1e150, 1e150), min_size=1, max_size=80),
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
def test_monotone_in_the_level_and_within_the_data(method: str, x: list, q: list) -> None:
    stream = Quantiles(q, method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrendWarning)
        values = stream.update(x).values
    assert np.all(np.diff(values[np.argsort(q, kind="stable")]) >= 0)
    if method != "rm":
        assert values.min() >= min(x) and values.max() <= max(x)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.floats(0, 1))
def test_few_values_give_numpys_quantile(x: list[float], q: float) -> None:
    # A scale of 6000 leaves up to about a hundred values single.
    for method in SKETCHES:
        assert Quantiles(q, method).update(x).values == pytest.approx(
            np.quantile(x, q), rel=1e-12, abs=1e-9
        )


@pytest.mark.parametrize("method", METHODS)
def test_any_cut_of_a_stream_gives_the_same_bits(method: str) -> None:
    x = np.random.default_rng(5).standard_normal(70_000)
    whole, parts, loop = (Quantiles(LEVELS, method) for _ in range(3))
    whole.update(x)
    for part in np.array_split(x, 9):
        parts.update(part)
        assert np.isfinite(parts.values).all()
    for value in x.tolist():
        loop.update(value)
    assert np.array_equal(whole.values, parts.values)
    assert np.array_equal(whole.values, loop.values)
    assert whole.count == parts.count == loop.count == 70_000


@pytest.mark.parametrize("method", SKETCHES)
def test_merging_is_deterministic_and_nearly_blind_to_order(method: str) -> None:
    shards = np.array_split(np.sort(data("lognormal", 200_000)), 7)
    x = np.concatenate(shards)

    def merged(order: list[int]) -> np.ndarray:
        stream = Quantiles(LEVELS, method)
        for i in order:
            stream.merge(Quantiles(LEVELS, method, random_state=i).update(shards[i]))
        assert stream.count == len(x)
        return stream.values

    forth, back = merged([0, 1, 2, 3, 4, 5, 6]), merged([6, 5, 4, 3, 2, 1, 0])
    assert np.array_equal(forth, merged([0, 1, 2, 3, 4, 5, 6]))
    limit = 1e-3 if method == "tdigest" else 2 * 2 / 800
    ranks = [np.searchsorted(x, values) / len(x) for values in (forth, back)]
    assert np.abs(ranks[0] - ranks[1]).max() <= limit
    assert rank_error(x, forth, LEVELS) <= limit


def test_merging_keeps_what_waits() -> None:
    a, b = Quantiles(0.5).update(1.0), Quantiles(0.5).update([2.0, 3.0])
    assert a.merge(b).values == 2.0 and (a.count, b.count) == (3, 2)
    assert a.merge(Quantiles(0.5)).values == 2.0


# The edge table.


@pytest.mark.parametrize("method", METHODS)
def test_resuming_continues_to_the_bit(tmp_path, method: str) -> None:
    x = np.random.default_rng(6).standard_normal(50_000)
    through = Quantiles(LEVELS, method, random_state=3).update(x)
    first = Quantiles(LEVELS, method, random_state=3).update(x[:40_001])
    first.save(tmp_path)
    resumed = Quantiles.load(tmp_path).update(x[40_001:])
    assert np.array_equal(resumed.values, through.values)
    assert resumed.count == through.count


@pytest.mark.parametrize("method", METHODS)
def test_empty_one_value_and_constant(method: str) -> None:
    with pytest.warns(RuntimeWarning, match="empty stream"):
        assert math.isnan(Quantiles(0.5, method).values)
    assert Quantiles([0.1, 0.9], method).update(3).values.tolist() == [3.0, 3.0]
    assert Quantiles([0.1, 0.9], method).update(np.full(5000, 0.1)).values.tolist() == [0.1, 0.1]


@pytest.mark.parametrize("method", ["rm", "p2"])
def test_a_trend_is_told(method: str) -> None:
    x = data("sorted", 20_000)
    with pytest.warns(TrendWarning, match="use 'tdigest' or 'kll'"):
        Quantiles(0.5, method).update(x).values  # noqa: B018
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isfinite(Quantiles(0.5, method).update(data("normal", 20_000)).get())


@pytest.mark.parametrize("method", METHODS)
def test_nan_policies(method: str) -> None:
    x = np.array([1.0, math.nan, 3.0, math.inf])
    stream = Quantiles(0.5, method).update([1.0, 2.0])
    with pytest.raises(ValueError, match="Got nan at position 1"):
        stream.update(x)
    with pytest.raises(ValueError, match="at position 2"):
        stream.update(math.nan)
    assert stream.count == 2
    omit = Quantiles(0.5, method, nan_policy="omit").update(x)
    assert omit.values == Quantiles(0.5, method).update([1.0, 3.0]).values
    spoiled = Quantiles(0.5, method, nan_policy="propagate").update(x).update(1.0)
    assert math.isnan(spoiled.values) and spoiled.count == 5


def test_shapes_dtypes_and_iterators() -> None:
    x = np.random.default_rng(7).integers(0, 100, 5000)
    want = Quantiles(0.5).update(x.astype(float)).values
    for given_x in (x, x.astype(np.float32), x[::-1][::-1], x.tolist(), iter(np.split(x, 5))):
        assert Quantiles(0.5).update(given_x).values == want
    assert Quantiles(0.5).update(x).quantile([0.0, 1.0]).tolist() == [0.0, 99.0]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Quantiles([0.5, 1.5]), ValueError, r"levels in \[0, 1\]"),
        (lambda: Quantiles([]), ValueError, "levels"),
        (lambda: Quantiles(math.nan), ValueError, "finite"),
        (lambda: Quantiles(0.5, "tdigst"), ValueError, "Did you mean 'tdigest'"),
        (lambda: Quantiles(0.5, resolution=1), ValueError, "compression must be >= 10"),
        (lambda: Quantiles(0.5, "kll", resolution=2), ValueError, "k must be >= 8"),
        (lambda: Quantiles(0.5, "rm", resolution=9), ValueError, "resolution must be None"),
        (lambda: Quantiles(0.5, "rm", gain=0), ValueError, "gain must be > 0"),
        (lambda: Quantiles(0.5, "rm").update(1.0).quantile(0.4), ValueError, "follows q=0.5 only"),
        (
            lambda: Quantiles(0.5, "rm").merge(Quantiles(0.5, "rm")),
            ValueError,
            "'tdigest' or 'kll'",
        ),
        (
            lambda: Quantiles(0.5, "p2").merge(Quantiles(0.5, "p2")),
            ValueError,
            "'tdigest' or 'kll'",
        ),
        (lambda: Quantiles(0.5).merge(Quantiles(0.5, "kll")), ValueError, "method='tdigest'"),
        (lambda: Quantiles(0.5, "rm").update([0.0, 1e200]).values, ValueError, "less than 1e154"),
        (lambda: Quantiles(0.5).merge([1.0]), TypeError, "list"),
        (lambda: Quantiles(0.5).update(np.ones((2, 2))), ValueError, r"\(2, 2\)"),
        (lambda: Quantiles.from_state({"q": 0.5}), CheckpointError, "Missing: method"),
    ],
)
def test_hostile_input_gets_one_line(call, error, words) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", SKETCHES)
def test_the_whole_range_of_floats(method: str) -> None:
    top = np.finfo(np.float64).max
    stream = Quantiles([0.0, 0.25, 0.5, 1.0], method).update([-top, top, 0.0])
    np.testing.assert_allclose(stream.values, [-top, -top / 2, 0.0, top], rtol=1e-15)


# Parity with the peers.


@pytest.mark.peer
def test_no_farther_off_than_fastdigest() -> None:
    fastdigest = pytest.importorskip("fastdigest")
    x = data("normal", 300_000)
    theirs = fastdigest.TDigest.from_values(x)
    error = rank_error(x, np.array([theirs.quantile(q) for q in LEVELS]), LEVELS)
    assert rank_error(x, Quantiles(LEVELS).update(x).values, LEVELS) <= max(2e-5, 2 * error)


@pytest.mark.peer
def test_p_square_agrees_with_river() -> None:
    stats = pytest.importorskip("river.stats")
    ours, theirs = Quantiles(0.5, "p2"), stats.Quantile(0.5)
    for x in np.random.default_rng(8).standard_normal(2000).tolist():
        ours.update(x)
        theirs.update(x)
    # Two readings of the same article; both within the method's own error of the median.
    assert ours.values == pytest.approx(theirs.get(), abs=0.05)

"""Sketches: the paper's worked numbers, its theorems, the kernels, and XGBoost's very cuts."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.trees.binning.cuts import Cuts
from drivetrain.trees.sketching import _numba as kernels
from drivetrain.trees.sketching import reference
from drivetrain.trees.sketching.columns import ordered_bits, sort_columns
from drivetrain.trees.sketching.cuts import quantile_cuts, sorted_cuts

VALUES = np.array([1, 1, 3, 4, 5, 12, 45, 50, 99.0])
HESSIANS = np.array([0.1] * 6 + [0.4, 0.2, 0.6])
RANKS = np.array([0, 1 / 9, 1 / 6, 2 / 9, 5 / 18, 1 / 3, 5 / 9, 2 / 3])


def test_ranks_of_the_worked_example() -> None:
    summary = reference.summarize(VALUES, HESSIANS)
    assert summary.low / summary.total == pytest.approx(RANKS, abs=1e-15)
    assert summary.error == pytest.approx(0, abs=1e-15)


def test_tertiles_of_the_worked_example_are_45_and_99() -> None:
    summary = reference.summarize(VALUES, HESSIANS)
    # Two candidates part the weight in three: a rank of at least 1/3, and of at least 2/3.
    at = [int(np.argmax(summary.low / summary.total >= k / 3 - 1e-12)) for k in (1, 2)]
    assert summary.values[at].tolist() == [45, 99]
    columns = sort_columns(VALUES[:, None].astype(np.float32))
    cuts = sorted_cuts(columns, HESSIANS.astype(np.float32), max_bins=3)
    assert {45, 99} >= set(cuts.of(0)[:-1].tolist())


def test_the_kernels_ranks_are_the_worked_ones() -> None:
    table, size = table_of(VALUES, HESSIANS)
    assert size == 8
    assert table[kernels.RMIN, :8] / 1.8 == pytest.approx(RANKS, abs=1e-6)


def table_of(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, int]:
    v, w = values.astype(np.float32), weights.astype(np.float32)
    table = np.full((4, len(v) + 1), np.nan, np.float32)
    room = np.empty(len(v), np.int64)
    return table, kernels.summarize(ordered_bits(v), v, w, len(v), room, table)


SETS = st.lists(
    st.tuples(st.integers(0, 2**20), st.integers(1, 300), st.integers(3, 40)),
    min_size=1,
    max_size=6,
)


def drawn(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 60, n).astype(float), rng.integers(1, 9, n).astype(float)


@settings(deadline=None, max_examples=60)
@given(sets=SETS)
def test_ranks_stay_within_the_sum_of_the_prunings(sets: list[tuple[int, int, int]]) -> None:
    """Any tree of merges and prunings, by the paper's equations and by the kernels."""
    held: reference.Summary | None = None
    table, size = np.empty((4, 0), np.float32), 0
    eps = eps_kernel = 0.0
    everything = []
    for seed, n, b in sets:
        values, weights = drawn(seed, n)
        everything.append((values, weights))
        new = reference.summarize(values, weights)
        held = reference.prune(new if held is None else reference.merge(held, new), b)
        eps += 1 / b
        other, m = table_of(values, weights)
        both = np.empty((4, size + m + 1), np.float32)
        size = kernels.merge(table, size, other, m, both)
        table = np.empty((4, max(size, b) + 2), np.float32)
        size = kernels.prune(both, size, b + 1, table)
        eps_kernel += 1 / b
        assert size <= b + 1
    assert held is not None
    v, w = (np.concatenate(part) for part in zip(*everything))
    assert held.error <= eps + 1e-12
    kernel = reference.Summary(
        **{
            name: table[row, :size].astype(float)
            for name, row in zip(("low", "high", "weight", "values"), range(4))
        }
    )
    # Whole weights below 2**24: the kernels' ranks have no rounding but in the wanted ones.
    assert kernel.error <= eps_kernel + 1e-6
    for summary in (held, kernel):
        for y, low, high in zip(summary.values, summary.low, summary.high):
            assert low <= w[v < y].sum() + 1e-9
            assert high >= w[v <= y].sum() - 1e-9


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**20), n=st.integers(1, 20_000), bins=st.sampled_from([2, 8, 32, 256]))
def test_every_bin_weighs_about_the_same(seed: int, n: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1)).astype(np.float32)
    w = rng.integers(1, 5, n).astype(np.float32)
    cuts = quantile_cuts(x, max_bins=bins, weight=w)
    assert len(cuts.of(0)) <= bins
    mass = np.bincount(np.searchsorted(cuts.of(0), x[:, 0], side="right"), weights=w)
    # A share, its rank's error at both ends (1/(8 bins) each and its pruning), one heavy value.
    assert mass.max() <= w.sum() * (2 / bins) + 2 * w.max()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**20), n=st.integers(0, 3000), top=st.sampled_from([1, 3, 100, 2**31]))
def test_keys_are_sorted(seed: int, n: int, top: int) -> None:
    keys = np.random.default_rng(seed).integers(-top, top, n) << 32 | np.arange(n)
    done = keys.copy()
    kernels.sort_keys(done, n)
    assert np.array_equal(done >> 32, np.sort(keys >> 32))
    assert np.array_equal(np.sort(done), np.sort(keys))


def test_the_heap_takes_over_from_a_bad_pivot() -> None:
    # Musser's sequence: the median of three is always the second least.
    n = 4000
    worst = np.empty(n, np.int64)
    k = n // 2
    for i in range(1, k + 1):
        if i % 2:
            worst[i - 1] = i
            worst[i] = k + i
        worst[k + i - 1] = 2 * i
    keys = worst << 32
    done = keys.copy()
    kernels.sort_keys(done, n)
    assert np.array_equal(done, np.sort(keys))


def test_columns_are_sorted_without_the_missing() -> None:
    x = np.array([[3, np.nan], [-0.0, np.nan], [np.nan, np.nan], [-2, np.nan]], np.float32)
    columns = sort_columns(x)
    rows, values = columns.of(0)
    assert values.tolist() == [-2, 0, 3]
    assert rows.tolist() == [3, 1, 0]
    assert len(columns.of(1)[0]) == 0 and columns.n_features == 2


def test_threads_and_weights_of_one_change_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    plain = quantile_cuts(x, max_bins=40)
    with ThreadPoolExecutor(2) as executor:
        same = quantile_cuts(x, max_bins=40, weight=np.ones(5000, np.float32), executor=executor)
    assert np.array_equal(plain.values, same.values)


def test_rows_of_no_weight_are_not_there() -> None:
    x = np.arange(50, dtype=np.float32)[:, None]
    w = (x[:, 0] < 20).astype(np.float32)
    cuts = quantile_cuts(x, max_bins=50, weight=w)
    assert cuts.values.max() == np.float32(38.00001)
    empty = quantile_cuts(x, max_bins=50, weight=np.zeros(50, np.float32))
    assert len(empty.values) == 1


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"max_bins": 1}, "max_bins must be >= 2. Got 1"),
        ({"max_bins": 4, "weight": np.ones(3, np.float32)}, "weight must have 5 rows. Got 3"),
    ],
)
def test_what_cannot_be_cut_is_named(given_: dict, words: str) -> None:
    x = np.ones((5, 1), np.float32)
    with pytest.raises(ValueError, match=words):
        quantile_cuts(x, **given_)
    weight = given_.get("weight", np.ones(5, np.float32))
    with pytest.raises(ValueError, match=words):
        sorted_cuts(sort_columns(x), weight, max_bins=given_["max_bins"])


def tables(seed: int, n: int, kind: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    if kind == "tied":
        x = rng.integers(0, rng.integers(1, 50), (n, 2))
    if kind == "rounded":
        x = np.round(x, 1) * rng.choice([1, 1e5, 1e-6])
    if kind == "ordered":
        x = np.sort(x, axis=0)[:: rng.choice([-1, 1])]
    x = np.ascontiguousarray(x, np.float32)
    x[rng.random(x.shape) < rng.choice([0, 0.2, 1], p=[0.5, 0.4, 0.1])] = np.nan
    return x


def same_as_xgboost(cuts: Cuts, offsets: np.ndarray, values: np.ndarray) -> None:
    for f in range(len(cuts.lowest)):
        theirs = values[int(offsets[f]) : int(offsets[f + 1])]
        ours = np.append(cuts.lowest[f], cuts.of(f))
        assert ours.tobytes() == (theirs + np.float32(0)).tobytes()


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["plain", "tied", "rounded", "ordered"])
@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**20),
    n=st.sampled_from([1, 2, 5, 17, 40, 300, 3000, 30_000]),
    bins=st.sampled_from([2, 3, 16, 64, 256, 300]),
    weighted=st.booleans(),
)
def test_cuts_are_xgboosts_bit_for_bit(
    kind: str, seed: int, n: int, bins: int, weighted: bool
) -> None:
    xgboost = pytest.importorskip("xgboost")
    x = tables(seed, n, kind)
    w = np.random.default_rng(seed).random(n).astype(np.float32) if weighted else None
    data = xgboost.QuantileDMatrix(x, np.zeros(n), weight=w, max_bin=bins, nthread=1)
    same_as_xgboost(quantile_cuts(x, max_bins=bins, weight=w), *data.get_quantile_cut())


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["plain", "tied", "rounded"])
@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 2**20),
    n=st.sampled_from([2, 5, 17, 40, 300, 3000]),
    bins=st.sampled_from([2, 3, 16, 64, 256]),
)
def test_sorted_cuts_are_those_of_xgboosts_approx(kind: str, seed: int, n: int, bins: int) -> None:
    xgboost = pytest.importorskip("xgboost")
    x = tables(seed, n, kind)
    rng = np.random.default_rng(seed)
    h = rng.random(n).astype(np.float32)
    data = xgboost.DMatrix(x, rng.integers(0, 2, n), nthread=1)
    # Logistic: an objective whose h is not constant, so that cuts are proposed anew.
    booster = xgboost.Booster(
        {"tree_method": "approx", "max_bin": bins, "nthread": 1, "objective": "binary:logistic"},
        [data],
    )
    booster.boost(data, iteration=0, grad=np.zeros(n), hess=h)
    cuts = sorted_cuts(sort_columns(x), h, max_bins=bins)
    same_as_xgboost(cuts, *data.get_quantile_cut())

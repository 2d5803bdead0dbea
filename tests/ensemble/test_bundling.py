"""Bundles: the paper's algorithms, nothing lost at a limit of 0, and the same trees."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.ensemble import bundle_features
from drivetrain.ensemble.reference import bundling as reference
from drivetrain.trees.binning.cuts import find_cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix
from drivetrain.trees.growing import _numba as kernels
from drivetrain.trees.growing.gradients import pack_gradients
from drivetrain.trees.growing.grower import Grower
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.reference import score


def sparse(seed, n=60, features=8, filled=0.15):
    """Codes in which every bin of every feature occurs, so that bins are codes."""
    rng = np.random.default_rng(seed)
    codes = np.where(rng.random((n, features)) < filled, rng.integers(1, 5, (n, features)), 0)
    return ranked(codes)


def exclusive(seed, n, features):
    """Codes of which at most one is set in a row."""
    rng = np.random.default_rng(seed)
    codes = np.zeros((n, features), np.int64)
    codes[np.arange(n), rng.integers(0, features, n)] = rng.integers(0, 5, n)
    return ranked(codes)


def ranked(codes):
    with_zero = np.vstack([np.zeros(codes.shape[1], np.int64), codes])
    return np.stack([np.unique(c, return_inverse=True)[1] for c in with_zero.T], axis=1)


def binned(codes) -> BinnedMatrix:
    matrix = bin_matrix(codes.astype(np.float32), find_cuts(codes.astype(np.float32), max_bins=255))
    assert np.array_equal(matrix.columns.T, codes)
    return matrix


def test_one_hot_columns_become_one():
    words = np.random.default_rng(0).integers(0, 6, 100)
    codes = np.eye(6, dtype=np.int64)[words]
    bundles = bundle_features(codes)
    assert len(bundles.members) == 1 and bundles.widths.tolist() == [7]
    merged = bundles.merge(codes)[:, 0]
    assert np.array_equal(merged - 1, words)
    assert np.array_equal(bundles.split(bundles.merge(codes)), codes)


def test_the_articles_offset():
    # A takes bins below 10, B below 20: B's are put behind A's, and the bundle ends below 30.
    a, b = np.r_[np.arange(10), np.zeros(19, int)], np.r_[np.zeros(10, int), np.arange(1, 20)]
    bundles = bundle_features(np.stack([a, b], axis=1))
    assert bundles.offsets.tolist() == [0, 9] and bundles.widths.tolist() == [29]
    assert bundles.bundle_of(1) == 0


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 9), st.floats(0, 0.6), st.floats(0, 0.5))
def test_bundles_are_the_papers(seed, features, filled, rate):
    codes = sparse(seed, 40, features, filled)
    bundles = bundle_features(codes, rate)
    limit = int(rate * len(codes) * (1 + 2.0**-50))
    expected = reference.greedy_bundling(codes, limit)
    assert [list(group) for group in bundles.members] == expected
    assert sorted(f for group in bundles.members for f in group) == list(range(features))
    assert (bundles.conflicts <= limit).all()
    merged = bundles.merge(codes)
    for g, group in enumerate(bundles.members):
        assert np.array_equal(merged[:, g], reference.merge(codes, group))
    if limit == 0:
        assert np.array_equal(bundles.split(merged), codes)


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from(["degree", "nonzero"]))
def test_histograms_of_bundles_are_the_features_own(seed, order):
    codes = sparse(seed)
    bundles = bundle_features(codes, order=order)
    g = np.random.default_rng(seed).normal(size=len(codes)).astype(np.float32)
    pairs = pack_gradients(g, np.ones(1, np.float32), seed=seed)
    rows = np.flatnonzero(np.arange(len(codes)) % 3 > 0).astype(np.uint32)
    own, shared = histograms(codes, pairs, rows), histograms(bundles.merge(codes), pairs, rows)
    total = pairs.packed[rows].sum()
    for f in range(codes.shape[1]):
        found = bundles.feature_histogram(f, shared[bundles.bundle_of(f)], total)
        # Whole numbers: equal, not near.
        assert np.array_equal(found, own[f][: len(found)])
        steps = (pairs.packed[rows] >> 32).astype(float)
        wanted = reference.feature_histogram(codes[rows], f, steps)
        assert np.array_equal((found >> 32)[: len(wanted)], wanted)


def histograms(codes, pairs, rows):
    """The histograms of the training kernel: a row of 256 bins for each column."""
    matrix = binned(codes)
    out = np.zeros(matrix.n_features << matrix.shift, np.int64)
    flat, stride = matrix.rows.reshape(-1), matrix.rows.shape[1]
    kernels.add_rows(flat, stride, matrix.shift, matrix.n_features, pairs.packed, rows, out)
    return out.reshape(matrix.n_features, -1)


@pytest.mark.parametrize(("make", "given_"), [(sparse, {"filled": 0.02}), (exclusive, {})])
@pytest.mark.parametrize("seed", range(5))
def test_training_on_bundles_is_training_without(make, given_, seed):
    codes = make(seed, 400, 12, **given_)
    bundles = bundle_features(codes)
    assert len(bundles.members) < 12
    rng = np.random.default_rng(seed)
    g = (codes @ rng.normal(size=12) + rng.normal(size=len(codes))).astype(np.float32)
    growth = Growth(max_depth=4)
    pairs = pack_gradients(g, np.ones(1, np.float32), seed=seed)
    grown = Grower(binned(codes), growth).grow(pairs)
    expected = {frozenset(part.tolist()) for part in np.split(grown.rows, ends(grown))}
    merged = bundles.merge(codes)
    found = leaves(np.arange(len(codes), dtype=np.uint32), bundles, merged, pairs, growth, depth=0)
    assert set(map(frozenset, found)) == expected and len(expected) > 4


def ends(grown):
    return np.cumsum([grown.span[leaf][1] - grown.span[leaf][0] for leaf in grown.leaves])[:-1]


def leaves(rows, bundles, merged, pairs, growth, depth):
    """The rows of the leaves of a tree that sees histograms of bundles only."""
    total = pairs.packed[rows].sum()
    shared = histograms(merged, pairs, rows)
    best, place = 1e-6, None
    for f in range(len(bundles.offsets)):
        bins = bundles.feature_histogram(f, shared[bundles.bundle_of(f)], total)
        left = np.cumsum(bins)[:-1]
        for b, part in enumerate(left):
            gain = _gain(part, total, pairs.units, growth)
            if gain > best * (1 + 2.0**-23):
                best, place = gain, (f, b)
    if place is None or depth == growth.max_depth:
        return [rows.tolist()]
    f, b = place
    inner = merged[rows, bundles.bundle_of(f)] - bundles.offsets[f]
    own = np.where((inner > 0) & (inner < bundles.n_bins[f]), inner, 0)
    sides = (rows[own <= b], rows[own > b])
    return [
        leaf for side in sides for leaf in leaves(side, bundles, merged, pairs, growth, depth + 1)
    ]


def _gain(part, total, units, growth):
    sums = [(float(s >> 32) * units[0], float(s & 0xFFFFFFFF)) for s in (part, total - part, total)]
    if min(sums[0][1], sums[1][1]) < growth.min_child_weight:
        return -1.0
    left, right, parent = (score(g, h, growth) for g, h in sums)
    return left + right - parent


def test_no_bundle_is_wider_than_told():
    codes = np.eye(9, dtype=np.int64)
    bundles = bundle_features(codes, max_bins=4)
    assert bundles.widths.tolist() == [4, 4, 4]


def test_constant_columns_take_no_room_and_no_rows_are_a_table():
    bundles = bundle_features([[0, 1], [0, 2]])
    assert bundles.widths.tolist() == [3]
    assert bundle_features(np.zeros((0, 3), np.int64)).merge(np.zeros((0, 3), int)).shape == (0, 1)


@pytest.mark.parametrize(
    ("codes", "given_", "error", "words"),
    [
        ([[0, -1]], {}, ValueError, "codes must be >= 0. Got -1"),
        ([[0.5, 1]], {}, ValueError, "codes must hold whole numbers"),
        ([["a"]], {}, TypeError, "codes must hold real numbers"),
        ([1, 2], {}, ValueError, "codes must be 2-d"),
        (np.zeros((3, 0)), {}, ValueError, "codes must have a feature at least"),
        ([[1]], {"max_conflict_rate": 2}, ValueError, "max_conflict_rate must be >= 0 and <= 1"),
        ([[1]], {"order": "degre"}, ValueError, "Did you mean 'degree'"),
    ],
)
def test_what_does_not_fit_is_named(codes, given_, error, words):
    with pytest.raises(error, match=words):
        bundle_features(codes, **given_)


def test_other_tables_are_refused():
    bundles = bundle_features([[0, 1], [2, 0]])
    with pytest.raises(ValueError, match="codes must have 2 features"):
        bundles.merge([[1]])
    with pytest.raises(ValueError, match="codes of feature 1 must be <= 1"):
        bundles.merge([[0, 2]])

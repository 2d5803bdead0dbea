"""Cuts and bins: every value in its bin, frequent values alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drivetrain.trees.binning.cuts import above, between, find_cuts, greedy_cuts
from drivetrain.trees.binning.matrix import bin_matrix

floats = st.one_of(
    st.just(float("nan")),
    st.sampled_from([-0.0, 0.0, 1.0, 1e-40, -3.0]),
    st.floats(-(2.0**100), 2.0**100, width=32),
)


@settings(deadline=None, max_examples=100)
@given(column=arrays(np.float32, st.integers(0, 60), elements=floats), most=st.integers(2, 300))
def test_bins_hold_what_lies_between_their_cuts(column: np.ndarray, most: int) -> None:
    x = column[:, None]
    cuts = find_cuts(x, max_bins=most)
    matrix = bin_matrix(x, cuts)
    own = cuts.of(0)
    assert len(own) <= most and (np.diff(own) > 0).all()
    for value, code in zip(column, matrix.columns[0]):
        if np.isnan(value):
            assert code == matrix.missing
        else:
            assert code == np.sum(value >= own[:-1])
            assert cuts.lowest[0] < value < own[-1] or abs(value) > 1e29
    assert np.array_equal(matrix.rows[:, 0], matrix.columns[0])
    assert matrix.has_missing[0] == np.isnan(column).any()


def test_distinct_values_have_a_bin_each_where_they_fit() -> None:
    column = np.repeat(np.arange(255, dtype=np.float32), 3)
    matrix = bin_matrix(column[:, None], find_cuts(column[:, None], max_bins=255))
    assert matrix.shift == 8 and np.array_equal(matrix.columns[0], column)


def test_256_bins_and_missing_values_take_16_bits() -> None:
    column = np.append(np.arange(256, dtype=np.float32), np.nan)
    matrix = bin_matrix(column[:, None], find_cuts(column[:, None], max_bins=256))
    assert matrix.columns.dtype == np.uint16 and matrix.missing == 511
    assert np.array_equal(matrix.columns[0, :256], np.arange(256))


def test_a_frequent_value_costs_its_neighbours_nothing() -> None:
    rng = np.random.default_rng(0)
    column = np.concatenate([np.zeros(90_000), rng.normal(size=10_000)]).astype(np.float32)
    cuts, _ = greedy_cuts(column, 64)
    # Quantiles would put nine cuts in ten on the zero: 6 bins would be left for the others.
    assert len(cuts) > 60
    assert np.sum((cuts > -1e-3) & (cuts < 1e-3)) <= 2


@given(st.floats(-(2.0**100), 2.0**100, width=32))
def test_a_cut_between_neighbours_parts_them(value: float) -> None:
    left = np.array([value], np.float32)
    right = np.nextafter(left, np.float32(np.inf))
    cut = between(left, right)
    assert left[0] < cut[0] <= right[0]


def test_the_last_cut_is_xgboosts() -> None:
    assert above(3.0) == np.float32(3) + (np.float32(3) + np.float32(1e-5))
    assert above(0.0) > 0 and above(-5.0) > -5


@pytest.mark.parametrize("n", [0, 1, 4095, 4096, 4097])
def test_both_layouts_agree_at_the_blocks_ends(n: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, 5)).astype(np.float32)
    matrix = bin_matrix(x, find_cuts(x, max_bins=16))
    assert np.array_equal(matrix.rows[:, :5], matrix.columns.T)

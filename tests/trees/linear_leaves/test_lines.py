"""Lines in leaves against the equations they are written in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.trees.binning.cuts import find_cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix
from drivetrain.trees.growing.packed import PackedPlanter
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.linear_leaves import reference
from drivetrain.trees.linear_leaves.planter import LinearPlanter
from drivetrain.trees.planter import Planted
from drivetrain.trees.prediction.predictor import Predictor

Problem = tuple[np.ndarray, BinnedMatrix, np.ndarray]


def problem(seed: int, n: int, features: int) -> Problem:
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(n, features)) * 10.0 ** rng.integers(-3, 4, features)).astype(np.float32)
    x[rng.random((n, features)) < rng.choice([0, 0.1], features)] = np.nan
    g = rng.normal(0, 3, (n, 1)) + np.nan_to_num(x[:, :1]) / 7
    return x, bin_matrix(x, find_cuts(x, max_bins=255)), g.astype(np.float32)


def plant(
    given: Problem, growth: Growth, h: np.ndarray, *, ridge: float = 0.0, threads: int = 1
) -> Planted:
    x, matrix, g = given
    inner = PackedPlanter(matrix, growth)
    planter = LinearPlanter(inner, x, growth, linear_lambda=ridge, threads=threads)
    planted = planter.plant(g, h, None, seed=0)
    planter.close()
    return planted


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**20),
    n=st.integers(1, 300),
    features=st.integers(1, 5),
    ridge=st.sampled_from([0.0, 0.1, 30.0]),
    alpha=st.sampled_from([0.0, 2.0]),
)
def test_lines_are_the_equations(
    seed: int, n: int, features: int, ridge: float, alpha: float
) -> None:
    given = problem(seed, n, features)
    x, _, g = given
    h = np.random.default_rng(seed).uniform(0.1, 1, g.shape).astype(np.float32)
    h = h if seed % 2 else np.ones((1, 1), np.float32)
    growth = Growth(max_depth=3, min_child_weight=0.0, reg_alpha=alpha)
    planted = plant(given, growth, h, ridge=ridge)
    terms = planted.terms
    assert terms is not None
    whole = np.broadcast_to(h, g.shape)[:, 0].astype(np.float64)
    for k, leaf in enumerate(planted.leaves):
        on_path = reference.path_features(planted.shape, int(leaf))
        rows = planted.rows_of(k)
        rows = rows[~np.isnan(x[rows][:, on_path]).any(axis=1)]
        own = slice(int(terms.offsets[leaf]), int(terms.offsets[leaf + 1]))
        if len(rows) <= len(on_path) or not on_path:
            assert terms.constant[leaf] == planted.values[k, 0] and own.start == own.stop
            continue
        some = x[rows][:, on_path].astype(np.float64)
        c, b = reference.line(some, g[rows, 0].astype(np.float64), whole[rows], ridge, growth)
        ours = np.zeros(len(on_path))
        ours[np.searchsorted(on_path, terms.feature[own])] = terms.coefficient[own]
        # Few rows make a regression steep: what counts is the line at the rows it was fitted to.
        at = terms.constant[leaf] + some @ ours
        scale = np.abs(some * b).sum(axis=1).max() + np.abs(c + some @ b).max()
        if (
            np.linalg.cond(np.atleast_2d(np.cov(some.T / some.std(axis=0).clip(1e-9)[:, None])))
            < 1e5
        ):
            assert np.allclose(at, c + some @ b, rtol=0, atol=1e-7 * scale)


def test_a_line_is_found_exactly() -> None:
    rng = np.random.default_rng(0)
    # Fewer rows than bins: the cut is at the kink.
    x = rng.normal(size=(250, 2)).astype(np.float32)
    g = -np.where(x[:, 0] > 0, 3 * x[:, 0] + 20, -x[:, 0]).astype(np.float32)[:, None]
    growth = Growth(max_depth=1, reg_lambda=0.0)
    given = x, bin_matrix(x, find_cuts(x, max_bins=255)), g
    planted = plant(given, growth, np.ones((1, 1), np.float32))
    forest = planted.forest(planted.values.astype(np.float32))
    error = Predictor(forest).margin(x, np.zeros(1, np.float32)) + g
    # Derivatives up to 30 in float32 and their sum with the line.
    assert np.abs(error).max() < 32 * 2 * np.finfo(np.float32).eps


def test_threads_do_not_change_a_bit_and_the_rate_scales_lines() -> None:
    given = problem(3, 4000, 4)
    h = np.ones((1, 1), np.float32)
    one = plant(given, Growth(), h).terms
    few = plant(given, Growth(), h, threads=3).terms
    assert one is not None and few is not None
    for name in ("offsets", "feature", "coefficient", "constant"):
        assert np.array_equal(getattr(one, name), getattr(few, name))
    planted = plant(given, Growth(), h)
    values = (0.5 * planted.values).astype(np.float32)
    half = planted.forest(values, rate=0.5).terms
    assert half is not None and np.array_equal(half.coefficient, 0.5 * one.coefficient)


def test_columns_that_do_not_vary_have_no_coefficient() -> None:
    rng = np.random.default_rng(1)
    x = np.zeros((400, 3), np.float32)
    x[:, 0] = rng.integers(0, 2, 400)
    x[:, 1] = rng.normal(size=400)
    x[:, 2] = x[:, 1]
    g = (-x[:, :1] - np.sin(3 * x[:, 1:2])).astype(np.float32)
    given = x, bin_matrix(x, find_cuts(x, max_bins=255)), g
    planted = plant(given, Growth(max_depth=4), np.ones((1, 1), np.float32))
    terms = planted.terms
    assert terms is not None and len(terms.coefficient) and np.isfinite(terms.coefficient).all()
    # Below the split on it, column 0 is constant.
    assert 0 not in terms.feature[terms.offsets[planted.leaves[-1]] :]
    assert np.abs(terms.coefficient).max() < 100


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_without_complete_rows_leaves_stay_constant(alpha: float) -> None:
    x = np.full((60, 2), np.nan, np.float32)
    x[:30, 0] = 1.0
    g = np.where(np.isnan(x[:, :1]), -1.0, 1.0).astype(np.float32)
    given = x, bin_matrix(x, find_cuts(x, max_bins=255)), g
    growth = Growth(reg_alpha=alpha)
    planted = plant(given, growth, np.ones((1, 1), np.float32))
    assert planted.terms is not None and len(planted.values) == 2
    forest = planted.forest(planted.values.astype(np.float32))
    margin = Predictor(forest).margin(x, np.zeros(1, np.float32))
    assert np.array_equal(np.sign(margin), -np.sign(g))

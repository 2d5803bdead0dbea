"""Symmetric trees against the textbook's, level by level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.trees.binning.cuts import find_cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix
from drivetrain.trees.forest import Forest
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Planted
from drivetrain.trees.symmetric import reference
from drivetrain.trees.symmetric.planter import SymmetricPlanter
from drivetrain.trees.vector.pairs import pack_outputs


def problem(seed: int, n: int, features: int, outputs: int) -> tuple[BinnedMatrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, rng.integers(2, 30, features), (n, features)).astype(np.float32)
    x[rng.random((n, features)) < rng.choice([0, 0.2], features)] = np.nan
    # Whole numbers would tie, and ties fall where the last bit of a gain says.
    g = rng.normal(0, 300, (n, outputs)).astype(np.float32)
    return bin_matrix(x, find_cuts(x, max_bins=255)), g


def leaf_of(planted: Planted, n: int) -> np.ndarray:
    leaf = np.full(n, -1)
    for k in range(len(planted.values)):
        leaf[planted.rows_of(k)] = k
    return leaf


def depth_of(forest: Forest) -> int:
    """The depth of a tree that must be complete, with one split a level."""
    depth = len(forest.left).bit_length() - 1
    assert len(forest.left) == 2 ** (depth + 1) - 1
    for level in range(depth):
        span = slice(2**level - 1, 2 ** (level + 1) - 1)
        for name in ("feature", "threshold", "default_left"):
            assert len(np.unique(getattr(forest, name)[span])) == 1
    return depth


GROWTHS = [
    Growth(),
    Growth(max_depth=3, reg_lambda=0.0),
    Growth(max_depth=5, max_leaves=9),
    Growth(max_depth=4, reg_alpha=200.0, gamma=50_000.0),
    Growth(max_depth=4, max_delta_step=20.0, min_child_weight=7.0),
]


@pytest.mark.parametrize("growth", GROWTHS)
@settings(deadline=None, max_examples=10)
@given(
    seed=st.integers(0, 2**20),
    n=st.integers(1, 200),
    features=st.integers(1, 4),
    outputs=st.integers(1, 5),
    held=st.sampled_from([1, 3, 1000]),
)
def test_levels_are_the_textbooks(
    growth: Growth, seed: int, n: int, features: int, outputs: int, held: int
) -> None:
    matrix, g = problem(seed, n, features, outputs)
    h = np.random.default_rng(seed).random(g.shape).astype(np.float32)
    h = h if seed % 2 else np.ones((1, 1), np.float32)
    planter = SymmetricPlanter(matrix, growth)
    # Few histograms held: the deeper levels are made some nodes at a time.
    planter._grower(outputs)._most = held
    planted = planter.plant(g, h, None, seed=seed)
    packed = pack_outputs(g, h, seed=seed)
    flat = packed.packed.transpose(1, 0, 2).reshape(n, -1)[:, :outputs]
    rounded = (flat >> 32) * packed.units[:, 0], (flat & 0xFFFFFFFF) * packed.units[:, 1]
    codes = matrix.columns.T.astype(np.int64)
    splits, leaf = reference.grow(codes, *rounded, matrix.missing, growth)
    assert depth_of(planted.shape) == len(splits)
    assert np.array_equal(leaf_of(planted, n), leaf)


@pytest.mark.parametrize("outputs", [1, 3])
def test_threads_and_room_do_not_change_a_bit(outputs: int) -> None:
    rng = np.random.default_rng(0)
    n = 100_000
    x = rng.normal(size=(n, 5)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    g = rng.normal(size=(n, outputs)).astype(np.float32) + np.nan_to_num(x[:, :outputs])
    h = rng.random((n, outputs)).astype(np.float32)
    matrix = bin_matrix(x, find_cuts(x, max_bins=64))
    rows = np.flatnonzero(rng.random(n) < 0.9).astype(np.uint32)
    planted = []
    for threads, held in ((1, 1000), (3, 1000), (2, 5)):
        planter = SymmetricPlanter(matrix, Growth(max_depth=6), threads=threads)
        planter._grower(outputs)._most = held
        planted.append(planter.plant(g, h, rows, seed=3))
        planter.close()
    one, *others = planted
    for few in others:
        for name in ("left", "feature", "threshold", "default_left", "cover", "gain"):
            assert np.array_equal(getattr(one.shape, name), getattr(few.shape, name))
        assert np.array_equal(one.values, few.values)
        assert np.array_equal(one.rows, few.rows)


def test_more_leaves_than_rows_have_no_weight() -> None:
    matrix, g = problem(1, 60, 4, 1)
    h = np.ones((1, 1), np.float32)
    planted = SymmetricPlanter(matrix, Growth(max_depth=10)).plant(g, h, None, seed=0)
    empty = np.diff(planted.ends) == 0
    assert empty.any() and not planted.values[empty].any()
    assert planted.shape.cover[planted.leaves][empty].max() == 0


def test_drawn_features_are_the_levels() -> None:
    matrix, g = problem(9, 800, 4, 1)
    h = np.ones((1, 1), np.float32)
    growth = Growth(max_depth=4, interaction_constraints=((0, 1), (2, 3)))
    forest = SymmetricPlanter(matrix, growth).plant(g, h, None, seed=0).shape
    used = set(forest.feature[forest.left >= 0].tolist())
    assert used <= {0, 1} or used <= {2, 3}
    halves = Growth(max_depth=4, colsample_bylevel=0.5)
    drawn = {
        tuple(SymmetricPlanter(matrix, halves).plant(g, h, None, seed=s).shape.feature[[0, 1, 3]])
        for s in range(6)
    }
    assert len(drawn) > 1


def test_what_symmetric_trees_lack_is_named() -> None:
    matrix, _ = problem(0, 20, 2, 1)
    with pytest.raises(ValueError, match=r"monotone_constraints.*symmetric"):
        SymmetricPlanter(matrix, Growth(monotone_constraints=(1,)))
    for depth in (0, 17):
        with pytest.raises(ValueError, match=r"max_depth.*symmetric.*Got"):
            SymmetricPlanter(matrix, Growth(max_depth=depth))

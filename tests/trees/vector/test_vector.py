"""Vector leaves against the textbook's tree, and their bits for any number of threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.trees.binning.cuts import find_cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Planted
from drivetrain.trees.vector import reference
from drivetrain.trees.vector.pairs import Pairs, pack_outputs
from drivetrain.trees.vector.planter import VectorPlanter


def problem(seed: int, n: int, features: int, outputs: int) -> tuple[BinnedMatrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, rng.integers(2, 30, features), (n, features)).astype(np.float32)
    x[rng.random((n, features)) < rng.choice([0, 0.2], features)] = np.nan
    # Whole numbers would tie, and ties fall where the last bit of a gain says.
    g = rng.normal(0, 300, (n, outputs)).astype(np.float32)
    return bin_matrix(x, find_cuts(x, max_bins=255)), g


def steps(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """The derivatives as they were rounded, (n, K): the reference's sums are then equal."""
    blocks, n, lanes = pairs.packed.shape
    flat = pairs.packed.transpose(1, 0, 2).reshape(n, blocks * lanes)[:, : len(pairs.units)]
    return (flat >> 32) * pairs.units[:, 0], (flat & 0xFFFFFFFF) * pairs.units[:, 1]


def leaf_of(planted: Planted, n: int) -> np.ndarray:
    leaf = np.full(n, -1)
    for k in range(len(planted.values)):
        leaf[planted.rows_of(k)] = k
    return leaf


def same_groups(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = {(int(i), int(j)) for i, j in zip(a, b)}
    return len(pairs) == len({i for i, _ in pairs}) == len({j for _, j in pairs})


GROWTHS = [
    Growth(),
    Growth(max_depth=0, max_leaves=9, grow_policy="lossguide"),
    Growth(max_depth=3, max_leaves=5, reg_lambda=0.0),
    Growth(max_depth=4, reg_alpha=200.0, gamma=5000.0),
    Growth(max_depth=4, max_delta_step=20.0, min_child_weight=7.0),
]


@pytest.mark.parametrize("growth", GROWTHS)
@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 2**20),
    n=st.integers(1, 250),
    features=st.integers(1, 5),
    outputs=st.integers(1, 9),
)
def test_leaves_are_the_textbooks(
    growth: Growth, seed: int, n: int, features: int, outputs: int
) -> None:
    matrix, g = problem(seed, n, features, outputs)
    h = np.random.default_rng(seed).random(g.shape).astype(np.float32)
    h = h if seed % 2 else np.ones((1, 1), np.float32)
    planted = VectorPlanter(matrix, growth).plant(g, h, None, seed=seed)
    rounded = steps(pack_outputs(g, h, seed=seed))
    codes = matrix.columns.T.astype(np.int64)
    expected = reference.grow(codes, *rounded, matrix.missing, growth)
    assert same_groups(leaf_of(planted, n), expected)
    whole = np.broadcast_to(h, g.shape).astype(np.float64)
    for k, values in enumerate(planted.values):
        rows = planted.rows_of(k)
        sums = g[rows].sum(axis=0, dtype=np.float64), whole[rows].sum(axis=0)
        # Sums of n rows in units of 2^-62 of their bound, and in float64: both to 1e-12.
        assert np.allclose(values, reference.weights(*sums, growth), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
def test_threads_do_not_change_a_bit(policy: str) -> None:
    rng = np.random.default_rng(0)
    n = 200_000
    x = rng.normal(size=(n, 5)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    g = rng.normal(size=(n, 5)).astype(np.float32) + np.nan_to_num(x)
    h = rng.random((n, 5)).astype(np.float32)
    matrix = bin_matrix(x, find_cuts(x, max_bins=64))
    growth = Growth(max_depth=6, max_leaves=30, grow_policy=policy)  # type: ignore[arg-type]
    rows = np.flatnonzero(rng.random(n) < 0.9).astype(np.uint32)
    planted = []
    for threads in (1, 3):
        planter = VectorPlanter(matrix, growth, threads=threads)
        planted.append(planter.plant(g, h, rows, seed=3))
        planter.close()
    one, few = planted
    for name in ("left", "feature", "threshold", "default_left", "cover", "gain"):
        assert np.array_equal(getattr(one.shape, name), getattr(few.shape, name))
    assert np.array_equal(one.values, few.values)
    assert np.array_equal(one.rows, few.rows)


def test_sums_of_outputs_that_do_not_matter_change_nothing() -> None:
    matrix, g = problem(3, 400, 4, 1)
    wide = np.concatenate([g, np.zeros((400, 6), np.float32)], axis=1)
    h = np.ones((1, 1), np.float32)
    alone = VectorPlanter(matrix, Growth()).plant(g, h, None, seed=1)
    beside = VectorPlanter(matrix, Growth()).plant(wide, h, None, seed=1)
    assert np.array_equal(alone.shape.feature, beside.shape.feature)
    assert np.array_equal(alone.values[:, 0], beside.values[:, 0])
    assert not beside.values[:, 1:].any()


def test_features_are_drawn_and_kept_apart() -> None:
    matrix, g = problem(7, 900, 5, 3)
    h = np.ones((1, 1), np.float32)
    growth = Growth(max_depth=5, interaction_constraints=((0, 1), (2, 3, 4)), colsample_bynode=0.8)
    forest = VectorPlanter(matrix, growth).plant(g, h, None, seed=2).shape
    inner = forest.left >= 0
    assert len(np.unique(forest.feature[inner])) > 1

    def below(node: int, used: frozenset[int]) -> None:
        if forest.left[node] < 0:
            assert used <= {0, 1} or used <= {2, 3, 4}
            return
        for child in (forest.left[node], forest.right[node]):
            below(int(child), used | {int(forest.feature[node])})

    below(0, frozenset())


def test_what_vector_leaves_lack_is_named() -> None:
    matrix, _ = problem(0, 20, 2, 1)
    with pytest.raises(ValueError, match=r"monotone_constraints.*multi_output_tree"):
        VectorPlanter(matrix, Growth(monotone_constraints=(1,)))
    x = np.zeros((5, 2), np.float32)
    kinds = np.array([False, True])
    categorical = bin_matrix(x, find_cuts(x, max_bins=255, categorical=kinds))
    with pytest.raises(ValueError, match=r"Column 1 is categorical.*multi_output_tree"):
        VectorPlanter(categorical, Growth())

"""Exact growth: all values tried, pruned from below, XGBoost's very nodes; proposals a node."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes

from drivetrain.bench.peers import xgboost_trees
from drivetrain.trees import reference
from drivetrain.trees.exact.planter import ExactPlanter
from drivetrain.trees.exact.pruning import prune
from drivetrain.trees.floating.nodes import Node
from drivetrain.trees.forest import Forest
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Planted

Array = np.ndarray

GROWTHS = {
    "default": Growth(),
    "deep": Growth(max_depth=9, min_child_weight=2.0),
    "penalties": Growth(max_depth=4, reg_alpha=3.0, reg_lambda=0.3, gamma=1.0),
    "pruned": Growth(max_depth=6, gamma=4.0),
    "step": Growth(max_depth=5, max_delta_step=0.2, min_child_weight=5),
    "nothing": Growth(max_depth=3, min_child_weight=0.0, reg_lambda=0.0),
    "monotone": Growth(max_depth=4, monotone_constraints=(1, -1, 0)),
    "interaction": Growth(max_depth=5, interaction_constraints=((0, 1), (2,))),
}


def problem(seed: int, n: int, missing: float) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    if seed % 3 == 1:
        x = rng.integers(0, 20, (n, 3)).astype(float)
    x[rng.random(x.shape) < missing] = np.nan
    g = rng.normal(size=n) + np.nan_to_num(np.sin(2 * x[:, 0]) + x[:, 1] % 3)
    h = rng.random(n) if seed % 2 else np.ones(n)
    return x.astype(np.float32), g.astype(np.float32), h.astype(np.float32)


def planted(x: Array, g: Array, h: Array, growth: Growth, **options: int) -> Planted:
    planter = ExactPlanter(x, growth, **options)
    tree = planter.plant(g[:, None], h[:, None], None, seed=0)
    planter.close()
    return tree


def forest_of(tree: Planted) -> Forest:
    return tree.forest(tree.values.astype(np.float32))


def bits(tree: Planted) -> tuple[bytes, ...]:
    return tree.shape.threshold.tobytes(), tree.values.tobytes(), tree.rows.tobytes()


def test_a_split_lies_midway_and_missing_values_choose_their_side() -> None:
    x = np.array([[1], [2], [4], [np.nan]], np.float32)
    g, h = np.array([1, 1, -2, 1], np.float32), np.ones(4, np.float32)
    tree = planted(x, g, h, Growth(max_depth=1, reg_lambda=0.0))
    assert tree.shape.threshold[0] == 3 and tree.shape.default_left[0]
    # G, H: (3, 3) left, (-2, 1) right, (1, 4) in all: 9/3 + 4/1 - 1/4.
    assert tree.shape.gain[0] == np.float32(6.75)
    assert sorted(tree.values[:, 0].tolist()) == [-1, 2]


def test_all_values_against_the_missing_lie_beyond_the_last() -> None:
    x = np.array([[1], [2], [3], [np.nan], [np.nan]], np.float32)
    g = np.array([1, 1, 1, -2, -2], np.float32)
    tree = planted(x, g, np.ones(5, np.float32), Growth(max_depth=1))
    assert tree.shape.threshold[0] == np.float32(3) + (np.float32(3) + np.float32(1e-6))
    assert not tree.shape.default_left[0]


def test_without_missing_values_they_would_go_left() -> None:
    """XGBoost's exact method; its others, and the article, send them right."""
    x, g, h = problem(0, 200, 0.0)
    assert planted(x, g, h, Growth(max_depth=1)).shape.default_left[0]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**20), n=st.integers(1, 200))
def test_leaves_are_the_textbooks(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    g = rng.normal(0, 300, n).astype(np.float32)
    growth = Growth(max_depth=3)
    tree = planted(x, g, np.ones(n, np.float32), growth)
    # Every value a bin of its own.
    codes = x.argsort(axis=0).argsort(axis=0)
    expected = reference.grow(codes, g.astype(float), np.ones(n), -1, growth)
    ours = np.empty(n, np.int64)
    for k in range(len(tree.leaves)):
        ours[tree.rows_of(k)] = k
    pairs = {(int(a), int(b)) for a, b in zip(ours, expected)}
    assert len(pairs) == len(set(ours.tolist())) == len(set(expected.tolist()))


def test_a_bad_split_above_a_good_one_stays() -> None:
    def node(left: int, gain: float) -> Node:
        split = np.zeros(8)
        split[0] = gain
        state = np.zeros(5)
        return Node(depth=0, begin=0, end=0, weight=0, state=state, cover=0, split=split, left=left)

    # The root's gain is small but its left child's is not; its right child's is taken back.
    nodes = [node(1, 0.5), node(3, 9.0), node(5, 0.5), *(node(-1, 0.0) for _ in range(4))]
    kept, homes = prune(nodes, np.float32(1))
    assert [one.left for one in kept] == [1, 3, -1, -1, -1]
    assert homes.tolist() == [0, 1, 2, 3, 4, 2, 2]


@pytest.mark.parametrize("options", [{"threads": 3}, {"block": 1}, {"block": 1000}])
def test_threads_and_blocks_change_no_bit(options: dict[str, int]) -> None:
    x, g, h = problem(3, 5000, 0.1)
    assert bits(planted(x, g, h, Growth())) == bits(planted(x, g, h, Growth(), **options))
    local = bits(planted(x, g, h, Growth(), bins=8))
    assert local == bits(planted(x, g, h, Growth(), bins=8, **options))


def test_rows_left_out_are_not_there() -> None:
    x, g, h = problem(5, 400, 0.1)
    rows = np.flatnonzero(np.arange(400) % 3 != 0).astype(np.uint32)
    part = ExactPlanter(x, Growth()).plant(g[:, None], h[:, None], rows, seed=0)
    assert np.array_equal(np.sort(part.rows), rows)
    alone = planted(x[rows], g[rows], h[rows], Growth())
    assert np.array_equal(part.shape.threshold, alone.shape.threshold)
    # Equal values of a column stand in another order: the sums agree to rounding.
    assert part.values == pytest.approx(alone.values, rel=1e-6)


def test_rows_go_where_the_tree_sends_them() -> None:
    from drivetrain.trees.prediction.predictor import Predictor

    x, g, h = problem(4, 2000, 0.2)
    for options in ({}, {"bins": 8}):
        tree = planted(x, g, h, Growth(gamma=3.0), **options)
        margin = Predictor(forest_of(tree)).margin(x, np.zeros(1, np.float32))[:, 0]
        for k in range(len(tree.leaves)):
            assert (margin[tree.rows_of(k)] == np.float32(tree.values[k, 0])).all()


def test_proposals_a_node_are_as_many_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 1)).astype(np.float32)
    g = np.sin(5 * x[:, 0]).astype(np.float32)
    h = np.ones(4000, np.float32)
    # Two halves: the only candidate is the median of every node's own rows.
    tree = planted(x, g, h, Growth(max_depth=3, min_child_weight=100), bins=2)
    inner = tree.shape.left >= 0
    sizes = tree.shape.cover[tree.shape.left[inner]] / tree.shape.cover[inner]
    assert inner.sum() >= 5 and (np.abs(sizes - 0.5) <= 1 / 500).all()
    # As many candidates as values are all of them.
    assert bits(planted(x, g, h, Growth(), bins=4000)) == bits(planted(x, g, h, Growth()))


@pytest.mark.parametrize(
    ("growth", "words"),
    [
        (Growth(grow_policy="lossguide", max_leaves=3), "grow_policy must be 'depthwise'"),
        (Growth(max_depth=0), "tree_method 'exact' needs a limit: max_depth must be >= 1"),
        (Growth(max_leaves=7), "max_leaves must be 0. Got 7"),
        (Growth(monotone_constraints=(1, 1)), "at most 1 long. Got 2"),
    ],
)
def test_rules_it_does_not_know_are_named(growth: Growth, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ExactPlanter(np.ones((3, 1), np.float32), growth)


def test_a_column_of_nothing_is_never_split() -> None:
    x = np.full((50, 2), np.nan, np.float32)
    x[:, 1] = 7
    tree = planted(x, np.arange(50, dtype=np.float32), np.ones(50, np.float32), Growth())
    assert len(tree.shape.left) == 1


@pytest.mark.peer
@pytest.mark.parametrize("name", GROWTHS)
@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**20),
    n=st.sampled_from([1, 2, 20, 300, 3000]),
    missing=st.sampled_from([0.0, 0.15]),
)
def test_every_node_is_xgboosts(name: str, seed: int, n: int, missing: float) -> None:
    pytest.importorskip("xgboost")
    x, g, h = problem(seed, n, missing)
    theirs = xgboost_trees.tree(x, (g, h), GROWTHS[name], method="exact")
    ours = forest_of(planted(x, g, h, GROWTHS[name]))
    equal, total = xgboost_trees.equal_nodes(ours, 0, theirs)
    assert equal == total


@pytest.mark.peer
@pytest.mark.parametrize("load", [load_diabetes, load_breast_cancer])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_every_node_is_xgboosts_on_real_data(load, missing: float) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("xgboost")
    x, y = load(return_X_y=True)
    rng = np.random.default_rng(0)
    x = x.astype(np.float32)
    x[rng.random(x.shape) < missing] = np.nan
    g, h = (y.mean() - y).astype(np.float32), np.ones(len(y), np.float32)
    growth = Growth(max_depth=8, min_child_weight=0.5)
    theirs = xgboost_trees.tree(x, (g, h), growth, method="exact")
    equal, total = xgboost_trees.equal_nodes(forest_of(planted(x, g, h, growth)), 0, theirs)
    assert equal == total > 30

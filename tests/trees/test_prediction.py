"""Packed prediction against walking the arrays, and against XGBoost's own trees."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.trees.forest import Forest, Terms, join
from drivetrain.trees.prediction.levels import find_levels
from drivetrain.trees.prediction.packed import pack
from drivetrain.trees.prediction.predictor import Predictor


def random_forest(seed: int, features: int, groups: int = 1) -> Forest:
    """Return trees of odd shapes: lone leaves, chains, thresholds at 0, -0.0 and infinity."""
    rng = np.random.default_rng(seed)
    trees = []
    for _ in range(rng.integers(1, 6)):
        left, right = [-1], [-1]
        for _ in range(rng.integers(0, 12)):
            leaf = int(rng.choice(np.flatnonzero(np.array(left) < 0)))
            left[leaf], right[leaf] = len(left), len(left) + 1
            left += [-1, -1]
            right += [-1, -1]
        n = len(left)
        inner = np.array(left) >= 0
        odd = np.array([0.0, -0.0, np.inf, -np.inf, 1.0], np.float32)
        threshold = np.where(rng.random(n) < 0.4, rng.choice(odd, n), rng.normal(size=n))
        trees.append(
            Forest(
                offsets=np.array([0, n]),
                left=np.array(left, np.int32),
                right=np.array(right, np.int32),
                feature=np.where(inner, rng.integers(0, features, n), 0).astype(np.int32),
                threshold=np.where(inner, threshold, 0).astype(np.float32),
                default_left=inner & (rng.random(n) < 0.5),
                value=np.where(inner, 0, rng.normal(size=n)).astype(np.float32)[:, None],
                cover=np.ones(n, np.float32),
                gain=np.zeros(n, np.float32),
                group=np.array([rng.integers(groups)], np.int32),
                n_features=features,
                n_groups=groups,
                set_offsets=np.zeros(n + 1, np.int64),
                sets=np.empty(0, np.int32),
                categorical=np.zeros(n, np.bool_),
            )
        )
    return join(trees)


def leaf_by_hand(forest: Forest, t: int, row: np.ndarray) -> int:
    base = node = forest.offsets[t]
    while forest.left[node] >= 0:
        v = row[forest.feature[node]]
        to_left = forest.default_left[node] if np.isnan(v) else v < forest.threshold[node]
        node = base + (forest.left[node] if to_left else forest.right[node])
    return int(node)


def by_hand(forest: Forest, x: np.ndarray, start: np.ndarray) -> np.ndarray:
    sums = np.tile(start, (len(x), 1)).astype(np.float32)
    for t in range(len(forest)):
        for i, row in enumerate(x):
            value = forest.value[leaf_by_hand(forest, t, row)]
            if forest.group[t] < 0:
                sums[i] += value
            else:
                sums[i, forest.group[t]] += value[0]
    return sums


def odd_rows(seed: int, n: int, features: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    odd = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, 3.4e38], np.float32)
    return np.where(
        rng.random((n, features)) < 0.5,
        rng.choice(odd, (n, features)),
        rng.normal(size=(n, features)),
    ).astype(np.float32)


def widened(forest: Forest, outputs: int, seed: int) -> Forest:
    """The same trees with vectors for leaves."""
    value = np.random.default_rng(seed).normal(size=(len(forest.left), outputs))
    value[~forest.is_leaf] = 0
    group = np.full(len(forest), -1, np.int32)
    return replace(forest, value=value.astype(np.float32), group=group, n_groups=outputs)


def symmetric_forest(seed: int, features: int, outputs: int) -> Forest:
    """Complete trees with one split a level; a vector in each leaf where outputs > 1."""
    rng = np.random.default_rng(seed)
    trees = []
    for _ in range(rng.integers(1, 6)):
        depth = int(rng.integers(0, 6))
        n = 2 ** (depth + 1) - 1
        own = np.arange(n)
        inner = own < n // 2
        level = np.floor(np.log2(own + 1)).astype(int)
        odd = rng.choice(np.array([0.0, -0.0, 0.5, np.inf], np.float32), depth + 1)
        value = np.where(inner[:, None], 0, rng.normal(size=(n, outputs)))
        trees.append(
            Forest(
                offsets=np.array([0, n]),
                left=np.where(inner, 2 * own + 1, -1).astype(np.int32),
                right=np.where(inner, 2 * own + 2, -1).astype(np.int32),
                feature=np.where(inner, rng.integers(0, features, depth + 1)[level], 0).astype(
                    np.int32
                ),
                threshold=np.where(inner, odd[level], 0).astype(np.float32),
                default_left=inner & (rng.random(depth + 1) < 0.5)[level],
                value=value.astype(np.float32),
                cover=np.ones(n, np.float32),
                gain=np.zeros(n, np.float32),
                group=np.array([-1 if outputs > 1 else 0], np.int32),
                n_features=features,
                n_groups=outputs,
                set_offsets=np.zeros(n + 1, np.int64),
                sets=np.empty(0, np.int32),
                categorical=np.zeros(n, np.bool_),
            )
        )
    return join(trees)


def plain(forest: Forest) -> Predictor:
    """A predictor that walks the arrays as they are."""
    predictor = Predictor(forest)
    predictor.__dict__.update(_packed=None, _levels=None)
    return predictor


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**20),
    n=st.sampled_from([0, 1, 7, 8, 9, 63, 64, 65, 130]),
    features=st.integers(1, 5),
    groups=st.integers(1, 3),
)
def test_packed_and_plain_walk_to_the_same_leaves(
    seed: int, n: int, features: int, groups: int
) -> None:
    forest = random_forest(seed, features, groups)
    x = odd_rows(seed + 1, n, features)
    start = np.random.default_rng(seed).normal(size=groups).astype(np.float32)
    for one in (forest, widened(forest, groups, seed)):
        expected = by_hand(one, x, start)
        assert pack(one) is not None
        assert np.array_equal(Predictor(one).margin(x, start), expected)
        assert np.array_equal(plain(one).margin(x, start), expected)
        assert np.array_equal(Predictor(one).leaves(x), plain(one).leaves(x))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**20),
    n=st.sampled_from([0, 1, 63, 64, 65, 130]),
    features=st.sampled_from([1, 3, 200]),
    outputs=st.integers(1, 3),
)
def test_symmetric_trees_are_walked_by_levels(
    seed: int, n: int, features: int, outputs: int
) -> None:
    forest = symmetric_forest(seed, features, outputs)
    x = odd_rows(seed + 1, n, features)
    start = np.zeros(outputs, np.float32)
    expected = by_hand(forest, x, start)
    assert (find_levels(forest) is None) == (len(forest.left) == len(forest))
    assert np.array_equal(Predictor(forest).margin(x, start), expected)
    assert np.array_equal(plain(forest).margin(x, start), expected)


def test_one_node_off_is_not_symmetric() -> None:
    forest = next(
        one for one in (symmetric_forest(s, 3, 1) for s in range(99)) if one.offsets[1] == 15
    )
    assert find_levels(forest) is not None
    for name in ("feature", "threshold", "default_left"):
        column = getattr(forest, name).copy()
        column[5] = not column[5] if name == "default_left" else column[5] + 1
        assert find_levels(replace(forest, **{name: column})) is None


@pytest.mark.parametrize("splits", ["few", "runs", "one tree"])
def test_wide_tables_predict_the_same_bits(splits: str) -> None:
    features = 5000
    rng = np.random.default_rng(4)
    trees = [random_forest(seed, features) for seed in range(12)]
    if splits == "few":
        picked = rng.integers(0, features, 40)
        for tree in trees:
            tree.feature[~tree.is_leaf] = rng.choice(picked, int((~tree.is_leaf).sum()))
    else:
        trees += [chain(900 if splits == "runs" else 2100, s, features) for s in range(4)]
    forest = join(trees)
    packed = pack(forest)
    assert (packed is None) == (splits == "one tree")
    assert packed is None or len(packed) == (1 if splits == "few" else 2)
    x = odd_rows(1, 70, features)
    start = np.zeros(1, np.float32)
    expected = by_hand(forest, x, start)
    assert np.array_equal(Predictor(forest).margin(x, start), expected)
    vectors = widened(forest, 2, 0)
    expected = by_hand(vectors, x, np.zeros(2, np.float32))
    assert np.array_equal(Predictor(vectors).margin(x, np.zeros(2, np.float32)), expected)


def chain(depth: int, seed: int, features: int) -> Forest:
    """A tree that is one long path, every split on another feature."""
    rng = np.random.default_rng(seed)
    n = 2 * depth + 1
    inner = np.arange(n) % 2 == 0
    inner[-1] = False
    left = np.where(inner, np.arange(n) + 1, -1)
    feature = np.zeros(n, np.int32)
    feature[inner] = rng.permutation(features)[:depth]
    return Forest(
        offsets=np.array([0, n]),
        left=left.astype(np.int32),
        right=np.where(inner, left + 1, -1).astype(np.int32),
        feature=feature,
        threshold=np.where(inner, -2, 0).astype(np.float32),
        default_left=np.zeros(n, np.bool_),
        value=np.where(inner, 0, rng.normal(size=n)).astype(np.float32)[:, None],
        cover=np.ones(n, np.float32),
        gain=np.zeros(n, np.float32),
        group=np.zeros(1, np.int32),
        n_features=features,
        n_groups=1,
        set_offsets=np.zeros(n + 1, np.int64),
        sets=np.empty(0, np.int32),
        categorical=np.zeros(n, np.bool_),
    )


def lined(forest: Forest, seed: int) -> Forest:
    """The same trees with lines in their leaves, some of none, one or two features."""
    rng = np.random.default_rng(seed)
    counts = np.where(forest.is_leaf, rng.integers(0, 3, len(forest.left)), 0)
    total = int(counts.sum())
    terms = Terms(
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        feature=rng.integers(0, forest.n_features, total).astype(np.int32),
        coefficient=rng.normal(size=total),
        constant=rng.normal(size=len(counts)),
    )
    return replace(forest, terms=terms)


def test_lines_are_added_where_nothing_is_missing() -> None:
    forest = join([lined(random_forest(1, 3, 2), 1), random_forest(2, 3, 2)])
    forest = join([forest, lined(random_forest(5, 3, 2), 2)]).take(slice(1, None))
    terms = forest.terms
    assert terms is not None
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    x[::3, 1] = np.nan
    expected = np.ones((200, 2), np.float32)
    for i, row in enumerate(x):
        for t in range(len(forest)):
            leaf = leaf_by_hand(forest, t, row)
            span = slice(int(terms.offsets[leaf]), int(terms.offsets[leaf + 1]))
            line = terms.constant[leaf]
            for b, f in zip(terms.coefficient[span], terms.feature[span]):
                line += b * np.float64(row[f])
            line = forest.value[leaf, 0] if np.isnan(line) else np.float32(line)
            expected[i, forest.group[t]] += line
    assert np.array_equal(Predictor(forest).margin(x, np.ones(2, np.float32)), expected)


def test_threads_do_not_change_a_bit() -> None:
    forest = random_forest(3, 4)
    x = np.random.default_rng(0).normal(size=(20_000, 4)).astype(np.float32)
    start = np.zeros(1, np.float32)
    assert np.array_equal(
        Predictor(forest).margin(x, start), Predictor(forest, threads=3).margin(x, start)
    )


def test_a_run_of_trees_predicts_its_share() -> None:
    forest = join([random_forest(seed, 3) for seed in range(4)])
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    zero = np.zeros(1, np.float32)
    head = Predictor(forest.take(slice(0, 5))).margin(x, zero)
    tail = Predictor(forest.take(slice(5, None))).margin(x, head)
    assert np.array_equal(tail, Predictor(forest).margin(x, zero))


@pytest.mark.peer
def test_xgboosts_trees_give_xgboosts_bits() -> None:
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 6)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x[:, 0]) * 3 + rng.normal(size=3000)
    booster = xgboost.train({"max_depth": 7, "nthread": 1}, xgboost.DMatrix(x, y), 20)
    model = json.loads(booster.save_raw("json"))["learner"]
    trees = [_tree(one, 6) for one in model["gradient_booster"]["model"]["trees"]]
    base = np.float32(model["learner_model_param"]["base_score"].strip("[]"))
    predictor = Predictor(join(trees))
    assert np.array_equal(predictor.margin(x, np.array([base]))[:, 0], booster.inplace_predict(x))
    leaves = booster.predict(xgboost.DMatrix(x), pred_leaf=True)
    assert np.array_equal(predictor.leaves(x), leaves)


def _tree(one: dict, features: int) -> Forest:
    left = np.array(one["left_children"], np.int32)
    condition = np.array(one["split_conditions"], np.float32)
    leaf = left < 0
    n = len(left)
    return Forest(
        offsets=np.array([0, n]),
        left=left,
        right=np.array(one["right_children"], np.int32),
        feature=np.array(one["split_indices"], np.int32),
        threshold=np.where(leaf, 0, condition).astype(np.float32),
        default_left=np.array(one["default_left"], np.bool_) & ~leaf,
        value=np.where(leaf, condition, 0).astype(np.float32)[:, None],
        cover=np.array(one["sum_hessian"], np.float32),
        gain=np.array(one["loss_changes"], np.float32),
        group=np.zeros(1, np.int32),
        n_features=features,
        n_groups=1,
        set_offsets=np.zeros(n + 1, np.int64),
        sets=np.empty(0, np.int32),
        categorical=np.zeros(n, np.bool_),
    )

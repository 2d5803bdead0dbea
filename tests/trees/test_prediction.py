"""Packed prediction against walking the arrays, and against XGBoost's own trees."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.trees.forest import Forest, join
from drivetrain.trees.prediction.packed import can_pack
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


def by_hand(forest: Forest, x: np.ndarray, start: np.ndarray) -> np.ndarray:
    sums = np.tile(start, (len(x), 1)).astype(np.float32)
    for t in range(len(forest)):
        base = forest.offsets[t]
        for i, row in enumerate(x):
            node = base
            while forest.left[node] >= 0:
                v = row[forest.feature[node]]
                to_left = forest.default_left[node] if np.isnan(v) else v < forest.threshold[node]
                node = base + (forest.left[node] if to_left else forest.right[node])
            sums[i, forest.group[t]] += forest.value[node, 0]
    return sums


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
    rng = np.random.default_rng(seed + 1)
    odd = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, 3.4e38], np.float32)
    x = np.where(
        rng.random((n, features)) < 0.5,
        rng.choice(odd, (n, features)),
        rng.normal(size=(n, features)),
    ).astype(np.float32)
    start = rng.normal(size=groups).astype(np.float32)
    expected = by_hand(forest, x, start)
    assert can_pack(forest)
    assert np.array_equal(Predictor(forest).margin(x, start), expected)
    plain = Predictor(forest)
    plain.__dict__["_packed"] = None
    assert np.array_equal(plain.margin(x, start), expected)


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

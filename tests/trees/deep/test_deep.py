"""Deep trees against scikit-learn's: the same rows in the same leaves."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from drivetrain.trees.binning.cuts import find_cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix
from drivetrain.trees.deep.grower import DeepGrower, DeepTree, together
from drivetrain.trees.deep.rules import DeepRules
from drivetrain.trees.deep.targets import labels, numbers
from drivetrain.trees.prediction.predictor import Predictor

FEATURES = 5


def table(seed: int, n: int, *, missing: bool = False) -> tuple[np.ndarray, BinnedMatrix]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, FEATURES)).astype(np.float32)
    if missing:
        x[rng.random(x.shape) < 0.2] = np.nan
    # A bin for every value: nothing is lost by binning.
    return x, bin_matrix(x, find_cuts(x, max_bins=n + 1))


def everyone(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n, dtype=np.uint32), np.ones(n)


def predict(tree: DeepTree, x: np.ndarray) -> np.ndarray:
    return Predictor(tree.forest).margin(x, np.zeros(tree.forest.n_groups, np.float32))


RULES = [
    {},
    {"min_samples_leaf": 4},
    {"max_depth": 3},
    {"min_samples_split": 9},
    {"max_leaf_nodes": 7},
    {"min_impurity_decrease": 0.01},
]


def ours(given: dict[str, float], **more: object) -> DeepRules:
    return DeepRules(max_features=FEATURES, **given, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("rules", RULES, ids=str)
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**20), n=st.integers(2, 150))
def test_numbers_are_scikit_learns(rules: dict[str, float], seed: int, n: int) -> None:
    x, matrix = table(seed, n)
    rng = np.random.default_rng(seed)
    y = rng.normal(1e3, 1.0, n)
    weight = rng.integers(1, 5, n).astype(float)
    tree = DeepGrower(matrix, numbers(y), ours(rules)).grow(everyone(n)[0], weight, seed=1)
    theirs = DecisionTreeRegressor(random_state=0, **rules).fit(x, y, sample_weight=weight)
    # Means of at most n numbers near 1000, kept as float32.
    assert predict(tree, x)[:, 0] == pytest.approx(theirs.predict(x), rel=2**-23)
    assert len(tree.forest.left) == theirs.tree_.node_count


def test_impurity_decreases_are_scikit_learns() -> None:
    # So many rows and so few levels that no two features part them alike.
    x, matrix = table(11, 500)
    y = x[:, 0] * 2 + x[:, 3] + np.random.default_rng(1).normal(size=500)
    tree = DeepGrower(matrix, numbers(y), ours({"max_depth": 4})).grow(*everyone(500), seed=1)
    theirs = DecisionTreeRegressor(max_depth=4).fit(x, y)
    share = tree.impurity_decrease / tree.impurity_decrease.sum()
    assert share == pytest.approx(theirs.feature_importances_, abs=1e-9)


@pytest.mark.parametrize("criterion", ["gini", "entropy"])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("rules", RULES, ids=str)
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**20), n=st.integers(6, 150))
def test_classes_are_scikit_learns(
    rules: dict[str, float], classes: int, criterion: str, seed: int, n: int
) -> None:
    x, matrix = table(seed, n)
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    y[:classes] = np.arange(classes)
    # Distinct weights: equal gains would be ties, which chance decides.
    weight = rng.integers(1000, 100_000, n).astype(float)
    target = labels(y, classes, as_number=criterion == "gini")
    rule = ours(rules, criterion=criterion)
    tree = DeepGrower(matrix, target, rule).grow(everyone(n)[0], weight, seed=1)
    theirs = DecisionTreeClassifier(random_state=0, criterion=criterion, **rules)
    shares = theirs.fit(x, y, sample_weight=weight).predict_proba(x)
    got = predict(tree, x)
    got = np.concatenate([1 - got, got], axis=1) if got.shape[1] == 1 else got
    assert got == pytest.approx(shares, abs=2**-22)


def test_a_seed_draws_the_features_whatever_the_threads() -> None:
    n = 400
    x, matrix = table(3, n, missing=True)
    y = np.nan_to_num(x).sum(axis=1) + np.random.default_rng(0).normal(size=n)
    grower = DeepGrower(matrix, numbers(y), DeepRules(max_features=2))
    sample: Callable[[int], tuple[np.ndarray, np.ndarray]] = lambda k: everyone(n)  # noqa: E731
    one = together(list(grower.grow_all(sample, [1, 2, 3, 4, 5], threads=1)))
    few = together(list(grower.grow_all(sample, [1, 2, 3, 4, 5], threads=3)))
    for name in ("left", "feature", "threshold", "default_left", "value", "gain", "cover"):
        assert np.array_equal(getattr(one, name), getattr(few, name))
    sizes = np.diff(one.offsets)
    assert len({tuple(one.feature[a : a + 3]) for a in one.offsets[:-1]}) > 1, sizes


def test_missing_values_go_where_they_help() -> None:
    n = 300
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, FEATURES)).astype(np.float32)
    gone = rng.random(n) < 0.3
    x[gone, 2] = np.nan
    matrix = bin_matrix(x, find_cuts(x, max_bins=255))
    tree = DeepGrower(matrix, numbers(gone.astype(float)), ours({})).grow(*everyone(n), seed=0)
    assert len(tree.forest.left) == 3
    assert np.array_equal(predict(tree, x)[:, 0], gone.astype(np.float32))


@pytest.mark.parametrize("classes", [0, 3])
def test_categories_are_parted_in_one_split(classes: int) -> None:
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 30, 600)
    high = np.isin(codes, [3, 7, 8, 19, 28])
    x = np.stack([codes, rng.normal(size=600)], axis=1).astype(np.float32)
    kinds = np.array([True, False])
    matrix = bin_matrix(x, find_cuts(x, max_bins=255, categorical=kinds))
    target = labels(high * 2, 3) if classes else numbers(high * 5.0)
    tree = DeepGrower(matrix, target, DeepRules(max_features=2)).grow(*everyone(600), seed=0)
    assert len(tree.forest.left) == 3
    found = predict(tree, x)
    assert np.array_equal(found[:, 2] if classes else found[:, 0] / 5, high.astype(np.float32))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**20))
def test_monotone_constraints_hold(seed: int) -> None:
    n = 250
    rng = np.random.default_rng(seed)
    x = rng.random((n, 2)).astype(np.float32)
    y = rng.normal(size=n) + 2 * x[:, 1]
    matrix = bin_matrix(x, find_cuts(x, max_bins=255))
    rules = DeepRules(max_features=2, monotonic=(1, -1))
    tree = DeepGrower(matrix, numbers(y), rules).grow(*everyone(n), seed=seed)
    line = np.linspace(0, 1, 50, dtype=np.float32)
    for other in (0.2, 0.8):
        still = np.full(50, other, np.float32)
        up = predict(tree, np.stack([line, still], axis=1))[:, 0]
        down = predict(tree, np.stack([still, line], axis=1))[:, 0]
        assert (np.diff(up) >= 0).all()
        assert (np.diff(down) <= 0).all()

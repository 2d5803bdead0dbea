"""Shapley values against their definition, their sum, and XGBoost's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.boosting.files.model import loads
from drivetrain.trees.forest import Forest, join
from drivetrain.trees.prediction.predictor import Predictor
from drivetrain.trees.shap import reference
from drivetrain.trees.shap.explainer import Explainer

# Products of up to six float32 factors, sums of a few leaves of size about 1.
_CLOSE = 64 * np.finfo(np.float32).eps


def random_forest(seed: int, features: int, groups: int) -> Forest:
    """Return trees with covers that add up, some of them 0, and categorical splits."""
    rng = np.random.default_rng(seed)
    return join([_tree(rng, features, groups) for _ in range(rng.integers(1, 4))])


def _tree(rng: np.random.Generator, features: int, groups: int) -> Forest:
    left, right, cover = [-1], [-1], [float(rng.integers(1, 50))]
    for _ in range(rng.integers(0, 8)):
        leaf = int(rng.choice(np.flatnonzero(np.array(left) < 0)))
        left[leaf], right[leaf] = len(left), len(left) + 1
        part = float(rng.integers(0, int(cover[leaf]) + 1))
        left += [-1, -1]
        right += [-1, -1]
        cover += [part, cover[leaf] - part]
    n = len(left)
    inner = np.array(left) >= 0
    feature = np.where(inner, rng.integers(0, features, n), 0)
    # Odd features are categorical.
    categorical = inner & (feature % 2 == 1)
    sets = [np.flatnonzero(rng.random(5) < 0.5) if c else np.empty(0, int) for c in categorical]
    return Forest(
        offsets=np.array([0, n]),
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        feature=feature.astype(np.int32),
        threshold=np.where(inner & ~categorical, rng.integers(0, 4, n), 0).astype(np.float32),
        default_left=inner & (rng.random(n) < 0.5),
        value=np.where(inner, 0, rng.normal(size=n)).astype(np.float32)[:, None],
        cover=np.array(cover, np.float32),
        gain=np.zeros(n, np.float32),
        group=np.array([rng.integers(groups)], np.int32),
        n_features=features,
        n_groups=groups,
        set_offsets=np.concatenate([[0], np.cumsum([len(s) for s in sets])]),
        sets=np.concatenate(sets).astype(np.int32),
        categorical=categorical,
    )


def rows(seed: int, n: int, features: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 7, (n, features)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    return x


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**20), features=st.integers(1, 5), groups=st.integers(1, 2))
def test_values_and_pairs_are_the_definition(seed: int, features: int, groups: int) -> None:
    forest = random_forest(seed, features, groups)
    x = rows(seed + 1, 4, features)
    base = np.arange(groups, dtype=np.float32)
    explainer = Explainer(forest)
    phi, pairs = explainer.values(x, base), explainer.interactions(x, base)
    for i, row in enumerate(x):
        expected = reference.shapley(forest, row)
        expected[:, -1] += base
        np.testing.assert_allclose(phi[i], expected, rtol=0, atol=_CLOSE)
        expected = reference.interactions(forest, row)
        expected[:, -1, -1] += base
        np.testing.assert_allclose(pairs[i], expected, rtol=0, atol=4 * _CLOSE)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**20), n=st.sampled_from([0, 1, 31, 32, 33, 300]))
def test_values_sum_to_the_margin(seed: int, n: int) -> None:
    forest = random_forest(seed, 4, 1)
    x = rows(seed, n, 4)
    base = np.ones(1, np.float32)
    explainer = Explainer(forest)
    # A category beyond what splits name goes left, as one they name not to go right.
    margin = Predictor(forest).margin(x, base)
    np.testing.assert_allclose(explainer.values(x, base).sum(axis=2), margin, atol=_CLOSE)
    np.testing.assert_allclose(
        explainer.interactions(x, base).sum(axis=3), explainer.values(x, base), atol=1e-12
    )


def test_threads_do_not_change_a_bit() -> None:
    forest = random_forest(8, 4, 2)
    x, base = rows(0, 2000, 4), np.zeros(2, np.float32)
    one, three = Explainer(forest), Explainer(forest, threads=3)
    assert np.array_equal(one.values(x, base), three.values(x, base))
    assert np.array_equal(one.interactions(x, base), three.interactions(x, base))


@pytest.mark.peer
@pytest.mark.parametrize("depth", [1, 6, 12])
def test_xgboosts_values_and_pairs(depth: int) -> None:
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(depth)
    x = rng.normal(size=(2000, 9)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x[:, 0] * x[:, 1]) + np.nan_to_num(x[:, 2]) + rng.normal(0, 0.1, 2000)
    booster = xgboost.train({"max_depth": depth, "nthread": 1}, xgboost.DMatrix(x, y), 10)
    model = loads(bytes(booster.save_raw("ubj")))
    base = model.objective.to_margin(model.base_score)
    some = xgboost.DMatrix(x[:40])
    explainer = Explainer(model.forest)
    ours = explainer.values(x[:40], base)[:, 0]
    theirs = booster.predict(some, pred_contribs=True)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
    margin = booster.predict(some, output_margin=True)
    assert (
        np.abs(ours.sum(axis=1) - margin).max() <= np.abs(theirs.sum(axis=1) - margin).max() + 1e-6
    )
    pairs = explainer.interactions(x[:40], base)[:, 0]
    np.testing.assert_allclose(pairs, booster.predict(some, pred_interactions=True), atol=1e-4)

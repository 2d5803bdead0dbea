"""Importances of features: XGBoost's to the bit, permutation as scikit-learn means it, SHAP."""

from typing import Any

import numpy as np
import pytest

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.files.model import loads
from drivetrain.boosting.importance import KINDS, importance, permutation
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.importance import (
    SPLIT_KINDS,
    permutation_importance,
    shap_importance,
    split_importance,
)
from drivetrain.trees.shap.explainer import Explainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(700, 5)).astype(np.float32)
X[:, 4] = 1  # a constant: never split on
Y = (X[:, 0] * X[:, 1] + 3 * X[:, 2]).astype(np.float32)
DATA = Dataset(x=X, label=Y)


def fitted(objective: Any = None, label: Any = Y) -> Booster:
    return boost(Dataset(x=X, label=label), objective or SquaredError(), Settings(n_estimators=8))[
        0
    ]


MODEL = fitted()


@pytest.mark.peer
@pytest.mark.parametrize("kind", SPLIT_KINDS)
@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_splits_count_as_in_xgboost(kind: str, policy: str, outputs: int) -> None:
    xgboost = pytest.importorskip("xgboost")
    params: dict[str, Any] = {"max_depth": 9, "max_leaves": 70, "grow_policy": policy}
    label = Y
    if outputs > 1:
        params |= {"objective": "multi:softprob", "num_class": outputs}
        label = np.digitize(Y, [-1, 1])
    theirs = xgboost.train(params, xgboost.DMatrix(X, label), 12)
    score = theirs.get_score(importance_type=kind)
    ours = split_importance(loads(bytes(theirs.save_raw("ubj"))).forest, kind)
    assert ours.tolist() == [score.get(f"f{k}", 0.0) for k in range(5)]


@pytest.mark.parametrize("kind", SPLIT_KINDS)
def test_splits_are_those_of_the_nodes(kind: str) -> None:
    forest = MODEL.forest
    found = split_importance(forest, kind)
    for f in range(5):
        nodes = (forest.left >= 0) & (forest.feature == f)
        column = forest.gain if "gain" in kind else forest.cover
        values = np.ones(nodes.sum()) if kind == "weight" else column[nodes].astype(float)
        wanted = values.sum() / (1 if "total" in kind or kind == "weight" else max(1, nodes.sum()))
        # Sequential float32 sums: at most half a unit for each of the terms.
        assert found[f] == pytest.approx(wanted, rel=2.0**-24 * max(1, nodes.sum()))


def test_no_split_and_no_tree_matter_not() -> None:
    none = boost(DATA, SquaredError(), Settings(n_estimators=0))[0]
    bare = boost(DATA, SquaredError(), Settings(n_estimators=2, growth=Growth(gamma=1e9)))[0]
    for model in (none, bare):
        for kind in SPLIT_KINDS:
            assert split_importance(model.forest, kind).tolist() == [0.0] * 5


def test_permutation_finds_what_matters() -> None:
    found = permutation(MODEL, DATA, n_repeats=4)
    assert found.importances.shape == (5, 4)
    assert found.mean.argmax() == 2 and found.mean[:3].min() > 0
    # Shuffling a constant changes nothing; nor does a feature no tree asks.
    assert found.importances[4].tolist() == [0.0] * 4
    assert found.score == pytest.approx(np.sqrt(np.mean((MODEL.predict(X) - Y) ** 2)), rel=1e-5)


def test_a_rising_metric_is_turned() -> None:
    label = (Y > 0).astype(np.float32)
    model = fitted(Logistic(), label)
    data = Dataset(x=X, label=label)
    by_auc, by_loss = (permutation(model, data, metric=name) for name in ("auc", "logloss"))
    assert by_auc.mean[2] > 0.1 and by_loss.mean[2] > 0.1
    assert by_auc.score > 0.9


def test_permutation_is_the_same_bits_for_any_threads_and_leaves_the_rows_alone() -> None:
    held = X.copy()
    one, three = (permutation(MODEL, DATA, threads=t, n_repeats=2) for t in (1, 3))
    assert np.array_equal(one.importances, three.importances)
    assert np.array_equal(X, held)
    other = permutation(MODEL, DATA, random_state=1, n_repeats=2)
    assert not np.array_equal(one.importances, other.importances)
    more = permutation(MODEL, DATA, n_repeats=3)
    assert np.array_equal(more.importances[:, :2], one.importances)


def test_permutation_means_what_scikit_learn_means() -> None:
    """Two estimates of one mean: they differ by a few of their own standard errors."""
    from sklearn.dummy import DummyRegressor
    from sklearn.inspection import permutation_importance as theirs

    def score(estimator: Any, x: Any, y: Any) -> float:
        return -float(np.sqrt(np.mean((MODEL.predict(np.ascontiguousarray(x)) - y) ** 2)))

    repeats = 40
    learner = DummyRegressor().fit(X, Y)
    wanted = theirs(learner, X, Y, scoring=score, n_repeats=repeats, random_state=0)
    found = permutation(MODEL, DATA, metric="rmse", n_repeats=repeats)
    error = np.sqrt((found.std**2 + wanted.importances_std**2) / repeats)
    # Five standard errors: one run in millions is beyond; 1e-6 for rmse in another precision.
    assert (np.abs(found.mean - wanted.importances_mean) <= 5 * error + 1e-6).all()


def test_shap_importance_is_the_mean_of_absolute_values() -> None:
    x = np.concatenate([X] * 7)[:4500]
    model = fitted(Softmax(3), np.digitize(Y, [-1, 1]))
    found = shap_importance(model.forest, x)
    values = Explainer(model.forest).values(x, np.zeros(3, np.float32))[:, :, :-1]
    assert found.shape == (3, 5)
    # Double sums in another order.
    assert found == pytest.approx(np.abs(values).mean(axis=0), rel=1e-12)
    assert np.array_equal(found, shap_importance(model.forest, x, threads=3))
    assert found[:, 4].tolist() == [0.0] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_ranks_the_features_of_a_model(kind: str) -> None:
    found = importance(MODEL, kind, data=DATA)
    assert found.shape == (5,) and found[4] == 0
    if kind not in ("weight", "cover", "total_cover"):
        assert found.argmax() == 2


def test_only_the_rounds_in_use_are_counted() -> None:
    from dataclasses import replace

    stopped = replace(MODEL, best_round=1)
    wanted = split_importance(MODEL.first(2).forest, "weight")
    assert np.array_equal(importance(stopped, "weight"), wanted)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: split_importance(MODEL.forest, "gains"), "kind must be one of"),
        (lambda: importance(MODEL, "shapley"), "kind must be one of"),
        (lambda: importance(MODEL, "shap"), "data must be given: shap importance needs rows"),
        (lambda: permutation(MODEL, Dataset(x=X)), "label is missing"),
        (lambda: permutation(MODEL, DATA, metric="rsme"), "Did you mean 'rmse'"),
        (lambda: permutation(MODEL, DATA, n_repeats=0), "n_repeats must be >= 1"),
        (lambda: permutation_importance(lambda x: 0.0, X[:0]), "at least one row"),
        (lambda: shap_importance(MODEL.forest, X[:0]), "at least one row"),
        (lambda: shap_importance(MODEL.forest, X[:, :3]), "5 features. Got 3"),
    ],
)
def test_what_is_wrong_is_named(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()

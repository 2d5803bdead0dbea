"""Models behind the estimators: continued, explained, stored, ranked, differently trained."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_validate

from drivetrain.boosting import (
    BoostedTreesClassifier,
    BoostedTreesRanker,
    BoostedTreesRegressor,
    LearningRates,
)

X, Y = load_diabetes(return_X_y=True)
CX, CY = load_breast_cancer(return_X_y=True)
Make = Callable[..., Any]


def regressor(**given: Any) -> BoostedTreesRegressor:
    return BoostedTreesRegressor(**{"n_estimators": 8, "max_depth": 3, "n_jobs": 1, **given})


def classifier(**given: Any) -> BoostedTreesClassifier:
    return BoostedTreesClassifier(**{"n_estimators": 8, "max_depth": 3, "n_jobs": 1, **given})


def test_four_rounds_and_four_more_are_eight() -> None:
    whole, half = regressor().fit(X, Y), regressor(n_estimators=4).fit(X, Y)
    more = regressor(n_estimators=4).fit(X, Y, init_model=half)
    by_booster = regressor(n_estimators=4).fit(X, Y, init_model=half.booster_)
    warm = regressor(n_estimators=4, warm_start=True).fit(X, Y)
    warm.set_params(n_estimators=8).fit(X, Y)
    for one in (more, by_booster, warm):
        assert len(one.booster_) == 8
        assert np.array_equal(one.predict(X), whole.predict(X))
    with pytest.raises(ValueError, match="n_estimators must be at least 8"):
        warm.set_params(n_estimators=3).fit(X, Y)
    with pytest.raises(TypeError, match="init_model must be a fitted estimator"):
        regressor().fit(X, Y, init_model=3)


def test_margins_rounds_and_leaves() -> None:
    fitted = classifier().fit(CX, CY)
    margin = fitted.predict(CX, output_margin=True)
    p = fitted.predict_proba(CX)[:, 1]
    assert p == pytest.approx(1 / (1 + np.exp(-margin)), abs=1e-6)
    first = fitted.predict(CX, output_margin=True, iteration_range=(0, 3))
    rest = classifier(n_estimators=5).fit(CX, CY, base_margin=first)
    assert rest.predict(CX, output_margin=True, base_margin=first) == pytest.approx(
        margin, abs=1e-4
    )
    assert fitted.apply(CX).shape == (len(CX), 8) and fitted.apply(CX).dtype == np.int32
    assert fitted.apply(CX, iteration_range=(2, 4)).shape == (len(CX), 2)


@pytest.mark.parametrize("interactions", [False, True])
def test_shapley_values_sum_to_the_margin(interactions: bool) -> None:
    fitted = regressor().fit(X, Y)
    values = fitted.shap_values(X[:40], interactions=interactions)
    assert values.shape == ((40, 11, 11) if interactions else (40, 11))
    # Sums of float32 of size 150: 11 or 121 roundings.
    total = values.reshape(40, -1).sum(axis=1)
    assert total == pytest.approx(fitted.predict(X[:40]), rel=1e-5)
    three = classifier().fit(*load_iris(return_X_y=True))
    assert three.shap_values(np.zeros((2, 4))).shape == (2, 3, 5)


@pytest.mark.parametrize("name", ["m.json", "m.ubj"])
def test_models_are_stored_with_classes_and_categories(name: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"size": CX[:, 0], "kind": np.where(CX[:, 1] > 18, "high", "low")})
    words = np.array(["bad", "good"])[CY]
    fitted = classifier(early_stopping_rounds=2, n_estimators=60).fit(frame, words)
    fitted.save_model(tmp_path / name)
    again = classifier()
    again.load_model(tmp_path / name)
    assert np.array_equal(again.predict(frame), fitted.predict(frame))
    assert np.array_equal(again.predict_proba(frame), fitted.predict_proba(frame))
    assert again.best_iteration_ == fitted.best_iteration_
    assert list(again.classes_) == ["bad", "good"]
    with pytest.raises(ValueError, match="'kind' has a category"):
        again.predict(frame.assign(kind="odd"))
    thawed = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(thawed.predict(frame), fitted.predict(frame))


@pytest.mark.parametrize("kind", ["gain", "weight", "cover", "total_gain", "total_cover"])
def test_importances_are_shares(kind: str) -> None:
    shares = regressor(importance_type=kind).fit(X, Y).feature_importances_
    assert shares.shape == (10,) and shares.sum() == pytest.approx(1)


def test_a_wrong_importance_is_named() -> None:
    fitted = regressor(importance_type="split").fit(X, Y)
    with pytest.raises(ValueError, match="importance_type must be one of"):
        assert fitted.feature_importances_.sum()


def test_a_linear_model_has_weights() -> None:
    fitted = regressor(booster="gblinear", n_estimators=50).fit(X, Y)
    assert fitted.coef_.shape == (10,) and fitted.intercept_.shape == (1,)
    expected = X @ fitted.coef_ + fitted.predict(np.zeros((1, 10)))
    assert fitted.predict(X) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(AttributeError, match="booster='gblinear' only"):
        assert regressor().fit(X, Y).coef_ is None


@pytest.mark.parametrize(
    "given",
    [
        {"booster": "dart", "params": {"rate_drop": 0.2}},
        {"num_parallel_tree": 5, "subsample": 0.6, "colsample_bynode": 0.5},
        {"tree_method": "exact"},
        {"tree_method": "approx"},
        {"grow_policy": "lossguide", "max_leaves": 6, "max_depth": 0},
        {"grow_policy": "symmetric"},
        {"sampling_method": "goss", "learning_rate": 0.1},
        {"params": {"histogram": "float", "cuts": "quantile"}},
        {"params": {"linear_tree": True}},
        {"monotone_constraints": "(0,0,1)"},
    ],
    ids=str,
)
def test_every_way_of_training_learns(given: dict) -> None:
    fitted = regressor(n_estimators=30, **given).fit(X[:300], Y[:300])
    assert fitted.score(X[300:], Y[300:]) > 0.25
    again = clone(fitted).fit(X[:300], Y[:300])
    assert np.array_equal(again.predict(X), fitted.predict(X))


def test_vector_leaves_serve_several_targets() -> None:
    both = np.column_stack([Y, -Y])
    fitted = regressor(multi_strategy="multi_output_tree").fit(X, both)
    assert len(fitted.booster_.forest) == 8
    assert fitted.predict(X).shape == both.shape and fitted.score(X, both) > 0.4


def test_a_loss_of_ones_own() -> None:
    own = regressor(objective=lambda margin, label: (margin - label, np.ones_like(margin)))
    usual = regressor(base_score=0.5).fit(X, Y)
    assert own.fit(X, Y).predict(X) == pytest.approx(usual.predict(X), rel=1e-4)

    def logistic(margin: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = 1 / (1 + np.exp(-margin))
        return p - label, p * (1 - p)

    mine, theirs = classifier(objective=logistic), classifier(base_score=0.5)
    proba = mine.fit(CX, CY).predict_proba(CX)
    assert proba == pytest.approx(theirs.fit(CX, CY).predict_proba(CX), abs=1e-4)
    assert mine.booster_.objective.name == "binary:logistic"


def test_a_metric_of_ones_own_decides_when_to_stop() -> None:
    fitted = classifier(n_estimators=200, early_stopping_rounds=3, eval_metric=["auc", log_loss])
    fitted.fit(CX[:400], CY[:400], eval_set=[(CX[400:], CY[400:])])
    seen = fitted.evals_result_["validation_0"]
    assert list(seen) == ["auc", "log_loss"]
    assert fitted.best_iteration_ == int(np.argmin(seen["log_loss"]))
    assert fitted.best_score_ == pytest.approx(log_loss(CY[400:], fitted.predict_proba(CX[400:])))


def test_weights_of_evaluation_rows_count() -> None:
    weight = np.arange(42) + 1.0
    fitted = regressor(eval_metric="mae")
    fitted.fit(X[:400], Y[:400], eval_set=[(X[400:], Y[400:])], eval_sample_weight=[weight])
    off = np.abs(fitted.predict(X[400:]) - Y[400:])
    last = fitted.evals_result_["validation_0"]["mae"][-1]
    assert last == pytest.approx(np.average(off, weights=weight), rel=1e-5)


def test_callbacks_are_called_and_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    flat = regressor(callbacks=[LearningRates(rates=lambda number: 0.0)]).fit(X, Y)
    assert np.ptp(flat.predict(X)) == 0
    assert capsys.readouterr().out == ""
    regressor(verbose=4).fit(X, Y, eval_set=[(X, Y)])
    assert capsys.readouterr().out.startswith("[0]\tvalidation_0-rmse:")


def test_early_stopping_may_insist_on_a_set() -> None:
    strict = regressor(early_stopping_rounds=2, validation_fraction=None)
    with pytest.raises(ValueError, match="validation_fraction=None needs an eval_set"):
        strict.fit(X, Y)
    strict.fit(X, Y, eval_set=[(X, Y)])


def test_searches_and_routing() -> None:
    search = GridSearchCV(regressor(), {"max_depth": [2, 3]}, cv=2).fit(X, Y)
    assert search.best_params_["max_depth"] in (2, 3)
    with config_context(enable_metadata_routing=True):
        weighted = classifier().set_fit_request(sample_weight=True)
        weighted.set_score_request(sample_weight=True)
        seen = cross_validate(weighted, CX, CY, cv=2, params={"sample_weight": CY + 1.0})
    assert seen["test_score"].min() > 0.9


QID = np.repeat(np.arange(30), 12)
RX = np.random.default_rng(0).random((360, 4))
GRADES = np.digitize(RX[:, 0] + 0.2 * RX[:, 1], [0.5, 0.8, 1.0])


def test_rankers_put_the_best_first() -> None:
    ranker = BoostedTreesRanker(n_estimators=10, max_depth=3, n_jobs=1)
    by_qid = ranker.fit(RX, GRADES, qid=QID)
    assert by_qid.score(RX, GRADES, qid=QID) > 0.95
    assert by_qid.score(RX, GRADES, qid=QID, metric="ndcg@3") > 0.9
    by_group = clone(ranker).fit(RX, GRADES, group=np.full(30, 12))
    assert np.array_equal(by_qid.predict(RX), by_group.predict(RX))
    stopped = BoostedTreesRanker(early_stopping_rounds=3, n_jobs=1).fit(RX, GRADES, qid=QID)
    assert stopped.best_iteration_ < 99
    watched = ranker.fit(RX, GRADES, qid=QID, eval_set=[(RX, GRADES, QID)])
    assert watched.evals_result_["validation_0"]["ndcg@32"][-1] > 0.95


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"qid": QID[::-1]}, "qid must not fall: sort the rows by query"),
        ({"qid": QID, "group": [360]}, "must not both be given"),
        ({"group": [300]}, "360"),
        ({"qid": QID[:10]}, "qid must have 360 entries. Got 10"),
        ({"qid": QID, "query_weight": [1.0]}, "query_weight must have 30 entries. Got 1"),
    ],
    ids=str,
)
def test_queries_that_do_not_fit_are_named(given: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BoostedTreesRanker(n_estimators=2, n_jobs=1).fit(RX, GRADES, **given)


@pytest.mark.parametrize(
    ("make", "given", "words"),
    [
        (regressor, {"params": {"rate_dorp": 1}}, "Did you mean 'rate_drop'"),
        (regressor, {"params": {"max_depth": 1}}, "params must not hold 'max_depth'"),
        (regressor, {"booster": "gbtre"}, "Did you mean 'gbtree'"),
        (regressor, {"tree_method": "fast"}, "tree_method must be one of"),
        (regressor, {"num_parallel_tree": 0}, "num_parallel_tree must be >= 1"),
        (regressor, {"params": {"updater": "shotgun"}}, "read by booster='gblinear' only"),
        (regressor, {"objective": "reg:squared"}, "Unknown objective 'reg:squared'"),
        (regressor, {"eval_metric": [3]}, "eval_metric must hold names and functions"),
        (regressor, {"base_score": [1.0, 2.0]}, "base_score must hold 1 or 1 numbers. Got 2"),
        (classifier, {"base_score": 2.0}, "base_score must be a prediction of binary:logistic"),
        (classifier, {"objective": "multi:softprob"}, "objective must be one of"),
        (regressor, {"categorical_features": ["zz"]}, "names no column: 'zz'"),
    ],
    # A function's address differs from process to process.
    ids=lambda one: one.__name__ if callable(one) else str(one),
)
def test_wrong_parameters_are_named(make: Make, given: dict, words: str) -> None:
    x, y = (CX, CY) if make is classifier else (X, Y)
    with pytest.raises((ValueError, TypeError), match=words):
        make(**given).fit(x, y)

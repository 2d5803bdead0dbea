"""Estimators learn, stop early inside cross-validation, and name wrong parameters."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import cross_val_score

from drivetrain.boosting import BoostedTreesClassifier, BoostedTreesRegressor


def test_early_stopping_holds_out_its_own_rows_inside_cross_validation() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    model = BoostedTreesClassifier(early_stopping_rounds=5, random_state=0, n_jobs=1)
    assert cross_val_score(model, x, y, cv=3).mean() > 0.93
    fitted = clone(model).fit(x, y)
    values = fitted.evals_result_["validation_0"]["logloss"]
    assert fitted.best_iteration_ == int(np.argmin(values)) < 99
    assert fitted.best_score_ == min(values)


def test_labels_may_be_words_and_three() -> None:
    x, y = load_iris(return_X_y=True)
    words = np.array(["setosa", "versicolor", "virginica"])[y]
    model = BoostedTreesClassifier(n_estimators=10, n_jobs=1).fit(x, words, eval_set=[(x, words)])
    assert model.score(x, words) > 0.98
    assert model.predict_proba(x).sum(axis=1) == pytest.approx(np.ones(len(x)), abs=1e-6)
    assert len(model.evals_result_["validation_0"]["mlogloss"]) == 10


def test_a_value_may_stand_for_missing() -> None:
    x, y = load_diabetes(return_X_y=True)
    gaps = np.random.default_rng(0).random(x.shape) < 0.2
    a = BoostedTreesRegressor(n_estimators=5, n_jobs=1).fit(np.where(gaps, np.nan, x), y)
    b = BoostedTreesRegressor(n_estimators=5, n_jobs=1, missing=-99.0)
    b.fit(np.where(gaps, -99.0, x), y)
    assert np.array_equal(a.predict(np.where(gaps, np.nan, x)), b.predict(np.where(gaps, -99.0, x)))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"n_estimators": 0}, "n_estimators must be >= 1"),
        ({"learning_rate": "x"}, "learning_rate must be a real number"),
        ({"grow_policy": "leafwise"}, "grow_policy must be one of"),
        ({"subsample": 0.0}, "subsample must be > 0"),
        ({"max_bin": 1}, "max_bin must be >= 2"),
        ({"eval_metric": "rsme", "early_stopping_rounds": 2}, "Did you mean 'rmse'"),
        ({"monotone_constraints": {"zz": 1}}, "no feature of X: 'zz'"),
        ({"monotone_constraints": [0] * 11}, "at most 10 long"),
        ({"interaction_constraints": [[0, "zz"]]}, "no feature of X: 'zz'"),
        ({"interaction_constraints": [[99]]}, "interaction_constraints must be >= 0 and <= 9"),
        ({"colsample_bynode": 0}, "colsample_bynode must be > 0"),
        ({"early_stopping_rounds": 1, "validation_fraction": 1.0}, "validation_fraction must be"),
    ],
)
def test_wrong_parameters_are_named(given: dict, words: str) -> None:
    x, y = load_diabetes(return_X_y=True)
    with pytest.raises((ValueError, TypeError), match=words):
        BoostedTreesRegressor(n_jobs=1, **given).fit(x, y)


def test_importances_are_xgboosts_mean_gains() -> None:
    x, y = load_diabetes(return_X_y=True)
    importances = BoostedTreesRegressor(n_estimators=20, n_jobs=1).fit(x, y).feature_importances_
    assert importances.sum() == pytest.approx(1) and importances.argmax() in (2, 8)


@pytest.mark.parametrize(
    "given",
    [
        {"objective": "count:poisson"},
        {"objective": "reg:gamma"},
        {"objective": "reg:tweedie", "tweedie_variance_power": 1.2},
        {"objective": "reg:absoluteerror"},
        {"objective": "reg:quantileerror", "quantile_alpha": 0.5},
        {"objective": "reg:pseudohubererror", "huber_slope": 30.0},
        {"objective": "reg:expectileerror", "expectile_alpha": 0.5},
    ],
)
def test_every_loss_learns(given: dict) -> None:
    x, y = load_diabetes(return_X_y=True)
    model = BoostedTreesRegressor(n_estimators=60, learning_rate=0.1, n_jobs=1, **given)
    assert model.fit(x[:300], y[:300]).score(x[300:], y[300:]) > 0.25


def test_quantiles_have_a_column_each() -> None:
    x, y = load_diabetes(return_X_y=True)
    model = BoostedTreesRegressor(
        objective="reg:quantileerror", quantile_alpha=[0.1, 0.9], n_jobs=1
    )
    low, high = model.fit(x, y).predict(x).T
    assert (low <= high).all()

"""Bags answer as scikit-learn's do, to the last bit, given the same seed and members."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import ensemble as theirs
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from drivetrain import ensemble as ours

DRAWS = [
    {},
    {"max_samples": 0.5},
    {"max_samples": 40},
    {"max_samples": 150},
    {"bootstrap": False, "max_samples": 0.7},
    {"max_features": 0.5},
    {"max_features": 3, "bootstrap_features": True},
    {"max_features": 1.0, "bootstrap_features": True},
    {"bootstrap": False, "max_samples": 60, "max_features": 4},
]
CLASSIFIERS = [
    None,
    DecisionTreeClassifier(max_depth=2, splitter="random"),
    LogisticRegression(),
    KNeighborsClassifier(),
    GaussianNB(),
    LinearSVC(random_state=0),
    RidgeClassifier(),
]
REGRESSORS = [
    None,
    LinearRegression(),
    SVR(),
    KNeighborsRegressor(3),
    DecisionTreeRegressor(max_depth=3),
]


def labels(classes: int = 3):  # type: ignore[no-untyped-def]
    x, y = make_classification(120, 8, n_informative=5, n_classes=classes, random_state=1)
    return x, np.array(["c", "a", "b"])[y]


def numbers():  # type: ignore[no-untyped-def]
    return make_regression(120, 8, n_informative=5, noise=3.0, random_state=1)


def pair(name: str, **given):  # type: ignore[no-untyped-def]
    return getattr(ours, name)(**given), getattr(theirs, name)(**given)


def same(name: str, x, y, methods, weight=None, **given):  # type: ignore[no-untyped-def]
    mine, other = pair(name, random_state=7, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine.fit(x, y, sample_weight=weight)
        other.fit(x, y, sample_weight=weight)
        for method in methods:
            found, expected = getattr(mine, method)(x), getattr(other, method)(x)
            np.testing.assert_array_equal(found, expected, err_msg=method)
    for a, b in zip(mine.estimators_samples_, other.estimators_samples_, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(mine.estimators_features_, other.estimators_features_, strict=True):
        np.testing.assert_array_equal(a, b)
    return mine, other


@pytest.mark.parametrize("draws", DRAWS, ids=str)
@pytest.mark.parametrize("member", CLASSIFIERS, ids=lambda m: type(m).__name__)
def test_classes(member, draws) -> None:  # type: ignore[no-untyped-def]
    x, y = labels()
    methods = ["predict", "predict_proba", "predict_log_proba"]
    if member is None or not hasattr(member, "predict_proba"):
        methods = methods[:2]
    if hasattr(member, "decision_function"):
        methods.append("decision_function")
    same("BaggingClassifier", x, y, methods, estimator=member, n_estimators=4, **draws)


@pytest.mark.parametrize("draws", DRAWS, ids=str)
@pytest.mark.parametrize("member", REGRESSORS, ids=lambda m: type(m).__name__)
def test_numbers(member, draws) -> None:  # type: ignore[no-untyped-def]
    x, y = numbers()
    same("BaggingRegressor", x, y, ["predict"], estimator=member, n_estimators=4, **draws)


@pytest.mark.parametrize("kind", ["whole", "real", "zeros"])
@pytest.mark.parametrize("draws", [{}, {"max_samples": 0.5}, {"max_samples": 40}], ids=str)
@pytest.mark.parametrize("member", [None, KNeighborsRegressor(3)], ids=str)
def test_weights_draw(kind, draws, member) -> None:  # type: ignore[no-untyped-def]
    x, y = numbers()
    rng = np.random.default_rng(0)
    weight = {
        "whole": rng.integers(1, 5, len(y)).astype(float),
        "real": rng.random(len(y)),
        "zeros": rng.integers(0, 2, len(y)).astype(float),
    }[kind]
    same("BaggingRegressor", x, y, ["predict"], weight, estimator=member, **draws)


@pytest.mark.parametrize("member", [None, LogisticRegression(), LinearSVC(random_state=0)], ids=str)
@pytest.mark.parametrize("draws", [{}, {"max_samples": 0.6, "max_features": 0.5}], ids=str)
def test_out_of_bag_classes(member, draws) -> None:  # type: ignore[no-untyped-def]
    x, y = labels()
    given = {"estimator": member, "n_estimators": 30, "oob_score": True, **draws}
    mine, other = same("BaggingClassifier", x, y, ["predict"], **given)
    np.testing.assert_array_equal(mine.oob_decision_function_, other.oob_decision_function_)
    assert mine.oob_score_ == other.oob_score_


@pytest.mark.parametrize("member", [None, LinearRegression()], ids=str)
@pytest.mark.parametrize("draws", [{}, {"max_samples": 0.6, "max_features": 0.5}], ids=str)
def test_out_of_bag_numbers(member, draws) -> None:  # type: ignore[no-untyped-def]
    x, y = numbers()
    given = {"estimator": member, "n_estimators": 30, "oob_score": True, **draws}
    mine, other = same("BaggingRegressor", x, y, ["predict"], **given)
    np.testing.assert_array_equal(mine.oob_prediction_, other.oob_prediction_)
    assert mine.oob_score_ == other.oob_score_


@pytest.mark.parametrize("name", ["BaggingClassifier", "BaggingRegressor"])
def test_warm_start_goes_on_where_scikit_learn_does(name) -> None:  # type: ignore[no-untyped-def]
    x, y = labels() if name == "BaggingClassifier" else numbers()
    mine, other = pair(name, n_estimators=3, warm_start=True, random_state=3)
    for count in (3, 7):
        mine.set_params(n_estimators=count).fit(x, y)
        other.set_params(n_estimators=count).fit(x, y)
        np.testing.assert_array_equal(mine.predict(x), other.predict(x))
    whole = pair(name, n_estimators=7, random_state=3)[0].fit(x, y)
    np.testing.assert_array_equal(whole.predict(x), mine.predict(x))
    assert len(mine.estimators_samples_) == 7


def test_sparse_rows() -> None:
    x, y = numbers()
    x[np.abs(x) < 1] = 0
    same("BaggingRegressor", csr_matrix(x), y, ["predict"], max_features=0.5)


def test_several_targets() -> None:
    x, y = make_regression(80, 5, n_targets=3, random_state=0)
    mine, _ = same("BaggingRegressor", x, y, ["predict"])
    assert mine.predict(x).shape == (80, 3)


def test_a_generator_goes_on() -> None:
    x, y = numbers()
    mine = ours.BaggingRegressor(random_state=np.random.RandomState(5)).fit(x, y)
    other = theirs.BaggingRegressor(random_state=np.random.RandomState(5)).fit(x, y)
    np.testing.assert_array_equal(mine.predict(x), other.predict(x))

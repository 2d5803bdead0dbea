"""AdaBoost answers as scikit-learn's does, to the last bit, given the same seed and members."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import ensemble as theirs
from sklearn.datasets import load_breast_cancer, make_classification, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from drivetrain import ensemble as ours

STAGED = ("staged_decision_function", "staged_predict", "staged_predict_proba")
WHOLE = ("decision_function", "predict", "predict_proba", "predict_log_proba")


def labels(classes: int, rows: int = 300):  # type: ignore[no-untyped-def]
    x, y = make_classification(rows, 8, n_informative=5, n_classes=classes, random_state=1)
    return x, np.array(["c", "a", "b", "d"])[y]


def same(mine, other, x, y) -> None:  # type: ignore[no-untyped-def]
    np.testing.assert_array_equal(mine.estimator_weights_, other.estimator_weights_)
    np.testing.assert_array_equal(mine.estimator_errors_, other.estimator_errors_)
    assert len(mine.estimators_) == len(other.estimators_)
    for method in WHOLE:
        if hasattr(other, method):
            np.testing.assert_array_equal(getattr(mine, method)(x), getattr(other, method)(x))
    for method in STAGED:
        if hasattr(other, method):
            pairs = zip(getattr(mine, method)(x), getattr(other, method)(x), strict=True)
            for a, b in pairs:
                np.testing.assert_array_equal(a, b)
    assert list(mine.staged_score(x, y)) == list(other.staged_score(x, y))


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("rate", [1.0, 0.3])
@pytest.mark.parametrize(
    "member",
    [
        DecisionTreeClassifier(max_depth=1),
        DecisionTreeClassifier(max_depth=3, splitter="random"),
        LogisticRegression(),
        GaussianNB(),
    ],
    ids=str,
)
def test_any_members(member, rate, classes) -> None:  # type: ignore[no-untyped-def]
    x, y = labels(classes)
    given = {"estimator": member, "n_estimators": 12, "learning_rate": rate, "random_state": 5}
    weight = np.random.default_rng(0).random(len(y))
    for w in (None, weight):
        mine = ours.AdaBoostClassifier(**given).fit(x, y, w)
        other = theirs.AdaBoostClassifier(**given).fit(x, y, w)
        same(mine, other, x, y)
    if isinstance(member, DecisionTreeClassifier):
        np.testing.assert_array_equal(mine.feature_importances_, other.feature_importances_)


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("rate", [1.0, 0.3])
@pytest.mark.parametrize("weighed", [False, True])
def test_our_stumps_decide_as_scikit_learns(classes, rate, weighed) -> None:  # type: ignore[no-untyped-def]
    x, y = labels(classes, 1000)
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float) if weighed else None
    given = {"n_estimators": 50, "learning_rate": rate}
    mine = ours.AdaBoostClassifier(**given).fit(x, y, weight)
    with np.errstate(divide="ignore"):
        other = theirs.AdaBoostClassifier(random_state=0, **given).fit(x, y, weight)
    same(mine, other, x, y)
    np.testing.assert_array_equal(mine.feature_importances_, other.feature_importances_)
    cuts = [tree.tree_.threshold[0] for tree in other.estimators_]
    assert [stump.threshold_ for stump in mine.estimators_] == cuts
    held, _ = labels(classes, 400)
    np.testing.assert_array_equal(mine.decision_function(held), other.decision_function(held))


def test_our_stumps_on_a_table_with_few_values() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    mine = ours.AdaBoostClassifier(n_estimators=30).fit(x, y)
    other = theirs.AdaBoostClassifier(n_estimators=30, random_state=0).fit(x, y)
    same(mine, other, x, y)


@pytest.mark.parametrize("loss", ["linear", "square", "exponential"])
@pytest.mark.parametrize("rate", [1.0, 0.5])
@pytest.mark.parametrize(
    "member",
    [None, LinearRegression(), KNeighborsRegressor(3), DecisionTreeRegressor(splitter="random")],
    ids=str,
)
def test_numbers(member, rate, loss) -> None:  # type: ignore[no-untyped-def]
    x, y = make_regression(150, 6, n_informative=4, noise=20.0, random_state=1)
    given = {"estimator": member, "n_estimators": 12, "learning_rate": rate, "loss": loss}
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    for w in (None, weight):
        mine = ours.AdaBoostRegressor(random_state=5, **given).fit(x, y, w)
        other = theirs.AdaBoostRegressor(random_state=5, **given).fit(x, y, w)
        same(mine, other, x, y)
    if member is None:
        np.testing.assert_array_equal(mine.feature_importances_, other.feature_importances_)


def test_sparse_rows() -> None:
    x, y = labels(2)
    x[np.abs(x) < 0.5] = 0
    mine = ours.AdaBoostClassifier(n_estimators=10).fit(csr_matrix(x), y)
    dense = ours.AdaBoostClassifier(n_estimators=10).fit(x, y)
    np.testing.assert_array_equal(mine.decision_function(csr_matrix(x)), dense.decision_function(x))
    other = theirs.AdaBoostRegressor(random_state=0).fit(csr_matrix(x), x[:, 0])
    numbers = ours.AdaBoostRegressor(random_state=0).fit(csr_matrix(x), x[:, 0])
    np.testing.assert_array_equal(numbers.predict(x), other.predict(x))


def test_noise_that_ends_the_rounds_early() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2)), rng.normal(size=60)
    given = {"estimator": LinearRegression(), "random_state": 0}
    mine = ours.AdaBoostRegressor(**given).fit(x, y)
    other = theirs.AdaBoostRegressor(**given).fit(x, y)
    assert len(mine.estimators_) < 50
    same(mine, other, x, y)

"""Bags: golden values, properties, threads, failing members, and hostile input."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import load_iris, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, mean_absolute_error
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from drivetrain.ensemble import BaggingClassifier, BaggingRegressor
from drivetrain.ensemble.reference import bagging as reference

X, Y = make_regression(60, 5, noise=2.0, random_state=0)


class Fails(RegressorMixin, BaseEstimator):
    """Fails for some seeds."""

    def __init__(self, random_state: int = 0, often: int = 3) -> None:
        self.random_state = random_state
        self.often = often

    def fit(self, X, y):  # type: ignore[no-untyped-def]
        if self.random_state % self.often == 0:
            raise ArithmeticError("no luck")
        self.mean_ = y.mean()
        return self

    def predict(self, X):  # type: ignore[no-untyped-def]
        return np.full(len(X), self.mean_)


@pytest.mark.parametrize(
    ("rows", "golden"), [(10, 0.3486784401), (100, 0.3660323412732), (1000, 0.3676954247710)]
)
def test_golden_share_of_rows_left_out(rows: int, golden: float) -> None:
    # The goldens have 10 to 13 digits.
    assert abs(reference.left_out(rows) - golden) < 5e-14


def test_bags_leave_that_share_out() -> None:
    x = np.arange(1000.0)[:, None]
    bag = BaggingRegressor(LinearRegression(), 200, random_state=0).fit(x, x[:, 0])
    share = np.mean([1 - len(np.unique(rows)) / 1000 for rows in bag.estimators_samples_])
    # The share of one member has a variance below p(1-p)/n: 200 of them, five deviations.
    assert abs(share - reference.left_out(1000)) < 5 * np.sqrt(0.24 / 1000 / 200)


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), members=st.integers(1, 8))
def test_out_of_bag_is_the_references(seed: int, members: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bag = BaggingRegressor(n_estimators=members, oob_score=True, random_state=seed).fit(X, Y)
    said = np.stack([one.predict(X) for one in bag.estimators_])
    np.testing.assert_array_equal(
        bag.oob_prediction_, reference.out_of_bag(said, bag.estimators_samples_)
    )
    np.testing.assert_array_equal(bag.predict(X), reference.mean(said))


def test_the_sign_of_the_sum_is_the_vote() -> None:
    x, y = load_iris(return_X_y=True)
    x, y = x[50:], np.where(y[50:] == 1, -1, 1)
    bag = BaggingClassifier(SVC(), 9, random_state=0).fit(x, y)
    signs = np.stack([2 * one.predict(x) - 1 for one in bag.estimators_])
    np.testing.assert_array_equal(bag.predict(x), reference.vote(signs))


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_give_the_same_bits(threads: int) -> None:
    one, more = (
        BaggingRegressor(LinearRegression(), 7, oob_score=True, random_state=0, n_jobs=jobs)
        for jobs in (1, threads)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.fit(X, Y), more.fit(X, Y)
    np.testing.assert_array_equal(one.predict(X), more.predict(X))
    np.testing.assert_array_equal(one.oob_prediction_, more.oob_prediction_)
    x, y = load_iris(return_X_y=True)
    a, b = (
        BaggingClassifier(LogisticRegression(max_iter=500), 5, random_state=0, n_jobs=jobs).fit(
            x, y
        )
        for jobs in (1, threads)
    )
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        np.testing.assert_array_equal(getattr(a, method)(x), getattr(b, method)(x))


def test_rows_that_all_members_drew_are_nan_and_warned_of() -> None:
    with pytest.warns(UserWarning, match="no out-of-bag prediction"):
        bag = BaggingRegressor(n_estimators=2, oob_score=True, random_state=0).fit(X, Y)
    held = ~np.isnan(bag.oob_prediction_)
    assert 0 < held.sum() < len(Y)
    drawn = [np.isin(np.arange(len(Y)), rows) for rows in bag.estimators_samples_]
    np.testing.assert_array_equal(held, ~(drawn[0] & drawn[1]))
    assert bag.oob_score_ == sklearn.metrics.r2_score(Y[held], bag.oob_prediction_[held])
    x, y = load_iris(return_X_y=True)
    with pytest.warns(UserWarning, match="no out-of-bag prediction"):
        trees = BaggingClassifier(n_estimators=2, oob_score=True, random_state=0).fit(x, y)
    held = ~np.isnan(trees.oob_decision_function_).any(axis=1)
    found = trees.oob_decision_function_[held].argmax(axis=1)
    assert trees.oob_score_ == (found == y[held]).mean()


def test_a_score_of_ones_own() -> None:
    bag = BaggingRegressor(n_estimators=30, oob_score=mean_absolute_error, random_state=0)
    bag.fit(X, Y)
    assert bag.oob_score_ == mean_absolute_error(Y, bag.oob_prediction_)


def test_out_of_bag_with_warm_start_equals_one_fit() -> None:
    bag = BaggingRegressor(n_estimators=20, oob_score=True, warm_start=True, random_state=0)
    bag.fit(X, Y).set_params(n_estimators=40).fit(X, Y)
    whole = BaggingRegressor(n_estimators=40, oob_score=True, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(bag.oob_prediction_, whole.oob_prediction_)
    with pytest.raises(ValueError, match="the same 60 rows"):
        bag.set_params(n_estimators=41).fit(X[:50], Y[:50])


def test_a_class_that_a_member_did_not_draw() -> None:
    x, y = load_iris(return_X_y=True)
    x, y = x[:103], y[:103]
    bag = BaggingClassifier(KNeighborsClassifier(1), 30, oob_score=True, random_state=0).fit(x, y)
    assert {len(one.classes_) for one in bag.estimators_} == {2, 3}
    shares = bag.predict_proba(x)
    assert shares.shape == (103, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-14)  # 30 additions of shares
    np.testing.assert_allclose(bag.oob_decision_function_.sum(axis=1), 1, rtol=1e-14)


def test_failing_members_are_named_and_the_others_kept() -> None:
    bag = BaggingRegressor(Fails(), 12, random_state=0)
    with pytest.raises(RuntimeError, match=r"member \d+ of 12 failed: no luck.*others are kept"):
        bag.fit(X, Y)
    kept = len(bag.estimators_)
    assert 0 < kept < 12
    assert np.isfinite(bag.predict(X)).all()
    with pytest.warns(RuntimeWarning, match="goes on without"):
        warned = clone(bag).set_params(on_error="drop").fit(X, Y)
    assert len(warned.estimators_) == kept == len(warned.estimators_samples_)
    with pytest.raises(RuntimeError, match="as all others"):
        clone(bag).set_params(estimator__often=1).fit(X, Y)


def test_a_member_that_fails_to_predict_is_named() -> None:
    bag = BaggingRegressor(n_estimators=3, random_state=0).fit(X, Y)
    del bag.estimators_[1].tree_
    with pytest.raises(AttributeError, match=r"member 1 of 3 \(DecisionTreeRegressor\)"):
        bag.predict(X)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"oob_score": True, "bootstrap": False}, ValueError, "bootstrap=True"),
        ({"max_samples": 61, "bootstrap": False}, ValueError, "max_samples must be <= the 60"),
        ({"max_samples": 0}, ValueError, "max_samples must be >= 1"),
        ({"max_samples": 1.5}, ValueError, "max_samples must be > 0 and <= 1"),
        ({"max_samples": "all"}, TypeError, "max_samples"),
        ({"max_features": 6}, ValueError, "max_features"),
        ({"max_features": 0.0}, ValueError, "max_features"),
        ({"n_estimators": 0}, ValueError, "n_estimators must be >= 1"),
        ({"n_estimators": 2.0}, TypeError, "n_estimators must be an integer"),
        ({"weigh": "both"}, ValueError, "weigh must be one of"),
        ({"on_error": "ignore"}, ValueError, "on_error must be one of"),
    ],
)
def test_wrong_parameters(given, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words):
        BaggingRegressor(**given).fit(X, Y)


def test_wrong_weights() -> None:
    with pytest.raises(ValueError, match="non-zero"):
        BaggingRegressor().fit(X, Y, np.zeros(60))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        BaggingRegressor().fit(X, Y, np.full(60, -1.0))
    with pytest.raises(ValueError, match="weigh='fit' needs members that take sample_weight"):
        BaggingClassifier(KNeighborsClassifier(), weigh="fit").fit(X, Y > 0, np.ones(60))


def test_few_draws_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="draw only 6 rows"):
        BaggingRegressor(max_samples=0.1).fit(X, Y)


def test_fewer_members_than_there_are() -> None:
    bag = BaggingRegressor(n_estimators=5, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="must be >= the 5 members"):
        bag.set_params(n_estimators=4).fit(X, Y)
    with pytest.warns(UserWarning, match="fits no new members"):
        bag.set_params(n_estimators=5).fit(X, Y)


def test_weights_that_members_are_fitted_with() -> None:
    weight = np.random.default_rng(0).integers(0, 4, 60)
    given = {"max_features": 0.6, "bootstrap": False, "weigh": "fit", "random_state": 0}
    weighed = BaggingRegressor(LinearRegression(), **given).fit(X, Y, weight)
    copied = BaggingRegressor(LinearRegression(), **given).fit(
        X.repeat(weight, axis=0), Y.repeat(weight)
    )
    # Least squares of 60 rows by two routes: the condition of X is below 10.
    np.testing.assert_allclose(weighed.predict(X), copied.predict(X), rtol=1e-11)


def test_metadata_are_routed_to_the_members() -> None:
    x, y = load_iris(return_X_y=True)
    with sklearn.config_context(enable_metadata_routing=True):
        member = LogisticRegression(max_iter=500).set_fit_request(sample_weight=True)
        mine = BaggingClassifier(member, 3, random_state=0, n_jobs=2).fit(x, y)
        other = sklearn.ensemble.BaggingClassifier(member, 3, random_state=0).fit(x, y)
        np.testing.assert_array_equal(mine.predict_proba(x), other.predict_proba(x))
        silent = BaggingClassifier(LogisticRegression(max_iter=500), 3, random_state=0).fit(x, y)
        # Not asked for: rows are copied instead of counted.
        assert len(silent.estimators_) == 3
    with pytest.raises(ValueError, match="only supported if"):
        BaggingRegressor().fit(X, Y, None, groups=Y)


class Keeps(RegressorMixin, BaseEstimator):
    """Remembers what else it was given."""

    def fit(self, X, y, note=None):  # type: ignore[no-untyped-def]
        self.note_ = note
        return self

    def predict(self, X):  # type: ignore[no-untyped-def]
        return np.zeros(len(X))


def test_other_metadata_reach_the_members_by_row() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        member = Keeps().set_fit_request(note=True)
        bag = BaggingRegressor(member, 3, random_state=0).fit(X, Y, note=np.arange(60))
    for one, rows in zip(bag.estimators_, bag.estimators_samples_, strict=True):
        np.testing.assert_array_equal(one.note_, rows)


def test_log_loss_out_of_bag_is_reachable() -> None:
    x, y = load_iris(return_X_y=True)
    bag = BaggingClassifier(n_estimators=60, oob_score=True, random_state=0).fit(x, y)
    assert log_loss(y, bag.oob_decision_function_) < 2


def test_members_are_iterated_over_and_pickled() -> None:
    bag = BaggingRegressor(n_estimators=3, random_state=0).fit(X, Y)
    assert len(bag) == 3 and bag[0] is next(iter(bag))
    again = pickle.loads(pickle.dumps(bag))
    np.testing.assert_array_equal(again.predict(X), bag.predict(X))
    np.testing.assert_array_equal(again.estimators_samples_[2], bag.estimators_samples_[2])


def test_one_class() -> None:
    bag = BaggingClassifier(n_estimators=3).fit(X, np.full(60, "only"))
    assert set(bag.predict(X)) == {"only"}
    np.testing.assert_array_equal(bag.predict_proba(X), np.ones((60, 1)))


def test_missing_values_are_for_the_members_to_take() -> None:
    x = X.copy()
    x[0, 0] = np.nan
    BaggingRegressor(n_estimators=2).fit(x, Y).predict(x)
    with pytest.raises(ValueError, match=r"member 0 of 2 \(as all others\) failed: .*NaN"):
        BaggingRegressor(LinearRegression(), 2).fit(x, Y)

"""AdaBoost: the papers' equations, both modes, threads, and hostile input."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.datasets import load_iris, make_classification
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from drivetrain.ensemble import AdaBoostClassifier, AdaBoostRegressor, DecisionStump
from drivetrain.ensemble.reference import adaboost as reference

X, Y = make_classification(200, 6, n_informative=4, random_state=3)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), classes=st.integers(1, 4), kinds=st.integers(1, 30))
def test_the_stump_is_the_references(seed: int, classes: int, kinds: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, kinds, (40, 3)).astype(float)
    y = rng.integers(0, classes, 40)
    # Weights without structure: no two cuts are equally good but those that are the same.
    weight = rng.random(40) * (rng.random(40) < 0.8)
    weight[0] = 1.0
    labels, codes = np.unique(y, return_inverse=True)
    said = reference.stump(x, codes, len(labels), weight)
    found = DecisionStump().fit(x, y, weight)
    held = weight > 0
    np.testing.assert_array_equal(found.predict(x)[held], labels[said][held])


def test_the_rounds_are_the_references() -> None:
    for y, classes in ((Y, 2), (np.digitize(X[:, 0] + X[:, 1], [-1, 1]), 3)):
        model = AdaBoostClassifier(n_estimators=15).fit(X, y)
        run = reference.samme(
            lambda d, y=y, k=classes: reference.stump(X, y, k, d), y, classes, rounds=15
        )
        # 15 rounds of products of numbers that are right to about 200 additions' rounding.
        np.testing.assert_allclose(model.estimator_weights_, run.alphas, rtol=1e-10)
        for stump, said in zip(model.estimators_, run.said, strict=True):
            np.testing.assert_array_equal(stump.predict(X), said)


def test_the_binary_forms_alpha_is_half_and_its_votes_the_same() -> None:
    signs = 2 * Y - 1
    binary = reference.binary(lambda d: 2 * reference.stump(X, Y, 2, d) - 1, signs, rounds=15)
    samme = reference.samme(lambda d: reference.stump(X, Y, 2, d), Y, 2, rounds=15)
    np.testing.assert_allclose(2 * np.array(binary.alphas), samme.alphas, rtol=1e-10)
    for a, b in zip(binary.weights, samme.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    vote = np.sign(np.array(binary.alphas) @ np.stack(binary.said))
    model = AdaBoostClassifier(n_estimators=15).fit(X, signs)
    np.testing.assert_array_equal(model.predict(X), vote)


def test_the_median_is_the_references() -> None:
    y = X[:, 0] ** 2 + X[:, 1]
    model = AdaBoostRegressor(n_estimators=9, random_state=0).fit(X, y)
    said = np.stack([one.predict(X) for one in model.estimators_])
    alphas = model.estimator_weights_[: len(said)]
    for i, found in enumerate(model.predict(X)):
        assert found == reference.weighted_median(said[:, i], alphas)
    np.testing.assert_array_equal(list(model.staged_predict(X))[-1], model.predict(X))


@pytest.mark.parametrize("threads", [2, 3, 16])
@pytest.mark.parametrize("mode", ["reweight", "resample"])
def test_threads_give_the_same_bits(threads: int, mode: str) -> None:
    one, more = (
        AdaBoostClassifier(mode=mode, n_jobs=jobs, random_state=1).fit(X, Y)
        for jobs in (None, threads)
    )
    np.testing.assert_array_equal(one.decision_function(X), more.decision_function(X))
    np.testing.assert_array_equal(one.estimator_weights_, more.estimator_weights_)


@pytest.mark.parametrize("member", [None, KNeighborsClassifier(9)], ids=str)
def test_resampling_needs_no_weights(member) -> None:  # type: ignore[no-untyped-def]
    given = {"estimator": member, "mode": "resample", "n_estimators": 20, "random_state": 0}
    model = AdaBoostClassifier(**given).fit(X[:150], Y[:150])
    # Two standard errors above always saying the commoner class.
    held = Y[150:]
    chance = np.bincount(held).max() / len(held)
    assert model.score(X[150:], held) > chance + 2 * np.sqrt(0.25 / len(held))
    again = AdaBoostClassifier(**given).fit(X[:150], Y[:150])
    np.testing.assert_array_equal(model.decision_function(X), again.decision_function(X))
    other = AdaBoostClassifier(**{**given, "random_state": 1}).fit(X[:150], Y[:150])
    assert (model.decision_function(X) != other.decision_function(X)).any()


def test_resampled_stumps_are_trees_of_the_same_draws() -> None:
    stumps = AdaBoostClassifier(n_estimators=1, mode="resample", random_state=4).fit(X, Y)
    rows = np.random.RandomState(4).choice(200, 200, p=np.full(200, 1 / 200))
    tree = DecisionTreeClassifier(max_depth=1).fit(X[rows], Y[rows])
    assert stumps[0].threshold_ == tree.tree_.threshold[0]


def test_a_perfect_member_is_the_last() -> None:
    model = AdaBoostClassifier().fit([[0.0], [1.0], [2.0]], ["a", "b", "b"])
    assert len(model) == 1
    assert model.estimator_weights_[:2].tolist() == [1.0, 0.0]
    assert model.estimator_errors_[:2].tolist() == [0.0, 1.0]
    assert model[0].threshold_ == 0.5
    constant = AdaBoostRegressor().fit([[0.0], [1.0]], [3.0, 3.0])
    assert constant.predict([[7.0]]).tolist() == [3.0]


def test_a_first_member_no_better_than_chance() -> None:
    x, y = np.ones((4, 1)), [0, 1, 0, 1]
    with pytest.raises(ValueError, match="worse than random among 2"):
        AdaBoostClassifier().fit(x, y)
    with pytest.raises(ValueError, match="worse than random"):
        AdaBoostClassifier(DummyClassifier(strategy="constant", constant=1)).fit(x, y)


def test_one_class_is_a_constant_model() -> None:
    model = AdaBoostClassifier().fit(X, np.full(200, "only"))
    assert set(model.predict(X)) == {"only"}
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((200, 1)))
    assert len(list(model.staged_predict(X))) == 1


class Fails(ClassifierMixin, RegressorMixin, BaseEstimator):
    """Fails at its third fit."""

    def __init__(self, log=None) -> None:  # type: ignore[no-untyped-def]
        self.log = log

    def __sklearn_clone__(self):  # type: ignore[no-untyped-def]
        return Fails(self.log)

    def fit(self, X, y, sample_weight=None):  # type: ignore[no-untyped-def]
        self.log.append(1)
        if len(self.log) == 3:
            raise ValueError("no luck")
        self.inner_ = DecisionTreeClassifier(max_depth=1).fit(X, y, sample_weight)
        return self

    def predict(self, X):  # type: ignore[no-untyped-def]
        return self.inner_.predict(X)


@pytest.mark.parametrize("kind", [AdaBoostClassifier, AdaBoostRegressor])
def test_a_failing_member_is_named_and_those_before_it_are_kept(kind) -> None:  # type: ignore[no-untyped-def]
    model = kind(Fails([]), n_estimators=9, random_state=0)
    with pytest.raises(ValueError, match=r"member 2 of 9 \(Fails\) failed: no luck"):
        model.fit(X, Y)
    assert len(model) == 2
    assert ((model.predict(X) > 0.5) == Y).mean() > 0.6


@pytest.mark.parametrize("kind", [AdaBoostClassifier, AdaBoostRegressor])
@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"n_estimators": 0}, ValueError, "n_estimators must be >= 1"),
        ({"n_estimators": 1.0}, TypeError, "n_estimators must be an integer"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be > 0"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate must be a real number"),
    ],
)
def test_wrong_parameters(kind, given, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words):
        kind(**given).fit(X, Y)


def test_other_wrong_parameters() -> None:
    with pytest.raises(ValueError, match="mode must be one of 'reweight', 'resample'"):
        AdaBoostClassifier(mode="sample").fit(X, Y)
    with pytest.raises(ValueError, match="loss must be one of"):
        AdaBoostRegressor(loss="cubic").fit(X, Y)
    with pytest.raises(ValueError, match="doesn't support sample_weight: mode='resample'"):
        AdaBoostClassifier(KNeighborsClassifier()).fit(X, Y)
    with pytest.raises(ValueError, match="non-zero"):
        AdaBoostClassifier().fit(X, Y, np.zeros(200))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        AdaBoostClassifier().fit(X, Y, np.full(200, -1.0))
    with pytest.raises(ValueError, match="float32"):
        AdaBoostClassifier().fit(X * 1e300, Y)
    with pytest.raises(AttributeError, match="LogisticRegression has no feature_importances_"):
        _ = AdaBoostClassifier(LogisticRegression()).fit(X, Y).feature_importances_


def test_rows_of_no_weight_have_no_influence() -> None:
    weight = np.where(np.arange(200) < 150, 1.0, 0.0)
    y = np.where(weight > 0, Y, 1 - Y)
    whole = AdaBoostClassifier(n_estimators=20).fit(X, y, weight)
    part = AdaBoostClassifier(n_estimators=20).fit(X[:150], Y[:150])
    # Sums over 200 rows beside sums over 150: of 20 rounds' products.
    np.testing.assert_allclose(whole.estimator_weights_, part.estimator_weights_, rtol=1e-11)
    np.testing.assert_array_equal(whole.predict(X), part.predict(X))


def test_many_values_share_bins() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(70_000, 1))
    y = (x[:, 0] > 0.3).astype(int)
    model = AdaBoostClassifier(n_estimators=3).fit(x, y)
    # 65534 bins for 70,000 values: few rows lie in the bin of the cut.
    assert model.score(x, y) > 1 - 10 / 70_000


def test_stumps_are_pickled() -> None:
    model = AdaBoostClassifier(n_estimators=5, n_jobs=2).fit(*load_iris(return_X_y=True))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X[:, :4]), model.predict_proba(X[:, :4]))

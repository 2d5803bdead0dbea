"""Votes by hand, against the rules, and against scikit-learn's own voting."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import sklearn.ensemble
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import check_estimator

from drivetrain.ensemble import VotingClassifier, VotingRegressor
from drivetrain.ensemble.reference import voting as reference
from drivetrain.ensemble.voting import deciding

IRIS = load_iris(return_X_y=True)
ILL = load_diabetes(return_X_y=True)


def constant(*classes: int) -> list:
    """Return members of which each votes for one class, whatever the row."""
    return [
        (f"m{k}", DummyClassifier(strategy="constant", constant=c)) for k, c in enumerate(classes)
    ]


def members() -> list:
    return [
        ("line", LogisticRegression(max_iter=1000)),
        ("near", KNeighborsClassifier(3)),
        ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
        ("bayes", GaussianNB()),
    ]


def regressors() -> list:
    return [
        ("line", LinearRegression()),
        ("near", KNeighborsRegressor()),
        ("tree", DecisionTreeRegressor(max_depth=4, random_state=0)),
    ]


# Golden values, counted by hand.


@pytest.mark.parametrize(
    ("votes", "weights", "label"),
    [
        ((0, 1, 1), None, 1),
        ((2, 2, 0, 1), None, None),  # two of four are not more than half
        ((2, 2, 2, 1), None, 2),
        ((0, 1, 2), (1, 1, 2.5), 2),
        ((0, 0, 1), (0.1, 0.2, 0.3), None),  # .1 + .2 is half of .6, whatever float64 says
        ((0, 1, 2), None, None),
    ],
)
def test_majority_or_refusal(votes: tuple, weights: tuple | None, label: int | None) -> None:
    X, y = [[0.0], [1.0], [2.0]], [0, 1, 2]
    model = VotingClassifier(constant(*votes), weights=weights, reject=True).fit(X, y)
    got = model.predict(X)
    assert isinstance(got, np.ma.MaskedArray)
    assert got.tolist() == [label] * 3
    exact = [Fraction(str(w)) for w in weights or [1] * len(votes)]
    assert reference.majority(votes, exact, 3) == label
    named = VotingClassifier(constant(*votes), weights=weights, reject=True, reject_label=-1)
    assert named.fit(X, y).predict(X).tolist() == [-1 if label is None else label] * 3


def test_a_label_for_refused_rows_of_another_kind() -> None:
    model = VotingClassifier(constant(0, 1), reject=True, reject_label="refused")
    got = model.fit([[0.0], [1.0]], [0, 1]).predict([[0.0]])
    assert got.tolist() == ["refused"]
    words = [(k, e.set_params(constant="b" if k == "m1" else "a")) for k, e in constant(0, 1)]
    model = VotingClassifier(words, reject=True, reject_label="refused")
    # Members see codes of classes, so these members' words are unknown to them.
    with pytest.raises(ValueError, match=r"Member 'm0' \(DummyClassifier\)"):
        model.fit([[0.0], [1.0]], ["a", "b"])
    near = [("one", KNeighborsClassifier(1)), ("two", KNeighborsClassifier(1))]
    model = VotingClassifier(near, reject=True, reject_label="refused")
    got = model.fit([[0.0], [1.0]], ["a", "b"]).predict([[0.0], [1.0]])
    assert got.tolist() == ["a", "b"]


def test_soft_votes_are_refused_at_half() -> None:
    even = [("even", DummyClassifier(strategy="prior"))]
    model = VotingClassifier(even, voting="soft", reject=True).fit([[0.0], [1.0]], [0, 1])
    assert model.predict([[0.0]]).mask.all()
    model = VotingClassifier(even, voting="soft", reject=True).fit([[0.0]] * 3, [0, 1, 1])
    assert model.predict([[0.0]]).tolist() == [1]


def test_the_score_counts_refusals_apart() -> None:
    X, y = IRIS
    model = VotingClassifier(members()[:2], reject=True).fit(X, y)
    answered = ~np.ma.getmaskarray(model.predict(X))
    right = model.predict(X).data == y
    counted = model.tally(X, y)
    assert 0 < counted.refused == (~answered).sum()
    assert (counted.right, counted.wrong) == (
        (right & answered).sum(),
        (~right & answered).sum(),
    )
    assert model.score(X, y) == right[answered].mean()
    assert counted.coverage() == answered.mean()
    weight = np.arange(150.0)
    counted = model.tally(X, y, weight)
    assert counted.right + counted.wrong + counted.refused == weight.sum()


def test_nothing_answered_has_no_score() -> None:
    model = VotingClassifier(constant(0, 1), reject=True).fit([[0.0], [1.0]], [0, 1])
    with pytest.warns(RuntimeWarning, match="Every row is refused"):
        assert np.isnan(model.score([[0.0]], [1]))


# Properties.


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=9),
    st.integers(0, 5),
)
def test_votes_are_the_references(given: list[tuple[int, int]], seed: int) -> None:
    h, w = [c for c, _ in given], [k / 10 for _, k in given]
    tenths = [k for _, k in given]
    codes = np.tile(h, (40, 1))
    votes = deciding.count(codes, np.array(w), 4)
    best = reference.plurality(h, tenths, 4)
    drawn = deciding.drawn(votes, len(h), seed)
    assert set(drawn) <= set(best)
    # 40 rows: each of at most 4 tied classes is missed with probability < (3/4)^40 = 1e-5.
    assert len(set(drawn)) >= min(2, len(best))
    majority = reference.majority(h, tenths, 4)
    assert deciding.decided(votes, len(h)).all() == (majority is not None)
    if majority is not None:
        assert set(deciding.first(votes)) == {majority}


def test_the_reference_average_is_the_answer() -> None:
    X, y = ILL
    weights = np.array([1.0, 2.0, 0.5])
    model = VotingRegressor(regressors(), weights=weights).fit(X, y)
    h = np.stack([one.predict(X) for one in model.estimators_])
    # Three products and two sums, each rounded once, in another order: 8 eps is room enough.
    expected = reference.average(h, weights)
    np.testing.assert_allclose(model.predict(X), expected, rtol=8 * np.finfo(float).eps)


def test_ties_are_drawn_evenly_and_the_same_each_time() -> None:
    X = np.zeros((3000, 1))
    model = VotingClassifier(constant(2, 0), tie_break="random", random_state=7)
    model.fit([[0.0], [1.0], [2.0]], [0, 1, 2])
    got = model.predict(X)
    assert np.array_equal(got, model.predict(X))
    assert set(got) == {0, 2}
    # A fair coin's 3000 throws stray less than 5 standard deviations, 137, from 1500.
    assert abs((got == 0).sum() - 1500) < 137
    again = VotingClassifier(constant(2, 0), tie_break="random", random_state=7)
    assert np.array_equal(got, again.fit([[0.0], [1.0], [2.0]], [0, 1, 2]).predict(X))


# The face.

COUNTS = {"hard": 60, "soft": 60, "numbers": 58}


@pytest.mark.parametrize("face", COUNTS)
def test_scikit_learn_finds_nothing(face: str) -> None:
    model = (
        VotingRegressor(regressors()[::2])
        if face == "numbers"
        else VotingClassifier(members()[::2], voting=face)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checks = check_estimator(model, on_fail=None, on_skip=None)
    assert [one["check_name"] for one in checks if one["status"] == "failed"] == []
    if sklearn.__version__.startswith("1.9"):
        assert len(checks) == COUNTS[face]


# Parity with scikit-learn.


def both(ours: type, theirs: type, estimators: list, **given: object) -> tuple:
    return ours(estimators, **given), theirs(estimators, **given)


@pytest.mark.parametrize("voting", ["hard", "soft"])
@pytest.mark.parametrize("weights", [None, [2, 1, 1, 3], [0.3, 0.1, 0.2, 0.4]])
@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("weighed", [False, True])
def test_classes_are_scikit_learns(
    voting: str, weights: list | None, words: bool, weighed: bool
) -> None:
    X, y = load_digits(return_X_y=True) if words else IRIS
    X, y = X[:600], y[:600]
    labels = np.array([f"c{k}" for k in y]) if words else y
    few = [one for one in members() if one[0] != "near"]
    given: dict = {"voting": voting, "weights": None if weights is None else weights[:3]}
    ours, theirs = both(VotingClassifier, sklearn.ensemble.VotingClassifier, few, **given)
    extra = {"sample_weight": np.random.default_rng(0).random(len(X))} if weighed else {}
    ours.fit(X, labels, **extra), theirs.fit(X, labels, **extra)
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert np.array_equal(ours.transform(X), theirs.transform(X))
    assert ours.score(X, labels) == theirs.score(X, labels)
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())
    assert ours.predict(X).dtype == theirs.predict(X).dtype
    if voting == "soft":
        assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))


@pytest.mark.parametrize("weights", [None, [2, 1, 0.3]])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_numbers_are_scikit_learns(weights: list | None, n_jobs: int | None) -> None:
    X, y = ILL
    ours = VotingRegressor(regressors(), weights=weights, n_jobs=n_jobs).fit(X, y)
    theirs = sklearn.ensemble.VotingRegressor(regressors(), weights=weights).fit(X, y)
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert np.array_equal(ours.transform(X), theirs.transform(X))
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())


def test_unflattened_probabilities_are_scikit_learns() -> None:
    X, y = IRIS
    given = {"voting": "soft", "flatten_transform": False}
    ours, theirs = both(VotingClassifier, sklearn.ensemble.VotingClassifier, members(), **given)
    assert np.array_equal(ours.fit(X, y).transform(X), theirs.fit(X, y).transform(X))
    with pytest.raises(ValueError, match="flatten_transform"):
        ours.get_feature_names_out()


def test_dropped_members_are_scikit_learns() -> None:
    X, y = IRIS
    given = {"weights": [1, 5, 1, 1], "voting": "soft"}
    ours, theirs = both(VotingClassifier, sklearn.ensemble.VotingClassifier, members(), **given)
    for model in (ours, theirs):
        model.set_params(near="drop", tree__max_depth=1).fit(X, y)
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    assert ours.named_estimators_["near"] == "drop"
    assert ours.named_estimators_["tree"].get_depth() == 1
    assert len(ours.estimators_) == 3
    assert ours.get_params().keys() >= theirs.get_params().keys()


def test_metadata_reaches_those_who_ask() -> None:
    X, y = IRIS
    weight = np.random.default_rng(0).random(150)
    with sklearn.config_context(enable_metadata_routing=True):
        asked = [
            ("line", LogisticRegression(max_iter=1000).set_fit_request(sample_weight=True)),
            ("tree", DecisionTreeClassifier(random_state=0).set_fit_request(sample_weight=False)),
        ]
        given = {"voting": "soft"}
        ours, theirs = both(VotingClassifier, sklearn.ensemble.VotingClassifier, asked, **given)
        ours.fit(X, y, sample_weight=weight), theirs.fit(X, y, sample_weight=weight)
        assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))
        plain = VotingClassifier(asked, voting="soft").fit(X, y)
        assert not np.array_equal(ours.predict_proba(X), plain.predict_proba(X))


# The edge table.


def test_soft_members_without_probabilities_are_named() -> None:
    model = VotingClassifier([*members(), ("svm", SVC())], voting="soft")
    with pytest.raises(ValueError, match=r"Member 'svm' \(SVC\) has no predict_proba"):
        model.fit(*IRIS)


def test_a_failing_member_is_named_and_the_others_live() -> None:
    X, y = IRIS
    broken = [*members(), ("broken", LogisticRegression(C=-1))]
    with pytest.raises(ValueError, match=r"Member 'broken' \(LogisticRegression\): .*C"):
        VotingClassifier(broken).fit(X, y)
    model = VotingClassifier(broken, weights=[1, 2, 3, 4, 5], on_error="drop", voting="soft")
    with pytest.warns(RuntimeWarning, match="Dropped: Member 'broken'"):
        model.fit(X, y)
    whole = VotingClassifier(members(), weights=[1, 2, 3, 4], voting="soft").fit(X, y)
    assert np.array_equal(model.predict_proba(X), whole.predict_proba(X))
    assert model.named_estimators_["broken"] == "drop" and list(model.failures_) == ["broken"]
    with pytest.raises(ValueError, match="Member 'broken'"):
        VotingClassifier(broken[-1:], on_error="drop").fit(X, y)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"voting": "sfot"}, "Did you mean 'soft'"),
        ({"tie_break": "last"}, "tie_break must be one of"),
        ({"on_error": "ignore"}, "on_error must be one of"),
        ({"weights": [1, 2]}, "got 2 weights, 4 estimators"),
        ({"weights": [1, 2, 3, np.nan]}, "weights must be finite"),
        ({"weights": [1, 2, 3, -1], "reject": True}, "weights must be >= 0"),
        ({"weights": [0, 0, 0, 0], "reject": True}, "weights must be >= 0"),
        ({"reject_label": 1, "reject": True}, "reject_label must be no class"),
        ({"n_jobs": 0}, "n_jobs == 0"),
        ({"estimators": []}, "non-empty list"),
        ({"estimators": 3}, "non-empty list"),
        ({"estimators": [("a", "drop")]}, "All estimators are dropped"),
        ({"estimators": [("a", GaussianNB()), ("a", GaussianNB())]}, "not unique"),
        ({"estimators": [("a__b", GaussianNB())]}, "must not contain __"),
        ({"estimators": [("voting", GaussianNB())]}, "conflict with constructor"),
        ({"estimators": [("a", Ridge())]}, "should be a classifier: member 'a'"),
    ],
)
def test_what_is_wrong_is_said(given: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        VotingClassifier(members()).set_params(**given).fit(*IRIS)


def test_other_mistakes() -> None:
    X, y = IRIS
    with pytest.raises(TypeError, match=r"Member 'near'.*not support sample weights"):
        VotingClassifier(members()).fit(X, y, sample_weight=np.ones(150))
    with pytest.raises(TypeError, match="estimator instance"):
        VotingClassifier([("a", GaussianNB)]).fit(X, y)
    with pytest.raises(NotImplementedError, match="Multilabel"):
        VotingClassifier(members()).fit(X, np.eye(3, dtype=int)[y])
    with pytest.raises(AttributeError, match="predict_proba"):
        VotingClassifier(members()).fit(X, y).predict_proba(X)
    with pytest.raises(ValueError, match=r"Member 'line' .*NaN"):
        VotingClassifier(members()).fit(np.where(X[3, 1] == X, np.nan, X), y)


def test_threads_are_shared_and_given_back() -> None:
    X, y = ILL
    seen = []

    class Watched(KNeighborsRegressor):
        def fit(self, X: np.ndarray, y: np.ndarray) -> "Watched":
            seen.append(self.n_jobs)
            return super().fit(X, y)

    pair = [("one", Watched(n_jobs=-1)), ("two", Watched()), ("few", Watched(n_jobs=1))]
    model = VotingRegressor(pair, n_jobs=6).fit(X, y)
    assert sorted(seen) == [1, 2, 2]
    assert [one.n_jobs for one in model.estimators_] == [-1, None, 1]
    VotingRegressor(pair).fit(X, y)
    assert set(seen[3:]) == {-1, None, 1}

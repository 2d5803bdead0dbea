"""Stacks against the equations and against scikit-learn's own, settings by settings."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sparse
import sklearn.ensemble
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    make_multilabel_classification,
)
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import check_estimator

from drivetrain.boosting import BoostedTreesClassifier
from drivetrain.ensemble import StackingClassifier, StackingRegressor
from drivetrain.ensemble.reference import stacking as reference

IRIS = load_iris(return_X_y=True)
ILL = load_diabetes(return_X_y=True)
LUMPS = load_breast_cancer(return_X_y=True)
LUMPS = (StandardScaler().fit_transform(LUMPS[0])[:300], LUMPS[1][:300])


def members() -> list:
    return [
        ("near", KNeighborsClassifier()),
        ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
        ("bayes", GaussianNB()),
        ("svm", SVC()),
    ]


def weighed_members() -> list:
    return members()[1:]


def regressors() -> list:
    return [
        ("line", LinearRegression()),
        ("tree", DecisionTreeRegressor(max_depth=4, random_state=0)),
        ("ridge", Ridge(alpha=0.1)),
    ]


def pair(ours: type, theirs: type, estimators: list, **given: object) -> tuple:
    return ours(estimators, **given), theirs(estimators, **given)


# The equations.


def learner(estimator: BaseEstimator) -> reference.Learner:
    return lambda x, y: clone(estimator).fit(x, y).predict


def test_out_of_fold_is_the_articles() -> None:
    X, y = ILL
    folds = [held for _, held in KFold(4, shuffle=True, random_state=3).split(X)]
    z = reference.out_of_fold([learner(one) for _, one in regressors()], X, y, folds)
    final = Ridge().fit(z, y)
    cv = KFold(4, shuffle=True, random_state=3)
    model = StackingRegressor(regressors(), Ridge(), cv=cv).fit(X, y)
    assert np.array_equal(model.final_estimator_.coef_, final.coef_)
    # Members that answer are fitted on all rows: equation 2.7's last step.
    whole = reference.naive([learner(one) for _, one in regressors()], X, y)
    assert np.array_equal(model.predict(X), final.predict(whole))


def test_naive_is_the_articles() -> None:
    X, y = ILL
    z = reference.naive([learner(one) for _, one in regressors()], X, y)
    model = StackingRegressor(regressors(), Ridge(), cv="naive").fit(X, y)
    assert np.array_equal(model.predict(X), Ridge().fit(z, y).predict(z))


def test_naive_leaks_and_folds_do_not() -> None:
    X, y = np.random.default_rng(0).normal(size=(300, 5)), np.arange(300) % 2
    near = [("near", KNeighborsClassifier(1))]
    assert StackingClassifier(near, cv="naive").fit(X, y).score(X, y) == 1
    folded = StackingClassifier(near, cv=5).fit(X, y)
    # Labels have nothing to do with X: the meta-learner must not trust the member.
    assert abs(folded.final_estimator_.coef_[0, 0]) < 1


def test_blending_is_the_articles() -> None:
    X, y = ILL
    model = StackingRegressor(regressors(), Ridge(), blend=0.25, random_state=5).fit(X, y)
    # The rows held out are those whose target the members did not see.
    from sklearn.model_selection import ShuffleSplit

    _, held = next(ShuffleSplit(1, test_size=0.25, random_state=5).split(X))
    z = reference.blended([learner(one) for _, one in regressors()], X, y, np.sort(held))
    final = Ridge().fit(z, y[np.sort(held)])
    # The same rows in another order: sums of 111 terms, each rounded, through a 3 x 3 solve.
    np.testing.assert_allclose(model.final_estimator_.coef_, final.coef_, rtol=1e-9)
    rest = np.setdiff1d(np.arange(len(X)), held)
    line = LinearRegression().fit(X[rest], y[rest])
    np.testing.assert_allclose(model.estimators_[0].predict(X), line.predict(X), rtol=1e-9)


def test_blending_holds_classes_in_their_shares() -> None:
    X, y = LUMPS
    model = StackingClassifier(members(), blend=0.2, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9
    again = StackingClassifier(members(), blend=0.2, random_state=0, n_jobs=2).fit(X, y)
    assert np.array_equal(model.predict_proba(X), again.predict_proba(X))


# The face.

COUNTS = {"classes": 61, "numbers": 58, "naive": 61, "blend": 58}


@pytest.mark.parametrize("face", COUNTS)
def test_scikit_learn_finds_nothing(face: str) -> None:
    few = [("line", LogisticRegression()), ("tree", DecisionTreeClassifier(random_state=0))]
    model = {
        "classes": StackingClassifier(few, cv=3),
        "numbers": StackingRegressor(regressors()[1:], cv=3),
        "naive": StackingClassifier(few, cv="naive"),
        "blend": StackingRegressor(regressors()[1:], blend=0.3, random_state=0),
    }[face]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checks = check_estimator(model, on_fail=None, on_skip=None)
    assert [one["check_name"] for one in checks if one["status"] == "failed"] == []
    if sklearn.__version__.startswith("1.9"):
        assert len(checks) == COUNTS[face]


# Parity with scikit-learn.

SPLITS = {
    "usual": None,
    "3": 3,
    "shuffled": StratifiedKFold(4, shuffle=True, random_state=1),
    "generator": KFold(3, shuffle=True, random_state=np.random.RandomState(2)),
}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("method", ["auto", "predict", "decision_function", "predict_proba"])
@pytest.mark.parametrize("passthrough", [False, True])
@pytest.mark.parametrize("data", ["three", "two", "words"])
def test_classes_are_scikit_learns(split: str, method: str, passthrough: bool, data: str) -> None:
    X, y = IRIS if data == "three" else LUMPS
    labels = np.array(["benign", "ill"])[y] if data == "words" else y
    usable = {
        "auto": members(),
        "predict": members(),
        "decision_function": [members()[3], ("line", LogisticRegression(max_iter=1000))],
        "predict_proba": members()[:3],
    }[method]
    given = {"cv": SPLITS[split], "stack_method": method, "passthrough": passthrough}
    final = LogisticRegression(max_iter=5000)
    ours = StackingClassifier(usable, final, n_jobs=2, **given).fit(X, labels)
    theirs = sklearn.ensemble.StackingClassifier(usable, final, **given).fit(X, labels)
    assert np.array_equal(ours.final_estimator_.coef_, theirs.final_estimator_.coef_)
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    assert np.array_equal(ours.decision_function(X), theirs.decision_function(X))
    assert np.array_equal(ours.transform(X), theirs.transform(X))
    assert ours.stack_method_ == theirs.stack_method_
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())


@pytest.mark.parametrize("split", [None, 3, KFold(4, shuffle=True, random_state=0)])
@pytest.mark.parametrize("passthrough", [False, True])
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("final", [None, DecisionTreeRegressor(random_state=0)])
def test_numbers_are_scikit_learns(
    split: object, passthrough: bool, weighed: bool, final: object
) -> None:
    X, y = ILL
    extra = {"sample_weight": np.random.default_rng(0).random(len(y))} if weighed else {}
    ours, theirs = pair(
        StackingRegressor,
        sklearn.ensemble.StackingRegressor,
        regressors(),
        final_estimator=final,
        cv=split,
        passthrough=passthrough,
    )
    ours.fit(X, y, **extra), theirs.fit(X, y, **extra)
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert np.array_equal(ours.transform(X), theirs.transform(X))
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())


@pytest.mark.parametrize("stack_method", ["auto", "predict"])
def test_weights_of_classes_are_scikit_learns(stack_method: str) -> None:
    X, y = LUMPS
    weight = np.random.default_rng(0).random(len(y))
    ours, theirs = pair(
        StackingClassifier,
        sklearn.ensemble.StackingClassifier,
        weighed_members(),
        stack_method=stack_method,
    )
    ours.fit(X, y, sample_weight=weight), theirs.fit(X, y, sample_weight=weight)
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))


@pytest.mark.parametrize("method", ["auto", "predict"])
@pytest.mark.parametrize("passthrough", [False, True])
def test_several_labels_are_scikit_learns(method: str, passthrough: bool) -> None:
    X, y = make_multilabel_classification(120, 8, n_classes=3, random_state=0)
    usable = [
        ("near", KNeighborsClassifier()),
        ("tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
        ("net", MLPClassifier((5,), solver="lbfgs", max_iter=30, random_state=0)),
    ]
    final = RandomForestClassifier(5, random_state=0)
    ours, theirs = pair(
        StackingClassifier,
        sklearn.ensemble.StackingClassifier,
        usable,
        final_estimator=final,
        stack_method=method,
        passthrough=passthrough,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # thirty steps do not converge
        ours.fit(X, y), theirs.fit(X, y)
    assert np.array_equal(ours.transform(X), theirs.transform(X))
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    assert len(ours.classes_) == 3


@pytest.mark.parametrize("sort", [sparse.csr_matrix, sparse.csr_array, sparse.coo_matrix])
@pytest.mark.parametrize("passthrough", [False, True])
def test_sparse_rows_are_scikit_learns(sort: type, passthrough: bool) -> None:
    X, y = sort(np.round(IRIS[0])), IRIS[1]
    usable = [("line", LogisticRegression(max_iter=1000)), ("svm", LinearSVC(random_state=0))]
    final = LogisticRegression(max_iter=1000)
    given = {"final_estimator": final, "passthrough": passthrough}
    ours, theirs = pair(StackingClassifier, sklearn.ensemble.StackingClassifier, usable, **given)
    ours.fit(X, y), theirs.fit(X, y)
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))


def test_prefit_is_scikit_learns() -> None:
    X, y = IRIS
    fitted = [(name, clone(one).fit(X[::2], y[::2])) for name, one in members()]
    ours, theirs = pair(
        StackingClassifier, sklearn.ensemble.StackingClassifier, fitted, cv="prefit"
    )
    ours.fit(X[1::2], y[1::2]), theirs.fit(X[1::2], y[1::2])
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    assert ours.estimators_[0] is fitted[0][1]


def test_dropped_members_are_scikit_learns() -> None:
    X, y = IRIS
    ours, theirs = pair(StackingClassifier, sklearn.ensemble.StackingClassifier, members())
    for model in (ours, theirs):
        model.set_params(bayes="drop", tree__max_depth=1, final_estimator=SVC())
        model.fit(X, y)
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert ours.stack_method_ == theirs.stack_method_
    assert ours.named_estimators_["bayes"] == "drop" and len(ours.estimators_) == 3


def test_frames_keep_their_names() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = IRIS
    frame = pandas.DataFrame(X, columns=list("abcd"))
    ours, theirs = pair(
        StackingClassifier, sklearn.ensemble.StackingClassifier, members(), passthrough=True
    )
    ours.fit(frame, y), theirs.fit(frame, y)
    assert np.array_equal(ours.predict_proba(frame), theirs.predict_proba(frame))
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())
    named = ours.set_output(transform="pandas").transform(frame)
    assert list(named.columns) == list(ours.get_feature_names_out())


def test_metadata_reaches_those_who_ask() -> None:
    X, y = ILL
    weight = np.random.default_rng(0).random(len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        asked = [
            ("line", LinearRegression().set_fit_request(sample_weight=True)),
            ("tree", DecisionTreeRegressor(random_state=0).set_fit_request(sample_weight=False)),
        ]
        final = BayesianRidge().set_fit_request(sample_weight=True)
        final = final.set_predict_request(return_std=True)
        ours, theirs = pair(
            StackingRegressor, sklearn.ensemble.StackingRegressor, asked, final_estimator=final
        )
        ours.fit(X, y, sample_weight=weight), theirs.fit(X, y, sample_weight=weight)
        for a, b in zip(ours.predict(X, return_std=True), theirs.predict(X, return_std=True)):
            assert np.array_equal(a, b)
    plain = StackingRegressor(regressors(), BayesianRidge()).fit(X, y)
    assert len(plain.predict(X, return_std=True)) == 2


def test_any_number_of_threads_gives_the_same_bits() -> None:
    X, y = LUMPS
    forest = RandomForestClassifier(10, random_state=0, n_jobs=-1)
    usable = [*members(), ("forest", forest), ("boosted", BoostedTreesClassifier(n_estimators=5))]
    answers = [
        StackingClassifier(usable, n_jobs=threads).fit(X, y).predict_proba(X)
        for threads in (None, 1, 3, -1)
    ]
    for one in answers[1:]:
        assert np.array_equal(one, answers[0])


# The edge table.


def test_a_class_missing_in_a_fold_is_named_and_aligned() -> None:
    X, y = IRIS
    usable = [("near", KNeighborsClassifier()), ("bayes", GaussianNB())]
    folds = KFold(3)  # the rows are sorted by class: every fold lacks one
    ours, theirs = pair(StackingClassifier, sklearn.ensemble.StackingClassifier, usable, cv=folds)
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        ours.fit(X, labels)
    assert [str(one.message).partition(":")[0] for one in heard] == [
        f"Fold {k} fits on no row of class {name}"
        for k, name in enumerate(("setosa", "versicolor", "virginica"))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(X, labels)
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))


def test_decisions_of_a_fold_without_a_class_are_refused() -> None:
    model = StackingClassifier([("svm", LinearSVC())], cv=KFold(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(ValueError, match=r"Member 'svm' .*absent from the rows a fold fits on"):
            model.fit(*IRIS)


class Moody(ClassifierMixin, BaseEstimator):
    """Fails on fewer rows than it wants."""

    def __init__(self, least: int = 150) -> None:
        self.least = least

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Moody":
        if len(X) < self.least:
            raise RuntimeError(f"{len(X)} rows are too few")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.full(len(X), self.classes_[0])


def test_a_failing_member_is_named_and_the_others_live() -> None:
    X, y = IRIS
    broken = [("moody", Moody()), *members()]
    with pytest.raises(RuntimeError, match=r"Member 'moody' \(Moody\): 120 rows are too few"):
        StackingClassifier(broken).fit(X, y)
    model = StackingClassifier(broken, on_error="drop", n_jobs=2)
    with pytest.warns(RuntimeWarning, match="Dropped: Member 'moody'"):
        model.fit(X, y)
    whole = StackingClassifier(members()).fit(X, y)
    assert np.array_equal(model.predict_proba(X), whole.predict_proba(X))
    assert list(model.failures_) == ["moody"] and model.named_estimators_["moody"] == "drop"
    assert list(model.fit_seconds_) == [name for name, _ in members()]
    with pytest.raises(RuntimeError, match="Member 'moody'"):
        StackingClassifier(broken[:1], on_error="drop").fit(X, y)


def test_the_final_estimator_is_named_too() -> None:
    with pytest.raises(ValueError, match=r"Member 'final_estimator' \(LogisticRegression\).*C"):
        StackingClassifier(members(), LogisticRegression(C=-1)).fit(*IRIS)


def test_boosted_members_hold_out_their_own_rows() -> None:
    X, y = LUMPS
    boosted = BoostedTreesClassifier(n_estimators=200, early_stopping_rounds=5)
    model = StackingClassifier([("boosted", boosted), *members()], n_jobs=2).fit(X, y)
    assert model.named_estimators_["boosted"].best_iteration_ < 199
    assert "validation_0" in model.named_estimators_["boosted"].evals_result_
    assert model.score(X, y) > 0.95


def test_groups_come_as_folds() -> None:
    X, y = ILL
    folds = list(GroupKFold(4).split(X, y, np.arange(len(y)) % 11))
    model = StackingRegressor(regressors(), cv=folds).fit(X, y)
    z = [cross_val_predict(one, X, y, cv=folds) for _, one in regressors()]
    final = clone(model.final_estimator_).fit(np.stack(z, axis=1), y)
    assert np.array_equal(final.coef_, model.final_estimator_.coef_)


def test_a_stack_of_stacks_and_what_pickling_keeps() -> None:
    import pickle

    X, y = IRIS
    inner = StackingClassifier(members()[:2], cv=3)
    model = StackingClassifier([("inner", inner), ("bayes", GaussianNB())], cv=3, n_jobs=2)
    model.set_params(inner__tree__max_depth=2).fit(X, y)
    assert model.named_estimators_["inner"].named_estimators_["tree"].get_depth() == 2
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cv": "prefitted"}, "Did you mean 'prefit'"),
        ({"cv": 1}, "1"),
        ({"cv": 200}, "n_splits=200"),
        ({"cv": [(np.arange(100), np.arange(100, 150))]}, "hold out each of the 150 rows once"),
        ({"blend": 0.0}, "blend must be > 0"),
        ({"blend": 1.5}, "blend must be > 0 and < 1"),
        ({"blend": 0.2, "cv": 3}, "blend and cv exclude"),
        ({"stack_method": "proba"}, "stack_method must be one of"),
        ({"stack_method": "predict_proba"}, "svm does not implement the method predict_proba"),
        ({"final_estimator": Ridge()}, "should be a classifier"),
        ({"on_error": "skip"}, "on_error must be one of"),
        ({"estimators": []}, "non-empty list"),
        ({"estimators": [("a", "drop")]}, "All estimators are dropped"),
    ],
)
def test_what_is_wrong_is_said(given: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        StackingClassifier(members()).set_params(**given).fit(*IRIS)


def test_other_mistakes() -> None:
    X, y = IRIS
    with pytest.raises(TypeError, match=r"Member 'near'.*not support sample weights"):
        StackingClassifier(members()).fit(X, y, sample_weight=np.ones(150))
    with pytest.raises(ValueError, match="should be a regressor"):
        StackingRegressor(regressors(), SVC()).fit(X, y)
    with pytest.raises(ValueError, match="should be a regressor: member 'near'"):
        StackingRegressor(members()).fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        StackingClassifier(members()).fit(X, y[:100])
    with pytest.raises(ValueError, match=r"Member 'near'.*not fitted"):
        StackingClassifier(members(), cv="prefit").fit(X, y)
    with pytest.raises(ValueError, match=r"Member 'line' .*NaN"):
        StackingRegressor(regressors()).fit(np.where(X[3, 1] == X, np.nan, X), y)
    with pytest.raises(ValueError, match="1 class"):
        StackingClassifier(members()).fit(X, np.zeros(150, int))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_methods_are_the_final_estimators(method: str) -> None:
    X, y = IRIS
    assert callable(getattr(StackingClassifier(members()), method))
    model = StackingClassifier(members(), KNeighborsClassifier()).fit(X, y)
    with_it = getattr(KNeighborsClassifier, method, None) is not None
    assert (getattr(model, method, None) is not None) == with_it
    numbers = StackingRegressor([("near", KNeighborsRegressor())])
    assert callable(numbers.predict)

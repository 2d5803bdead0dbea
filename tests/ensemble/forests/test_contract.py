"""Every forest passes every check of scikit-learn's, and their number is known."""

from collections import Counter

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from drivetrain.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from drivetrain.ensemble.trees import DecisionTreeClassifier, DecisionTreeRegressor

KINDS = [
    RandomForestRegressor,
    RandomForestClassifier,
    ExtraTreesRegressor,
    ExtraTreesClassifier,
]
# Rows drawn by their weights are not the rows drawn from repeated ones, in scikit-learn's forests
# as here: its own suite checks the equivalence of weights and repetition without draws.
DRAWN = "check_sample_weight_equivalence"
ESTIMATORS = [kind(n_estimators=5, bootstrap=drawn) for kind in KINDS for drawn in (True, False)]


@parametrize_with_checks([DecisionTreeRegressor(), DecisionTreeClassifier()])
def test_trees_pass_scikit_learns_checks(estimator, check) -> None:  # type: ignore[no-untyped-def]
    check(estimator)


def _failing(estimator):  # type: ignore[no-untyped-def]
    if not estimator.bootstrap:
        return {}
    return {f"{DRAWN}_on_{kind}_data": "drawn by weight" for kind in ("dense", "sparse")}


@parametrize_with_checks(
    [one for one in ESTIMATORS if not one.bootstrap],
)
def test_scikit_learns_checks(estimator, check) -> None:  # type: ignore[no-untyped-def]
    check(estimator)


@parametrize_with_checks(
    [one for one in ESTIMATORS if one.bootstrap], expected_failed_checks=_failing
)
def test_scikit_learns_checks_with_draws(estimator, check) -> None:  # type: ignore[no-untyped-def]
    check(estimator)


def test_the_number_of_checks_is_known() -> None:
    counts = Counter(
        type(estimator).__name__
        for one in ESTIMATORS
        if not one.bootstrap
        for estimator, _ in estimator_checks_generator(one)
    )
    # scikit-learn adds checks from version to version; fewer would mean that tags turn some off.
    for kind in KINDS:
        assert counts[kind.__name__] >= (63 if "Classifier" in kind.__name__ else 59), kind


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_only_draws_by_weight_are_expected_to_differ(estimator) -> None:  # type: ignore[no-untyped-def]
    assert set(_failing(estimator)) == {
        f"{DRAWN}_on_{kind}_data" for kind in ("dense", "sparse") if estimator.bootstrap
    }

"""Every estimator passes every check of scikit-learn's, and their number is known."""

from collections import Counter

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from drivetrain.boosting import (
    BoostedTreesClassifier,
    BoostedTreesRanker,
    BoostedTreesRegressor,
)

ESTIMATORS = [
    BoostedTreesRegressor(n_estimators=5, n_jobs=1),
    BoostedTreesClassifier(n_estimators=5, n_jobs=1),
    BoostedTreesRanker(n_estimators=5, n_jobs=1),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator, check) -> None:  # type: ignore[no-untyped-def]
    check(estimator)


def test_the_number_of_checks_is_known() -> None:
    counts = Counter(
        type(estimator).__name__ for one in ESTIMATORS for estimator, _ in _checks(one)
    )
    # scikit-learn adds checks from version to version; fewer would mean that tags turn some off.
    assert counts["BoostedTreesRegressor"] >= 60
    assert counts["BoostedTreesClassifier"] >= 62
    assert counts["BoostedTreesRanker"] >= 41


def _checks(estimator):  # type: ignore[no-untyped-def]
    return estimator_checks_generator(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: type(one).__name__)
def test_no_check_is_expected_to_fail(estimator) -> None:  # type: ignore[no-untyped-def]
    assert all("xfail" not in repr(check) for _, check in _checks(estimator))

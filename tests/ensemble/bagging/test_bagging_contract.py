"""Bags pass every check of scikit-learn's that random draws allow."""

import warnings

import pytest
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from drivetrain.ensemble import BaggingClassifier, BaggingRegressor

# All rows to all members, and weights to their fit: nothing is drawn but ties within trees.
DRAWLESS = {"n_estimators": 5, "bootstrap": False, "weigh": "fit"}
# Rows repeated are other rows to draw from than rows weighed: scikit-learn's own bags are
# expected to fail these two as well, and no seed can be shared with it and pass them.
DRAWN = {
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}


@parametrize_with_checks([BaggingClassifier(**DRAWLESS), BaggingRegressor(**DRAWLESS)])
def test_scikit_learns_checks(estimator, check) -> None:  # type: ignore[no-untyped-def]
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "count"),
    [(BaggingClassifier(**DRAWLESS), 62), (BaggingRegressor(**DRAWLESS), 59)],
)
def test_the_number_of_checks_is_known(estimator, count) -> None:  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = type(estimator)(n_estimators=5)
        for one, spared in ((estimator, set()), (drawn, DRAWN)):
            found = check_estimator(one, on_fail=None, on_skip=None)
            assert len(found) >= count
            failed = {row["check_name"] for row in found if row["status"] == "failed"}
            assert failed <= spared

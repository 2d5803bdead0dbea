"""AdaBoost and its stump pass every check of scikit-learn's, and their number is known."""

import warnings

import pytest
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from drivetrain.ensemble import AdaBoostClassifier, AdaBoostRegressor, DecisionStump

ESTIMATORS = [
    AdaBoostClassifier(n_estimators=5),
    AdaBoostRegressor(n_estimators=5),
    DecisionStump(),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator, check) -> None:  # type: ignore[no-untyped-def]
    check(estimator)


@pytest.mark.parametrize(("estimator", "count"), list(zip(ESTIMATORS, (63, 60, 63), strict=True)))
def test_the_number_of_checks_is_known(estimator, count) -> None:  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(found) >= count
    assert not [row["check_name"] for row in found if row["status"] not in ("passed", "skipped")]


def test_resampling_passes_all_checks_that_draws_allow() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AdaBoostClassifier(n_estimators=5, mode="resample", random_state=0)
        found = check_estimator(model, on_fail=None, on_skip=None)
    failed = {row["check_name"] for row in found if row["status"] == "failed"}
    # Rows repeated are other rows to draw from than rows weighed.
    assert failed <= {
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    }

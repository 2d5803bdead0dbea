"""Stacking for numbers."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin, clone, is_regressor
from sklearn.linear_model import RidgeCV
from sklearn.utils.metadata_routing import _raise_for_params
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from drivetrain.ensemble.stacking.base import Stacking, final_has, row_wise
from drivetrain.ensemble.stacking.learning import Rows


@dataclass(eq=False, repr=False)
class StackingRegressor(RegressorMixin, Stacking):
    r"""A regressor of what other regressors predict on rows they did not see.

    H(x) = g(h_1(x), ..., h_T(x)), g fitted on Z_{it} = h_t^{(-k(i))}(x_i), where h_t^{(-k)} has
    seen all folds but the k-th and k(i) is the row's own.

    Attributes:
        estimators_: Members fitted on all rows (with ``blend``, on those not held out).
        named_estimators_: They, or ``"drop"``, by name.
        final_estimator_: The fitted final estimator.
        stack_method_: What each member is asked: ``predict``.
        failures_: Errors of members that failed, with ``on_error="drop"``, by name.
        fit_seconds_: How long each member took on all rows, by name.
        n_features_in_: Number of features.
        feature_names_in_: Their names, where the members saw any.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import LinearRegression
        >>> from sklearn.neighbors import KNeighborsRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> members = [("line", LinearRegression()), ("near", KNeighborsRegressor(20))]
        >>> StackingRegressor(members).fit(X, y).score(X, y) > 0.5
        True

    References:
        Wolpert: Stacked generalization, Neural Networks 5, 1992.
        Breiman: Stacked regressions, Machine Learning 24, 1996.
    """

    def fit(self, X: Any, y: ArrayLike, **fit_params: Any) -> "StackingRegressor":
        """Fit the members and the final estimator.

        Args:
            X: Values, (n, F); whatever the members take.
            y: Targets, (n,).
            **fit_params: ``sample_weight``, (n,), for members and final estimator; with metadata
                routing, what they ask for.

        Raises:
            ValueError: A parameter or the input is wrong; of a member, named with it.
            TypeError: A member takes no sample weights.
        """
        _raise_for_params(fit_params, self, "fit", allow=["sample_weight"])
        final = RidgeCV() if self.final_estimator is None else self.final_estimator
        if not is_regressor(final):
            raise ValueError(f"'final_estimator' parameter should be a regressor. Got {final}")
        self.final_estimator_ = clone(final)
        target = column_or_1d(y, warn=True)
        rows = Rows(X=row_wise(X, target), y=target, counts=None)
        self.fit_stack(rows, fit_params, "predict", kind="regressor")
        return self

    @available_if(final_has("predict", RidgeCV))
    def predict(self, X: Any, **predict_params: Any) -> Any:
        """Return the final estimator's predictions, (n,).

        Args:
            X: Values, (n, F).
            **predict_params: For the final estimator's ``predict``, as ``return_std``.
        """
        return self.final_answer(X, "predict", predict_params)

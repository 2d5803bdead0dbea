"""Bags of regressors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import column_or_1d

from drivetrain.ensemble.bagging.fitted import FittedBagging, warn_of_holes

Doubles = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class BaggingRegressor(RegressorMixin, FittedBagging):
    """Regressors on rows and features drawn at random; the mean of their predictions.

    F(x) = (1/M) Σ_m h_m(x). Drawing rows with replacement is bagging, without it pasting;
    drawing features random subspaces, both random patches. Parameters, defaults, draws and
    answers are scikit-learn's; see `BaggingParameters`.

    Attributes:
        oob_prediction_: Mean of the members that did not draw a row, (n,); NaN where all drew it.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(return_X_y=True)
        >>> bag = BaggingRegressor(n_estimators=25, oob_score=True, random_state=0).fit(X, y)
        >>> 0.3 < bag.oob_score_ < 0.5
        True

    References:
        Breiman: Bagging Predictors, Machine Learning 24 (1996).
        Louppe, Geurts: Ensembles on Random Patches, ECML PKDD 2012.
    """

    def _prototype(self) -> Any:
        return DecisionTreeRegressor() if self.estimator is None else self.estimator

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        if y.ndim > 1 and y.shape[1] > 1:
            return y
        return np.asarray(column_or_1d(y, warn=True))

    def _score_outside(self, x: Any, y: NDArray[Any]) -> None:
        sums = np.zeros(y.shape)
        counts = np.zeros(len(y))
        for out, found in self._outside(x, lambda member, values: member.predict(values)):
            if found is not None:
                sums[out] += found
                counts[out] += 1
        held = counts > 0
        if not held.all():
            warn_of_holes(int((~held).sum()))
        mean = np.full(y.shape, np.nan)
        mean[held] = (sums[held].T / counts[held]).T
        self.oob_prediction_ = mean
        score = self.oob_score if callable(self.oob_score) else r2_score
        # R² of fewer than two rows is not defined.
        self.oob_score_ = float(score(y[held], mean[held])) if held.sum() > 1 else float("nan")

    def predict(self, X: Any, **params: Any) -> Doubles:
        """Return the mean of the members' predictions, (n,).

        Args:
            X: Values, (n, F).
            params: Given to the members, by scikit-learn's metadata routing.

        Raises:
            ValueError: Other features than at fit.
        """
        given = self._asked("predict", params).get("predict", {})
        x = self._rows(X)
        total: Any = sum(self._answers(x, lambda member, values: member.predict(values, **given)))
        return np.asarray(total / len(self.estimators_))

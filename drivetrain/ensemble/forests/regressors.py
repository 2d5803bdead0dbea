"""Forests for numbers."""

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from drivetrain.core.checks import check_choice
from drivetrain.ensemble.forests.fitted import Aim, FittedForest
from drivetrain.trees.deep.targets import numbers, vectors

Doubles = NDArray[np.float64]


class RegressionForest(RegressorMixin, FittedForest, ABC):
    """Means of trees' leaves.

    Attributes:
        oob_prediction_: Mean of the trees that did not draw a row, (n,); NaN where none did not.
    """

    oob_prediction_: Doubles

    def _aim(self, y: NDArray[Any], weight: Doubles | None) -> Aim:
        check_choice("criterion", self.criterion, ("squared_error",))
        values = np.ascontiguousarray(y, np.float64)
        if values.ndim == 1:
            return Aim(target=numbers(values, weight), y=values)
        if self.monotonic_cst is not None:
            raise ValueError("monotonic_cst needs a single target.")
        return Aim(target=vectors(values), y=values)

    def _score_outside(self, mean: Doubles, y: NDArray[Any], held: NDArray[np.bool_]) -> None:
        self.oob_prediction_ = mean if y.ndim > 1 else mean[:, 0]
        score = self.oob_score if callable(self.oob_score) else r2_score
        self.oob_score_ = _scored(score, y[held], self.oob_prediction_[held])

    def predict(self, X: Any) -> Doubles:
        """Return the mean of the trees' predictions, (n,) or (n, outputs).

        Args:
            X: Values, (n, F).

        Raises:
            ValueError: Other features than at fit.
        """
        mean = self._mean(X)
        return mean if self.n_outputs_ > 1 else mean[:, 0]


def _scored(score: Any, y: NDArray[Any], found: Doubles) -> float:
    return float(score(y, found)) if len(y) > 1 else float("nan")


@dataclass(eq=False, repr=False)
class RandomForestRegressor(RegressionForest):
    """A random forest for numbers: deep trees, each on rows drawn with replacement.

    Prediction: (1/T) Σ_t mean of y in the leaf of tree t.

    Parameters, defaults and attributes are scikit-learn's; see `ForestParameters`. Values are
    binned once for all trees; ``tree_method="exact"`` parts any two values.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = RandomForestRegressor(60, oob_score=True, random_state=0).fit(X, y)
        >>> 0.3 < model.oob_score_ < 0.5
        True

    References:
        Breiman: Random Forests, Machine Learning 45 (2001).
    """

    monotonic_cst: Sequence[int] | None = None


@dataclass(eq=False, repr=False)
class ExtraTreesRegressor(RegressionForest):
    """Extremely randomized trees for numbers: of one random cut a feature, the best.

    Parameters, defaults and attributes are scikit-learn's; see `ForestParameters`. Cuts are drawn
    between the values themselves: ``tree_method`` and ``max_bin`` mean nothing here.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = ExtraTreesRegressor(20, min_samples_leaf=5, random_state=0).fit(X, y)
        >>> model.score(X, y) > 0.5
        True

    References:
        Geurts, Ernst, Wehenkel: Extremely Randomized Trees, Machine Learning 63 (2006).
    """

    splits_at_random: ClassVar[bool] = True
    bootstrap: bool = False
    monotonic_cst: Sequence[int] | None = None

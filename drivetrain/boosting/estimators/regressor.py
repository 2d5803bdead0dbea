"""Boosted trees for numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import Tags

from drivetrain.boosting.estimators.fitted import EvalSet, Fitted, Rounds, Start
from drivetrain.boosting.estimators.fitting import Task, learn
from drivetrain.boosting.estimators.inputs import column, fitted_table, rows_of, watched
from drivetrain.boosting.objectives.named import objective_of
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.params import loss_of


@dataclass(kw_only=True, eq=False, repr=False)
class BoostedTreesRegressor(RegressorMixin, Fitted):
    """Gradient boosting for numbers, by XGBoost's algorithm: a scikit-learn estimator.

    Takes XGBoost's parameters under its names, with its defaults. X may be an array, a data
    frame (pandas, polars, arrow) with categories, words, nulls, a tensor, or a scipy sparse
    matrix, whose absent entries are missing; missing values are NaN.

    Attributes:
        objective: XGBoost's name of the loss: ``reg:squarederror``, ``reg:absoluteerror``,
            ``reg:quantileerror``, ``reg:pseudohubererror``, ``count:poisson``, ``reg:gamma``,
            ``survival:cox``, ...; or a loss of one's own, a function of margins and labels: see
            ``drivetrain.boosting.objectives.custom``.
        quantile_alpha: The quantile or quantiles of ``reg:quantileerror``.
        expectile_alpha: The expectile or expectiles of ``reg:expectileerror``.
        tweedie_variance_power: Of ``reg:tweedie``, between 1 and 2.
        huber_slope: Of ``reg:pseudohubererror``.
        booster_: The fitted model.
        evals_result_: Values of the metrics on each evaluation set, round by round.
        best_iteration_: The round early stopping chose.
        best_score_: Its value.
        n_features_in_: Number of features.
        feature_names_in_: Their names, where X had them.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = BoostedTreesRegressor(n_estimators=30, learning_rate=0.1, max_depth=3)
        >>> round(model.fit(X, y).score(X, y), 1)
        0.7

    References:
        Chen, Guestrin: XGBoost: A Scalable Tree Boosting System, KDD 2016.
    """

    objective: str | Objective | Callable[..., Any] = "reg:squarederror"
    quantile_alpha: float | Sequence[float] | None = None
    expectile_alpha: float | Sequence[float] | None = None
    tweedie_variance_power: float = 1.5
    huber_slope: float = 1.0

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        base_margin: ArrayLike | None = None,
        eval_set: EvalSet = None,
        eval_sample_weight: Sequence[ArrayLike] | None = None,
        init_model: Start = None,
    ) -> "BoostedTreesRegressor":
        """Fit the model.

        Args:
            X: Values, (n, F).
            y: Targets, (n,) or (n, targets).
            sample_weight: Weight of each row, (n,).
            base_margin: Where each row's margin starts, (n,) or (n, targets).
            eval_set: Pairs (X, y) to evaluate after each round; the last decides when to stop.
            eval_sample_weight: Weights of their rows, a list for each pair.
            init_model: A model to continue, or its file: ``n_estimators`` rounds are added.

        Raises:
            TypeError: A column of X that holds no numbers, a parameter of another type.
            ValueError: A parameter or the input is wrong; the message says which.
        """
        table, target = fitted_table(self, X, y, y_numeric=True, multi_output=True)
        named = "feature_names_in_" in vars(self)
        data = rows_of(
            table, column(target), weight=sample_weight, base_margin=base_margin, named=named
        )
        sets = watched(self, data, eval_set, eval_sample_weight, column)
        task = Task(
            data=data, objective=self._objective(), sets=sets, start=init_model, fitted=self._own()
        )
        self._keep(*learn(self, task))
        return self

    def _objective(self) -> Objective:
        names = ("quantile_alpha", "expectile_alpha", "tweedie_variance_power", "huber_slope")
        own = {name: getattr(self, name) for name in names}
        return objective_of(self.objective, loss_of(self.told() | own))

    def predict(
        self,
        X: Any,
        *,
        output_margin: bool = False,
        base_margin: ArrayLike | None = None,
        iteration_range: Rounds = None,
    ) -> NDArray[np.floating]:
        """Return the predictions, float32, (n,), or float64, (n, targets).

        Args:
            X: Values, (n, F).
            output_margin: Whether to return margins instead.
            base_margin: Where each row's margin starts instead of the base score.
            iteration_range: First and last-but-one round; up to the best where None.

        Raises:
            ValueError: Other features than at fit; a category that fitting did not see.
        """
        margin = self._margin(X, base_margin, iteration_range)
        given = margin if output_margin else self.booster_.objective.predict(margin)
        given = given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given
        # scikit-learn wants several targets in its own precision; one stays XGBoost's float32.
        return given if given.ndim == 1 else given.astype(np.float64)

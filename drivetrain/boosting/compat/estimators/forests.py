"""XGBoost's random forests."""

from typing import Any, ClassVar

from drivetrain.boosting.compat.estimators.learners import XGBClassifier, XGBRegressor
from drivetrain.boosting.compat.estimators.model import Fit, XGBModel
from drivetrain.boosting.compat.matrix import DMatrix


class _Forest(XGBModel):
    """One round of parallel trees."""

    def get_num_boosting_rounds(self) -> int:
        """Return 1: the trees are parallel."""
        return 1

    def get_xgb_params(self) -> dict[str, Any]:
        """Return the parameters of training, the number of trees among them."""
        trees = vars(self)["n_estimators"]
        return super().get_xgb_params() | {"num_parallel_tree": 100 if trees is None else trees}

    def _train(
        self,
        rows: DMatrix,
        evals: list[tuple[DMatrix, str]],
        verbose: bool | int | None,
        more: Fit,
    ) -> None:
        for name in ("early_stopping_rounds", "callbacks"):
            if vars(self)[name] is not None:
                raise NotImplementedError(f"`{name}` is not implemented for random forest.")
        super()._train(rows, evals, verbose, more)


_FOREST = {
    "learning_rate": 1.0,
    "subsample": 0.8,
    "colsample_bynode": 0.8,
    "reg_lambda": 1e-5,
}


class XGBRFRegressor(_Forest, XGBRegressor):
    """XGBoost's random forest for numbers: ``n_estimators`` parallel trees, one round."""

    _defaults: ClassVar[dict[str, Any]] = {"objective": "reg:squarederror", **_FOREST}


class XGBRFClassifier(_Forest, XGBClassifier):
    """XGBoost's random forest for classes: ``n_estimators`` parallel trees, one round."""

    _defaults: ClassVar[dict[str, Any]] = {"objective": "binary:logistic", **_FOREST}

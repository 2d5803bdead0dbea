"""XGBoost's regressor and classifier."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin

from drivetrain.boosting.compat.booster import Booster
from drivetrain.boosting.compat.estimators.model import XGBModel

Floats = NDArray[np.float32]


class XGBRegressor(RegressorMixin, XGBModel):
    """XGBoost's regressor."""

    _defaults: ClassVar[dict[str, Any]] = {"objective": "reg:squarederror"}


class XGBClassifier(ClassifierMixin, XGBModel):
    """XGBoost's classifier; labels are 0, 1, ..."""

    _defaults: ClassVar[dict[str, Any]] = {"objective": "binary:logistic"}

    @property
    def classes_(self) -> NDArray[np.int64]:
        """The labels."""
        return np.arange(self.n_classes_)

    def _labels(self, y: Any) -> Any:
        codes = np.asarray(y)
        if "_fitting" not in vars(self):
            return codes
        found = np.unique(codes)
        if not np.array_equal(found, np.arange(len(found))):
            raise ValueError(
                f"Invalid classes inferred from unique values of `y`.  "
                f"Expected: {np.arange(len(found))}, got {found}"
            )
        self.n_classes_ = len(found)
        del self._fitting
        return codes

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None, **more: Any) -> Any:
        """Fit the model; see ``XGBModel.fit``.

        Raises:
            ValueError: Labels that are not 0, 1, ...
        """
        # The labels of training, which come first, say how many classes there are.
        self._fitting = True
        return super().fit(X, y, sample_weight=sample_weight, **more)

    def _trained_by(self) -> dict[str, Any]:
        objective = vars(self)["objective"]
        if self.n_classes_ <= 2:
            return {}
        own = {"num_class": self.n_classes_}
        known = callable(objective) or str(objective).startswith("multi:")
        return own if known else own | {"objective": "multi:softprob"}

    def _base_objective(self) -> str:
        return "multi:softprob" if self.n_classes_ > 2 else "binary:logistic"

    def predict(self, X: Any, **told: Any) -> Any:
        """Return the class of each row, or margins; see ``XGBModel.predict``."""
        given = super().predict(X, **told)
        if told.get("output_margin"):
            return given
        if given.ndim == 2:
            return given.argmax(axis=1)
        if self.n_classes_ > 2:
            return given.astype(np.int64)
        return (given > 0.5).astype(np.int64)

    def predict_proba(self, X: Any, **told: Any) -> Floats:
        """Return the probability of each class, (n, classes); see ``XGBModel.predict``."""
        if self.n_classes_ > 2:
            margin = super().predict(X, output_margin=True, **told)
            raised = np.exp(margin - margin.max(axis=1, keepdims=True))
            return raised / raised.sum(axis=1, keepdims=True)
        given = super().predict(X, **told)
        return np.stack([1 - given, given], axis=1)

    def _loaded(self, booster: Booster) -> None:
        self.n_classes_ = max(2, len(booster.model.base_score))

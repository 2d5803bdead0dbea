"""Squared errors, of values and of their logarithms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.objective import (
    Gradient,
    newton_start,
    refuse_labels,
    weighted,
)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SquaredError:
    """l = (f - y)²/2; the prediction is the margin.

    Attributes:
        name: ``reg:squarederror``.
        metric: ``rmse``.
    """

    name: str = "reg:squarederror"
    metric: str = "rmse"

    def groups(self, data: Dataset) -> int:
        """Return the number of targets."""
        return data.labels.shape[1]

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is not finite."""
        refuse_labels(data, ~np.isfinite(data.labels), "finite")

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return f - y and 1."""
        return weighted(margin - data.labels, np.ones((1, 1), np.float32), data)

    def start(self, data: Dataset) -> Floats:
        """Return the weighted mean of the labels."""
        return np.average(data.labels.astype(float), axis=0, weights=data.weight).astype(np.float32)

    def to_margin(self, score: Floats) -> Floats:
        """Return the score."""
        return score

    def predict(self, margin: Floats) -> Floats:
        """Return the margin."""
        return margin[:, 0] if margin.shape[1] == 1 else margin


@dataclass(frozen=True)
class SquaredLogError:
    """l = (log(1 + f) - log(1 + y))²/2, f > -1; the prediction is the margin.

    Far below the label the loss is not convex: h is at least 1e-6, as XGBoost's.

    Attributes:
        name: ``reg:squaredlogerror``.
        metric: ``rmsle``.
    """

    name: str = "reg:squaredlogerror"
    metric: str = "rmsle"

    def groups(self, data: Dataset) -> int:
        """Return the number of targets."""
        return data.labels.shape[1]

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is not above -1 and finite."""
        refuse_labels(data, ~((data.labels > -1) & np.isfinite(data.labels)), "> -1 and finite")

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return d/(1 + f) and (1 - d)/(1 + f)², d = log(1 + f) - log(1 + y)."""
        f = np.maximum(margin, np.float32(-1 + 1e-6))
        one = f + np.float32(1)
        off: Floats = np.log1p(f) - np.log1p(data.labels)
        h = np.maximum((np.float32(1) - off) / (one * one), np.float32(1e-6))
        return weighted(off / one, h.astype(np.float32), data)

    def start(self, data: Dataset) -> Floats:
        """Return one Newton step from 0."""
        return newton_start(*self.gradients(np.zeros_like(data.labels), data))

    def to_margin(self, score: Floats) -> Floats:
        """Return the score."""
        return score

    def predict(self, margin: Floats) -> Floats:
        """Return the margin."""
        return margin[:, 0] if margin.shape[1] == 1 else margin

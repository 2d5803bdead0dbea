"""Logistic losses: one probability, or one a class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.exponential import exp32
from drivetrain.boosting.objectives.objective import (
    Gradient,
    newton_start,
    one_label,
    refuse_labels,
    weighted,
)

Floats = NDArray[np.float32]
_LEAST_H = np.float32(1e-16)
_MOST = np.float32(88.7)


def sigmoid(margin: Floats) -> Floats:
    """Return 1 / (1 + exp(-f)), float32, with XGBoost's bits: exp(-f) is bounded, so finite."""
    return np.float32(1) / (exp32(np.minimum(-margin, _MOST)) + np.float32(1))


def softmax(margin: Floats) -> Floats:
    """Return exp(f_k) / Σ_j exp(f_j) of each row, the sum in float64 as XGBoost's."""
    shifted = exp32(margin - margin.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)


@dataclass(frozen=True)
class Logistic:
    """l = log(1 + exp(f)) - y f, p = sigmoid(f): g = p - y, h = p (1 - p).

    Attributes:
        scale_pos_weight: What rows of label 1 weigh more.
        name: ``binary:logistic``; ``reg:logistic`` takes labels between 0 and 1 too, as does this.
            ``binary:logitraw`` predicts the margin, and takes its base score for one.
        metric: ``logloss``.
    """

    scale_pos_weight: float = 1.0
    name: str = "binary:logistic"
    metric: str = "logloss"

    @property
    def _raw(self) -> bool:
        return self.name == "binary:logitraw"

    def groups(self, data: Dataset) -> int:
        """Return the number of targets."""
        return data.labels.shape[1]

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is not in [0, 1]."""
        refuse_labels(data, ~((data.labels >= 0) & (data.labels <= 1)), "between 0 and 1")

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return p - y and p (1 - p), at least 1e-16."""
        p = sigmoid(margin)
        g, h = p - data.labels, np.maximum(p * (np.float32(1) - p), _LEAST_H)
        if self.scale_pos_weight != 1:
            up = np.where(data.labels == 1, np.float32(self.scale_pos_weight), np.float32(1))
            g, h = g * up, h * up
        return weighted(g, h, data)

    def start(self, data: Dataset) -> Floats:
        """Return the weighted share of label 1, kept off 0 and 1.

        With ``scale_pos_weight`` it is XGBoost's one Newton step from a margin of 0 instead.
        """
        if self.scale_pos_weight != 1:
            step = newton_start(*self.gradients(np.zeros_like(data.labels), data))
            return step if self._raw else sigmoid(step)
        share = np.average(data.labels.astype(np.float64), axis=0, weights=data.weight)
        return np.clip(share, 1e-7, 1 - 1e-7).astype(np.float32)

    def to_margin(self, score: Floats) -> Floats:
        """Return log(p / (1 - p))."""
        if self._raw:
            return score
        odds = np.float32(1) / score - np.float32(1)
        # The logarithm rounded once, as the C library's, whose bits XGBoost has; numpy's own
        # float32 logarithm is an ulp off now and then.
        return -np.log(odds.astype(np.float64)).astype(np.float32)

    def predict(self, margin: Floats) -> Floats:
        """Return the probability of label 1."""
        p = margin if self._raw else sigmoid(margin)
        return p[:, 0] if p.shape[1] == 1 else p


@dataclass(frozen=True)
class Softmax:
    """l = -log p_y, p = softmax(f): g_k = p_k - [y = k], h_k = 2 p_k (1 - p_k).

    The factor 2 in h is XGBoost's own.

    Attributes:
        n_classes: Classes; labels are 0 to n_classes - 1.
        name: ``multi:softprob``; the class of greatest probability is ``multi:softmax``.
        metric: ``mlogloss``.
    """

    n_classes: int
    name: str = "multi:softprob"
    metric: str = "mlogloss"

    def groups(self, data: Dataset) -> int:
        """Return the number of classes."""
        return self.n_classes

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is not a class."""
        one_label(data, self.name)
        y = data.labels
        wrong = ~((y >= 0) & (y < self.n_classes) & (y == np.floor(y)))
        refuse_labels(data, wrong, f"a whole number from 0 to {self.n_classes - 1}")

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return p_k - [y = k] and 2 p_k (1 - p_k)."""
        p = softmax(margin)
        h = np.maximum(np.float32(2) * p * (np.float32(1) - p), _LEAST_H)
        p[np.arange(len(p)), data.target.astype(np.int64)] -= np.float32(1)
        return weighted(p, h, data)

    def start(self, data: Dataset) -> Floats:
        """Return the logarithm of each class's share, less the classes' mean."""
        y = data.target.astype(np.int64)
        mass = np.bincount(y, data.weight, self.n_classes)
        share = (mass.astype(np.float32) * (1.0 / mass.sum())).astype(np.float32)
        # Rounded where XGBoost rounds: the logarithm once, the mean term by term.
        logs = np.log((share + np.float32(1e-6)).astype(np.float64)).astype(np.float32)
        return logs - np.cumsum(logs / np.float32(self.n_classes), dtype=np.float32)[-1]

    def to_margin(self, score: Floats) -> Floats:
        """Return the score: margins of classes have no scale of their own."""
        return score

    def predict(self, margin: Floats) -> Floats:
        """Return the probability of each class; the class itself for ``multi:softmax``."""
        if self.name == "multi:softmax":
            return margin.argmax(axis=1).astype(np.float32)
        return softmax(margin)

    def evaluated(self, margin: Floats) -> Floats:
        """Return the probability of each class: what metrics read, of ``multi:softmax`` too."""
        return softmax(margin)


@dataclass(frozen=True)
class Hinge:
    """l = max(0, 1 - (2y - 1) f), y = 0 or 1; the prediction is 1 where f > 0.

    h is 1 where the margin is missed, by XGBoost's convention, else 0 (there 1e-38).

    Attributes:
        name: ``binary:hinge``.
        metric: ``error``.
    """

    name: str = "binary:hinge"
    metric: str = "error"

    def groups(self, data: Dataset) -> int:
        """Return the number of targets."""
        return data.labels.shape[1]

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is not 0 or 1."""
        refuse_labels(data, (data.labels != 0) & (data.labels != 1), "0 or 1")

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return 1 - 2y and 1 where (2y - 1) f < 1, else 0 and 0."""
        sign = data.labels * np.float32(2) - np.float32(1)
        missed = margin * sign < 1
        g = np.where(missed, -sign, np.float32(0))
        return weighted(g, missed.astype(np.float32), data)

    def start(self, data: Dataset) -> Floats:
        """Return 1 where one Newton step from 0 is positive, else 0."""
        return self.predict(newton_start(*self.gradients(np.zeros_like(data.labels), data)))

    def to_margin(self, score: Floats) -> Floats:
        """Return the score."""
        return score

    def predict(self, margin: Floats) -> Floats:
        """Return 1 where the margin is positive, else 0."""
        chosen = (margin > 0).astype(np.float32)
        return chosen[:, 0] if chosen.ndim == 2 and chosen.shape[1] == 1 else chosen

"""Losses with a log link: the prediction is exp(f), never negative."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.objective import Gradient, refuse_labels, weighted
from drivetrain.core.checks import check_real

Floats = NDArray[np.float32]


def log_link(score: Floats) -> Floats:
    """Return log of the score, rounded once, as the C library's."""
    return np.log(score.astype(np.float64)).astype(np.float32)


def mean_label(data: Dataset) -> Floats:
    """Return the weighted mean of the labels, kept off 0, (targets,)."""
    mean = np.average(data.labels.astype(np.float64), axis=0, weights=data.weight)
    return np.maximum(mean, 1e-6).astype(np.float32)


def exponential(margin: Floats) -> Floats:
    """Return exp(f), (n,) for one output; infinite where it overflows."""
    with np.errstate(over="ignore"):
        value = np.exp(margin)
    return value[:, 0] if value.shape[1] == 1 else value


@dataclass(frozen=True)
class Poisson:
    """l = exp(f) - y f: g = exp(f) - y, h = exp(f + max_delta_step).

    Attributes:
        max_delta_step: Inflates h, which keeps steps small; XGBoost's default is 0.7.
        name: ``count:poisson``.
        metric: ``poisson-nloglik``.
    """

    max_delta_step: float = 0.7
    name: str = "count:poisson"
    metric: str = "poisson-nloglik"

    def groups(self, data: Dataset) -> int:
        """Return the number of targets."""
        return data.labels.shape[1]

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is negative or not finite."""
        refuse_labels(data, ~((data.labels >= 0) & np.isfinite(data.labels)), ">= 0 and finite")

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return exp(f) - y and exp(f + max_delta_step)."""
        rate = np.exp(margin)
        return weighted(rate - data.labels, np.exp(margin + np.float32(self.max_delta_step)), data)

    def start(self, data: Dataset) -> Floats:
        """Return the weighted mean of the labels."""
        return mean_label(data)

    def to_margin(self, score: Floats) -> Floats:
        """Return log of the score."""
        return log_link(score)

    def predict(self, margin: Floats) -> Floats:
        """Return exp(f), the expected count."""
        return exponential(margin)


@dataclass(frozen=True)
class Gamma:
    """l = y exp(-f) + f: g = 1 - y exp(-f), h = y exp(-f); labels are positive.

    Attributes:
        name: ``reg:gamma``.
        metric: ``gamma-deviance``.
    """

    name: str = "reg:gamma"
    metric: str = "gamma-deviance"

    def groups(self, data: Dataset) -> int:
        """Return the number of targets."""
        return data.labels.shape[1]

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is not positive and finite."""
        refuse_labels(data, ~((data.labels > 0) & np.isfinite(data.labels)), "> 0 and finite")

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return 1 - y exp(-f) and y exp(-f)."""
        ratio = data.labels * np.exp(-margin)
        return weighted(np.float32(1) - ratio, ratio, data)

    def start(self, data: Dataset) -> Floats:
        """Return the weighted mean of the labels."""
        return mean_label(data)

    def to_margin(self, score: Floats) -> Floats:
        """Return log of the score."""
        return log_link(score)

    def predict(self, margin: Floats) -> Floats:
        """Return exp(f)."""
        return exponential(margin)


@dataclass(frozen=True)
class Tweedie:
    """l = -y exp((1-ρ)f)/(1-ρ) + exp((2-ρ)f)/(2-ρ), between Poisson (ρ = 1) and gamma (ρ = 2).

    Attributes:
        power: ρ, the power of the mean that the variance goes with, in (1, 2).
        name: ``reg:tweedie``.
    """

    power: float = 1.5
    name: str = "reg:tweedie"

    def __post_init__(self) -> None:
        name = "tweedie_variance_power"
        check_real(name, self.power, low=1, high=2, open_low=True, open_high=True)

    @property
    def metric(self) -> str:
        """``tweedie-nloglik@ρ``."""
        return f"tweedie-nloglik@{self.power:g}"

    def groups(self, data: Dataset) -> int:
        """Return the number of targets."""
        return data.labels.shape[1]

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is negative or not finite."""
        refuse_labels(data, ~((data.labels >= 0) & np.isfinite(data.labels)), ">= 0 and finite")

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return the first and second derivative."""
        a, b = np.float32(1 - self.power), np.float32(2 - self.power)
        low, high = data.labels * np.exp(a * margin), np.exp(b * margin)
        return weighted(high - low, b * high - a * low, data)

    def start(self, data: Dataset) -> Floats:
        """Return the weighted mean of the labels."""
        return mean_label(data)

    def to_margin(self, score: Floats) -> Floats:
        """Return log of the score."""
        return log_link(score)

    def predict(self, margin: Floats) -> Floats:
        """Return exp(f)."""
        return exponential(margin)

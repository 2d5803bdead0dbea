"""Losses for medians, quantiles, expectiles and outliers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.logistic import sigmoid
from drivetrain.boosting.objectives.objective import (
    Gradient,
    newton_start,
    one_label,
    refuse_labels,
    weighted,
)
from drivetrain.core.checks import check_real

Floats = NDArray[np.float32]
#: Least step between two heads.
_EPS = np.float32(1e-6)


def quantile(values: Floats, alpha: float, weight: Floats | None = None) -> float:
    """Return a quantile as XGBoost defines it: at α (n + 1) of the sorted values, interpolated.

    With weights it is the first value whose cumulative weight reaches α of the whole.
    """
    n = len(values)
    if not n:
        return float("nan")
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    if weight is not None:
        mass = np.cumsum(weight[order].astype(np.float64))
        return float(ordered[min(int(np.searchsorted(mass, alpha * mass[-1])), n - 1)])
    place = alpha * (n + 1) - 1
    low = int(np.clip(np.floor(place), 0, n - 1))
    high = min(low + 1, n - 1)
    share = float(np.clip(place - low, 0, 1))
    return float(ordered[low] + share * (ordered[high] - ordered[low]))


def finite_labels(data: Dataset) -> None:
    """Raise a ValueError where a label is not finite."""
    refuse_labels(data, ~np.isfinite(data.labels), "finite")


def identity(margin: Floats) -> Floats:
    """Return the margins, (n,) for one output."""
    return margin[:, 0] if margin.shape[1] == 1 else margin


@dataclass(frozen=True)
class AbsoluteError:
    """l = |f - y|: g = sign(f - y), h = 1; leaves are then set to the median of their residuals.

    Attributes:
        name: ``reg:absoluteerror``.
        metric: ``mae``.
    """

    name: str = "reg:absoluteerror"
    metric: str = "mae"

    def groups(self, data: Dataset) -> int:
        """Return the number of targets."""
        return data.labels.shape[1]

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is not finite."""
        finite_labels(data)

    def leaf_quantile(self, group: int) -> float | None:
        """Return one half: leaves hold medians."""
        return 0.5

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return the sign of f - y, and 1."""
        return weighted(np.sign(margin - data.labels), np.ones((1, 1), np.float32), data)

    def start(self, data: Dataset) -> Floats:
        """Return the median of the labels."""
        columns = data.labels.T
        return np.array([quantile(one, 0.5, data.weight) for one in columns], np.float32)

    def to_margin(self, score: Floats) -> Floats:
        """Return the score."""
        return score

    def predict(self, margin: Floats) -> Floats:
        """Return the margin."""
        return identity(margin)


@dataclass(frozen=True)
class Quantiles:
    """Pinball loss of several quantiles at once: g = 1 - α where f >= y, else -α; h = 1.

    Leaves are set to the quantile of their residuals. Each quantile has trees of its own;
    predictions of a row are sorted, which can only bring them nearer to the true quantiles, so
    that no two of them cross.

    Attributes:
        alphas: The quantiles, rising, in (0, 1).
        name: ``reg:quantileerror``.

    References:
        Chernozhukov, Fernandez-Val, Galichon: Quantile and probability curves without crossing,
        Econometrica 78 (2010).
    """

    alphas: tuple[float, ...] = (0.5,)
    name: str = "reg:quantileerror"

    def __post_init__(self) -> None:
        for alpha in self.alphas:
            check_real("quantile_alpha", alpha, low=0, high=1, open_low=True, open_high=True)
        if list(self.alphas) != sorted(set(self.alphas)):
            raise ValueError(f"quantile_alpha must rise. Got {list(self.alphas)}.")

    @property
    def metric(self) -> str:
        """``quantile``, of the same quantiles."""
        return "quantile"

    def groups(self, data: Dataset) -> int:
        """Return the number of quantiles."""
        return len(self.alphas)

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is not finite, or there are several."""
        one_label(data, self.name)
        finite_labels(data)

    def leaf_quantile(self, group: int) -> float | None:
        """Return the group's quantile."""
        return self.alphas[group]

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return 1 - α where f >= y, else -α, and 1."""
        alpha = np.array(self.alphas, np.float32)
        g = np.where(margin >= data.labels, np.float32(1) - alpha, -alpha).astype(np.float32)
        return weighted(g, np.ones((1, 1), np.float32), data)

    def start(self, data: Dataset) -> Floats:
        """Return the quantiles of the labels."""
        return np.array([quantile(data.target, a, data.weight) for a in self.alphas], np.float32)

    def to_margin(self, score: Floats) -> Floats:
        """Return the score."""
        return score

    def predict(self, margin: Floats) -> Floats:
        """Return the margins, sorted within each row."""
        return identity(np.sort(margin, axis=1))


@dataclass(frozen=True)
class Expectiles:
    """Asymmetric squares l = Σ_k |α_k - [p_k > y]| (p_k - y)²/2, whose heads cannot cross.

    p_0 is the first margin, and each further margin is how far the next head lies above, as
    log(e^step - 1): p_k = p_{k-1} + softplus(m_k) + 1e-6. g follows by the chain rule, h is
    Gauss-Newton's. It is the parametrization of XGBoost 3.4.

    Attributes:
        alphas: The expectiles, rising, in (0, 1).
        name: ``reg:expectileerror``, of XGBoost 3.3 and newer.

    References:
        Newey, Powell: Asymmetric least squares estimation and testing, Econometrica 55 (1987).
    """

    alphas: tuple[float, ...] = (0.5,)
    name: str = "reg:expectileerror"

    def __post_init__(self) -> None:
        for alpha in self.alphas:
            check_real("expectile_alpha", alpha, low=0, high=1, open_low=True, open_high=True)
        if list(self.alphas) != sorted(set(self.alphas)):
            raise ValueError(f"expectile_alpha must rise. Got {list(self.alphas)}.")

    @property
    def metric(self) -> str:
        """``expectile``, of the same expectiles."""
        return "expectile"

    def groups(self, data: Dataset) -> int:
        """Return the number of expectiles."""
        return len(self.alphas)

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is not finite, or there are several."""
        one_label(data, self.name)
        finite_labels(data)

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return s_j Σ_{k >= j} c_k (p_k - y) and s_j² Σ_{k >= j} c_k, s_0 = 1, s_j = σ(m_j)."""
        off = _heads(margin) - data.labels
        slope = self._slope(off)
        step = np.ones_like(margin)
        step[:, 1:] = sigmoid(margin[:, 1:])
        g, h = (np.cumsum(one[:, ::-1], axis=1)[:, ::-1] for one in (slope * off, slope))
        return weighted(step * g, step * step * h, data)

    def _slope(self, off: Floats) -> Floats:
        alpha = np.array(self.alphas, np.float32)
        return np.where(off >= 0, np.float32(1) - alpha, alpha).astype(np.float32)

    def start(self, data: Dataset) -> Floats:
        """Return one Newton step from the mean of the labels for each expectile, none falling."""
        y = data.labels.astype(np.float64)
        mean = np.average(y[:, 0], weights=data.weight).astype(np.float32)
        off = np.broadcast_to(mean - data.labels, (len(y), len(self.alphas)))
        slope = self._slope(off)
        return np.maximum.accumulate(mean + newton_start(*weighted(slope * off, slope, data)))

    def to_margin(self, score: Floats) -> Floats:
        """Return the first score, and the logarithms of the steps to the others."""
        gap = np.maximum(np.diff(score) - _EPS, _EPS).astype(np.float32)
        return np.append(score[:1], gap + np.log(-np.expm1(-gap))).astype(np.float32)

    def predict(self, margin: Floats) -> Floats:
        """Return the expectiles, rising within each row."""
        return identity(_heads(margin))


def _heads(margin: Floats) -> Floats:
    """Return running sums of the first margin and the steps to the others."""
    with np.errstate(under="ignore"):
        steps = np.maximum(margin, 0) + np.log1p(np.exp(-np.abs(margin))) + _EPS
    steps[:, 0] = margin[:, 0]
    return np.cumsum(steps, axis=1, dtype=np.float32)


@dataclass(frozen=True)
class PseudoHuber:
    """l = δ² (sqrt(1 + (z/δ)²) - 1), z = f - y: squared near 0, absolute far from it.

    Attributes:
        slope: δ > 0.
        name: ``reg:pseudohubererror``.
    """

    slope: float = 1.0
    name: str = "reg:pseudohubererror"

    def __post_init__(self) -> None:
        check_real("huber_slope", self.slope, low=0, open_low=True)

    @property
    def metric(self) -> str:
        """``mphe``, of the same slope."""
        return "mphe"

    def groups(self, data: Dataset) -> int:
        """Return the number of targets."""
        return data.labels.shape[1]

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is not finite."""
        finite_labels(data)

    def leaf_quantile(self, group: int) -> float | None:
        """Return None."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return z / s and 1 / s³ with s = sqrt(1 + (z/δ)²)."""
        z, slope = margin - data.labels, np.float32(self.slope)
        s = np.sqrt(np.float32(1) + np.square(z / slope))
        return weighted(z / s, np.float32(1) / (s * s * s), data)

    def start(self, data: Dataset) -> Floats:
        """Return the weighted mean of the labels after one Newton step from 0."""
        g, h = self.gradients(np.zeros_like(data.labels), data)
        return (-g.sum(axis=0, dtype=float) / h.sum(axis=0, dtype=float)).astype(np.float32)

    def to_margin(self, score: Floats) -> Floats:
        """Return the score."""
        return score

    def predict(self, margin: Floats) -> Floats:
        """Return the margin."""
        return identity(margin)

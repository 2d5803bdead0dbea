"""Accelerated failure times: log time = margin + scale * noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.counts import exponential, log_link
from drivetrain.boosting.objectives.objective import Gradient, weighted
from drivetrain.boosting.objectives.survival.laws import LAWS, law_where
from drivetrain.core.checks import check_choice, check_real

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# XGBoost's bounds: no row pulls harder, none has no curvature.
_MOST = 15.0
_LEAST_H = 1e-16
_LEAST = 1e-12
# Slopes at infinitely wrong predictions too low (z > 0) and too high, in units of 1/scale;
# infinite ones are clipped to 15.
_SLOPES = {"normal": (np.inf, np.inf), "logistic": (1.0, 1.0), "extreme": (np.inf, 1.0)}
# The same of curvatures, in units of 1/scale².
_BENDS = {"normal": (1.0, 1.0), "logistic": (0.0, 0.0), "extreme": (np.inf, 0.0)}


def bounds_of(data: Dataset) -> tuple[Doubles, Doubles]:
    """Return the least and greatest time of each row: the label is both where none are given."""
    both = data.label_bounds if data.label_bounds is not None else np.repeat(data.labels, 2, 1)
    return both[:, 0].astype(np.float64), both[:, 1].astype(np.float64)


def interval(law: str, scale: float, margin: Doubles, low: Doubles, high: Doubles) -> list[Doubles]:
    """Return the likelihood of each row, its first and second derivative by z, and z.

    The likelihood is p(z) of a known time and P(z_high) - P(z_low) of a censored one, with
    z = (log time - margin) / scale.
    """
    with np.errstate(divide="ignore"):
        z_low, z_high = (np.log(low) - margin) / scale, (np.log(high) - margin) / scale
    known = low == high
    left, right = low <= 0, np.isinf(high)
    a, b = law_where(law, z_low, ~left), law_where(law, z_high, ~right & ~known)
    value = np.where(right, 1.0, b.below) - a.below
    slope = b.density - a.density
    bend = b.slope - a.slope
    sign = np.where(known, z_low > 0, (~right & (z_high > 0)) | (~left & (z_low > 0)))
    return [
        np.where(known, a.density, value),
        np.where(known, a.slope, slope),
        np.where(known, a.bend, bend),
        sign.astype(np.float64),
    ]


@dataclass(frozen=True)
class AcceleratedFailure:
    """l = -log likelihood of the time, or of the bounds it is known to lie between.

    Bounds are `Dataset.label_bounds`: equal where the time is known, an infinite upper one
    where it is only known to be later (right-censored), a lower one of 0 where only to be
    earlier. g is kept in [-15, 15] and h in [1e-16, 15], as XGBoost does.

    Attributes:
        law: The noise: ``normal``, ``logistic`` or ``extreme``.
        scale: Its scale, positive.
        name: ``survival:aft``.
        metric: ``aft-nloglik``.

    References:
        Barnwal, Cho, Hocking: Survival regression with accelerated failure time model in
        XGBoost, arXiv:2006.04920.
    """

    law: str = "normal"
    scale: float = 1.0
    name: str = "survival:aft"
    metric: str = "aft-nloglik"

    def __post_init__(self) -> None:
        check_choice("aft_loss_distribution", self.law, LAWS)
        check_real("aft_loss_distribution_scale", self.scale, low=0, open_low=True)

    def groups(self, data: Dataset) -> int:
        """Return 1."""
        return 1

    def check(self, data: Dataset) -> None:
        """Raise a ValueError that names the first row whose bounds hold no time."""
        if data.label_bounds is None and (data.label is None or data.labels.shape[1] != 1):
            raise ValueError(f"{self.name} needs label_bounds: least and greatest time of a row.")
        low, high = bounds_of(data)
        wrong = np.flatnonzero(~((low >= 0) & (high > 0) & (low <= high) & np.isfinite(low)))
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(
                "label_bounds must hold 0 <= lower <= upper, lower finite, upper positive. "
                f"Got {low[row]:g} and {high[row]:g} in row {row}."
            )

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return p'/(p σ) and (p'² - p p'')/(p σ)², p the likelihood, within XGBoost's bounds."""
        low, high = bounds_of(data)
        sigma = float(np.float32(self.scale))
        value, slope, bend, sign = interval(
            self.law, sigma, margin[:, 0].astype(np.float64), low, high
        )
        with np.errstate(all="ignore"):
            g = slope / (sigma * value)
            h = (slope * slope - value * bend) / np.square(sigma * value)
        far, flat = sigma * value < _LEAST, np.square(sigma * value) < _LEAST
        limit, curve = self._limits(low, high, sign > 0)
        g = np.where(far & ~np.isfinite(g), limit, g)
        h = np.where(flat & ~np.isfinite(h), curve, h)
        g, h = np.clip(g, -_MOST, _MOST), np.clip(h, _LEAST_H, _MOST)
        return weighted(g.astype(np.float32)[:, None], h.astype(np.float32)[:, None], data)

    def _limits(
        self, low: Doubles, high: Doubles, below: NDArray[np.bool_]
    ) -> tuple[Doubles, Doubles]:
        """Return g and h at predictions infinitely low (``below``) or high."""
        (down, up), (steep, flat) = _SLOPES[self.law], _BENDS[self.law]
        known = low == high
        # A prediction past a right-censored time, or before a left-censored one, is not wrong.
        fine = ~known & np.where(below, low <= 0, np.isinf(high))
        g = np.where(below, -down, up) / self.scale
        h = np.where(below, steep, flat) / self.scale**2
        return np.where(fine, 0.0, g), np.where(fine, 0.0, h)

    def start(self, data: Dataset) -> Floats:
        """Return 0.5, as XGBoost starts."""
        return np.full(1, 0.5, np.float32)

    def to_margin(self, score: Floats) -> Floats:
        """Return log of the score."""
        return log_link(score)

    def predict(self, margin: Floats) -> Floats:
        """Return exp(f), a time."""
        return exponential(margin)

    def evaluated(self, margin: Floats) -> Floats:
        """Return the margin, log time: what the metrics of survival read."""
        return margin[:, 0]

"""Cox's proportional hazards."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.counts import exponential, log_link
from drivetrain.boosting.objectives.objective import Gradient, newton_start, refuse_labels, weighted
from drivetrain.core.checks import check_choice

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def risks(margin: Doubles, label: Floats) -> tuple[NDArray[np.int64], Doubles, NDArray[np.int64]]:
    """Return the order of the times, and at each place the risk and the end of its ties.

    The risk of a time is Σ exp(f) over the rows still at risk then: of that time or a later one.

    Args:
        margin: (n,).
        label: Times, negative where censored, (n,).
    """
    order = np.argsort(np.abs(label), kind="stable")
    times = np.abs(label[order])
    first = np.searchsorted(times, times, side="left")
    last = np.searchsorted(times, times, side="right") - 1
    later = np.cumsum(np.exp(margin[order])[::-1])[::-1]
    return order, later[first], last


@dataclass(frozen=True)
class Cox:
    """l = -Σ over events i of f_i - log Σ_{t_j >= t_i} exp(f_j); predictions are hazard ratios.

    Ties are Breslow's. Labels are times, negative where the row was censored then.

    Attributes:
        ties: ``breslow`` gives every row of a time all the events of that time, which is what
            the loss says. ``sequential`` gives it only those up to its own place in the data,
            which is what XGBoost computes. Without equal times they are the same.
        name: ``survival:cox``.
        metric: ``cox-nloglik``.

    References:
        Cox: Regression models and life-tables, JRSS B 34 (1972); Breslow's discussion of it.
    """

    ties: str = "breslow"
    name: str = "survival:cox"
    metric: str = "cox-nloglik"

    def __post_init__(self) -> None:
        check_choice("cox_ties", self.ties, ("breslow", "sequential"))

    def groups(self, data: Dataset) -> int:
        """Return 1."""
        return 1

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where a label is not finite, or where there is no event."""
        refuse_labels(data, ~np.isfinite(data.labels), "finite")
        if data.labels.shape[1] != 1:
            raise ValueError(f"{self.name} takes one label a row. Got {data.labels.shape[1]}.")
        if not (data.labels > 0).any():
            raise ValueError("label must be positive in one row at least: all are censored.")

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return e r - [event] and e r - e² s; r, s = Σ 1/risk, Σ 1/risk² over events so far.

        Weights multiply g and h of a row, as XGBoost's do; risks are not weighted.
        """
        f = margin[:, 0].astype(np.float64)
        # Only differences count: no exponential overflows.
        f -= f.max(initial=-np.inf)
        order, risk, last = risks(f, data.target)
        event = (data.target > 0)[order]
        r, s = np.cumsum(event / risk), np.cumsum(event / np.square(risk))
        if self.ties == "breslow":
            r, s = r[last], s[last]
        e = np.exp(f[order])
        g, h = np.empty_like(f), np.empty_like(f)
        g[order] = e * r - event
        h[order] = np.maximum(e * r - np.square(e) * s, 0.0)
        return weighted(g.astype(np.float32)[:, None], h.astype(np.float32)[:, None], data)

    def start(self, data: Dataset) -> Floats:
        """Return exp of one Newton step from a margin of 0."""
        return np.exp(newton_start(*self.gradients(np.zeros_like(data.labels), data)))

    def to_margin(self, score: Floats) -> Floats:
        """Return log of the score."""
        return log_link(score)

    def predict(self, margin: Floats) -> Floats:
        """Return exp(f), the hazard beside that of a margin of 0."""
        return exponential(margin)

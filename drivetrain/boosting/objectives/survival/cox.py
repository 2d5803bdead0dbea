"""Cox's proportional hazards."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.counts import exponential, log_link
from drivetrain.boosting.objectives.objective import (
    Gradient,
    newton_start,
    one_label,
    refuse_labels,
    weighted,
)
from drivetrain.core.checks import check_choice

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AtRisk:
    """The rows in the order of their times.

    Attributes:
        order: Their numbers, (n,).
        event: Whether each place's time is an event's.
        first: The first place of the same time.
        last: The last place of the same time.
    """

    order: NDArray[np.int64]
    event: NDArray[np.bool_]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def risks(self, hazard: Doubles) -> Doubles:
        """Return Σ hazard over the rows at risk at each place: of its time or a later one.

        Args:
            hazard: exp(margin) in the order of the times.
        """
        return np.cumsum(hazard[::-1])[::-1][self.first]


def at_risk(label: Floats) -> AtRisk:
    """Return the rows in the order of their times.

    Args:
        label: Times, negative where censored, (n,).
    """
    order = np.argsort(np.abs(label), kind="stable")
    times = np.abs(label[order])
    new = np.append(True, times[1:] != times[:-1])
    starts = np.flatnonzero(new)
    number = np.cumsum(new) - 1
    ends = np.append(starts[1:], len(label)) - 1
    return AtRisk(order, (label > 0)[order], starts[number], ends[number])


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
        one_label(data, self.name)
        if not (data.labels > 0).any():
            raise ValueError("label must be positive in one row at least: all are censored.")

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return e r - [event] and e r - e² s; r, s = Σ 1/risk, Σ 1/risk² over events so far.

        Weights multiply g and h of a row, as XGBoost's do; risks are not weighted.
        """
        return self.stage(data).gradients(margin, 0)

    def stage(self, data: Dataset, *, threads: int = 1) -> "CoxStage":
        """Return the objective at work on the data, whose times are sorted once."""
        return CoxStage(self, data)

    def start(self, data: Dataset) -> Floats:
        """Return exp of one Newton step from a margin of 0."""
        return np.exp(newton_start(*self.gradients(np.zeros_like(data.labels), data)))

    def to_margin(self, score: Floats) -> Floats:
        """Return log of the score."""
        return log_link(score)

    def predict(self, margin: Floats) -> Floats:
        """Return exp(f), the hazard beside that of a margin of 0."""
        return exponential(margin)


class CoxStage:
    """A `Cox` at work on rows whose order of times is known.

    Args:
        loss: The objective.
        data: The rows.
    """

    def __init__(self, loss: Cox, data: Dataset) -> None:
        self._loss = loss
        self._data = data
        self._rows = at_risk(data.target)

    @property
    def objective(self) -> Cox:
        """The objective."""
        return self._loss

    def gradients(self, margin: Floats, number: int) -> tuple[Gradient, Gradient]:
        """Return g and h, as `Cox.gradients`, whatever the round."""
        rows = self._rows
        f = margin[:, 0].astype(np.float64)[rows.order]
        # Only differences count: no exponential overflows.
        e = np.exp(f - f.max(initial=-np.inf))
        once = rows.event / rows.risks(e)
        r, s = np.cumsum(once), np.cumsum(once * once)
        if self._loss.ties == "breslow":
            r, s = r[rows.last], s[rows.last]
        g, h = (np.empty((len(e), 1), np.float32) for _ in range(2))
        pull = e * r
        g[rows.order, 0] = pull - rows.event
        h[rows.order, 0] = np.maximum(pull - e * e * s, 0.0)
        return weighted(g, h, self._data)

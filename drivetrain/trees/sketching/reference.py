"""The weighted quantile summary as the XGBoost paper writes it: merge, prune, query; float64.

A summary holds values x_1 < ... < x_k of a weighted set D, and for each
r⁻(x) <= Σ_{y<x} w, r⁺(x) >= Σ_{y<=x} w and ω(x), the weight of x itself. It is ε-approximate if
r⁺(y) - r⁻(y) - ω(y) <= ε ω(D) for every y.

References:
    Chen, Guestrin: XGBoost: A Scalable Tree Boosting System, KDD 2016, arXiv:1603.02754,
    supplementary material (definitions A.2 to A.5, theorems A.1 and A.2).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.reference import weighted_ranks

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Summary:
    """A summary of a weighted set, all (k,), values rising; k is at least 1."""

    values: Floats
    low: Floats
    high: Floats
    weight: Floats

    @property
    def total(self) -> float:
        """ω(D)."""
        return float(self.high[-1])

    @property
    def error(self) -> float:
        """The least ε for which this is ε-approximate."""
        at = self.high - self.low - self.weight
        between = (self.high - self.weight)[1:] - (self.low + self.weight)[:-1]
        return float(max(at.max(), between.max(initial=0.0))) / self.total


def summarize(values: Floats, weights: Floats) -> Summary:
    """Return the exact summary: ε = 0.

    Example:
        >>> summarize(np.array([3.0, 1.0, 1.0]), np.array([2.0, 1.0, 1.0])).high.tolist()
        [2.0, 4.0]
    """
    distinct, rank = weighted_ranks(values, weights)
    total = weights.sum()
    ends = np.append(rank[1:] * total, total)
    return Summary(values=distinct, low=rank * total, high=ends, weight=ends - rank * total)


def bounds(summary: Summary, y: float) -> tuple[float, float, float]:
    """Return r⁻(y), r⁺(y) and ω(y) of any value (definition A.3)."""
    i = int(np.searchsorted(summary.values, y))
    if i < len(summary.values) and summary.values[i] == y:
        return float(summary.low[i]), float(summary.high[i]), float(summary.weight[i])
    below = summary.low[i - 1] + summary.weight[i - 1] if i else 0.0
    above = summary.high[i] - summary.weight[i] if i < len(summary.values) else summary.total
    return float(below), float(above), 0.0


def merge(a: Summary, b: Summary) -> Summary:
    """Return the summary of both sets, (max ε)-approximate: the bounds add (theorem A.1)."""
    values = np.union1d(a.values, b.values)
    sums = np.array([np.add(bounds(a, y), bounds(b, y)) for y in values])
    return Summary(values=values, low=sums[:, 0], high=sums[:, 1], weight=sums[:, 2])


def query(summary: Summary, d: float) -> int:
    """Return the entry whose rank is nearest to d (algorithm A.1, g)."""
    middle = (summary.low + summary.high) / 2
    i = int(np.searchsorted(middle, d, side="right")) - 1
    if i < 0:
        return 0
    if i == len(middle) - 1:
        return i
    left = summary.low[i] + summary.weight[i]
    right = summary.high[i + 1] - summary.weight[i + 1]
    return i if 2 * d < left + right else i + 1


def prune(summary: Summary, b: int) -> Summary:
    """Return at most b + 1 of the entries, (ε + 1/b)-approximate (theorem A.2)."""
    kept = sorted({query(summary, i * summary.total / b) for i in range(b + 1)})
    return Summary(
        values=summary.values[kept],
        low=summary.low[kept],
        high=summary.high[kept],
        weight=summary.weight[kept],
    )

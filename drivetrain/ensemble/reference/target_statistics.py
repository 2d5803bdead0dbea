"""Target statistics as CatBoost's paper writes them, row by row (section 3.2)."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def statistic(x: Any, rows: Iterable[int], given: Sequence[Any], y: Sequence[float], a: float,
              prior: float) -> float:  # fmt: skip
    """Return (Σ_{j in D} [x_j = x] y_j + aP) / (Σ_{j in D} [x_j = x] + a) (eq. 5).

    Args:
        x: The category.
        rows: D.
        given: x_j.
        y: y_j.
        a: How many rows the prior counts.
        prior: P.
    """
    same = [j for j in rows if given[j] == x]
    return (sum(y[j] for j in same) + a * prior) / (len(same) + a)


def greedy(x: Sequence[Any], y: Sequence[float], a: float) -> NDArray[np.float64]:
    """Return the statistics with D = all rows."""
    n, prior = len(x), float(np.mean(y))
    return np.array([statistic(x[i], range(n), x, y, a, prior) for i in range(n)])


def leave_one_out(x: Sequence[Any], y: Sequence[float], a: float) -> NDArray[np.float64]:
    """Return the statistics with D_i = all rows but i."""
    n, prior = len(x), float(np.mean(y))
    others = [[j for j in range(n) if j != i] for i in range(n)]
    return np.array([statistic(x[i], others[i], x, y, a, prior) for i in range(n)])


def ordered(
    x: Sequence[Any], y: Sequence[float], a: float, order: Sequence[int]
) -> NDArray[np.float64]:
    """Return the statistics with D_i = the rows before i in the order."""
    prior, out = float(np.mean(y)), np.empty(len(x))
    for place, i in enumerate(order):
        out[i] = statistic(x[i], order[:place], x, y, a, prior)
    return out


def holdout(
    x: Sequence[Any], y: Sequence[float], a: float, held: Sequence[int]
) -> NDArray[np.float64]:
    """Return the statistics of the rows outside ``held`` from those in it; NaN for those in it."""
    prior, out = float(np.mean(y)), np.full(len(x), np.nan)
    for i in set(range(len(x))) - set(held):
        out[i] = statistic(x[i], held, x, y, a, prior)
    return out

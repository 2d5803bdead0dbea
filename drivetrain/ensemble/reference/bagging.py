"""Bagging: how likely a row is left out, and what the members that left it out say of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def left_out(rows: int) -> float:
    """Return the probability that a row is not among ``rows`` draws with replacement.

    P = (1 - 1/M)^M, which tends to 1/e.

    Args:
        rows: M, at least 1.

    Example:
        >>> round(left_out(10), 10)
        0.3486784401

    References:
        Breiman: Bagging Predictors (1996).
    """
    return float((1 - 1 / rows) ** rows)


def vote(signs: Doubles) -> Doubles:
    """Return H = sign Σ_m h_m of members that say -1 or +1.

    Args:
        signs: h_m(x_i), (M, n).
    """
    return np.sign(np.sum(signs, axis=0))


def mean(predictions: Doubles) -> Doubles:
    """Return H = (1/M) Σ_m h_m.

    Args:
        predictions: h_m(x_i), (M, n) or (M, n, classes).
    """
    total = np.zeros(predictions.shape[1:])
    for h in predictions:
        total = total + h
    return total / len(predictions)


def out_of_bag(predictions: Doubles, drawn: Sequence[NDArray[np.int64]]) -> Doubles:
    """Return, of each row, the mean over the members that did not draw it; NaN where all did.

    Args:
        predictions: h_m(x_i), (M, n).
        drawn: The rows each member drew.
    """
    n = predictions.shape[1]
    out = np.full(n, np.nan)
    for i in range(n):
        held = [h[i] for h, rows in zip(predictions, drawn) if i not in rows]
        if held:
            out[i] = sum(held) / len(held)
    return out

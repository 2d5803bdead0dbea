"""Kernels of the running mean."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(nogil=True, cache=True)
def compensated_sum(x: Array, total: Array, carry: Array) -> None:
    """Add the rows of x to a running sum and its rounding errors (Knuth's two-sum).

    Rows are taken several at a time, each lane with its own sum and errors, so that the loop
    fills the vector units; the lanes are then added with their errors, and nothing is lost.
    """
    n, p = x.shape
    rows = max(1, 256 // p)
    width = rows * p
    flat = x.reshape(-1)
    sums, errors = np.zeros(width), np.zeros(width)
    for start in range(0, n // rows * width, width):
        v = flat[start : start + width]
        for j in range(width):
            s = sums[j]
            t = s + v[j]
            z = t - s
            errors[j] += (s - (t - z)) + (v[j] - z)
            sums[j] = t
    for j in range(width):
        add_exactly(total, carry, j % p, sums[j], errors[j])
    for i in range(n // rows * rows, n):
        for j in range(p):
            add_exactly(total, carry, j, x[i, j], 0.0)


@njit(nogil=True, cache=True)
def add_exactly(total: Array, carry: Array, j: int, value: float, error: float) -> None:
    """Add a value and its error to entry j of a sum and its errors."""
    s = total[j]
    t = s + value
    z = t - s
    carry[j] += ((s - (t - z)) + (value - z)) + error
    total[j] = t


@njit(nogil=True, cache=True)
def gained_mean(x: Array, gains: Array, mean: Array) -> None:
    """Apply w += a·(x - w) for each row and its gain, in order."""
    for i in range(len(x)):
        for j in range(x.shape[1]):
            mean[j] += gains[i] * (x[i, j] - mean[j])

"""The equations of streaming moments, as they are written. Never optimised; the tests' oracle."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Summary(NamedTuple):
    """Weight n, mean m and sums of powers of deviations from it: M_p = Σ w (x - m)^p."""

    n: float
    m: float
    M2: float
    M3: float
    M4: float


def mean(x: Array) -> Array:
    """Return the mean the way that needs all the data: (1/n) Σ x_i over the first axis."""
    return np.asarray(sum(x)) / len(x)


def incremental_mean(x: Array, gain: Callable[[int], float] | None = None) -> Iterator[Array]:
    """Yield w_{k+1} = w_k - a_k (w_k - x_k) for k = 1, 2, ...; a_k = 1/k if no gain is given."""
    w = np.zeros_like(x[0], dtype=np.float64)
    for k, x_k in enumerate(x, start=1):
        w = w - (gain(k) * (w - x_k) if gain else (w - x_k) / k)
        yield w


def moments(x: Array, w: Array | None = None) -> Summary:
    """Return the summary of a sample by two passes over all of it."""
    w = np.ones(len(x)) if w is None else w
    n = float(np.sum(w))
    m = float(np.sum(w * x)) / n
    # Once more about the rounded mean: Σ w (x - m) is zero only up to rounding.
    m += float(np.sum(w * (x - m))) / n
    d = x - m
    return Summary(n, m, *(float(np.sum(w * d**p)) for p in (2, 3, 4)))


def merge(a: Summary, b: Summary) -> Summary:
    """Return the summary of two samples together (Chan; Pébay eq. 2.1 for orders 3 and 4)."""
    n, k = a.n, b.n
    t = n + k
    d = b.m - a.m
    M4 = (
        a.M4
        + b.M4
        + d**4 * n * k * (n**2 - n * k + k**2) / t**3
        + 6 * d**2 * (n**2 * b.M2 + k**2 * a.M2) / t**2
        + 4 * d * (n * b.M3 - k * a.M3) / t
    )
    M3 = a.M3 + b.M3 + d**3 * n * k * (n - k) / t**2 + 3 * d * (n * b.M2 - k * a.M2) / t
    M2 = a.M2 + b.M2 + d**2 * n * k / t
    return Summary(t, a.m + d * k / t, M2, M3, M4)


def covariance(x: Array, w: Array | None = None) -> tuple[Array, Array]:
    """Return the mean of the rows and C = Σ w (x - m)(x - m)ᵀ, not divided by anything."""
    w = np.ones(len(x)) if w is None else w
    m = np.asarray(w @ x / np.sum(w))
    m = m + w @ (x - m) / np.sum(w)
    d = x - m
    return m, (w[:, None] * d).T @ d


def exponential_moments(x: Array, alpha: float) -> Summary:
    """Return the moments of x under weights alpha (1 - alpha)^age; the first keeps the rest."""
    age = np.arange(len(x))[::-1]
    w: Array = np.asarray(alpha * (1 - alpha) ** age, dtype=np.float64)
    w[0] = (1 - alpha) ** (len(x) - 1)
    return moments(x, w)

"""The equations of the streaming quantiles, as they are written. The tests' oracle."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def scale(q: float, compression: float) -> float:
    """Return k(q) = δ/(2π) asin(2q - 1), the t-digest's scale function k1."""
    return compression / (2 * math.pi) * math.asin(max(-1.0, min(1.0, 2 * q - 1)))


def clusters(x: Array, compression: float) -> list[tuple[float, int]]:
    """Return (mean, weight) of the clusters of sorted values, filled greedily from below."""
    out, start = [], 0
    for end in range(1, len(x) + 1):
        last = end == len(x)
        if last or (
            scale((end + 1) / len(x), compression) - scale(start / len(x), compression) > 1
        ):
            out.append((float(np.mean(x[start:end])), end - start))
            start = end
    return out


def robbins_monro(x: Array, levels: Sequence[float], g0: float) -> Array:
    """Return the recursion's tail averages, from the path and the definition of each gain."""
    q, theta, path = np.array(levels), np.full(len(levels), x[0]), []
    for k in range(1, len(x) + 1):
        a_k = g0 * np.std(x[:k]) * k**-0.75
        theta = theta - a_k * ((x[k - 1] <= theta) - q)
        path.append(theta)
    # From the second last power of two on: at least the last half, at most three quarters.
    start = 2 ** max(0, math.floor(math.log2(len(x))) - 1)
    return np.sort(np.mean(path[start - 1 :], axis=0))


def p_square(x: Array, p: float) -> float:
    """Return the P² estimate of one quantile, step by step as boxed in the article."""
    h = [math.nan, *sorted(x[:5])]
    n = [0, 1, 2, 3, 4, 5]
    want = [0, 1, 1 + 2 * p, 1 + 4 * p, 3 + 2 * p, 5]
    for value in x[5:]:
        if value < h[1]:
            h[1], k = value, 1
        elif value >= h[5]:
            h[5], k = value, 4
        else:
            k = next(i for i in range(1, 5) if h[i] <= value < h[i + 1])
        for i in range(k + 1, 6):
            n[i] += 1
        want = [w + dw for w, dw in zip(want, (0, 0, p / 2, p, (1 + p) / 2, 1))]
        for i in (2, 3, 4):
            d = want[i] - n[i]
            if (d >= 1 and n[i + 1] - n[i] > 1) or (d <= -1 and n[i - 1] - n[i] < -1):
                s = 1 if d > 0 else -1
                guess = _parabola(h, n, i, s)
                h[i] = guess if h[i - 1] < guess < h[i + 1] else _line(h, n, i, s)
                n[i] += s
    return h[3]


def _parabola(h: list[float], n: list[int], i: int, s: int) -> float:
    rise = (n[i] - n[i - 1] + s) * (h[i + 1] - h[i]) / (n[i + 1] - n[i])
    fall = (n[i + 1] - n[i] - s) * (h[i] - h[i - 1]) / (n[i] - n[i - 1])
    return h[i] + s / (n[i + 1] - n[i - 1]) * (rise + fall)


def _line(h: list[float], n: list[int], i: int, s: int) -> float:
    return h[i] + s * (h[i + s] - h[i]) / (n[i + s] - n[i])

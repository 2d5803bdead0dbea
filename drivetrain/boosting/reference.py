"""Boosting as its papers write it: losses l(y, f), their Taylor expansion, one round; float64.

f is a margin, y a label; g = ∂l/∂f and h = ∂²l/∂f² of each row. Nothing here is fast.

References:
    Chen, Guestrin: XGBoost: A Scalable Tree Boosting System, KDD 2016, arXiv:1603.02754.
"""

from collections.abc import Callable
from itertools import combinations
from math import erf, exp, log, log2, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees import reference as trees
from drivetrain.trees.growing.settings import Growth

Floats = NDArray[np.float64]
#: l, g and h of one margin and one label.
Loss = Callable[[float, float], tuple[float, float, float]]
Rows = Callable[[Floats], tuple[Floats, Floats]]


# Losses of one row.


def squared_error(f: float, y: float) -> tuple[float, float, float]:
    """Return l = (f - y)²/2, g = f - y, h = 1."""
    return (f - y) ** 2 / 2, f - y, 1.0


def logistic(f: float, y: float) -> tuple[float, float, float]:
    """Return l = log(1 + e^f) - y f, g = p - y, h = p (1 - p), p = 1/(1 + e^-f)."""
    p = 1 / (1 + exp(-f))
    return float(np.logaddexp(0, f)) - y * f, p - y, p * (1 - p)


def hinge(f: float, y: float) -> tuple[float, float, float]:
    """Return l = max(0, 1 - s f), g = -s, h = 1 where s f < 1, else 0; s = 2y - 1."""
    s = 2 * y - 1
    return max(0.0, 1 - s * f), (-s if s * f < 1 else 0.0), (1.0 if s * f < 1 else 0.0)


def squared_log_error(f: float, y: float) -> tuple[float, float, float]:
    """Return l = d²/2, g = d/(1 + f), h = (1 - d)/(1 + f)², d = log(1 + f) - log(1 + y)."""
    d = log(1 + f) - log(1 + y)
    return d * d / 2, d / (1 + f), (1 - d) / (1 + f) ** 2


def poisson(f: float, y: float) -> tuple[float, float, float]:
    """Return l = e^f - y f, g = e^f - y, h = e^f."""
    return exp(f) - y * f, exp(f) - y, exp(f)


def gamma(f: float, y: float) -> tuple[float, float, float]:
    """Return l = y e^-f + f, g = 1 - y e^-f, h = y e^-f."""
    return y * exp(-f) + f, 1 - y * exp(-f), y * exp(-f)


def tweedie(rho: float) -> Loss:
    """Return the loss l = -y e^((1-ρ)f)/(1-ρ) + e^((2-ρ)f)/(2-ρ)."""
    a, b = 1 - rho, 2 - rho

    def loss(f: float, y: float) -> tuple[float, float, float]:
        low, high = y * exp(a * f), exp(b * f)
        return high / b - low / a, high - low, b * high - a * low

    return loss


def pseudo_huber(delta: float) -> Loss:
    """Return the loss l = δ² (s - 1), g = z/s, h = 1/s³, s = sqrt(1 + (z/δ)²), z = f - y."""

    def loss(f: float, y: float) -> tuple[float, float, float]:
        s = sqrt(1 + ((f - y) / delta) ** 2)
        return delta**2 * (s - 1), (f - y) / s, 1 / s**3

    return loss


def expectile(alpha: float) -> Loss:
    """Return the loss l = |α - [f > y]| (f - y)²/2."""

    def loss(f: float, y: float) -> tuple[float, float, float]:
        c = 1 - alpha if f > y else alpha
        return c * (f - y) ** 2 / 2, c * (f - y), c

    return loss


# Losses in which rows meet.


def ndcg(order: list[int], gain: Floats, most: int) -> float:
    """Return Σ_{k < most} gain/log2(k + 2) in this order, beside the same in the best order."""

    def dcg(gains: Floats) -> float:
        return sum(float(one) / log2(k + 2) for k, one in enumerate(gains[:most]))

    ideal = dcg(np.sort(gain)[::-1])
    return dcg(gain[order]) / ideal if ideal else 0.0


def average_precision(order: list[int], y: Floats) -> float:
    """Return the mean, over the relevant rows, of the precision of the list down to each."""
    ranked = y[order]
    hits = np.cumsum(ranked)
    places = np.arange(1, len(y) + 1)
    return float(np.sum(ranked * hits / places) / max(ranked.sum(), 1))


def change(kind: str, order: list[int], i: int, j: int, y: Floats) -> float:
    """Return |ΔZ_ij|: what exchanging places i and j changes in the metric, by computing both.

    The NDCG counts discounts of all places beside the ideal list of the first 32.
    """
    other = list(order)
    other[i], other[j] = other[j], other[i]
    if kind == "rank:pairwise":
        return 1.0
    if kind == "rank:map":
        return abs(average_precision(order, y) - average_precision(other, y))
    gain = 2.0**y - 1
    every = [gain[one] @ (1 / np.log2(np.arange(len(y)) + 2.0)) for one in (order, other)]
    best = np.sort(gain)[::-1][:32]
    ideal = float(best @ (1 / np.log2(np.arange(len(best)) + 2.0)))
    return abs(float(every[0] - every[1])) / ideal if ideal else 0.0


def lambdarank(kind: str, f: Floats, y: Floats, *, most: int = 32) -> tuple[Floats, Floats]:
    """Return λ = Σ ∂/∂f_i of |ΔZ_ij| log(1 + e^(f_j - f_i)) over y_i > y_j, and twice its slope.

    Pairs have a place among the first ``most`` of the list sorted by f; |ΔZ| is divided by
    .01 + |f_i - f_j|, and all is scaled by log2(1 + Σ|λ|)/Σ|λ|: XGBoost's defaults.
    """
    order = sorted(range(len(f)), key=lambda k: -f[k])
    g, h = np.zeros(len(f)), np.zeros(len(f))
    total = 0.0
    for i, j in combinations(range(len(f)), 2):
        if i >= most or y[order[i]] == y[order[j]]:
            continue
        high, low = sorted((order[i], order[j]), key=lambda k: -y[k])
        delta = change(kind, order, i, j, y)
        if f[order[0]] != f[order[-1]]:
            delta /= 0.01 + abs(f[high] - f[low])
        rho = 1 / (1 + exp(f[high] - f[low]))
        for row, sign in ((high, -1), (low, 1)):
            g[row] += sign * rho * delta
            h[row] += 2 * rho * (1 - rho) * delta
        total += 2 * rho * delta
    norm = log2(1 + total) / total if total else 1.0
    return g * norm, h * norm


def cox_loss(f: Floats, y: Floats) -> float:
    """Return -Σ over events i of f_i - log Σ_{|y_j| >= y_i} e^(f_j): Breslow's, with ties."""
    return sum(
        float(np.log(np.exp(f[np.abs(y) >= t]).sum()) - own) for own, t in zip(f, y) if t > 0
    )


def cox(f: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return g_k = Σ_i p_ik - [k is an event], h_k = Σ_i p_ik (1 - p_ik).

    p_ik is the probability that k, if it is at risk, is the row of event i.
    """
    g, h = -(y > 0).astype(float), np.zeros(len(y))
    for t in y[y > 0]:
        p = np.where(np.abs(y) >= t, np.exp(f), 0.0)
        p /= p.sum()
        g, h = g + p, h + p * (1 - p)
    return g, h


def distribution(law: str, z: float) -> tuple[float, float]:
    """Return density and distribution of the noise at z."""
    if law == "normal":
        return exp(-z * z / 2) / sqrt(2 * pi), (1 + erf(z / sqrt(2))) / 2
    if law == "logistic":
        p = 1 / (1 + exp(-z))
        return p * (1 - p), p
    return exp(z - exp(z)), 1 - exp(-exp(z))


def aft_loss(law: str, scale: float, f: float, low: float, high: float) -> float:
    """Return -log of the density of a time, or of the probability of its bounds."""
    if low == high:
        return -log(distribution(law, (log(low) - f) / scale)[0] / (scale * low))
    above = distribution(law, (log(high) - f) / scale)[1] if np.isfinite(high) else 1.0
    below = distribution(law, (log(low) - f) / scale)[1] if low > 0 else 0.0
    return -log(above - below)


# One round.


def of_rows(loss: Loss, y: Floats) -> Rows:
    """Return g and h of all rows as a function of their margins."""

    def slopes(f: Floats) -> tuple[Floats, Floats]:
        triples = np.array([loss(float(a), float(b)) for a, b in zip(f, y)])
        return triples[:, 1], triples[:, 2]

    return slopes


def taylor(g: Floats, h: Floats, step: Floats) -> float:
    """Return Σ g t + h t²/2, what the expansion says adding t to the margins changes (eq. 3)."""
    return float(np.sum(g * step + h * step**2 / 2))


def boost(
    codes: NDArray[np.int64],
    slopes: Rows,
    f: Floats,
    growth: Growth,
    *,
    missing: int,
    rates: list[float],
) -> list[Floats]:
    """Return the margins before the first round and after each.

    A round expands the loss at f, grows the tree t that lowers Σ g t + h t²/2 + penalties,
    gives each leaf w* = -G/(H + λ), and adds η w* to the margins of its rows.

    Args:
        codes: Bins of the rows, (n, F).
        slopes: g and h at any margins.
        f: Margins to begin with, (n,).
        growth: The rules of a tree.
        missing: The code of a missing value.
        rates: η of each round.

    References:
        Chen, Guestrin 2016, eq. 2 to 5.
    """
    margins = [f.astype(np.float64)]
    for eta in rates:
        g, h = slopes(margins[-1])
        leaf = trees.grow(codes, g, h, missing, growth)
        step = np.zeros(len(g))
        for j in np.unique(leaf):
            own = leaf == j
            step[own] = trees.weight(float(g[own].sum()), float(h[own].sum()), growth)
        margins.append(margins[-1] + eta * step)
    return margins

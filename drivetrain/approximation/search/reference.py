"""The searches as they are taught: float64, in the papers' order and symbols. The tests' oracle."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Gains = Callable[[int], float]


def robbins_monro(
    g: Callable[[float], float], w1: float, a: Gains, eta: Sequence[float]
) -> list[float]:
    """w_{k+1} = w_k - a_k·(g(w_k) + η_k). Robbins and Monro (1951)."""
    w = [w1]
    for k in range(1, len(eta) + 1):
        w.append(w[-1] - a(k) * (g(w[-1]) + eta[k - 1]))
    return w


def projected(
    g: Callable[[float], float], w1: float, a: Gains, eta: Sequence[float], low: float, high: float
) -> list[float]:
    """w_{k+1} = Π(w_k - a_k·(g(w_k) + η_k)), Π the projection onto [low, high]."""
    w = [w1]
    for k in range(1, len(eta) + 1):
        w.append(min(max(w[-1] - a(k) * (g(w[-1]) + eta[k - 1]), low), high))
    return w


def truncated(
    g: Callable[[float], float], w1: float, a: Gains, eta: Sequence[float], M0: float, c: float
) -> tuple[list[float], int]:
    """Chen's truncations: if the candidate leaves [-M_σ, M_σ], w_{k+1} = w_1 and σ <- σ + 1."""
    w, sigma = [w1], 0
    for k in range(1, len(eta) + 1):
        candidate = w[-1] - a(k) * (g(w[-1]) + eta[k - 1])
        if abs(candidate) > M0 * c**sigma:
            candidate, sigma = w1, sigma + 1
        w.append(candidate)
    return w, sigma


def polyak_ruppert(w: Sequence[float]) -> float:
    """w̄ = (1/n)·Σ w_k over the iterates after the start."""
    return sum(w[1:]) / (len(w) - 1)


def weighted_average(w: Sequence[float], eta: float) -> float:
    """Shamir and Zhang (2013): w̄_k = (1 - (η+1)/(k+η))·w̄_{k-1} + (η+1)/(k+η)·w_k."""
    average = 0.0
    for k, value in enumerate(w[1:], start=1):
        weight = (eta + 1) / (k + eta)
        average = (1 - weight) * average + weight * value
    return average


def kiefer_wolfowitz(
    y: Callable[[Array], float], w1: Array, a: Gains, c: Gains, steps: int
) -> list[Array]:
    """w_{k+1,i} = w_{k,i} - a_k·[y(w_k + c_k·e_i) - y(w_k - c_k·e_i)]/(2·c_k)."""
    w = [w1]
    for k in range(1, steps + 1):
        gradient = np.zeros_like(w1)
        for i in range(len(w1)):
            e = np.zeros_like(w1)
            e[i] = 1.0
            gradient[i] = (y(w[-1] + c(k) * e) - y(w[-1] - c(k) * e)) / (2 * c(k))
        w.append(w[-1] - a(k) * gradient)
    return w


def spsa(
    y: Callable[[Array], float], w1: Array, a: Gains, c: Gains, Delta: Sequence[Array]
) -> list[Array]:
    """w_{k+1} = w_k - a_k·ĝ_k, ĝ_{k,i} = [y(w_k + c_k·Δ_k) - y(w_k - c_k·Δ_k)]/(2·c_k·Δ_{k,i})."""
    w = [w1]
    for k in range(1, len(Delta) + 1):
        D = Delta[k - 1]
        g = (y(w[-1] + c(k) * D) - y(w[-1] - c(k) * D)) / (2 * c(k) * D)
        w.append(w[-1] - a(k) * g)
    return w


def adaptive_spsa_hessian(
    y: Callable[[Array], float], w: Array, c: float, Delta: Array, tilde: Array
) -> Array:
    """Ĥ = [M + Mᵀ]/2, M_ij = δG_i/(2·c·Δ_j). Spall (2000), with one-sided δG."""
    p = len(w)
    plus, minus = w + c * Delta, w - c * Delta
    G_plus = (y(plus + c * tilde) - y(plus)) / (c * tilde)
    G_minus = (y(minus + c * tilde) - y(minus)) / (c * tilde)
    M = np.zeros((p, p))
    for i in range(p):
        for j in range(p):
            M[i, j] = (G_plus[i] - G_minus[i]) / (2 * c * Delta[j])
    return (M + M.T) / 2


def mini_batch_mean(batches: Sequence[Array]) -> Array:
    """What MBGD for the mean gives with a_k = 1/k: w_{k+1} = (1/k)·Σ_{j<=k} x̄_j."""
    return np.mean([np.mean(batch, axis=0) for batch in batches], axis=0)


def relative_gradient_error(w: Array, x: Array, mean: Array) -> float:
    """δ_k of mean estimation: |E[X] - x_k| / |w_k - E[X]|."""
    return float(np.linalg.norm(mean - x) / np.linalg.norm(w - mean))

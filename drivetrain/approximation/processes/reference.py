"""The recursions as they are taught, in the book's order and symbols: the tests' oracle."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def dvoretzky(
    delta: float, alpha: Sequence[float], beta: Sequence[float], eta: Sequence[float]
) -> list[float]:
    """Δ_{k+1} = (1 - α_k)·Δ_k + β_k·η_k. Dvoretzky (1956); Zhao (2025), chapter 6."""
    path = [delta]
    for a, b, e in zip(alpha, beta, eta, strict=True):
        path.append((1 - a) * path[-1] + b * e)
    return path


def temporal_difference(
    v: Array, alpha: float, gamma: float, s: int, r: float, s_next: int, done: bool
) -> Array:
    """v(s) <- v(s) - α·(v(s) - [r + γ·v(s')]), v = 0 after the end. Zhao (2025), chapter 7."""
    new = v.copy()
    target = r + (0.0 if done else gamma * v[s_next])
    new[s] = v[s] - alpha * (v[s] - target)
    return new


def q_learning(
    q: Array, alpha: float, gamma: float, step: tuple[int, int, float, int, bool]
) -> Array:
    """q(s,a) <- q(s,a) - α·(q(s,a) - [r + γ·max_a' q(s',a')]). Zhao (2025), chapter 7."""
    s, a, r, s_next, done = step
    new = q.copy()
    target = r + (0.0 if done else gamma * q[s_next].max())
    new[s, a] = q[s, a] - alpha * (q[s, a] - target)
    return new


def linear_temporal_difference(
    w: Array, alpha: float, gamma: float, phi: Array, r: float, phi_next: Array
) -> Array:
    """w <- w + α·(r + γ·φ(s')ᵀw - φ(s)ᵀw)·φ(s); φ = 0 after the end. Zhao (2025), chapter 8."""
    return np.asarray(w + alpha * (r + gamma * phi_next @ w - phi @ w) * phi)


def least_squares(phi: Array, phi_next: Array, r: Array, gamma: float) -> Array:
    """w = A⁻¹b, A = Σ φ·(φ - γφ')ᵀ, b = Σ φ·r. Bradtke and Barto (1996)."""
    A = np.zeros((phi.shape[1], phi.shape[1]))
    b = np.zeros(phi.shape[1])
    for row, after, reward in zip(phi, phi_next, r, strict=True):
        A += np.outer(row, row - gamma * after)
        b += row * reward
    return np.asarray(np.linalg.solve(A, b))


def value_iteration(P: Array, R: Array, gamma: float, sweeps: int) -> Array:
    """v <- max_a (R_a + γ·P_a·v), P (S, A, S), R (S, A)."""
    v = np.zeros(len(R))
    for _ in range(sweeps):
        v = np.max(R + gamma * np.einsum("sat,t->sa", P, v), axis=1)
    return v

"""Kernels of linear boosting: products in float32 and sums in float64, as XGBoost has them."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Column = NDArray[np.float32]
_LEAST = np.float64(np.float32(1e-5))


@njit(nogil=True, cache=True, error_model="numpy")
def _step(G: float, H: float, w: float, alpha: float, lam: float) -> float:
    if H < _LEAST:
        return 0.0
    a = G + lam * w
    b = H + lam
    if w - a / b >= 0:
        return max(-(a + alpha) / b, -w)
    return min(-(a - alpha) / b, -w)


@njit(nogil=True, cache=True)
def _sums(column: Column, g: Column, h: Column) -> tuple[float, float]:
    a = 0.0
    b = 0.0
    for i in range(len(column)):
        v = column[i]
        if v == v:
            a += np.float64(g[i] * v)
            b += np.float64(h[i] * v * v)
    return a, b


@njit(nogil=True, cache=True, error_model="numpy")
def shift_bias(g: Column, h: Column, eta: np.float32) -> np.float32:
    """Return the bias' step, shrunk; the gradients follow it."""
    a = 0.0
    b = 0.0
    for i in range(len(g)):
        a += np.float64(g[i])
        b += np.float64(h[i])
    if b == 0.0:
        return np.float32(0)
    step = np.float32(np.float64(eta) * (-a / b))
    for i in range(len(g)):
        g[i] += h[i] * step
    return step


@njit(nogil=True, cache=True, error_model="numpy")
def descend(
    columns: NDArray[np.float32],
    g: Column,
    h: Column,
    w: Column,
    order: NDArray[np.int64],
    eta: np.float32,
    penalty: NDArray[np.float64],
) -> None:
    """Change weights and gradients in place, one coordinate after another.

    Args:
        columns: Values by feature, (F, n); NaN is absent.
        g: First derivatives, (n,).
        h: Second derivatives, (n,).
        w: Weights, (F,).
        order: Features in the order of their steps.
        eta: What steps are multiplied by.
        penalty: α and λ, (2,).
    """
    for k in range(len(order)):
        j = order[k]
        column = columns[j]
        a, b = _sums(column, g, h)
        full = _step(a, b, np.float64(w[j]), penalty[0], penalty[1])
        step = np.float32(np.float64(eta) * full)
        if step == np.float32(0):
            continue
        w[j] += step
        for i in range(len(column)):
            v = column[i]
            if v == v:
                g[i] += h[i] * v * step


@njit(nogil=True, cache=True, error_model="numpy")
def changes(
    columns: NDArray[np.float32],
    g: Column,
    h: Column,
    w: Column,
    penalty: NDArray[np.float64],
    out: Column,
) -> None:
    """Write the step every weight would take if it were the next, (F,)."""
    for j in range(len(w)):
        a, b = _sums(columns[j], g, h)
        out[j] = np.float32(_step(a, b, np.float64(w[j]), penalty[0], penalty[1]))


@njit(nogil=True, cache=True)
def add_products(x: NDArray[np.float32], w: NDArray[np.float32], sums: NDArray[np.float32]) -> None:
    """Add Σ_j x_ij w_jk to each row's sums, (n, K), feature by feature in float32."""
    for i in range(x.shape[0]):
        for k in range(w.shape[1]):
            held = sums[i, k]
            for j in range(x.shape[1]):
                v = x[i, j]
                if v == v:
                    held += v * w[j, k]
            sums[i, k] = held

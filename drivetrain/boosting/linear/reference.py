r"""Boosting a linear function by coordinate descent, in float64: the equations, one by one.

The margin is :math:`f_i = b + \sum_j x_{ij} w_j`; absent values count nothing. A round takes g
and h at the present margins and goes through the coordinates:

- the bias: :math:`\Delta b = -\eta \sum_i g_i / \sum_i h_i`;
- each weight: with :math:`G = \sum_i g_i x_{ij}`, :math:`H = \sum_i h_i x_{ij}^2` and the
  penalties times the sum of the rows' weights, :math:`G_2 = G + \lambda w`,
  :math:`H_2 = H + \lambda`,

  .. math:: \Delta w = \max(-(G_2 + \alpha)/H_2, -w) \quad\text{if } w - G_2/H_2 \ge 0,
            \quad\text{else } \min(-(G_2 - \alpha)/H_2, -w);

- after each step of :math:`\eta\Delta w` the gradients follow:
  :math:`g_i \mathrel{+}= h_i x_{ij} \eta \Delta w`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Below it there is nothing to learn from.
LEAST = float(np.float32(1e-5))


def step(G: float, H: float, w: float, alpha: float, lam: float) -> float:
    """Return Δw, not yet shrunk: 0 where H is below ``LEAST``.

    Args:
        G: Σ g x.
        H: Σ h x².
        w: The weight.
        alpha: L1 penalty.
        lam: L2 penalty.
    """
    if LEAST > H:
        return 0.0
    G2, H2 = G + lam * w, H + lam
    if w - G2 / H2 >= 0:
        return float(max(-(G2 + alpha) / H2, -w))
    return float(min(-(G2 - alpha) / H2, -w))


def bias_step(g: Array, h: Array) -> float:
    """Return Δb = -Σ g / Σ h, not yet shrunk; 0 where Σ h is 0."""
    whole = float(h.sum())
    return -float(g.sum()) / whole if whole else 0.0


def descend(
    x: Array, g: Array, h: Array, w: Array, order: Sequence[int], *, eta: float, penalty: Array
) -> None:
    """Change the weights and the gradients in place, one coordinate after another.

    Args:
        x: Values, (n, F); NaN is absent.
        g: First derivatives, (n,).
        h: Second derivatives, (n,).
        w: Weights, (F,).
        order: Features in the order of their steps.
        eta: What steps are multiplied by.
        penalty: α and λ, times the sum of the rows' weights, (2,).
    """
    present = np.nan_to_num(x)
    for j in order:
        v = present[:, j]
        dw = eta * step(float(g @ v), float(h @ (v * v)), w[j], penalty[0], penalty[1])
        w[j] += dw
        g += h * v * dw


def changes(x: Array, g: Array, h: Array, w: Array, penalty: Array) -> Array:
    """Return every Δw if its feature were the next, (F,)."""
    present = np.nan_to_num(x)
    G, H = g @ present, h @ np.square(present)
    each = zip(G, H, w)
    return np.array([step(a, b, c, penalty[0], penalty[1]) for a, b, c in each])

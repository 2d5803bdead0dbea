"""First and second derivatives of a loss, rounded to whole steps and packed in pairs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.growing._numba import gradient_sums, pack

Gradient = NDArray[np.floating]

# Any subset of rows must fit: sums of g in 31 bits with sign, of h in 32 without. The tenth of
# a bit is room for rounding up: one step a row, up to 10^8 rows.
_G_BITS = 30.9
_H_BITS = 31.9
_MANTISSA = 62


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradients:
    """The pairs of one tree.

    Attributes:
        packed: (g << 32) + h in whole steps, (n,).
        g: First derivatives, (n,).
        h: Second derivatives, (n,), or (1,) where all are the same.
        units: What one step of g and of h is worth, (2,).
        fine: Whole units to a 1.0 in which leaves are summed exactly, (2,).
    """

    packed: NDArray[np.int64]
    g: Gradient
    h: Gradient
    units: NDArray[np.float64]
    fine: NDArray[np.float64]


def _fine(values: Gradient, n: int) -> float:
    """Return the power of two in whose units n values sum within 62 bits."""
    top = float(np.max(np.abs(values), initial=0.0))
    if top == 0.0:
        return 1.0
    exponent = np.frexp(top)[1] + int(np.ceil(np.log2(max(n, 2))))
    return float(np.ldexp(1.0, min(_MANTISSA - int(exponent), 1000)))


def _scale(bits: float, total: float) -> np.float32:
    """Return the steps to a 1.0 with which a sum fills its bits; 1 for a sum of nothing."""
    if total == 0.0:
        return np.float32(1)
    # A sum below 1e-29 would ask for a scale beyond float32; it fills fewer bits.
    return np.float32(min(2.0**bits / total, float(np.finfo(np.float32).max)))


def pack_gradients(g: Gradient, h: Gradient, *, seed: int, first: int = 0) -> Gradients:
    """Return the pairs for one tree.

    The scales come from sums of whole numbers, so they do not depend on the order of the rows
    nor on how they are shared. Rounding is stochastic, drawn from the row's number and the
    seed: the sum over any set of rows is unbiased.

    Args:
        g: First derivatives, (n,).
        h: Second derivatives, (n,), not negative; or one for all, (1,).
        seed: The tree's.
        first: Number of the first row, in the whole data.
    """
    n = len(g)
    fine = np.array([_fine(g, n), _fine(h, n)])
    sum_g, sum_h = gradient_sums(g, h, fine[0], fine[1])
    if len(h) == 1:
        sum_h *= n
    whole = len(h) == 1 and h[0] == 1.0
    g_scale = _scale(_G_BITS, sum_g / fine[0])
    h_scale = np.float32(1) if whole else _scale(_H_BITS, sum_h / fine[1])
    packed = np.empty(n, np.int64)
    pack(g, h, g_scale, h_scale, whole, np.uint64(seed * 7919 + 1), first, packed)
    units = np.array([1.0 / float(g_scale), 1.0 / float(h_scale)])
    return Gradients(packed=packed, g=g, h=h, units=units, fine=fine)

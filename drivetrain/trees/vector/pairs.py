"""Gradient pairs of several outputs, laid out for the histograms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.growing.gradients import pack_gradients
from drivetrain.trees.planter import Gradient
from drivetrain.trees.vector._numba import lanes_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """The pairs of one tree, K outputs in blocks of one lane, two or four.

    Attributes:
        packed: (g << 32) + h in whole steps, (blocks, n, lanes); lanes past the last output
            are 0.
        g: First derivatives, (n, K).
        h: Second derivatives, (n, K), or (1, 1) where all are the same.
        units: What one step of g and of h is worth, (K, 2).
        fine: Whole units to a 1.0 in which leaves are summed exactly, (K, 2).
    """

    packed: NDArray[np.int64]
    g: Gradient
    h: Gradient
    units: NDArray[np.float64]
    fine: NDArray[np.float64]


def lay_out(outputs: int) -> tuple[int, int]:
    """Return the blocks and lanes that hold so many outputs."""
    lanes = int(lanes_of(outputs))
    return -(-outputs // lanes), lanes


def pack_outputs(g: Gradient, h: Gradient, *, seed: int) -> Pairs:
    """Return the pairs of a tree; each output has its own scale, and draws its own rounding.

    Args:
        g: First derivatives, (n, K).
        h: Second derivatives, (n, K) or (1, 1), not negative.
        seed: The tree's.
    """
    outputs = g.shape[1]
    blocks, lanes = lay_out(outputs)
    packed = np.zeros((blocks, len(g), lanes), np.int64)
    units, fine = np.empty((outputs, 2)), np.empty((outputs, 2))
    for k in range(outputs):
        own = np.ascontiguousarray(h[:, min(k, h.shape[1] - 1)])
        one = pack_gradients(np.ascontiguousarray(g[:, k]), own, seed=seed + 611_953 * k)
        packed[k // lanes, :, k % lanes] = one.packed
        units[k], fine[k] = one.units, one.fine
    return Pairs(packed=packed, g=g, h=h, units=units, fine=fine)

"""Kernels of the rounds: which rows a tree sees, and sums over leaves that stay exact."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.generic]


@njit(nogil=True, cache=True, error_model="numpy")
def keep_rows(
    seed: np.uint64,
    chance: NDArray[np.float64],
    rows: NDArray[np.uint32],
) -> int:
    """Write the numbers of the rows that are drawn, rising; return how many.

    A row's draw depends on its number and the seed alone, so rows may be shared among threads
    or workers in any way.

    Args:
        seed: Of the round and tree.
        chance: Chance of each row, (n,), or one for all, (1,).
        rows: Where the numbers go, (n,).
    """
    one = len(chance) == 1
    count = 0
    for i in range(len(rows)):
        z = np.uint64(i) * np.uint64(0x9E3779B97F4A7C15) + seed
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        # 53 bits: a chance of 1 is never missed, for u < 1.
        u = np.float64(z >> np.uint64(11)) * 2.0**-53
        rows[count] = np.uint32(i)
        count += u < chance[np.int64(0) if one else i]
    return count


@njit(nogil=True, cache=True)
def add_steps(sums: NDArray[np.int64], leaf: Array, steps: NDArray[np.int64]) -> None:
    """Add to each row's sum the whole steps of the leaf it is in."""
    for i in range(len(sums)):
        sums[i] += steps[np.uint64(leaf[i])]


@njit(nogil=True, cache=True)
def number_rows(leaf: Array, rows: NDArray[np.uint32], node: int) -> None:
    """Write a leaf's number at each of its rows."""
    for i in range(len(rows)):
        leaf[np.uint64(rows[i])] = node


@njit(nogil=True, cache=True)
def _step(
    node: np.uint64,
    nodes: NDArray[np.uint64],
    threshold: NDArray[np.float32],
    x: NDArray[np.float32],
    row: np.uint64,
) -> np.uint64:
    word = nodes[node]
    v = x[row + ((word >> np.uint64(32)) & np.uint64(0x7FFFFFFF))]
    right = (v >= threshold[node]) | ((v != v) & (word < np.uint64(1 << 63)))
    return (word & np.uint64(0xFFFFFFFF)) + np.uint64(right)


@njit(nogil=True, cache=True)
def land(
    x: NDArray[np.float32],
    width: int,
    rows: NDArray[np.int64],
    nodes: NDArray[np.uint64],
    threshold: NDArray[np.float32],
    leaf: NDArray[np.int32],
) -> None:
    """Write the leaf that each row reaches in one tree without categories.

    Eight rows walk side by side, so that their waits for memory overlap; a leaf's child is
    itself, and all have arrived when none moves.

    Args:
        x: Values, row by row, flat.
        width: Values a row.
        rows: Numbers of the rows, (m,).
        nodes: (NaN goes left << 63) | (feature << 32) | left child, of each node; the right child
            is the next, (N,).
        threshold: Of each node, NaN for leaves, which no value passes, (N,).
        leaf: Where the leaves go, (m,).
    """
    w = np.uint64(width)
    last = len(rows) - 1
    for i in range(0, len(rows), 8):
        r0 = np.uint64(rows[i]) * w
        r1 = np.uint64(rows[min(i + 1, last)]) * w
        r2 = np.uint64(rows[min(i + 2, last)]) * w
        r3 = np.uint64(rows[min(i + 3, last)]) * w
        r4 = np.uint64(rows[min(i + 4, last)]) * w
        r5 = np.uint64(rows[min(i + 5, last)]) * w
        r6 = np.uint64(rows[min(i + 6, last)]) * w
        r7 = np.uint64(rows[min(i + 7, last)]) * w
        x0 = x1 = x2 = x3 = x4 = x5 = x6 = x7 = np.uint64(0)
        while True:
            y0 = _step(x0, nodes, threshold, x, r0)
            y1 = _step(x1, nodes, threshold, x, r1)
            y2 = _step(x2, nodes, threshold, x, r2)
            y3 = _step(x3, nodes, threshold, x, r3)
            y4 = _step(x4, nodes, threshold, x, r4)
            y5 = _step(x5, nodes, threshold, x, r5)
            y6 = _step(x6, nodes, threshold, x, r6)
            y7 = _step(x7, nodes, threshold, x, r7)
            moved = (x0 ^ y0) | (x1 ^ y1) | (x2 ^ y2) | (x3 ^ y3)
            moved |= (x4 ^ y4) | (x5 ^ y5) | (x6 ^ y6) | (x7 ^ y7)
            if moved == np.uint64(0):
                break
            x0, x1, x2, x3 = y0, y1, y2, y3
            x4, x5, x6, x7 = y4, y5, y6, y7
        leaf[i] = np.int32(x0)
        leaf[min(i + 1, last)] = np.int32(x1)
        leaf[min(i + 2, last)] = np.int32(x2)
        leaf[min(i + 3, last)] = np.int32(x3)
        leaf[min(i + 4, last)] = np.int32(x4)
        leaf[min(i + 5, last)] = np.int32(x5)
        leaf[min(i + 6, last)] = np.int32(x6)
        leaf[min(i + 7, last)] = np.int32(x7)

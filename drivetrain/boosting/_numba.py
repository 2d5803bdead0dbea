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

"""Kernels that draw features: what is drawn depends on a key, not on what was drawn before."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_STEP = np.uint64(0x9E3779B97F4A7C15)


@njit(nogil=True, cache=True)
def fold(key: np.uint64, more: np.uint64) -> np.uint64:
    """Return a key made of a key and one number more: splitmix64's mixing of bits."""
    z = (key ^ np.uint64(more)) + _STEP
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(nogil=True, cache=True)
def draw(flags: NDArray[np.uint8], share: float, key: np.uint64) -> None:
    """Keep max(1, int(share * size)) of the flags that are set; all of them for a share of 1."""
    size = 0
    for f in range(len(flags)):
        size += flags[f]
    kept = size if share >= 1.0 else max(1, int(share * size))
    for f in range(len(flags)):
        if flags[f] and kept < size:
            # Knuth's algorithm S: each with the chance that makes the number come out.
            if fold(key, np.uint64(f)) % np.uint64(size) < np.uint64(kept):
                kept -= 1
            else:
                flags[f] = 0
            size -= 1

"""Kernel of linear leaves: the moments that a leaf's regression is solved from."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.generic]


@njit(nogil=True, cache=True, error_model="numpy")
def moments(
    first: int,
    last: int,
    x: NDArray[np.float32],
    g: Array,
    h: Array,
    rows: NDArray[np.uint32],
    ends: NDArray[np.int64],
    offsets: NDArray[np.int64],
    features: NDArray[np.int64],
    complete: NDArray[np.int64],
    sums: NDArray[np.float64],
    means: NDArray[np.float64],
    slopes: NDArray[np.float64],
    normal: NDArray[np.float64],
    places: NDArray[np.int64],
) -> None:
    """Write the centred moments of the leaves first to last - 1, over rows that miss nothing.

    Each leaf is summed by one thread, its rows in turn: the bits do not depend on the threads.

    Args:
        first: First leaf.
        last: Last leaf but one.
        x: Values, (n, F).
        g: First derivatives, (n,).
        h: Second derivatives, (n,), or (1,) where all are the same.
        rows: Row numbers, those of a leaf side by side.
        ends: Where each leaf's rows begin, (L + 1,).
        offsets: Where each leaf's features begin, (L + 1,).
        features: The features on the leaves' paths, (E,).
        complete: Rows that miss none of them, (L,), written.
        sums: Σ g and Σ h of these, (L, 2), written.
        means: Means of the features, weighted by h, (E,), written.
        slopes: Σ g (x - mean), (E,), written.
        normal: Σ h (x - mean)(x - mean)', a square for each leaf, written.
        places: Where each leaf's square begins, (L + 1,).
    """
    same = len(h) == 1
    for leaf in range(first, last):
        a, d = offsets[leaf], offsets[leaf + 1] - offsets[leaf]
        at = places[leaf]
        for k in range(d):
            means[a + k] = 0.0
            slopes[a + k] = 0.0
        for k in range(d * d):
            normal[at + k] = 0.0
        gone = np.zeros(ends[leaf + 1] - ends[leaf], np.uint8)
        total_g = 0.0
        total_h = 0.0
        held = 0
        for i in range(ends[leaf], ends[leaf + 1]):
            row = np.int64(rows[i])
            for k in range(d):
                v = x[row, features[a + k]]
                if v != v:
                    gone[i - ends[leaf]] = 1
            if gone[i - ends[leaf]]:
                continue
            own = np.float64(h[0] if same else h[row])
            held += 1
            total_g += np.float64(g[row])
            total_h += own
            for k in range(d):
                means[a + k] += own * np.float64(x[row, features[a + k]])
        complete[leaf] = held
        sums[leaf, 0] = total_g
        sums[leaf, 1] = total_h
        for k in range(d):
            means[a + k] = means[a + k] / total_h if total_h > 0.0 else 0.0
        off = np.empty(d)
        for i in range(ends[leaf], ends[leaf + 1]):
            if gone[i - ends[leaf]]:
                continue
            row = np.int64(rows[i])
            own = np.float64(h[0] if same else h[row])
            for k in range(d):
                off[k] = np.float64(x[row, features[a + k]]) - means[a + k]
                slopes[a + k] += np.float64(g[row]) * off[k]
            for k in range(d):
                scaled = own * off[k]
                for j in range(k + 1):
                    normal[at + k * d + j] += scaled * off[j]
        for k in range(d):
            for j in range(k):
                normal[at + j * d + k] = normal[at + k * d + j]

"""Kernels of prediction. A node is one int64: the threshold's key, the left child, the feature.

Keys order like the float32 they stand for, so a step is an integer comparison. Each row is
copied into a buffer twice: once with missing values above every threshold, once below, and a
node that sends them left reads the second copy.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANES = 8
_FEATURE_BITS = 12
_ABSENT_HIGH = np.int32(2147483646)
_ABSENT_LOW = np.int32(-2147483648)
_SIGN_OFF = np.int32(0x7FFFFFFF)
_INFINITY = np.int32(0x7F800000)


@njit(nogil=True, cache=True)
def _step(
    node: np.uint64, nodes: NDArray[np.int64], keys: NDArray[np.int32], row: np.uint64
) -> np.uint64:
    word = nodes[node]
    feature = np.uint64(word) & np.uint64(0xFFF)
    child = (np.uint64(word) >> np.uint64(_FEATURE_BITS)) & np.uint64(0xFFFFF)
    return child + np.uint64(keys[row + feature] >= (word >> np.int64(32)))


@njit(nogil=True, cache=True)
def load_rows(bits: NDArray[np.int32], first: int, count: int, keys: NDArray[np.int32]) -> None:
    """Write the keys of ``count`` rows to the buffer, both copies of each."""
    features = bits.shape[1]
    width = 2 * features
    for i in range(count):
        for f in range(features):
            v = bits[first + i, f]
            if v == np.int32(-2147483648):
                v = np.int32(0)  # -0.0 and 0.0 are one value
            key = v ^ ((v >> np.int32(31)) & _SIGN_OFF)
            absent = (v & _SIGN_OFF) > _INFINITY
            keys[i * width + f] = _ABSENT_HIGH if absent else key
            keys[i * width + features + f] = _ABSENT_LOW if absent else key
    padded = (count + LANES - 1) // LANES * LANES
    for i in range(count, padded):
        for f in range(width):
            keys[i * width + f] = 0


@njit(nogil=True, cache=True)
def walk(
    keys: NDArray[np.int32],
    width: int,
    count: int,
    nodes: NDArray[np.int64],
    values: NDArray[np.float32],
    offsets: NDArray[np.int64],
    groups: NDArray[np.int32],
    sums: NDArray[np.float32],
) -> None:
    """Add every tree's leaf values to the sums of ``count`` rows, (count + 7, groups)."""
    w = np.uint64(width)
    for t in range(len(offsets) - 1):
        tree = nodes[offsets[t] : offsets[t + 1]]
        leaf = values[offsets[t] : offsets[t + 1]]
        k = groups[t]
        for i in range(0, count, LANES):
            r0 = np.uint64(i) * w
            r1 = r0 + w
            r2 = r1 + w
            r3 = r2 + w
            r4 = r3 + w
            r5 = r4 + w
            r6 = r5 + w
            r7 = r6 + w
            x0 = np.uint64(0)
            x1 = x0
            x2 = x0
            x3 = x0
            x4 = x0
            x5 = x0
            x6 = x0
            x7 = x0
            while True:
                # A leaf's child is itself: all lanes have arrived when none moves.
                y0 = _step(x0, tree, keys, r0)
                y1 = _step(x1, tree, keys, r1)
                y2 = _step(x2, tree, keys, r2)
                y3 = _step(x3, tree, keys, r3)
                y4 = _step(x4, tree, keys, r4)
                y5 = _step(x5, tree, keys, r5)
                y6 = _step(x6, tree, keys, r6)
                y7 = _step(x7, tree, keys, r7)
                x0 = _step(y0, tree, keys, r0)
                x1 = _step(y1, tree, keys, r1)
                x2 = _step(y2, tree, keys, r2)
                x3 = _step(y3, tree, keys, r3)
                x4 = _step(y4, tree, keys, r4)
                x5 = _step(y5, tree, keys, r5)
                x6 = _step(y6, tree, keys, r6)
                x7 = _step(y7, tree, keys, r7)
                moved = (x0 ^ y0) | (x1 ^ y1) | (x2 ^ y2) | (x3 ^ y3)
                moved |= (x4 ^ y4) | (x5 ^ y5) | (x6 ^ y6) | (x7 ^ y7)
                if moved == np.uint64(0):
                    break
            sums[i, k] += leaf[x0]
            sums[i + 1, k] += leaf[x1]
            sums[i + 2, k] += leaf[x2]
            sums[i + 3, k] += leaf[x3]
            sums[i + 4, k] += leaf[x4]
            sums[i + 5, k] += leaf[x5]
            sums[i + 6, k] += leaf[x6]
            sums[i + 7, k] += leaf[x7]


@njit(nogil=True, cache=True)
def walk_plain(
    x: NDArray[np.float32],
    offsets: NDArray[np.int64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    default_left: NDArray[np.bool_],
    categorical: NDArray[np.bool_],
    set_offsets: NDArray[np.int64],
    sets: NDArray[np.int32],
    reached: NDArray[np.int32],
) -> None:
    """Write the leaf each row reaches in each tree, (rows, T): any forest, any width."""
    for t in range(len(offsets) - 1):
        base = offsets[t]
        for i in range(x.shape[0]):
            node = np.int64(0)
            while left[base + node] >= 0:
                at = base + node
                v = x[i, feature[at]]
                if v != v:
                    goes_left = default_left[at]
                elif categorical[at]:
                    goes_left = True
                    for k in range(set_offsets[at], set_offsets[at + 1]):
                        if np.float32(sets[k]) == np.floor(v):
                            goes_left = False
                else:
                    goes_left = v < threshold[at]
                node = np.int64(left[at]) if goes_left else np.int64(right[at])
            reached[i, t] = node

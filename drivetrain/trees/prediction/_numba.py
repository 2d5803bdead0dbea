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


@njit(nogil=True, cache=True, inline="always")
def _descend(
    tree: NDArray[np.int64], keys: NDArray[np.int32], first: np.uint64, w: np.uint64
) -> tuple[np.uint64, ...]:
    """Return the leaves that eight rows reach, by their places in the packed tree."""
    r0 = first
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
            return x0, x1, x2, x3, x4, x5, x6, x7


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
            x0, x1, x2, x3, x4, x5, x6, x7 = _descend(tree, keys, np.uint64(i) * w, w)
            sums[i, k] += leaf[x0]
            sums[i + 1, k] += leaf[x1]
            sums[i + 2, k] += leaf[x2]
            sums[i + 3, k] += leaf[x3]
            sums[i + 4, k] += leaf[x4]
            sums[i + 5, k] += leaf[x5]
            sums[i + 6, k] += leaf[x6]
            sums[i + 7, k] += leaf[x7]


@njit(nogil=True, cache=True)
def walk_leaves(
    keys: NDArray[np.int32],
    width: int,
    count: int,
    nodes: NDArray[np.int64],
    names: NDArray[np.int32],
    offsets: NDArray[np.int64],
    reached: NDArray[np.int32],
) -> None:
    """Write the leaf that each of ``count`` rows reaches in every tree, (count + 7, T)."""
    w = np.uint64(width)
    for t in range(len(offsets) - 1):
        tree = nodes[offsets[t] : offsets[t + 1]]
        name = names[offsets[t] : offsets[t + 1]]
        for i in range(0, count, LANES):
            x0, x1, x2, x3, x4, x5, x6, x7 = _descend(tree, keys, np.uint64(i) * w, w)
            reached[i, t] = name[x0]
            reached[i + 1, t] = name[x1]
            reached[i + 2, t] = name[x2]
            reached[i + 3, t] = name[x3]
            reached[i + 4, t] = name[x4]
            reached[i + 5, t] = name[x5]
            reached[i + 6, t] = name[x6]
            reached[i + 7, t] = name[x7]


@njit(nogil=True, cache=True)
def walk_vectors(
    keys: NDArray[np.int32],
    width: int,
    count: int,
    nodes: NDArray[np.int64],
    values: NDArray[np.float32],
    offsets: NDArray[np.int64],
    places: NDArray[np.uint64],
    sums: NDArray[np.float32],
) -> None:
    """Add the vectors of every tree's leaves to the sums of ``count`` rows, (count, K).

    Args:
        keys: The rows' keys.
        width: Keys of a row.
        count: Rows.
        nodes: The packed nodes.
        values: Leaf vectors, (N, K).
        offsets: Where each tree begins.
        places: Room, (count + 7,).
        sums: What is added to.
    """
    w = np.uint64(width)
    outputs = sums.shape[1]
    for t in range(len(offsets) - 1):
        tree = nodes[offsets[t] : offsets[t + 1]]
        leaf = values[offsets[t] : offsets[t + 1]]
        for i in range(0, count, LANES):
            x0, x1, x2, x3, x4, x5, x6, x7 = _descend(tree, keys, np.uint64(i) * w, w)
            places[i] = x0
            places[i + 1] = x1
            places[i + 2] = x2
            places[i + 3] = x3
            places[i + 4] = x4
            places[i + 5] = x5
            places[i + 6] = x6
            places[i + 7] = x7
        for i in range(count):
            at = places[i]
            for k in range(outputs):
                sums[i, k] += leaf[at, k]


@njit(nogil=True, cache=True)
def add_lines(
    x: NDArray[np.float32],
    reached: NDArray[np.int32],
    offsets: NDArray[np.int64],
    values: NDArray[np.float32],
    term_offsets: NDArray[np.int64],
    feature: NDArray[np.int32],
    coefficient: NDArray[np.float64],
    constant: NDArray[np.float64],
    groups: NDArray[np.int32],
    sums: NDArray[np.float32],
) -> None:
    """Add c + Σ b x of the leaves reached, rounded once; a leaf's value where an x is missing."""
    for i in range(len(x)):
        for t in range(len(offsets) - 1):
            at = offsets[t] + np.int64(reached[i, t])
            line = constant[at]
            for k in range(term_offsets[at], term_offsets[at + 1]):
                line += coefficient[k] * np.float64(x[i, feature[k]])
            sums[i, groups[t]] += np.float32(line) if line == line else values[at, 0]


@njit(nogil=True, cache=True)
def load_columns(bits: NDArray[np.int32], first: int, count: int, keys: NDArray[np.int32]) -> None:
    """Write the keys of ``count`` rows by feature, both copies, (2 F, lanes)."""
    features = bits.shape[1]
    for f in range(features):
        high = keys[f]
        low = keys[features + f]
        for i in range(count):
            v = bits[first + i, f]
            if v == np.int32(-2147483648):
                v = np.int32(0)  # -0.0 and 0.0 are one value
            key = v ^ ((v >> np.int32(31)) & _SIGN_OFF)
            absent = (v & _SIGN_OFF) > _INFINITY
            high[i] = _ABSENT_HIGH if absent else key
            low[i] = _ABSENT_LOW if absent else key


@njit(nogil=True, cache=True)
def walk_levels(
    keys: NDArray[np.int32],
    count: int,
    levels: NDArray[np.int64],
    feature: NDArray[np.int32],
    threshold: NDArray[np.int32],
    values: NDArray[np.float32],
    offsets: NDArray[np.int64],
    groups: NDArray[np.int32],
    places: NDArray[np.int32],
    sums: NDArray[np.float32],
) -> None:
    """Add every symmetric tree's leaf values to the sums of ``count`` rows.

    A level is one comparison of a column with one threshold: a bit of all rows' leaf numbers
    at a time.

    Args:
        keys: The rows by feature, (2 F, lanes).
        count: Rows.
        levels: Where each tree's levels begin, (T + 1,).
        feature: Row of ``keys`` that a level reads.
        threshold: Key of its threshold.
        values: Leaf values, (leaves, K).
        offsets: Where each tree's begin, (T + 1,).
        groups: The output each tree adds to; -1 for all of them.
        places: Room, (lanes,).
        sums: (count, outputs).
    """
    lanes = len(places)
    for t in range(len(groups)):
        for i in range(lanes):
            places[i] = np.int32(0)
        for l in range(levels[t], levels[t + 1]):
            own = keys[feature[l]]
            bound = threshold[l]
            for i in range(lanes):
                places[i] = (places[i] << np.int32(1)) | np.int32(own[i] >= bound)
        base = offsets[t]
        k = groups[t]
        if k >= 0:
            for i in range(count):
                sums[i, k] += values[base + places[i], 0]
        else:
            for i in range(count):
                leaf = values[base + places[i]]
                for j in range(len(leaf)):
                    sums[i, j] += leaf[j]


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

"""Kernels of linear leaves: the moments a leaf's regression is solved from, and its margins."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from drivetrain.trees.growing._numba import _prefetch

Array = NDArray[np.generic]
# Rows that are gathered, then summed with all lanes of the processor.
_BLOCK = 256
# Rows fetched ahead of their use.
_AHEAD = 12
_FAST = {"reassoc", "contract", "nsz"}


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _sum_block(
    block: NDArray[np.float64],
    g: NDArray[np.float64],
    h: NDArray[np.float64],
    means: NDArray[np.float64],
    slopes: NDArray[np.float64],
    normal: NDArray[np.float64],
) -> tuple[float, float]:
    """Add the block's Σ h x, Σ g x and Σ h x x'; return its Σ g and Σ h."""
    d = len(means)
    total_g = 0.0
    total_h = 0.0
    for i in range(_BLOCK):
        total_g += g[i]
        total_h += h[i]
    for k in range(d):
        own = block[k]
        mean = 0.0
        slope = 0.0
        for i in range(_BLOCK):
            mean += h[i] * own[i]
            slope += g[i] * own[i]
        means[k] += mean
        slopes[k] += slope
        for j in range(k + 1):
            other = block[j]
            both = 0.0
            for i in range(_BLOCK):
                both += h[i] * own[i] * other[i]
            normal[k * d + j] += both
    return total_g, total_h


@njit(nogil=True, cache=True, error_model="numpy")
def _near_mean(
    x: NDArray[np.float32],
    rows: NDArray[np.uint32],
    features: NDArray[np.int64],
    shift: NDArray[np.float64],
) -> None:
    """Write the means of the first few rows that miss nothing: sums about them lose no digits."""
    held = 0
    for k in range(len(shift)):
        shift[k] = 0.0
    for i in range(len(rows)):
        row = np.int64(rows[i])
        total = 0.0
        for k in range(len(shift)):
            total += np.float64(x[row, features[k]])
        if total != total:
            continue
        for k in range(len(shift)):
            shift[k] += np.float64(x[row, features[k]])
        held += 1
        if held == 32:
            break
    for k in range(len(shift)):
        shift[k] /= max(held, 1)


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
    flat = x.reshape(-1)
    width = np.uint64(x.shape[1])
    block_g = np.empty(_BLOCK)
    block_h = np.empty(_BLOCK)
    for leaf in range(first, last):
        own = features[offsets[leaf] : offsets[leaf + 1]]
        mean = means[offsets[leaf] : offsets[leaf + 1]]
        slope = slopes[offsets[leaf] : offsets[leaf + 1]]
        square = normal[places[leaf] : places[leaf + 1]]
        some = rows[ends[leaf] : ends[leaf + 1]]
        d = len(own)
        for k in range(d):
            mean[k] = 0.0
            slope[k] = 0.0
        for k in range(d * d):
            square[k] = 0.0
        shift = np.empty(d)
        _near_mean(x, some, own, shift)
        block = np.empty((d, _BLOCK))
        total_g = 0.0
        total_h = 0.0
        held = 0
        for begin in range(0, len(some), _BLOCK):
            for i in range(_BLOCK):
                if begin + i + _AHEAD < len(some):
                    later = np.uint64(some[begin + i + _AHEAD]) * width
                    for k in range(d):
                        _prefetch(flat, later + np.uint64(own[k]))  # type: ignore[call-arg]
                gone = begin + i >= len(some)
                row = np.int64(some[begin + i]) if not gone else np.int64(0)
                for k in range(d):
                    v = np.float64(x[row, own[k]]) - shift[k]
                    block[k, i] = v
                    gone = gone or v != v
                if gone:
                    for k in range(d):
                        block[k, i] = 0.0
                block_g[i] = 0.0 if gone else np.float64(g[row])
                block_h[i] = 0.0 if gone else np.float64(h[0] if same else h[row])
                held += not gone
            a, b = _sum_block(block, block_g, block_h, mean, slope, square)
            total_g += a
            total_h += b
        complete[leaf] = held
        sums[leaf, 0] = total_g
        sums[leaf, 1] = total_h
        for k in range(d):
            mean[k] = mean[k] / total_h if total_h > 0.0 else 0.0
            slope[k] -= total_g * mean[k]
        for k in range(d):
            for j in range(k + 1):
                square[k * d + j] -= total_h * mean[k] * mean[j]
                square[j * d + k] = square[k * d + j]
        for k in range(d):
            mean[k] += shift[k]


@njit(nogil=True, cache=True, error_model="numpy")
def add_to_margin(
    x: NDArray[np.float32],
    rows: NDArray[np.uint32],
    ends: NDArray[np.int64],
    leaves: NDArray[np.int64],
    values: NDArray[np.float32],
    offsets: NDArray[np.int64],
    feature: NDArray[np.int32],
    coefficient: NDArray[np.float64],
    constant: NDArray[np.float64],
    group: int,
    margin: NDArray[np.float32],
) -> None:
    """Add every leaf's line to the margins of its rows, as prediction does, to the bit."""
    flat = x.reshape(-1)
    width = np.uint64(x.shape[1])
    for leaf in range(len(leaves)):
        at = leaves[leaf]
        for i in range(ends[leaf], ends[leaf + 1]):
            if i + _AHEAD < ends[leaf + 1]:
                later = np.uint64(rows[i + _AHEAD]) * width
                for k in range(offsets[at], offsets[at + 1]):
                    _prefetch(flat, later + np.uint64(feature[k]))  # type: ignore[call-arg]
            row = np.int64(rows[i])
            line = constant[at]
            for k in range(offsets[at], offsets[at + 1]):
                line += coefficient[k] * np.float64(x[row, feature[k]])
            margin[row, group] += np.float32(line) if line == line else values[leaf]


# Compiled in here: drivetrain.trees.growing._numba fa985cd06b2d5664

"""Kernels of binning: cuts of a sorted column, and the bin of every value."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True)
def run_lengths(
    ordered: NDArray[np.float32], values: NDArray[np.float32], counts: NDArray[np.int64]
) -> int:
    """Write the distinct values of a sorted column and how often each occurs; return how many."""
    n = len(ordered)
    if n == 0:
        return 0
    k = 0
    values[0] = ordered[0]
    counts[0] = 1
    for i in range(1, n):
        if ordered[i] == values[k]:
            counts[k] += 1
        else:
            k += 1
            values[k] = ordered[i]
            counts[k] = 1
    return k + 1


@njit(nogil=True, cache=True)
def greedy_ends(counts: NDArray[np.int64], max_bins: int, ends: NDArray[np.int64]) -> int:
    """Write the index of the last value of every bin but the last; return the number of bins.

    A value as frequent as a mean bin has a bin of its own; what is left is shared evenly.
    """
    m = len(counts)
    total = 0
    heavy_rows = 0
    heavy = 0
    for i in range(m):
        total += counts[i]
    mean = total / max_bins
    for i in range(m):
        if counts[i] >= mean:
            heavy += 1
            heavy_rows += counts[i]
    light_bins = max_bins - heavy
    light_rows = total - heavy_rows
    share = light_rows / max(light_bins, 1)
    bins = 0
    held = 0
    for i in range(m - 1):
        alone = counts[i] >= mean
        if not alone:
            light_rows -= counts[i]
        held += counts[i]
        before_heavy = counts[i + 1] >= mean and held >= max(1.0, share * 0.5)
        if alone or held >= share or before_heavy:
            ends[bins] = i
            bins += 1
            held = 0
            if bins >= max_bins - 1:
                break
            if not alone:
                light_bins -= 1
                share = light_rows / max(light_bins, 1)
    return bins + 1


@njit(nogil=True, cache=True)
def bin_block(
    block: NDArray[np.float32],
    searched: NDArray[np.float32],
    steps: int,
    missing: int,
    rows: NDArray[np.unsignedinteger],
    columns: NDArray[np.unsignedinteger],
    start: int,
) -> None:
    """Write the bins of a block of rows in both layouts.

    Args:
        block: Values, (m, F).
        searched: Inner cuts of each feature, padded with infinity to 2**steps - 1, (F, ...).
        steps: Halvings of the binary search.
        missing: The code of NaN.
        rows: Bins by row, (n, stride).
        columns: Bins by feature, (F, n).
        start: The block's first row.
    """
    m, features = block.shape
    for f in range(features):
        cuts = searched[f]
        column = columns[f, start : start + m]
        for i in range(m):
            x = block[i, f]
            b = np.uint64(0)
            half = np.uint64(1) << np.uint64(steps - 1)
            for _ in range(steps):
                # The number of cuts that are <= x: a value equal to a cut lies to its right.
                if x >= cuts[b + half - np.uint64(1)]:
                    b += half
                half >>= np.uint64(1)
            code = np.uint64(missing) if x != x else b
            column[i] = code
            rows[start + i, f] = code

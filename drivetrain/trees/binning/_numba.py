"""Kernels of binning: cuts of a sorted column, and the bin of every value."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_SIGN = np.uint32(0x80000000)
# A sort of 32 bits in four passes: with longer digits the places no longer stay in the cache.
_DIGIT = 8
DIGITS = 4
PLACES = 1 << _DIGIT


@njit(nogil=True, cache=True)
def sort_column(
    x: NDArray[np.float32],
    feature: int,
    keys: NDArray[np.uint32],
    spare: NDArray[np.uint32],
    counts: NDArray[np.int64],
) -> int:
    """Sort a column's values but NaN, -0.0 as 0.0; return how many there are.

    A radix sort of the floats' bits, turned so that they rise as the floats do: four times as
    fast as comparing, and its time does not depend on the values.

    Args:
        x: Values, (n, F).
        feature: The column.
        keys: Room, (n,); holds the bits of the sorted values after.
        spare: Room, (n,).
        counts: Room, (DIGITS, PLACES).
    """
    for d in range(DIGITS):
        for b in range(PLACES):
            counts[d, b] = 0
    low = np.uint32(PLACES - 1)
    one = np.uint64(1)
    m = np.uint64(0)
    for i in range(len(x)):
        value = x[i, feature]
        if value != value:
            continue
        bits = np.float32(value + np.float32(0)).view(np.uint32)
        key = bits ^ (np.uint32(np.int32(bits) >> np.int32(31)) | _SIGN)
        keys[m] = key
        m += one
        for d in range(DIGITS):
            counts[d, np.uint64((key >> np.uint32(_DIGIT * d)) & low)] += 1
    source = keys
    target = spare
    for d in range(DIGITS):
        own = counts[d]
        before = 0
        for b in range(PLACES):
            held = own[b]
            own[b] = before
            before += held
        shift = np.uint32(_DIGIT * d)
        for i in range(m):
            key = source[i]
            place = np.uint64((key >> shift) & low)
            target[np.uint64(own[place])] = key
            own[place] += 1
        source, target = target, source
    for i in range(m):
        key = source[i]
        keys[i] = key ^ (np.uint32(np.int32(~key) >> np.int32(31)) | _SIGN)
    return int(m)


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
    values: NDArray[np.float32],
    places: NDArray[np.uint32],
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
        values: Room, (>= m,).
        places: Room, (>= m,).
    """
    m, features = block.shape
    first = np.uint32(1) << np.uint32(steps - 1)
    for f in range(features):
        cuts = searched[f]
        column = columns[f, start : start + m]
        for i in range(m):
            values[i] = block[i, f]
            places[i] = 0
        half = first
        # Step by step for the whole block, not value by value: the loop over values is vectors.
        for _ in range(steps):
            for i in range(m):
                b = places[i]
                # The number of cuts that are <= x: a value equal to a cut lies to its right.
                beyond = values[i] >= cuts[np.uint64(b + half - np.uint32(1))]
                places[i] = b + (half if beyond else np.uint32(0))
            half >>= np.uint32(1)
        for i in range(m):
            code = np.uint32(missing) if values[i] != values[i] else places[i]
            column[i] = code
            rows[start + i, f] = code

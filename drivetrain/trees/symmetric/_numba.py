"""Kernels of symmetric trees: whole levels at a time.

Histograms are laid out in the lanes of `drivetrain.trees.vector`: one, two or four outputs a bin.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from drivetrain.trees.growing._numba import partition
from drivetrain.trees.vector._numba import add_scores, fill, take_rest

_LOW = np.int64(0xFFFFFFFF)

Array = NDArray[np.generic]


@njit(nogil=True, cache=True, error_model="numpy")
def divide_level(
    first: int,
    last: int,
    column: Array,
    goes_left: NDArray[np.uint8],
    rows: NDArray[np.uint32],
    spare: NDArray[np.uint32],
    ends: NDArray[np.int64],
    below: NDArray[np.int64],
) -> None:
    """Sort the rows of the nodes first to last - 1 to their children.

    Args:
        first: First node.
        last: Last node but one.
        column: Bins of the level's feature, (n,).
        goes_left: Which codes go left, (1 << shift,).
        rows: Row numbers, those of a node side by side, (m,).
        spare: Room for as many.
        ends: Where each node's rows begin, and the last's end, (nodes + 1,).
        below: The same of the children, (2 nodes + 1,), written.
    """
    for x in range(first, last):
        begin, end = ends[x], ends[x + 1]
        n_left = partition(column, goes_left, rows[begin:end], spare[begin:end])
        for i in range(begin + n_left, end):
            rows[i] = spare[i - n_left]
        below[2 * x + 1] = begin + n_left
        below[2 * x + 2] = end


@njit(nogil=True, cache=True, error_model="numpy")
def sum_rows(
    first: int,
    last: int,
    packed: NDArray[np.int64],
    lanes: int,
    rows: NDArray[np.uint32],
    ends: NDArray[np.int64],
    sums: NDArray[np.int64],
) -> None:
    """Write the whole-number sums of g and h of the nodes, (nodes, K, 2)."""
    for x in range(first, last):
        for k in range(sums.shape[1]):
            own = packed[k // lanes]
            lane = np.uint64(k % lanes)
            g = np.int64(0)
            h = np.int64(0)
            for i in range(ends[x], ends[x + 1]):
                pair = own[np.uint64(rows[i]) * np.uint64(lanes) + lane]
                h += pair & _LOW
                g += pair >> np.int64(32)
            sums[x, k, 0] = g
            sums[x, k, 1] = h


@njit(nogil=True, cache=True, error_model="numpy")
def fill_level(
    first: int,
    last: int,
    flat: Array,
    stride: int,
    shift: int,
    features: int,
    packed: NDArray[np.int64],
    rows: NDArray[np.uint32],
    ends: NDArray[np.int64],
    slot: NDArray[np.int64],
    pool: NDArray[np.int64],
    halves: bool,
) -> None:
    """Make the histograms of nodes, each in its slot of the pool.

    With ``halves`` the nodes are pairs of children: the smaller one's rows are added, and its
    sibling's slot, which holds the parent's histogram, is left with the difference.
    """
    if not halves:
        for x in range(first, last):
            some = rows[ends[x] : ends[x + 1]]
            fill(flat, stride, shift, features, packed, some, pool[slot[x]])
        return
    for x in range(first, last, 2):
        a, b = x, x + 1
        if ends[x + 2] - ends[x + 1] < ends[x + 1] - ends[x]:
            a, b = b, a
        own = pool[slot[a]]
        fill(flat, stride, shift, features, packed, rows[ends[a] : ends[a + 1]], own)
        take_rest(pool[slot[b]], own, pool[0:0])


@njit(nogil=True, cache=True, error_model="numpy")
def scan_level(
    first: int,
    last: int,
    begin: int,
    end: int,
    pool: NDArray[np.int64],
    slot: NDArray[np.int64],
    bins: NDArray[np.int64],
    shift: int,
    has_missing: NDArray[np.bool_],
    allowed: NDArray[np.uint8],
    sums: NDArray[np.int64],
    units: NDArray[np.float64],
    rules: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    """Add the scores of the nodes first to last - 1, in turn, for features begin to end - 1."""
    scratch = np.empty((2, 1 << shift))
    for x in range(first, last):
        held = np.int64(0)
        for k in range(sums.shape[1]):
            held += sums[x, k, 1]
        if held == 0:
            continue
        add_scores(
            pool[slot[x]],
            begin,
            end,
            bins,
            shift,
            has_missing,
            allowed,
            sums[x],
            units,
            rules,
            scratch,
            scores,
        )


# Compiled in here: drivetrain.trees.growing._numba fa985cd06b2d5664
# Compiled in here: drivetrain.trees.vector._numba e7254a7db5f0722c

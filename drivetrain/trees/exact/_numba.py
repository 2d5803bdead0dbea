"""Kernels of exact growth: a linear scan of each sorted column for all open nodes of a level.

A row's place is the number of its node, or the complement of it where that is not to be split.
Records and nodes are those of `drivetrain.trees.floating._numba`, but for the threshold, which
stands in place of the bin.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from drivetrain.trees.floating._numba import (
    BOUNDED,
    DEFAULT_LEFT,
    FEATURE,
    GAIN,
    GL,
    GR,
    L1,
    L2,
    LEAST,
    STEP,
    UNSPLIT,
    G,
    H,
    change,
)

THRESHOLD = 2

_HALF = np.float32(0.5)
_MARGIN = np.float32(1e-6)
_ZERO = np.float32(0)

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Rows = NDArray[np.uint32]


@njit(nogil=True, cache=True, error_model="numpy")
def _gain(
    g: float,
    h: float,
    other_g: float,
    other_h: float,
    backward: bool,
    direction: int,
    plain: bool,
    rules: Doubles,
    node: Doubles,
) -> np.float32:
    # What has been scanned lies right of the split in a backward scan, left in a forward one.
    if plain:
        l2 = rules[L2]
        a = np.float32(g * g) / np.float32(h + l2) if h > 0.0 else _ZERO
        b = np.float32(other_g * other_g) / np.float32(other_h + l2) if other_h > 0.0 else _ZERO
        return a + b - np.float32(node[UNSPLIT])
    if backward:
        return change(other_g, other_h, g, h, direction, rules, node)
    return change(g, h, other_g, other_h, direction, rules, node)


@njit(nogil=True, cache=True)
def _hold(
    record: Doubles,
    gain: np.float32,
    feature: int,
    threshold: np.float32,
    backward: bool,
    g: float,
    h: float,
    node: Doubles,
) -> None:
    record[GAIN] = gain
    record[FEATURE] = feature
    record[THRESHOLD] = threshold
    record[DEFAULT_LEFT] = 1.0 if backward else 0.0
    left, right = (GR, GL) if backward else (GL, GR)
    record[left], record[left + 1] = g, h
    record[right], record[right + 1] = node[G] - g, node[H] - h


@njit(nogil=True, cache=True, error_model="numpy")
def scan_column(
    rows: Rows,
    values: Floats,
    backward: bool,
    feature: int,
    direction: int,
    places: NDArray[np.int32],
    pairs: Floats,
    block: int,
    open_nodes: NDArray[np.int64],
    allowed: NDArray[np.uint8],
    steps: Doubles,
    states: Doubles,
    rules: Doubles,
    scratch: Doubles,
    records: Doubles,
) -> None:
    """Try the splits of one feature for every open node, in the order of its values.

    Args:
        rows: Rows with a value, by value.
        values: The values, rising.
        backward: Whether to go from the greatest down, missing values left; else they go right.
        feature: The feature.
        direction: Its monotone constraint.
        places: The place of every row, (n,).
        pairs: g and h of every row, (n, 2).
        block: Rows whose pairs are brought near at once.
        open_nodes: Numbers of the nodes to split.
        allowed: Whether each node may use each feature, (nodes, F).
        steps: Weight between two candidates of each node, 0 for trying all, (nodes,).
        states: The nodes, (nodes, 5).
        rules: As in `drivetrain.trees.floating._numba.scan`.
        scratch: Room, (nodes, 4).
        records: Their best splits, (nodes, 8).
    """
    least = rules[LEAST]
    plain = rules[L1] == 0.0 and rules[STEP] == 0.0 and rules[BOUNDED] == 0.0
    top = np.float32(np.inf)
    for i in range(len(open_nodes)):
        scratch[open_nodes[i], 0] = scratch[open_nodes[i], 1] = scratch[open_nodes[i], 2] = 0.0
        scratch[open_nodes[i], 3] = steps[open_nodes[i]]
    near = np.empty(block, np.int32)
    near_g = np.empty(block, np.float32)
    near_h = np.empty(block, np.float32)
    n = len(rows)
    for begin in range(0, n, block):
        size = min(block, n - begin)
        for i in range(size):
            at = n - 1 - begin - i if backward else begin + i
            row = np.uint64(rows[at])
            near[i] = places[row]
            near_g[i] = pairs[row, 0]
            near_h[i] = pairs[row, 1]
        for i in range(size):
            k = np.int64(near[i])
            if k < 0 or not allowed[k, feature]:
                continue
            v = values[n - 1 - begin - i if backward else begin + i]
            own = scratch[k]
            g, h, last = own[0], own[1], np.float32(own[2])
            if h != 0.0 and v != last and h >= least and h >= own[3]:
                node = states[k]
                other_h = node[H] - h
                if other_h >= least:
                    s = _gain(g, h, node[G] - g, other_h, backward, direction, plain, rules, node)
                    own[3] = h + steps[k]
                    if s > np.float32(records[k, GAIN]) and s < top:
                        middle = (v + last) * _HALF
                        cut = last if middle == v else middle
                        _hold(records[k], s, feature, cut, backward, g, h, node)
            own[0] = g + np.float64(near_g[i])
            own[1] = h + np.float64(near_h[i])
            own[2] = v
    for i in range(len(open_nodes)):
        k = open_nodes[i]
        node = states[k]
        g, h, last = scratch[k, 0], scratch[k, 1], np.float32(scratch[k, 2])
        other_h = node[H] - h
        if h >= least and other_h >= least and allowed[k, feature]:
            s = _gain(g, h, node[G] - g, other_h, backward, direction, plain, rules, node)
            if s > np.float32(records[k, GAIN]) and s < top:
                gap = abs(last) + _MARGIN
                cut = last - gap if backward else last + gap
                _hold(records[k], s, feature, cut, backward, g, h, node)


@njit(nogil=True, cache=True)
def place_rows(
    x: Floats,
    pairs: Floats,
    rows: Rows,
    left: NDArray[np.int64],
    records: Doubles,
    places: NDArray[np.int32],
    states: Doubles,
) -> None:
    """Send the rows of split nodes to their children, and sum the children's pairs.

    Args:
        x: Values, (n, F).
        pairs: g and h of every row.
        rows: Rows of the tree, rising.
        left: Left child of each node; -1 for none.
        records: The splits.
        places: The place of every row.
        states: The nodes; the children's sums are 0 before.
    """
    for i in range(len(rows)):
        row = rows[i]
        k = np.int64(places[row])
        if k < 0:
            continue
        if left[k] < 0:
            places[row] = ~np.int32(k)
            continue
        v = x[row, np.int64(records[k, FEATURE])]
        yes = v < np.float32(records[k, THRESHOLD]) if v == v else records[k, DEFAULT_LEFT] > 0.0
        child = left[k] + np.int64(not yes)
        places[row] = np.int32(child)
        states[child, G] += np.float64(pairs[row, 0])
        states[child, H] += np.float64(pairs[row, 1])


@njit(nogil=True, cache=True)
def gather_rows(
    rows: Rows, homes: NDArray[np.int64], places: NDArray[np.int32], ends: NDArray[np.int64]
) -> Rows:
    """Return the rows leaf by leaf, and write where each node's end.

    Args:
        rows: Rows of the tree, rising.
        homes: The leaf that stands for each node.
        places: The place of every row.
        ends: Written, (nodes + 1,): node k's rows lie from ends[k] to ends[k + 1].
    """
    ends[:] = 0
    for i in range(len(rows)):
        k = int(places[rows[i]])
        ends[homes[~k if k < 0 else k] + 1] += 1
    for node in range(1, len(ends)):
        ends[node] += ends[node - 1]
    next_free = ends.copy()
    out = np.empty_like(rows)
    for i in range(len(rows)):
        k = int(places[rows[i]])
        home = homes[~k if k < 0 else k]
        out[next_free[home]] = rows[i]
        next_free[home] += 1
    return out

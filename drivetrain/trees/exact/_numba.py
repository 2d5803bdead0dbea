"""Kernels of exact growth: every column is kept sorted, and the rows of each node side by side.

An entry of a column is its row and the bits of its value, moved as one int64 and read as two
halves. A row's place is the number of its node, or the complement of it where that is a leaf.
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


@njit(nogil=True, cache=True)
def take_rows(
    source: NDArray[np.int64],
    source_rows: Rows,
    used: NDArray[np.uint8],
    begin: int,
    end: int,
    target: NDArray[np.int64],
) -> int:
    """Copy the entries of a column whose rows are used; return where they end."""
    at = np.uint64(begin)
    for i in range(np.uint64(begin), np.uint64(end)):
        target[at] = source[i]
        at += np.uint64(used[source_rows[np.uint64(2) * i]])
    return int(at)


@njit(nogil=True, cache=True)
def part_column(
    source: NDArray[np.int64],
    source_rows: Rows,
    spans: NDArray[np.int64],
    open_nodes: NDArray[np.int64],
    left: NDArray[np.int64],
    sides: NDArray[np.uint8],
    spare: NDArray[np.int64],
    target: NDArray[np.int64],
) -> None:
    """Move a column's entries to the children of the nodes that are split, in their order.

    Args:
        source: Entries of all columns.
        source_rows: The same memory; the row of an entry is the first half.
        spans: Where each node's entries of this column begin and end, (nodes, 2).
        open_nodes: Numbers of the nodes of the level.
        left: Left child of each node; -1 for none.
        sides: Whether each row goes left, (n,).
        spare: Room for the entries of a column.
        target: Where the entries go; may be the source itself.
    """
    one = np.uint64(1)
    two = np.uint64(2)
    for j in range(len(open_nodes)):
        k = open_nodes[j]
        if left[k] < 0:
            continue
        begin, end = np.uint64(spans[k, 0]), np.uint64(spans[k, 1])
        at = begin
        others = np.uint64(0)
        for i in range(begin, end):
            entry = source[i]
            yes = np.uint64(sides[source_rows[two * i]])
            target[at] = entry
            spare[others] = entry
            at += yes
            others += one - yes
        for i in range(others):
            target[at + i] = spare[i]
        spans[left[k], 0], spans[left[k], 1] = begin, at
        spans[left[k] + 1, 0], spans[left[k] + 1, 1] = at, end


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
def _gains(
    sums: Doubles,
    count: int | np.int64,
    backward: bool,
    direction: int,
    plain: bool,
    rules: Doubles,
    node: Doubles,
    gains: Floats,
) -> None:
    total_g, total_h = node[G], node[H]
    l2, least = rules[L2], rules[LEAST]
    unsplit = np.float32(node[UNSPLIT])
    top = np.float32(np.inf)
    none = np.float32(-1)
    if plain:
        for j in range(count):
            g1, h1 = sums[0, j], sums[1, j]
            g2, h2 = total_g - g1, total_h - h1
            a = np.float32(g1 * g1) / np.float32(h1 + l2)
            b = np.float32(g2 * g2) / np.float32(h2 + l2)
            s = (a if h1 > 0.0 else _ZERO) + (b if h2 > 0.0 else _ZERO) - unsplit
            gains[j] = s if (h2 >= least) & (s < top) else none
        return
    for j in range(count):
        g1, h1 = sums[0, j], sums[1, j]
        g2, h2 = total_g - g1, total_h - h1
        gains[j] = none
        if h2 >= least:
            # What has been scanned lies right of the split in a backward scan.
            if backward:
                s = change(g2, h2, g1, h1, direction, rules, node)
            else:
                s = change(g1, h1, g2, h2, direction, rules, node)
            if s < top:
                gains[j] = s


@njit(nogil=True, cache=True)
def _spaced(
    sums: Doubles, bounds: Floats, count: int | np.int64, step: float, goal: float
) -> tuple[int, float]:
    # Keeps the candidates that lie a step of weight beyond the last one.
    kept = 0
    for j in range(count):
        h = sums[1, j]
        if h >= goal:
            sums[0, kept], sums[1, kept] = sums[0, j], h
            bounds[1, kept], bounds[2, kept] = bounds[1, j], bounds[2, j]
            kept += 1
            goal = h + step
    return kept, goal


@njit(nogil=True, cache=True, error_model="numpy")
def scan_column(
    rows: Rows,
    values: Floats,
    spans: NDArray[np.int64],
    backward: bool,
    feature: int,
    direction: int,
    joined: NDArray[np.int64],
    open_nodes: NDArray[np.int64],
    allowed: NDArray[np.uint8],
    steps: Doubles,
    states: Doubles,
    rules: Doubles,
    near: NDArray[np.int64],
    pairs: Floats,
    sums: Doubles,
    bounds: Floats,
    records: Doubles,
) -> None:
    """Try the splits of one feature for every open node, in the order of its values.

    Args:
        rows: Entries of all columns; the row of one is its first half.
        values: The same memory; the value is the second half.
        spans: Where each node's entries of this column begin and end, (nodes, 2).
        backward: Whether to go from the greatest down, missing values left; else they go right.
        feature: The feature.
        direction: Its monotone constraint.
        joined: g and h of every row, as one, (n,).
        open_nodes: Numbers of the nodes to split.
        allowed: Whether each node may use each feature, (nodes, F).
        steps: Weight between two candidates of each node, 0 for trying all, (nodes,).
        states: The nodes, (nodes, 5).
        rules: As in `drivetrain.trees.floating._numba.scan`.
        near: Room for the pairs of a block of entries, (block,).
        pairs: The same memory, (2 * block,).
        sums: Room for the sums of a block of entries, (2, block).
        bounds: Room for its values and gains, (4, block).
        records: The best splits, (nodes, 8).
    """
    least = rules[LEAST]
    plain = rules[L1] == 0.0 and rules[STEP] == 0.0 and rules[BOUNDED] == 0.0
    block = sums.shape[1]
    gains = bounds[3]
    one, two = np.uint64(1), np.uint64(2)
    for j in range(len(open_nodes)):
        k = open_nodes[j]
        if not allowed[k, feature]:
            continue
        node = states[k]
        n = spans[k, 1] - spans[k, 0]
        g = 0.0
        h = 0.0
        last = _ZERO
        step = steps[k]
        goal = step
        for begin in range(0, n, block):
            size = np.uint64(min(block, n - begin))
            at = np.uint64(spans[k, 1] - begin if backward else spans[k, 0] + begin)
            # Gathered apart from the sums: those wait for each other, these need not.
            for i in range(size):
                own = (at - one - i if backward else at + i) * two
                near[i] = joined[rows[own]]
                bounds[0, i] = values[own + one]
            found = np.uint64(0)
            for i in range(size):
                # Equal values are one candidate.
                v = bounds[0, i]
                sums[0, found] = g
                sums[1, found] = h
                bounds[1, found] = last
                bounds[2, found] = v
                found += np.uint64((v != last) & (h >= least) & (h != 0.0))
                g += np.float64(pairs[two * i])
                h += np.float64(pairs[two * i + one])
                last = v
            count: int | np.int64 = np.int64(found)
            if step > 0.0:
                count, goal = _spaced(sums, bounds, count, step, goal)
            _gains(sums, count, backward, direction, plain, rules, node, gains)
            best = np.float32(records[k, GAIN])
            chosen = -1
            for i in range(count):
                if gains[i] > best:
                    best = gains[i]
                    chosen = i
            if chosen >= 0:
                a, b = bounds[1, chosen], bounds[2, chosen]
                middle = (b + a) * _HALF
                cut = a if middle == b else middle
                g1, h1 = sums[0, chosen], sums[1, chosen]
                _hold(records[k], best, feature, cut, backward, g1, h1, node)
        if h >= least:
            sums[0, 0], sums[1, 0] = g, h
            _gains(sums, 1, backward, direction, plain, rules, node, gains)
            if gains[0] > np.float32(records[k, GAIN]):
                gap = abs(last) + _MARGIN
                cut = last - gap if backward else last + gap
                _hold(records[k], gains[0], feature, cut, backward, g, h, node)


@njit(nogil=True, cache=True)
def place_rows(
    x: Floats,
    pairs: Floats,
    rows: Rows,
    left: NDArray[np.int64],
    records: Doubles,
    places: NDArray[np.int32],
    sides: NDArray[np.uint8],
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
        sides: Written: whether a row goes left.
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
        sides[row] = yes
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


# Compiled in here: drivetrain.trees.floating._numba 31441abca5d18397

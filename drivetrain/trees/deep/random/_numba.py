"""Kernels of trees that cut at random, on the values themselves.

Nodes, payloads and rules are those of deep trees; a node's cut is a float32 in a table of its own:
a value below it goes left.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from drivetrain.trees.deep._numba import (
    BEGIN,
    BIN,
    CONSTRAINED,
    DEPTH,
    END,
    ENTROPY,
    FEATURE,
    LEAST_GAIN,
    LEAST_ROWS,
    LEAST_ROWS_SPLIT,
    LEAST_WEIGHT,
    LOCAL,
    MAX_DEPTH,
    MAX_LEAVES,
    MISSING_LEFT,
    TRIED,
    _bear,
    _bring,
    _drawn,
    _pure,
    _purity,
    _root,
)

_LOW = np.int64(0xFFFFFFFF)
_UNIT = 1.0 / 9007199254740992.0

Floats = NDArray[np.float32]


@njit(nogil=True, cache=True, error_model="numpy")
def _extremes(
    column: Floats, rows: NDArray[np.uint32], a: int, b: int, held: Floats, ends: Floats
) -> np.int64:
    """Write a node's values side by side, the least and the greatest; return how many are there."""
    low, high = np.float32(np.inf), np.float32(-np.inf)
    there = np.int64(0)
    for i in range(np.uint64(b - a)):
        v = column[np.uint64(rows[np.uint64(a) + i])]
        held[i] = v
        there += v == v
        low = v if v < low else low
        high = v if v > high else high
    ends[0], ends[1] = low, high
    return there


@njit(nogil=True, cache=True, error_model="numpy")
def _weigh(
    held: Floats,
    cut: np.float32,
    hole: bool,
    payload: NDArray[np.int64],
    a: int,
    b: int,
    shift: np.int64,
    vectors: NDArray[np.int64],
    sides: NDArray[np.int64],
) -> np.int64:
    """Sum the rows left of a cut into ``sides[0]``; return how many there are."""
    outputs = sides.shape[1] - 1
    count = np.int64(0)
    if outputs == 1:
        total = np.int64(0)
        for i in range(np.uint64(b - a)):
            v = held[i]
            yes = np.int64((v < cut) | (hole & (v != v)))
            total += payload[np.uint64(a) + i] & -yes
            count += yes
        sides[0, 0] = total >> shift
        sides[0, 1] = total & ((np.int64(1) << shift) - np.int64(1))
        return count
    for k in range(outputs + 1):
        sides[0, k] = 0
    plain = vectors.shape[0] == 0
    for i in range(np.uint64(b - a)):
        v = held[i]
        yes = np.int64((v < cut) | (hole & (v != v)))
        own = payload[np.uint64(a) + i]
        weight = (own >> np.int64(32)) & -yes
        count += yes
        sides[0, outputs] += weight
        if plain:
            sides[0, np.uint64(own & _LOW)] += weight
        elif yes:
            for k in range(outputs):
                sides[0, k] += weight * vectors[own & _LOW, k]
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _score(
    x: int,
    count: np.int64,
    direction: int,
    sums: NDArray[np.int64],
    bounds: NDArray[np.float64],
    nodes: NDArray[np.int64],
    rules: NDArray[np.float64],
    sides: NDArray[np.int64],
) -> float:
    """Return what a cut is worth; -inf where it is not allowed."""
    outputs = sums.shape[1] - 1
    rows = nodes[x, END] - nodes[x, BEGIN]
    weight = np.float64(sides[0, outputs])
    rest = np.float64(sums[x, outputs]) - weight
    least = rules[LEAST_WEIGHT]
    if weight < least or rest < least or weight <= 0.0 or rest <= 0.0:
        return -np.inf
    if count < rules[LEAST_ROWS] or rows - count < rules[LEAST_ROWS]:
        return -np.inf
    for k in range(outputs):
        sides[1, k] = sums[x, k] - sides[0, k]
    if outputs > 1:
        entropy = rules[ENTROPY] > 0.0
        return _purity(sides, 0, outputs, weight, entropy) + _purity(
            sides, 1, outputs, rest, entropy
        )
    gl, gr = np.float64(sides[0, 0]), np.float64(sides[1, 0])
    if rules[CONSTRAINED] > 0.0:
        left, right = gl / weight, gr / rest
        if direction * (right - left) < 0.0:
            return -np.inf
        if min(left, right) < bounds[x, 0] or max(left, right) > bounds[x, 1]:
            return -np.inf
    return (gl * gl * rest + gr * gr * weight) / (weight * rest)


@njit(nogil=True, cache=True, error_model="numpy")
def _find(
    x: int,
    columns: Floats,
    shift: np.int64,
    direction: NDArray[np.int8],
    rows: NDArray[np.uint32],
    payload: NDArray[np.int64],
    vectors: NDArray[np.int64],
    rules: NDArray[np.float64],
    bounds: NDArray[np.float64],
    state: NDArray[np.uint64],
    order: NDArray[np.int64],
    known: int,
    held: Floats,
    ends: Floats,
    sides: NDArray[np.int64],
    nodes: NDArray[np.int64],
    sums: NDArray[np.int64],
    gains: NDArray[np.float64],
    cuts: Floats,
) -> int:
    """Find the best of random cuts, one a feature drawn; constants are kept as by deep trees."""
    a, b = nodes[x, BEGIN], nodes[x, END]
    outputs = sums.shape[1] - 1
    weight = np.float64(sums[x, outputs])
    if (
        b - a < rules[LEAST_ROWS_SPLIT]
        or b - a < 2 * rules[LEAST_ROWS]
        or weight < 2 * rules[LEAST_WEIGHT]
        or nodes[x, DEPTH] >= rules[MAX_DEPTH]
        or (vectors.shape[0] == 0 and _pure(payload, a, b, shift, sums, x))
    ):
        return -1
    if outputs > 1:
        parent = _purity(sums, x, outputs, weight, rules[ENTROPY] > 0.0)
    else:
        parent = np.float64(sums[x, 0]) * np.float64(sums[x, 0]) / weight
    best = -np.inf
    drawn, fresh, end, tried = 0, 0, len(order), 0
    while end > known + fresh and (tried < rules[TRIED] or tried <= fresh + drawn):
        tried += 1
        j = drawn + np.int64(_drawn(state) % np.uint64(end - fresh - drawn))
        if j < known:
            order[j], order[drawn] = order[drawn], order[j]
            drawn += 1
            continue
        j += fresh
        f = order[j]
        there = _extremes(columns[f], rows, a, b, held, ends)
        low, high = ends[0], ends[1]
        if there == 0 or (low == high and there == b - a):
            order[j], order[known + fresh] = order[known + fresh], f
            fresh += 1
            continue
        end -= 1
        order[j], order[end] = order[end], f
        word = _drawn(state)
        hole = False
        if low == high:
            cut = np.float32(np.inf)
        else:
            share = np.float64(word >> np.uint64(11)) * _UNIT
            cut = np.float32(np.float64(high) - share * (np.float64(high) - np.float64(low)))
            cut = high if cut <= low else cut
            hole = bool(there < b - a) and bool(word & np.uint64(1))
        count = _weigh(held, cut, hole, payload, a, b, shift, vectors, sides)
        score = _score(x, count, direction[f], sums, bounds, nodes, rules, sides)
        if score > best:
            best = score
            nodes[x, FEATURE] = f
            nodes[x, BIN] = 0
            nodes[x, MISSING_LEFT] = hole
            cuts[x] = cut
            for k in range(outputs + 1):
                sides[2, k] = sides[0, k]
        if b - a == 2 and best > -np.inf:
            break
    if best == -np.inf or best - parent < rules[LEAST_GAIN] - abs(parent) * 1e-12:
        return -1
    gains[x] = max(best - parent, 0.0)
    return known + fresh


@njit(nogil=True, cache=True, error_model="numpy")
def _split(
    x: int,
    column: Floats,
    rows: NDArray[np.uint32],
    payload: NDArray[np.int64],
    spare_rows: NDArray[np.uint32],
    spare_payload: NDArray[np.int64],
    nodes: NDArray[np.int64],
    cut: np.float32,
) -> np.int64:
    """Move the rows of the left child to the front; return where the right child's begin."""
    hole = nodes[x, MISSING_LEFT] > 0
    left = np.uint64(nodes[x, BEGIN])
    right = np.uint64(0)
    for i in range(np.uint64(nodes[x, BEGIN]), np.uint64(nodes[x, END])):
        row, own = rows[i], payload[i]
        v = column[np.uint64(row)]
        yes = np.uint64((v < cut) | (hole & (v != v)))
        rows[left], payload[left] = row, own
        spare_rows[right], spare_payload[right] = row, own
        left += yes
        right += np.uint64(1) - yes
    for i in range(right):
        rows[left + i], payload[left + i] = spare_rows[i], spare_payload[i]
    return np.int64(left)


@njit(nogil=True, cache=True, error_model="numpy")
def grow(
    columns: Floats,
    table: Floats,
    shift: np.int64,
    direction: NDArray[np.int8],
    rows: NDArray[np.uint32],
    payload: NDArray[np.int64],
    vectors: NDArray[np.int64],
    spare_rows: NDArray[np.uint32],
    spare_payload: NDArray[np.int64],
    local: Floats,
    rules: NDArray[np.float64],
    seed: np.uint64,
    nodes: NDArray[np.int64],
    sums: NDArray[np.int64],
    kept: NDArray[np.int64],
    gains: NDArray[np.float64],
    cuts: Floats,
    bounds: NDArray[np.float64],
) -> int:
    """Grow one tree; return the number of its nodes.

    Args:
        columns: Values by feature, (F, n).
        table: Values by row, (n, F).
        shift: Bits of h in a payload.
        direction: -1, 0 or 1: how the prediction may move with a feature, (F,).
        rows: Row numbers, (m,); left in the order of the leaves.
        payload: What each carries, (m,).
        vectors: Whole numbers of the rows, (n, outputs); without rows where payloads say all.
        spare_rows: Room, (m,).
        spare_payload: Room, (m,).
        local: Room for values, (F, LOCAL).
        rules: See `drivetrain.trees.deep._numba`.
        seed: Draws features and cuts.
        nodes: The nodes, (2m, FIELDS).
        sums: Their sums, (2m, outputs + 1).
        kept: Room for the left children's sums, (2m, outputs + 1) where leaves are limited.
        gains: What each split gains, (2m,).
        cuts: Where each node cuts, (2m,).
        bounds: Least and greatest value of each node, (2m, 2).
    """
    outputs = sums.shape[1] - 1
    features = len(columns)
    order = np.arange(features)
    constants = np.empty(features, np.int64)
    held, ends = np.empty(len(rows), np.float32), np.empty(2, np.float32)
    sides = np.empty((3, outputs + 1), np.int64)
    state = np.empty(1, np.uint64)
    state[0] = seed
    # Nodes to be looked at, with how many features are constant there; and those to be split.
    waiting = np.empty((len(rows) + 1, 2), np.int64)
    ready = np.empty(len(rows) + 1, np.int64)
    origin = np.empty(LOCAL, np.uint32)
    _root(payload, shift, vectors, nodes, sums, bounds)
    waiting[0, 0], waiting[0, 1] = 0, 0
    size, leaves, left_to_see, able, first, last = 1, 1, 1, 0, 0, 0
    best_first = rules[MAX_LEAVES] > 0.0
    source = columns
    while True:
        known = 0
        if left_to_see > 0:
            left_to_see -= 1
            x, known = waiting[left_to_see, 0], waiting[left_to_see, 1]
            a, b = nodes[x, BEGIN], nodes[x, END]
            if not best_first:
                if a >= last and last > first:
                    for i in range(first, last):
                        rows[i] = origin[rows[i]]
                    last, source = first, columns
                if last <= first and b - a <= LOCAL:
                    _bring(table, a, b, rows, origin, local)
                    first, last, source = a, b, local
            for i in range(known):
                order[i] = constants[i]
            found_constant = _find(
                x,
                source,
                shift,
                direction,
                rows,
                payload,
                vectors,
                rules,
                bounds,
                state,
                order,
                known,
                held,
                ends,
                sides,
                nodes,
                sums,
                gains,
                cuts,
            )
            for i in range(known):
                order[i] = constants[i]
            if found_constant < 0:
                continue
            for i in range(known, found_constant):
                constants[i] = order[i]
            known = found_constant
            if best_first:
                known = 0
                for k in range(outputs + 1):
                    kept[x, k] = sides[2, k]
                ready[able] = x
                able += 1
                continue
        elif able == 0 or leaves >= rules[MAX_LEAVES]:
            break
        else:
            place = able - 1
            for i in range(able):
                if gains[ready[i]] > gains[ready[place]]:
                    place = i
            x = ready[place]
            able -= 1
            ready[place] = ready[able]
        f = nodes[x, FEATURE]
        middle = _split(x, source[f], rows, payload, spare_rows, spare_payload, nodes, cuts[x])
        _bear(
            x,
            size,
            middle,
            direction[f],
            kept if best_first else sides,
            x if best_first else 2,
            nodes,
            sums,
            bounds,
        )
        waiting[left_to_see, 0], waiting[left_to_see, 1] = size + 1, known
        waiting[left_to_see + 1, 0], waiting[left_to_see + 1, 1] = size, known
        left_to_see += 2
        size += 2
        leaves += 1
    for i in range(first, last):
        rows[i] = origin[rows[i]]
    return size


# Compiled in here: drivetrain.trees.deep._numba 0743d12a857bae36

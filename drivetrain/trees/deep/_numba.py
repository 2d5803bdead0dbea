"""Kernels of deep trees. One call grows one tree; many trees grow side by side in threads.

A row carries one int64, its payload, which moves with it when its node is split. For numbers it
is (g << shift) + h, the whole-number target and weight, with as many bits for h as the sum of
weights needs and the rest for g; for classes it is (weight << 32) + class. Sums of whole numbers
are exact, in any order.

A node is a row of an int64 table; its columns:
    LEFT FEATURE BIN MISSING_LEFT DEPTH BEGIN END
and a row of sums: one a class, or one for numbers; the sum of weights is last.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

LEFT, FEATURE, BIN, MISSING_LEFT, DEPTH, BEGIN, END = range(7)
FIELDS = 7
# Positions in the table of rules.
TRIED, LEAST_ROWS_SPLIT, LEAST_ROWS, LEAST_WEIGHT, MAX_DEPTH, LEAST_GAIN, MAX_LEAVES, ENTROPY = (
    range(8)
)
RULES = 8
_LOW = np.int64(0xFFFFFFFF)
# A node with fewer rows than this share of the bins visits its own bins only.
_FEW = 0.75

Array = NDArray[np.generic]


@intrinsic
def _lowest_bit(typing_context, word):  # type: ignore[no-untyped-def]
    """Return the number of the lowest bit that is set."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        long, bit = ir.IntType(64), ir.IntType(1)
        declared = builder.module.declare_intrinsic(
            "llvm.cttz", [long], ir.FunctionType(long, [long, bit])
        )
        return builder.call(declared, [arguments[0], ir.Constant(bit, 1)])

    return types.uint64(types.uint64), generate


@njit(nogil=True, cache=True, error_model="numpy")
def _drawn(state: NDArray[np.uint64]) -> np.uint64:
    # SplitMix64: the draws of a tree depend on its seed alone.
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(nogil=True, cache=True, error_model="numpy")
def _fill(
    column: Array,
    rows: NDArray[np.uint32],
    payload: NDArray[np.int64],
    a: np.int64,
    b: np.int64,
    classes: int,
    tallied: bool,
    few: bool,
    histogram: NDArray[np.int64],
    tally: NDArray[np.int64],
    bits: NDArray[np.uint64],
) -> None:
    """Add a node's rows to the histogram of one feature; mark the bins where they are few."""
    if classes:
        width = np.uint64(classes)
        for i in range(np.uint64(a), np.uint64(b)):
            c = np.uint64(column[np.uint64(rows[i])])
            own = payload[i]
            histogram[c * width + np.uint64(own & _LOW)] += own >> np.int64(32)
            bits[c >> np.uint64(6)] |= np.uint64(1) << (c & np.uint64(63))
            tally[c] += 1
        return
    if few or tallied:
        for i in range(np.uint64(a), np.uint64(b)):
            c = np.uint64(column[np.uint64(rows[i])])
            histogram[c] += payload[i]
            bits[c >> np.uint64(6)] |= np.uint64(1) << (c & np.uint64(63))
            tally[c] += 1
        return
    for i in range(np.uint64(a), np.uint64(b)):
        histogram[np.uint64(column[np.uint64(rows[i])])] += payload[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _listed(
    bits: NDArray[np.uint64], words: int, everything: bool, bins: int, listed: NDArray[np.int64]
) -> int:
    """List the bins that are marked, rising, and clear the marks; or all bins and the last."""
    count = 0
    if everything:
        for b in range(bins):
            listed[b] = b
        listed[bins] = words * 64 - 1
        return bins + 1
    for w in range(words):
        word = bits[w]
        bits[w] = np.uint64(0)
        while word != np.uint64(0):
            listed[count] = np.int64(w * 64) + np.int64(_lowest_bit(word))  # type: ignore[call-arg]
            count += 1
            word &= word - np.uint64(1)
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _sort(keys: NDArray[np.float64], listed: NDArray[np.int64], count: int) -> None:
    # Shell sort of categories by (key, code).
    gap = count // 2
    while gap > 0:
        for i in range(gap, count):
            c = listed[i]
            k = keys[c]
            j = i
            while j >= gap and (
                keys[listed[j - gap]] > k or (keys[listed[j - gap]] == k and listed[j - gap] > c)
            ):
                listed[j] = listed[j - gap]
                j -= gap
            listed[j] = c
        gap //= 2


@njit(nogil=True, cache=True, error_model="numpy")
def _scan_numbers(
    listed: NDArray[np.int64],
    count: int,
    missing: int,
    shift: np.int64,
    histogram: NDArray[np.int64],
    tally: NDArray[np.int64],
    total_g: np.int64,
    total_h: np.int64,
    total_rows: int,
    direction: int,
    bounds: NDArray[np.float64],
    rules: NDArray[np.float64],
    best: NDArray[np.float64],
    found: NDArray[np.int64],
) -> bool:
    """Try every cut between the listed bins; tell whether a better one than ``best`` was found.

    ``best`` holds the score GL²/HL + GR²/HR; ``found`` the place in the list, whether missing
    values go left, and the left child's g and h.
    """
    least, least_rows = rules[LEAST_WEIGHT], rules[LEAST_ROWS]
    mask = (np.int64(1) << shift) - np.int64(1)
    hole = np.int64(0)
    hole_rows = np.int64(0)
    last = count
    if count > 0 and listed[count - 1] == missing:
        hole, hole_rows = histogram[missing], tally[missing]
        last = count - 1
    better = False
    for missing_left in range(2):
        if missing_left and hole == 0:
            break
        run_g = (hole >> shift) if missing_left else np.int64(0)
        run_h = (hole & mask) if missing_left else np.int64(0)
        rows = hole_rows if missing_left else np.int64(0)
        # All values against the missing ones is a split too.
        end = last if (hole != 0 and not missing_left) else last - 1
        for k in range(end):
            own = histogram[listed[k]]
            if own == 0:
                continue
            run_g += own >> shift
            run_h += own & mask
            rows += tally[listed[k]]
            gl, hl = np.float64(run_g), np.float64(run_h)
            gr, hr = np.float64(total_g - run_g), np.float64(total_h - run_h)
            if hl < least or hr < least or hr <= 0.0:
                continue
            if least_rows > 1.0 and (rows < least_rows or total_rows - rows < least_rows):
                continue
            score = (gl * gl * hr + gr * gr * hl) / (hl * hr)
            if score > best[0]:
                left, right = gl / hl, gr / hr
                if direction * (right - left) < 0.0:
                    continue
                if min(left, right) < bounds[0] or max(left, right) > bounds[1]:
                    continue
                best[0] = score
                found[0] = k
                found[1] = missing_left
                found[2] = run_g
                found[3] = run_h
                better = True
    return better


@njit(nogil=True, cache=True, error_model="numpy")
def _purity(counts: NDArray[np.int64], weight: float, entropy: bool) -> float:
    # What both Gini and entropy leave to maximize: Σ c²/W, or Σ c log(c/W).
    total = 0.0
    for k in range(len(counts)):
        c = np.float64(counts[k])
        if entropy:
            total += c * np.log(c / weight) if c > 0.0 else 0.0
        else:
            total += c * c
    return total if entropy else total / weight


@njit(nogil=True, cache=True, error_model="numpy")
def _scan_classes(
    listed: NDArray[np.int64],
    count: int,
    missing: int,
    histogram: NDArray[np.int64],
    tally: NDArray[np.int64],
    total: NDArray[np.int64],
    total_rows: int,
    rules: NDArray[np.float64],
    best: NDArray[np.float64],
    found: NDArray[np.int64],
    sides: NDArray[np.int64],
) -> bool:
    """Do as `_scan_numbers` for classes; ``sides`` is room, and its row 2 the best left sums."""
    classes = len(total) - 1
    least, least_rows = rules[LEAST_WEIGHT], rules[LEAST_ROWS]
    entropy = rules[ENTROPY] > 0.0
    left, right = sides[0], sides[1]
    has_hole = count > 0 and listed[count - 1] == missing and tally[missing] > 0
    last = count - 1 if count > 0 and listed[count - 1] == missing else count
    better = False
    for missing_left in range(2):
        if missing_left and not has_hole:
            break
        rows = np.int64(0)
        weight = np.int64(0)
        for k in range(classes):
            left[k] = 0
        if missing_left:
            rows = tally[missing]
            for k in range(classes):
                left[k] = histogram[missing * classes + k]
                weight += left[k]
        for k in range(classes):
            right[k] = total[k] - left[k]
        end = last if (has_hole and not missing_left) else last - 1
        for place in range(end):
            b = listed[place]
            if tally[b] == 0:
                continue
            rows += tally[b]
            for k in range(classes):
                own = histogram[b * classes + k]
                left[k] += own
                right[k] -= own
                weight += own
            rest = total[classes] - weight
            if weight < least or rest < least or weight <= 0 or rest <= 0:
                continue
            if rows < least_rows or total_rows - rows < least_rows:
                continue
            score = _purity(left[:classes], np.float64(weight), entropy) + _purity(
                right[:classes], np.float64(rest), entropy
            )
            if score > best[0]:
                best[0] = score
                found[0] = place
                found[1] = missing_left
                for k in range(classes):
                    sides[2, k] = left[k]
                sides[2, classes] = weight
                better = True
    return better


@njit(nogil=True, cache=True, error_model="numpy")
def _halfway(
    listed: NDArray[np.int64],
    place: int,
    count: int,
    missing: int,
    bins: int,
    classes: int,
    histogram: NDArray[np.int64],
) -> np.int64:
    # Between the node's own values, not next to the lower one: rows to come fall in the gap.
    for k in range(place + 1, count):
        b = listed[k]
        if b == missing:
            break
        if classes > 0 or histogram[b] != 0:
            return (listed[place] + b - 1) >> 1
    return np.int64(bins - 1)


@njit(nogil=True, cache=True, error_model="numpy")
def _find(
    x: int,
    columns: Array,
    bins: NDArray[np.int64],
    missing: int,
    shift: np.int64,
    categorical: NDArray[np.bool_],
    direction: NDArray[np.int8],
    rows: NDArray[np.uint32],
    payload: NDArray[np.int64],
    rules: NDArray[np.float64],
    bounds: NDArray[np.float64],
    state: NDArray[np.uint64],
    order: NDArray[np.int64],
    histogram: NDArray[np.int64],
    tally: NDArray[np.int64],
    bits: NDArray[np.uint64],
    listed: NDArray[np.int64],
    keys: NDArray[np.float64],
    sides: NDArray[np.int64],
    nodes: NDArray[np.int64],
    sums: NDArray[np.int64],
    gains: NDArray[np.float64],
    sets: NDArray[np.uint64],
) -> bool:
    """Find a node's best split among features drawn at random; tell whether there is one.

    Writes the split to the node's rows of ``nodes``, ``gains`` and ``sets`` (which bins go
    left, for categories), and the left child's sums to ``sides[2]``.
    """
    a, b = nodes[x, BEGIN], nodes[x, END]
    outputs = sums.shape[1] - 1
    classes = outputs if outputs > 1 else 0
    weight = np.float64(sums[x, outputs])
    if (
        b - a < rules[LEAST_ROWS_SPLIT]
        or b - a < 2 * rules[LEAST_ROWS]
        or weight < 2 * rules[LEAST_WEIGHT]
        or nodes[x, DEPTH] >= rules[MAX_DEPTH]
    ):
        return False
    if classes:
        parent = _purity(sums[x, :classes], weight, rules[ENTROPY] > 0.0)
    else:
        parent = np.float64(sums[x, 0]) * np.float64(sums[x, 0]) / weight
    best = np.empty(1)
    # Rounding alone is no gain.
    best[0] = parent + abs(parent) * 1e-12 + 1e-300
    found = np.empty(4, np.int64)
    chosen = -1
    seen = False
    features = len(bins)
    words = len(bits)
    tallied = rules[LEAST_ROWS] > 1.0
    for k in range(features):
        if k >= rules[TRIED] and seen:
            break
        j = k + np.int64(_drawn(state) % np.uint64(features - k))
        f = order[j]
        order[j] = order[k]
        order[k] = f
        few = b - a < _FEW * bins[f]
        whole = not (few or tallied or classes > 0)
        _fill(columns[f], rows, payload, a, b, classes, tallied, few, histogram, tally, bits)
        count = _listed(bits, words, whole, bins[f], listed)
        if categorical[f]:
            with_hole = count > 0 and listed[count - 1] == missing
            held = count - 1 if with_hole else count
            if whole:
                # A category that is absent has no mean to be sorted by.
                kept = 0
                for i in range(held):
                    if histogram[listed[i]] != 0:
                        listed[kept] = listed[i]
                        kept += 1
                listed[kept] = missing
                held, count = kept, kept + 1
            common = 0
            for c in range(classes):
                common = c if sums[x, c] > sums[x, common] else common
            for i in range(held):
                c = listed[i]
                if classes:
                    weighed = np.int64(0)
                    for q in range(classes):
                        weighed += histogram[c * classes + q]
                    keys[c] = histogram[c * classes + common] / weighed
                else:
                    mask = (np.int64(1) << shift) - np.int64(1)
                    keys[c] = np.float64(histogram[c] >> shift) / np.float64(histogram[c] & mask)
            _sort(keys, listed, held)
        if classes:
            better = _scan_classes(
                listed, count, missing, histogram, tally, sums[x], b - a, rules, best, found, sides
            )
        else:
            better = _scan_numbers(
                listed,
                count,
                missing,
                shift,
                histogram,
                tally,
                sums[x, 0],
                sums[x, 1],
                b - a,
                direction[f],
                bounds[x],
                rules,
                best,
                found,
            )
        seen = seen or better or (not whole and count > 1)
        if better:
            chosen = f
            nodes[x, FEATURE] = f
            nodes[x, MISSING_LEFT] = found[1]
            nodes[x, BIN] = -1
            if not categorical[f]:
                nodes[x, BIN] = _halfway(
                    listed, found[0], count, missing, bins[f], classes, histogram
                )
            if not classes:
                sides[2, 0], sides[2, 1] = found[2], found[3]
            if categorical[f]:
                for w in range(words):
                    sets[x, w] = 0
                for i in range(found[0] + 1):
                    own = np.uint64(listed[i])
                    sets[x, own >> np.uint64(6)] |= np.uint64(1) << (own & np.uint64(63))
        for i in range(count):
            c = listed[i]
            tally[c] = 0
            if classes:
                for q in range(classes):
                    histogram[c * classes + q] = 0
            else:
                histogram[c] = 0
    if chosen < 0 or best[0] - parent < rules[LEAST_GAIN]:
        return False
    gains[x] = best[0] - parent
    for k in range(outputs + 1):
        # Kept in the spare half of the table until the node is split.
        sums[x + sums.shape[0] // 2, k] = sides[2, k]
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _split(
    x: int,
    column: Array,
    missing: int,
    rows: NDArray[np.uint32],
    payload: NDArray[np.int64],
    spare_rows: NDArray[np.uint32],
    spare_payload: NDArray[np.int64],
    table: NDArray[np.uint8],
    nodes: NDArray[np.int64],
    sets: NDArray[np.uint64],
) -> np.int64:
    """Move the rows of the left child to the front; return where the right child's begin."""
    cut = nodes[x, BIN]
    for c in range(len(table)):
        if cut >= 0:
            table[c] = c <= cut
        else:
            b = np.uint64(c)
            table[c] = (sets[x, b >> np.uint64(6)] >> (b & np.uint64(63))) & np.uint64(1)
    table[missing] = nodes[x, MISSING_LEFT]
    left = np.uint64(nodes[x, BEGIN])
    right = np.uint64(0)
    for i in range(np.uint64(nodes[x, BEGIN]), np.uint64(nodes[x, END])):
        row, own = rows[i], payload[i]
        yes = np.uint64(table[np.uint64(column[np.uint64(row)])])
        rows[left], payload[left] = row, own
        spare_rows[right], spare_payload[right] = row, own
        left += yes
        right += np.uint64(1) - yes
    for i in range(right):
        rows[left + i], payload[left + i] = spare_rows[i], spare_payload[i]
    return np.int64(left)


@njit(nogil=True, cache=True, error_model="numpy")
def grow(
    columns: Array,
    bins: NDArray[np.int64],
    missing: int,
    shift: np.int64,
    categorical: NDArray[np.bool_],
    direction: NDArray[np.int8],
    rows: NDArray[np.uint32],
    payload: NDArray[np.int64],
    spare_rows: NDArray[np.uint32],
    spare_payload: NDArray[np.int64],
    rules: NDArray[np.float64],
    seed: np.uint64,
    nodes: NDArray[np.int64],
    sums: NDArray[np.int64],
    gains: NDArray[np.float64],
    sets: NDArray[np.uint64],
    bounds: NDArray[np.float64],
) -> int:
    """Grow one tree; return the number of its nodes.

    Args:
        columns: Bins by feature, (F, n).
        bins: Number of bins of each feature, (F,).
        missing: The code of a missing value, the greatest.
        shift: Bits of h in a payload.
        categorical: Whether a feature's bins are categories, (F,).
        direction: -1, 0 or 1: how the prediction may move with a feature, (F,).
        rows: Row numbers, (m,); left in the order of the leaves.
        payload: What each carries, (m,).
        spare_rows: Room, (m,).
        spare_payload: Room, (m,).
        rules: See the positions above.
        seed: Draws the features of the nodes.
        nodes: The nodes, (2m, FIELDS).
        sums: Their sums, (4m, outputs + 1): the second half is room.
        gains: What each split gains, (2m,).
        sets: The bins that go left at categorical splits, (2m or 1, words).
        bounds: Least and greatest value of each node, (2m, 2).
    """
    outputs = sums.shape[1] - 1
    classes = outputs if outputs > 1 else 0
    features = len(bins)
    order = np.empty(features, np.int64)
    for f in range(features):
        order[f] = f
    histogram = np.zeros((missing + 1) * max(classes, 1), np.int64)
    tally = np.zeros(missing + 1, np.int64)
    bits = np.zeros((missing + 1) >> 6, np.uint64)
    listed = np.empty(missing + 2, np.int64)
    keys = np.empty(missing + 1)
    table = np.empty(missing + 1, np.uint8)
    sides = np.empty((3, outputs + 1), np.int64)
    state = np.empty(1, np.uint64)
    state[0] = seed
    open_nodes = np.empty(len(rows) + 1, np.int64)
    half = sums.shape[0] // 2
    for k in range(outputs + 1):
        sums[0, k] = 0
    for i in range(len(rows)):
        if classes:
            weight = payload[i] >> np.int64(32)
            sums[0, payload[i] & _LOW] += weight
            sums[0, classes] += weight
        else:
            sums[0, 0] += payload[i] >> shift
            sums[0, 1] += payload[i] & ((np.int64(1) << shift) - np.int64(1))
    nodes[0, LEFT], nodes[0, DEPTH] = -1, 0
    nodes[0, BEGIN], nodes[0, END] = 0, len(rows)
    bounds[0, 0], bounds[0, 1] = -np.inf, np.inf
    size = 1
    leaves = 1
    waiting = 0
    fresh = 0
    fresh_end = 1
    best_first = rules[MAX_LEAVES] > 0.0
    while True:
        for x in range(fresh, fresh_end):
            if _find(
                x,
                columns,
                bins,
                missing,
                shift,
                categorical,
                direction,
                rows,
                payload,
                rules,
                bounds,
                state,
                order,
                histogram,
                tally,
                bits,
                listed,
                keys,
                sides,
                nodes,
                sums,
                gains,
                sets,
            ):
                open_nodes[waiting] = x
                waiting += 1
        if waiting == 0 or (best_first and leaves >= rules[MAX_LEAVES]):
            return size
        place = waiting - 1
        if best_first:
            for i in range(waiting):
                if gains[open_nodes[i]] > gains[open_nodes[place]]:
                    place = i
        x = open_nodes[place]
        waiting -= 1
        open_nodes[place] = open_nodes[waiting]
        f = nodes[x, FEATURE]
        middle = _split(
            x, columns[f], missing, rows, payload, spare_rows, spare_payload, table, nodes, sets
        )
        nodes[x, LEFT] = size
        for side in range(2):
            child = size + side
            nodes[child, LEFT], nodes[child, DEPTH] = -1, nodes[x, DEPTH] + 1
            nodes[child, BEGIN] = middle if side else nodes[x, BEGIN]
            nodes[child, END] = nodes[x, END] if side else middle
            bounds[child, 0], bounds[child, 1] = bounds[x, 0], bounds[x, 1]
            for k in range(outputs + 1):
                left = sums[x + half, k]
                sums[child, k] = sums[x, k] - left if side else left
        if direction[f] != 0 and not classes:
            low = np.float64(sums[size, 0]) / np.float64(sums[size, 1])
            high = np.float64(sums[size + 1, 0]) / np.float64(sums[size + 1, 1])
            bounds[size if direction[f] > 0 else size + 1, 1] = (low + high) / 2.0
            bounds[size + 1 if direction[f] > 0 else size, 0] = (low + high) / 2.0
        fresh, fresh_end = size, size + 2
        size += 2
        leaves += 1

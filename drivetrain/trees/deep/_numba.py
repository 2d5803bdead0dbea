"""Kernels of deep trees. One call grows one tree; many trees grow side by side in threads.

A row carries one int64, its payload, which moves with it when its node is split:
    numbers   (g << shift) + h, whole-number target and weight; h has as many bits as the sum of
              weights needs, g the rest
    classes   (weight << 32) + class
    vectors   (weight << 32) + row; the row of a table of whole numbers
Sums of whole numbers are exact, in any order.

Nodes are grown depth first. Where a node has few rows, their bins are copied side by side, so that
all below it reads from a cache that holds them; that is most of a deep tree's work.

A node is a row of an int64 table; its columns:
    LEFT FEATURE BIN MISSING_LEFT DEPTH BEGIN END BELOW ABOVE
(BELOW and ABOVE: the bins on either side of the cut that hold rows of the node) and a row of sums:
the outputs', and last the weight. A histogram has for every bin the outputs' sums and its rows;
those of classes and vectors have (rows << 34) + weight there.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

LEFT, FEATURE, BIN, MISSING_LEFT, DEPTH, BEGIN, END, BELOW, ABOVE = range(9)
FIELDS = 9
# Positions in the table of rules.
TRIED, LEAST_ROWS_SPLIT, LEAST_ROWS, LEAST_WEIGHT, MAX_DEPTH, LEAST_GAIN, MAX_LEAVES, ENTROPY = (
    range(8)
)
CONSTRAINED = 8
RULES = 9
#: Rows whose bins are copied side by side.
LOCAL = 4096
_LOW = np.int64(0xFFFFFFFF)
_ROW = np.int64(1) << np.int64(34)
_WEIGHT = _ROW - np.int64(1)
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
    tallied: bool,
    few: bool,
    histogram: NDArray[np.int64],
    bits: NDArray[np.uint64],
) -> None:
    """Add a node's numbers to the histogram of a feature; mark the bins where they are few."""
    one = np.uint64(1)
    if few:
        for i in range(np.uint64(a), np.uint64(b)):
            c = np.uint64(column[np.uint64(rows[i])])
            histogram[c + c] += payload[i]
            histogram[c + c + one] += 1
            bits[c >> np.uint64(6)] |= one << (c & np.uint64(63))
    elif tallied:
        for i in range(np.uint64(a), np.uint64(b)):
            c = np.uint64(column[np.uint64(rows[i])])
            histogram[c + c] += payload[i]
            histogram[c + c + one] += 1
    else:
        for i in range(np.uint64(a), np.uint64(b)):
            c = np.uint64(column[np.uint64(rows[i])])
            histogram[c + c] += payload[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_classes(
    column: Array,
    rows: NDArray[np.uint32],
    payload: NDArray[np.int64],
    a: np.int64,
    b: np.int64,
    width: int,
    vectors: NDArray[np.int64],
    histogram: NDArray[np.int64],
    bits: NDArray[np.uint64],
) -> None:
    """Do as `_fill` for classes and vectors; the bins are always marked."""
    w = np.uint64(width)
    last = np.uint64(width - 1)
    plain = vectors.shape[0] == 0
    for i in range(np.uint64(a), np.uint64(b)):
        c = np.uint64(column[np.uint64(rows[i])])
        own = payload[i]
        weight = own >> np.int64(32)
        if plain:
            histogram[c * w + np.uint64(own & _LOW)] += weight
        else:
            for k in range(width - 1):
                histogram[c * w + np.uint64(k)] += weight * vectors[own & _LOW, k]
        histogram[c * w + last] += _ROW + weight
        bits[c >> np.uint64(6)] |= np.uint64(1) << (c & np.uint64(63))


@njit(nogil=True, cache=True, error_model="numpy")
def _listed(bits: NDArray[np.uint64], words: int, listed: NDArray[np.int64]) -> int:
    """List the bins that are marked, rising, and clear the marks."""
    count = 0
    for w in range(words):
        word = bits[w]
        bits[w] = np.uint64(0)
        while word != np.uint64(0):
            listed[count] = np.int64(w * 64) + np.int64(_lowest_bit(word))  # type: ignore[call-arg]
            count += 1
            word &= word - np.uint64(1)
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _held(histogram: NDArray[np.int64], bins: int, missing: int, listed: NDArray[np.int64]) -> int:
    """List the bins of numbers that hold weight, rising, and the missing one last."""
    count = 0
    for b in range(bins):
        listed[count] = b
        count += histogram[2 * b] != 0
    listed[count] = missing
    return count + (histogram[2 * missing] != 0)


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
    total_g: np.int64,
    total_h: np.int64,
    total_rows: int,
    direction: int,
    low: float,
    high: float,
    rules: NDArray[np.float64],
    best: NDArray[np.float64],
    found: NDArray[np.int64],
) -> bool:
    """Try every cut between the listed bins; tell whether a better one than ``best`` was found.

    ``best`` holds the score GL²/HL + GR²/HR; ``found`` the place in the list, whether missing
    values go left, and the left child's g and h.
    """
    least, least_rows = rules[LEAST_WEIGHT], np.int64(rules[LEAST_ROWS])
    constrained = rules[CONSTRAINED] > 0.0
    mask = (np.int64(1) << shift) - np.int64(1)
    tallied = least_rows > 1
    has_hole = listed[count - 1] == missing
    last = count - 1 if has_hole else count
    better = False
    top = best[0]
    for missing_left in range(2 if has_hole else 1):
        run_g = (histogram[2 * missing] >> shift) if missing_left else np.int64(0)
        run_h = (histogram[2 * missing] & mask) if missing_left else np.int64(0)
        rows = histogram[2 * missing + 1] if missing_left else np.int64(0)
        # All values against the missing ones is a split too.
        end = last if (has_hole and not missing_left) else last - 1
        for k in range(end):
            own = histogram[2 * listed[k]]
            run_g += own >> shift
            run_h += own & mask
            if tallied:
                rows += histogram[2 * listed[k] + 1]
                if rows < least_rows:
                    continue
                if total_rows - rows < least_rows:
                    break
            gl, hl = np.float64(run_g), np.float64(run_h)
            gr, hr = np.float64(total_g - run_g), np.float64(total_h - run_h)
            score = (gl * gl * hr + gr * gr * hl) / (hl * hr)
            if score > top:
                if hl < least or hr < least:
                    continue
                if constrained:
                    left, right = gl / hl, gr / hr
                    if direction * (right - left) < 0.0:
                        continue
                    if min(left, right) < low or max(left, right) > high:
                        continue
                top = score
                found[0] = k
                found[1] = missing_left
                found[2] = run_g
                found[3] = run_h
                better = True
    best[0] = top
    return better


@njit(nogil=True, cache=True, error_model="numpy")
def _purity(
    counts: NDArray[np.int64], row: int, columns: int, weight: float, entropy: bool
) -> float:
    # What both Gini and entropy leave to maximize: Σ c²/W, or Σ c log(c/W).
    total = 0.0
    for k in range(columns):
        c = np.float64(counts[row, k])
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
    sums: NDArray[np.int64],
    x: int,
    total_rows: int,
    rules: NDArray[np.float64],
    best: NDArray[np.float64],
    found: NDArray[np.int64],
    sides: NDArray[np.int64],
) -> bool:
    """Do as `_scan_numbers` for classes; ``sides`` is room, and its row 2 the best left sums."""
    classes = sums.shape[1] - 1
    width = classes + 1
    least, least_rows = rules[LEAST_WEIGHT], np.int64(rules[LEAST_ROWS])
    entropy = rules[ENTROPY] > 0.0
    has_hole = listed[count - 1] == missing
    last = count - 1 if has_hole else count
    better = False
    for missing_left in range(2 if has_hole else 1):
        heft = histogram[missing * width + classes] if missing_left else np.int64(0)
        for k in range(classes):
            sides[0, k] = histogram[missing * width + k] if missing_left else np.int64(0)
            sides[1, k] = sums[x, k] - sides[0, k]
        end = last if (has_hole and not missing_left) else last - 1
        for place in range(end):
            at = listed[place] * width
            heft += histogram[at + classes]
            for k in range(classes):
                own = histogram[at + k]
                sides[0, k] += own
                sides[1, k] -= own
            rows, weight = heft >> np.int64(34), heft & _WEIGHT
            rest = sums[x, classes] - weight
            if weight < least or rest < least:
                continue
            if rows < least_rows or total_rows - rows < least_rows:
                continue
            score = _purity(sides, 0, classes, np.float64(weight), entropy) + _purity(
                sides, 1, classes, np.float64(rest), entropy
            )
            if score > best[0]:
                best[0] = score
                found[0] = place
                found[1] = missing_left
                for k in range(classes):
                    sides[2, k] = sides[0, k]
                sides[2, classes] = weight
                better = True
    return better


@njit(nogil=True, cache=True, error_model="numpy")
def _by_key(
    listed: NDArray[np.int64],
    held: int,
    shift: np.int64,
    histogram: NDArray[np.int64],
    keys: NDArray[np.float64],
    sums: NDArray[np.int64],
    x: int,
) -> None:
    """Sort listed categories by their mean, or their share of the node's commonest class."""
    classes = sums.shape[1] - 1
    if classes > 1:
        common = 0
        for k in range(classes):
            common = k if sums[x, k] > sums[x, common] else common
        for i in range(held):
            at = listed[i] * (classes + 1)
            keys[listed[i]] = histogram[at + common] / np.float64(histogram[at + classes] & _WEIGHT)
    else:
        mask = (np.int64(1) << shift) - np.int64(1)
        for i in range(held):
            own = histogram[2 * listed[i]]
            keys[listed[i]] = np.float64(own >> shift) / np.float64(own & mask)
    _sort(keys, listed, held)


@njit(nogil=True, cache=True, error_model="numpy")
def _pure(
    payload: NDArray[np.int64], a: int, b: int, shift: np.int64, sums: NDArray[np.int64], x: int
) -> bool:
    """Tell whether all rows of a node have one target; vectors are not looked into."""
    classes = sums.shape[1] - 1
    if classes > 1:
        whole = False
        for k in range(classes):
            whole |= sums[x, k] == sums[x, classes]
        return whole
    mask = (np.int64(1) << shift) - np.int64(1)
    g = np.float64(payload[a] >> shift)
    h = np.float64(payload[a] & mask)
    for i in range(a + 1, b):
        if np.float64(payload[i] >> shift) * h != g * np.float64(payload[i] & mask):
            return False
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _keep(
    x: int,
    f: int,
    listed: NDArray[np.int64],
    count: int,
    missing: int,
    bins: int,
    categorical: bool,
    found: NDArray[np.int64],
    nodes: NDArray[np.int64],
    sets: NDArray[np.uint64],
) -> None:
    """Write a split that was found to its node."""
    place = found[0]
    nodes[x, FEATURE] = f
    nodes[x, MISSING_LEFT] = found[1]
    if categorical:
        nodes[x, BIN] = -1
        for w in range(sets.shape[1]):
            sets[x, w] = 0
        for i in range(place + 1):
            own = np.uint64(listed[i])
            sets[x, own >> np.uint64(6)] |= np.uint64(1) << (own & np.uint64(63))
        return
    below = listed[place]
    nodes[x, BELOW] = below
    if place + 1 < count and listed[place + 1] != missing:
        # Between the node's own values, not next to the lower one: rows to come fall in the gap.
        nodes[x, ABOVE] = listed[place + 1]
        nodes[x, BIN] = (below + listed[place + 1] - 1) >> 1
    else:
        nodes[x, ABOVE] = -1
        nodes[x, BIN] = bins - 1


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
    vectors: NDArray[np.int64],
    rules: NDArray[np.float64],
    bounds: NDArray[np.float64],
    state: NDArray[np.uint64],
    order: NDArray[np.int64],
    known: int,
    best: NDArray[np.float64],
    found: NDArray[np.int64],
    histogram: NDArray[np.int64],
    bits: NDArray[np.uint64],
    listed: NDArray[np.int64],
    keys: NDArray[np.float64],
    sides: NDArray[np.int64],
    nodes: NDArray[np.int64],
    sums: NDArray[np.int64],
    gains: NDArray[np.float64],
    sets: NDArray[np.uint64],
) -> int:
    """Find a node's best split among features drawn at random.

    The first ``known`` of ``order[0]`` are constant in the node, as its parent found; a drawn one
    counts as tried. Writes the split to the node's rows of ``nodes``, ``gains`` and ``sets`` (which
    bins go left, for categories), and the left child's sums to ``sides[2]``.

    Returns:
        How many features are known to be constant now; -1 where there is no split.
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
        or (vectors.shape[0] == 0 and _pure(payload, a, b, shift, sums, x))
    ):
        return -1
    if classes:
        parent = _purity(sums, x, classes, weight, rules[ENTROPY] > 0.0)
    else:
        parent = np.float64(sums[x, 0]) * np.float64(sums[x, 0]) / weight
    # A split that gains nothing may make room for one that does.
    best[0] = -np.inf
    chosen = -1
    features = len(bins)
    words = len(bits)
    tallied = rules[LEAST_ROWS] > 1.0
    width = classes + 1 if classes else 2
    # order: drawn constants | known ones | found ones | not drawn | tried.
    drawn, fresh, end, tried = 0, 0, features, 0
    while end > known + fresh and (tried < rules[TRIED] or tried <= fresh + drawn):
        tried += 1
        j = drawn + np.int64(_drawn(state) % np.uint64(end - fresh - drawn))
        if j < known:
            order[j], order[drawn] = order[drawn], order[j]
            drawn += 1
            continue
        j += fresh
        f = order[j]
        few = b - a < _FEW * bins[f]
        if classes:
            _fill_classes(columns[f], rows, payload, a, b, width, vectors, histogram, bits)
            count = _listed(bits, words, listed)
        else:
            _fill(columns[f], rows, payload, a, b, tallied, few, histogram, bits)
            if few:
                count = _listed(bits, words, listed)
            else:
                count = _held(histogram, bins[f], missing, listed)
        if count < 2:
            order[j], order[known + fresh] = order[known + fresh], f
            fresh += 1
        else:
            end -= 1
            order[j], order[end] = order[end], f
            if categorical[f]:
                held = count - 1 if listed[count - 1] == missing else count
                _by_key(listed, held, shift, histogram, keys, sums, x)
            if classes:
                better = _scan_classes(
                    listed, count, missing, histogram, sums, x, b - a, rules, best, found, sides
                )
            else:
                better = _scan_numbers(
                    listed,
                    count,
                    missing,
                    shift,
                    histogram,
                    sums[x, 0],
                    sums[x, 1],
                    b - a,
                    direction[f],
                    bounds[x, 0],
                    bounds[x, 1],
                    rules,
                    best,
                    found,
                )
                if better:
                    sides[2, 0], sides[2, 1] = found[2], found[3]
            if better:
                chosen = f
                _keep(x, f, listed, count, missing, bins[f], categorical[f], found, nodes, sets)
        for i in range(count):
            at = listed[i] * width
            for k in range(width):
                histogram[at + k] = 0
        if b - a == 2 and chosen >= 0:
            # No other feature can part two rows better.
            break
    if chosen < 0 or best[0] - parent < rules[LEAST_GAIN] - abs(parent) * 1e-12:
        return -1
    gains[x] = max(best[0] - parent, 0.0)
    return known + fresh


@njit(nogil=True, cache=True, error_model="numpy")
def _split(
    x: int,
    column: Array,
    missing: int,
    rows: NDArray[np.uint32],
    payload: NDArray[np.int64],
    spare_rows: NDArray[np.uint32],
    spare_payload: NDArray[np.int64],
    nodes: NDArray[np.int64],
    sets: NDArray[np.uint64],
) -> np.int64:
    """Move the rows of the left child to the front; return where the right child's begin."""
    cut = nodes[x, BIN]
    numeric = cut >= 0
    hole = nodes[x, MISSING_LEFT] > 0
    left = np.uint64(nodes[x, BEGIN])
    right = np.uint64(0)
    for i in range(np.uint64(nodes[x, BEGIN]), np.uint64(nodes[x, END])):
        row, own = rows[i], payload[i]
        c = np.int64(column[np.uint64(row)])
        if numeric:
            yes = np.uint64((c <= cut) | (hole & (c == missing)))
        elif c == missing:
            yes = np.uint64(hole)
        else:
            yes = (sets[x, c >> 6] >> np.uint64(c & 63)) & np.uint64(1)
        rows[left], payload[left] = row, own
        spare_rows[right], spare_payload[right] = row, own
        left += yes
        right += np.uint64(1) - yes
    for i in range(right):
        rows[left + i], payload[left + i] = spare_rows[i], spare_payload[i]
    return np.int64(left)


@njit(nogil=True, cache=True, error_model="numpy")
def _bring(
    table: Array,
    a: int,
    b: int,
    rows: NDArray[np.uint32],
    origin: NDArray[np.uint32],
    local: Array,
) -> None:
    """Copy the bins of a node's rows side by side, and number the rows by their places there."""
    features = local.shape[0]
    for i in range(b - a):
        row = rows[a + i]
        origin[i] = row
        rows[a + i] = np.uint32(i)
        for f in range(features):
            local[f, i] = table[row, f]


@njit(nogil=True, cache=True, error_model="numpy")
def _root(
    payload: NDArray[np.int64],
    shift: np.int64,
    vectors: NDArray[np.int64],
    nodes: NDArray[np.int64],
    sums: NDArray[np.int64],
    bounds: NDArray[np.float64],
) -> None:
    """Write the first node and its sums."""
    outputs = sums.shape[1] - 1
    for k in range(outputs + 1):
        sums[0, k] = 0
    for i in range(len(payload)):
        own = payload[i]
        if outputs == 1:
            sums[0, 0] += own >> shift
            sums[0, 1] += own & ((np.int64(1) << shift) - np.int64(1))
            continue
        weight = own >> np.int64(32)
        sums[0, outputs] += weight
        if vectors.shape[0] == 0:
            sums[0, own & _LOW] += weight
        else:
            for k in range(outputs):
                sums[0, k] += weight * vectors[own & _LOW, k]
    nodes[0, LEFT], nodes[0, DEPTH] = -1, 0
    nodes[0, BEGIN], nodes[0, END] = 0, len(payload)
    bounds[0, 0], bounds[0, 1] = -np.inf, np.inf


@njit(nogil=True, cache=True, error_model="numpy")
def _bear(
    x: int,
    size: int,
    middle: np.int64,
    way: int,
    left_sums: NDArray[np.int64],
    from_row: int,
    nodes: NDArray[np.int64],
    sums: NDArray[np.int64],
    bounds: NDArray[np.float64],
) -> None:
    """Write the two children of a node that was split, at ``size`` and after it."""
    outputs = sums.shape[1] - 1
    nodes[x, LEFT] = size
    for side in range(2):
        child = size + side
        nodes[child, LEFT], nodes[child, DEPTH] = -1, nodes[x, DEPTH] + 1
        nodes[child, BEGIN] = middle if side else nodes[x, BEGIN]
        nodes[child, END] = nodes[x, END] if side else middle
        bounds[child, 0], bounds[child, 1] = bounds[x, 0], bounds[x, 1]
        for k in range(outputs + 1):
            left = left_sums[from_row, k]
            sums[child, k] = sums[x, k] - left if side else left
    if way != 0 and outputs == 1:
        low = np.float64(sums[size, 0]) / np.float64(sums[size, 1])
        high = np.float64(sums[size + 1, 0]) / np.float64(sums[size + 1, 1])
        bounds[size if way > 0 else size + 1, 1] = (low + high) / 2.0
        bounds[size + 1 if way > 0 else size, 0] = (low + high) / 2.0


@njit(nogil=True, cache=True, error_model="numpy")
def grow(
    columns: Array,
    table: Array,
    bins: NDArray[np.int64],
    missing: int,
    shift: np.int64,
    categorical: NDArray[np.bool_],
    direction: NDArray[np.int8],
    rows: NDArray[np.uint32],
    payload: NDArray[np.int64],
    vectors: NDArray[np.int64],
    spare_rows: NDArray[np.uint32],
    spare_payload: NDArray[np.int64],
    local: Array,
    rules: NDArray[np.float64],
    seed: np.uint64,
    nodes: NDArray[np.int64],
    sums: NDArray[np.int64],
    kept: NDArray[np.int64],
    gains: NDArray[np.float64],
    sets: NDArray[np.uint64],
    bounds: NDArray[np.float64],
) -> int:
    """Grow one tree; return the number of its nodes.

    Args:
        columns: Bins by feature, (F, n).
        table: Bins by row, (n, F or more).
        bins: Number of bins of each feature, (F,).
        missing: The code of a missing value, the greatest.
        shift: Bits of h in a payload.
        categorical: Whether a feature's bins are categories, (F,).
        direction: -1, 0 or 1: how the prediction may move with a feature, (F,).
        rows: Row numbers, (m,); left in the order of the leaves.
        payload: What each carries, (m,).
        vectors: Whole numbers of the rows, (n, outputs); without rows where payloads say all.
        spare_rows: Room, (m,).
        spare_payload: Room, (m,).
        local: Room for bins, (F, LOCAL).
        rules: See the positions above.
        seed: Draws the features of the nodes.
        nodes: The nodes, (2m, FIELDS).
        sums: Their sums, (2m, outputs + 1).
        kept: Room for the left children's sums, (2m, outputs + 1) where leaves are limited.
        gains: What each split gains, (2m,).
        sets: The bins that go left at categorical splits, (2m or 1, words).
        bounds: Least and greatest value of each node, (2m, 2).
    """
    outputs = sums.shape[1] - 1
    features = len(bins)
    order = np.arange(features)
    constants = np.empty(features, np.int64)
    histogram = np.zeros((missing + 1) * (outputs + 1), np.int64)
    bits = np.zeros((missing + 1) >> 6, np.uint64)
    listed = np.empty(missing + 2, np.int64)
    keys = np.empty(missing + 1)
    sides = np.empty((3, outputs + 1), np.int64)
    best, found = np.empty(1), np.empty(4, np.int64)
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
                bins,
                missing,
                shift,
                categorical,
                direction,
                rows,
                payload,
                vectors,
                rules,
                bounds,
                state,
                order,
                known,
                best,
                found,
                histogram,
                bits,
                listed,
                keys,
                sides,
                nodes,
                sums,
                gains,
                sets,
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
        middle = _split(
            x, source[f], missing, rows, payload, spare_rows, spare_payload, nodes, sets
        )
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

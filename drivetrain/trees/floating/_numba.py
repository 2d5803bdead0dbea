"""Kernels of growth on floats, with the rounding of XGBoost 3.2.

Sums are float64 and taken in the order of the rows; weights, gains and differences of gains are
float32, rounded where XGBoost rounds them. A histogram has two float64 a bin: sum of g, sum of h.

Records of splits are rows of a float64 table; its columns:
    GAIN FEATURE BIN DEFAULT_LEFT GL HL GR HR
The bin is the last that goes left, -1 for none; -2 for a split by a table of categories.
Nodes are described by G, H, the gain of the node unsplit, and the bounds of its weight.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from drivetrain.trees.growing._numba import _prefetch

GAIN, FEATURE, BIN, DEFAULT_LEFT, GL, HL, GR, HR = range(8)
RECORD = 8
G, H, UNSPLIT, LOW, HIGH = range(5)
NODE = 5
# Positions in the table of rules.
L2, L1, LEAST, STEP, BOUNDED, ONE_HOT, MOST_CATEGORIES = range(7)
BY_TABLE = -2.0

_AHEAD = 10
_ZERO = np.float32(0)
_TWO = np.float32(2)

Array = NDArray[np.generic]
Doubles = NDArray[np.float64]


@njit(nogil=True, cache=True, error_model="numpy")
def _threshold(g: float, alpha: float) -> float:
    if g > alpha:
        return g - alpha
    if g < -alpha:
        return g + alpha
    return 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _free_weight(g: float, h: float, rules: Doubles) -> np.float32:
    if h < rules[LEAST] or h <= 0.0:
        return _ZERO
    w = -_threshold(g, rules[L1]) / (h + rules[L2])
    step = rules[STEP]
    if step != 0.0 and abs(w) > step:
        w = step if w > 0.0 else -step
    return np.float32(w)


@njit(nogil=True, cache=True, error_model="numpy")
def weigh(g: float, h: float, rules: Doubles, low: float, high: float) -> np.float32:
    """Return the leaf weight -T(G)/(H + lambda), clipped to the step and to its bounds."""
    w = _free_weight(g, h, rules)
    if rules[BOUNDED] == 0.0:
        return w
    if w < low:
        return np.float32(low)
    return np.float32(high) if w > high else w


@njit(nogil=True, cache=True, error_model="numpy")
def score(g: float, h: float, rules: Doubles, low: float, high: float) -> np.float32:
    """Return a node's part of the gain: T(G)²/(H + lambda), or that of its clipped weight."""
    if h <= 0.0:
        return _ZERO
    if rules[STEP] == 0.0 and rules[BOUNDED] == 0.0:
        t = _threshold(g, rules[L1])
        return np.float32(t * t) / np.float32(h + rules[L2])
    w = weigh(g, h, rules, low, high)
    l2 = np.float32(rules[L2])
    return -(_TWO * np.float32(g) * w + (np.float32(h) + l2) * (w * w))


@njit(nogil=True, cache=True, error_model="numpy")
def change(
    gl: float,
    hl: float,
    gr: float,
    hr: float,
    direction: int,
    rules: Doubles,
    node: Doubles,
) -> np.float32:
    """Return what a split adds to the gain of a node; -infinity against a monotone constraint."""
    low, high = node[LOW], node[HIGH]
    gain = score(gl, hl, rules, low, high) + score(gr, hr, rules, low, high)
    if direction != 0:
        wl = weigh(gl, hl, rules, low, high)
        wr = weigh(gr, hr, rules, low, high)
        if (direction > 0 and wl > wr) or (direction < 0 and wl < wr):
            return np.float32(-np.inf)
    return gain - np.float32(node[UNSPLIT])


@njit(nogil=True, cache=True, error_model="numpy")
def describe(
    record: Doubles, direction: int, rules: Doubles, node: Doubles, children: Doubles
) -> tuple[np.float32, np.float32]:
    """Set both children of a split; return their weights, bounded as their parent's is."""
    low, high = node[LOW], node[HIGH]
    for side in range(2):
        g, h = record[GL + 2 * side], record[HL + 2 * side]
        children[side, G], children[side, H] = g, h
        children[side, UNSPLIT] = score(g, h, rules, low, high)
        children[side, LOW], children[side, HIGH] = low, high
    wl = weigh(record[GL], record[HL], rules, low, high)
    wr = weigh(record[GR], record[HR], rules, low, high)
    middle = (wl + wr) / _TWO
    if direction != 0:
        lower = 0 if direction > 0 else 1
        children[lower, HIGH] = middle
        children[1 - lower, LOW] = middle
    return wl, wr


@njit(nogil=True, cache=True)
def sum_pairs(pairs: NDArray[np.float32], rows: NDArray[np.uint32]) -> tuple[float, float]:
    """Return the sums of g and h in the order of the rows."""
    g = 0.0
    h = 0.0
    for i in range(len(rows)):
        g += np.float64(pairs[rows[i], 0])
        h += np.float64(pairs[rows[i], 1])
    return g, h


@njit(nogil=True, cache=True)
def sum_bins(histogram: Doubles, bins: int) -> tuple[float, float]:
    """Return the sums of g and h in the order of the first feature's bins."""
    g = 0.0
    h = 0.0
    for b in range(bins):
        g += histogram[2 * b]
        h += histogram[2 * b + 1]
    return g, h


@njit(nogil=True, cache=True)
def fill(
    flat: Array,
    stride: int,
    shift: int,
    first: int,
    last: int,
    pairs: NDArray[np.float32],
    rows: NDArray[np.uint32],
    own: Doubles,
    rest: Doubles,
) -> None:
    """Fill some features of a node's histogram, and take it from its parent's.

    Args:
        flat: Bins by row, flattened.
        stride: Length of a row.
        shift: Bits of a bin's code.
        first: First of the features.
        last: Last of them and one.
        pairs: g and h of each row, (n, 2).
        rows: Rows of the node, in order.
        own: The histogram, ((F << shift) * 2,).
        rest: The parent's, which becomes the other child's; empty where there is none.
    """
    width = np.uint64(stride)
    bits = np.uint64(shift)
    begin, end = np.uint64(first), np.uint64(last)
    one = np.uint64(1)
    for i in range(first << shift << 1, last << shift << 1):
        own[i] = 0.0
    n = np.uint64(len(rows))
    ahead = np.uint64(_AHEAD)
    for i in range(n):
        if i + ahead < n:
            later = np.uint64(rows[i + ahead])
            _prefetch(flat, later * width + begin)  # type: ignore[call-arg]
            _prefetch(pairs, later)  # type: ignore[call-arg]
        row = np.uint64(rows[i])
        g = np.float64(pairs[row, 0])
        h = np.float64(pairs[row, 1])
        at = row * width
        for f in range(begin, end):
            k = ((f << bits) | np.uint64(flat[at + f])) << one
            own[k] += g
            own[k + one] += h
    if len(rest):
        for i in range(first << shift << 1, last << shift << 1):
            rest[i] -= own[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _take_best(
    sums: Doubles, m: int, backward: bool, feature: int, node: Doubles, record: Doubles
) -> None:
    # The first of the greatest, in the order of the scan, if greater than what is held.
    best = np.float32(record[GAIN])
    chosen = -1
    for k in range(m):
        b = m - 1 - k if backward else k
        if sums[2, b] > best:
            best = np.float32(sums[2, b])
            chosen = b
    if chosen < 0:
        return
    record[GAIN] = best
    record[FEATURE] = feature
    g, h = sums[0, chosen], sums[1, chosen]
    if backward:
        record[BIN], record[DEFAULT_LEFT] = chosen - 1, 1.0
        record[GL], record[HL], record[GR], record[HR] = node[G] - g, node[H] - h, g, h
    else:
        record[BIN], record[DEFAULT_LEFT] = chosen, 0.0
        record[GL], record[HL], record[GR], record[HR] = g, h, node[G] - g, node[H] - h


@njit(nogil=True, cache=True, error_model="numpy")
def _scan_bins(
    own: Doubles,
    m: int,
    feature: int,
    direction: int,
    node: Doubles,
    rules: Doubles,
    sums: Doubles,
    record: Doubles,
) -> None:
    total_g, total_h = node[G], node[H]
    l2, least = rules[L2], rules[LEAST]
    plain = rules[L1] == 0.0 and rules[STEP] == 0.0 and rules[BOUNDED] == 0.0
    unsplit = np.float32(node[UNSPLIT])
    top = np.float32(np.inf)
    for backward in range(2):
        g = 0.0
        h = 0.0
        for k in range(m):
            b = m - 1 - k if backward else k
            g += own[2 * b]
            h += own[2 * b + 1]
            sums[0, b] = g
            sums[1, b] = h
        if plain:
            for b in range(m):
                g1, h1 = sums[0, b], sums[1, b]
                g2, h2 = total_g - g1, total_h - h1
                s1 = np.float32(g1 * g1) / np.float32(h1 + l2)
                s2 = np.float32(g2 * g2) / np.float32(h2 + l2)
                s = (s1 if h1 > 0.0 else _ZERO) + (s2 if h2 > 0.0 else _ZERO) - unsplit
                legal = (h1 >= least) & (h2 >= least) & (s < top)
                sums[2, b] = s if legal else -1.0
        else:
            for b in range(m):
                g1, h1 = sums[0, b], sums[1, b]
                g2, h2 = total_g - g1, total_h - h1
                sums[2, b] = -1.0
                if h1 >= least and h2 >= least:
                    if backward:
                        s = change(g2, h2, g1, h1, direction, rules, node)
                    else:
                        s = change(g1, h1, g2, h2, direction, rules, node)
                    if s < top:
                        sums[2, b] = s
        _take_best(sums, m, backward == 1, feature, node, record)
        # Values are missing where the sums differ, be it by rounding: XGBoost's own rule.
        if g == total_g and h == total_h:
            return


@njit(nogil=True, cache=True, error_model="numpy")
def _try(
    gl: float,
    hl: float,
    gr: float,
    hr: float,
    default_left: bool,
    feature: int,
    direction: int,
    node: Doubles,
    rules: Doubles,
    record: Doubles,
) -> bool:
    if not (hl >= rules[LEAST] and hr >= rules[LEAST]):
        return False
    s = change(gl, hl, gr, hr, direction, rules, node)
    if not (s > np.float32(record[GAIN]) and s < np.float32(np.inf)):
        return False
    record[GAIN] = s
    record[FEATURE] = feature
    record[BIN] = BY_TABLE
    record[DEFAULT_LEFT] = 1.0 if default_left else 0.0
    record[GL], record[HL], record[GR], record[HR] = gl, hl, gr, hr
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _scan_one_hot(
    own: Doubles,
    m: int,
    feature: int,
    direction: int,
    node: Doubles,
    rules: Doubles,
    record: Doubles,
    table: NDArray[np.uint8],
) -> None:
    g, h = sum_bins(own, m)
    gone_g, gone_h = node[G] - g, node[H] - h
    best = -1
    for c in range(m):
        g, h = own[2 * c], own[2 * c + 1]
        if _try(node[G] - g, node[H] - h, g, h, True, feature, direction, node, rules, record):
            best = c
        g += gone_g
        h += gone_h
        if _try(node[G] - g, node[H] - h, g, h, False, feature, direction, node, rules, record):
            best = c
    if best >= 0:
        for b in range(len(table)):
            table[b] = b != best
        table[len(table) - 1] = record[DEFAULT_LEFT] > 0.0


@njit(nogil=True, cache=True)
def _order(keys: Doubles, order: NDArray[np.int64]) -> None:
    # Shell sort by (key, number): no two are equal, so the order is that of a stable sort.
    gap = len(order) // 2
    while gap > 0:
        for i in range(gap, len(order)):
            c = order[i]
            k = keys[c]
            j = i
            while j >= gap and (
                keys[order[j - gap]] > k or (keys[order[j - gap]] == k and order[j - gap] > c)
            ):
                order[j] = order[j - gap]
                j -= gap
            order[j] = c
        gap //= 2


@njit(nogil=True, cache=True, error_model="numpy")
def _scan_parted(
    own: Doubles,
    m: int,
    feature: int,
    direction: int,
    node: Doubles,
    rules: Doubles,
    sums: Doubles,
    record: Doubles,
    table: NDArray[np.uint8],
) -> None:
    order = np.arange(m)
    keys = sums[0]
    for c in range(m):
        keys[c] = _free_weight(own[2 * c], own[2 * c + 1], rules)
    _order(keys, order)
    most = np.int64(min(rules[MOST_CATEGORIES], m))
    # The lightest go right, with the missing left; or the heaviest left, the missing right.
    right = 0
    g = 0.0
    h = 0.0
    for k in range(most - 1):
        g += own[2 * order[k]]
        h += own[2 * order[k] + 1]
        if _try(node[G] - g, node[H] - h, g, h, True, feature, direction, node, rules, record):
            right = k + 1
    g = 0.0
    h = 0.0
    for k in range(m - 1, m - most, -1):
        g += own[2 * order[k]]
        h += own[2 * order[k] + 1]
        if _try(g, h, node[G] - g, node[H] - h, False, feature, direction, node, rules, record):
            right = k
    if right:
        for b in range(len(table)):
            table[b] = 1
        for k in range(right):
            table[order[k]] = 0
        table[len(table) - 1] = record[DEFAULT_LEFT] > 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def scan(
    histogram: Doubles,
    bins: NDArray[np.int64],
    categorical: NDArray[np.bool_],
    shift: int,
    first: int,
    last: int,
    allowed: NDArray[np.uint8],
    direction: NDArray[np.int8],
    node: Doubles,
    rules: Doubles,
    record: Doubles,
    table: NDArray[np.uint8],
) -> None:
    """Write the best split of a node on some features to its record; gain 0 for none.

    Args:
        histogram: The node's.
        bins: Bins of each feature.
        categorical: Whether a feature's bins are categories.
        shift: Bits of a bin's code.
        first: First of the features.
        last: Last of them and one.
        allowed: Features that may be used.
        direction: Monotone constraint of each.
        node: The node.
        rules: lambda, alpha, min_child_weight, max_delta_step, whether weights are bounded,
            max_cat_to_onehot, max_cat_threshold.
        record: The split.
        table: Which codes go left, for a split by category, (1 << shift,).
    """
    record[GAIN] = 0.0
    sums = np.empty((3, 1 << shift))
    for f in range(first, last):
        if not allowed[f]:
            continue
        own = histogram[f << shift << 1 : (f + 1) << shift << 1]
        d = int(direction[f])
        if not categorical[f]:
            _scan_bins(own, int(bins[f]), f, d, node, rules, sums, record)
        elif bins[f] < rules[ONE_HOT]:
            _scan_one_hot(own, int(bins[f]), f, d, node, rules, record, table)
        else:
            _scan_parted(own, int(bins[f]), f, d, node, rules, sums, record, table)


@njit(nogil=True, cache=True)
def part(
    column: Array,
    record: Doubles,
    table: NDArray[np.uint8],
    rows: NDArray[np.uint32],
    spare: NDArray[np.uint32],
) -> int:
    """Move the rows that go left to the front, all in their order; return how many.

    Args:
        column: Bins of the split's feature, (n,).
        record: The split.
        table: Which codes go left, overwritten unless the split is by category.
        rows: Rows of the node.
        spare: Room for as many.
    """
    cut = np.int64(record[BIN])
    if cut >= -1:
        for b in range(len(table)):
            table[b] = b <= cut
        table[len(table) - 1] = record[DEFAULT_LEFT] > 0.0
    left = np.uint64(0)
    right = np.uint64(0)
    for i in range(np.uint64(len(rows))):
        row = rows[i]
        yes = np.uint64(table[np.uint64(column[np.uint64(row)])])
        rows[left] = row
        spare[right] = row
        left += yes
        right += np.uint64(1) - yes
    for i in range(right):
        rows[left + i] = spare[i]
    return int(left)


# Compiled in here: drivetrain.trees.growing._numba fa985cd06b2d5664

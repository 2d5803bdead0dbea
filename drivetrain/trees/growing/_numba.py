"""Kernels of tree growth. A row's gradient pair is one int64: g in the high 32 bits, h in the low.

Integer sums are exact in any order, so a histogram is the same bits however rows are shared
among threads or workers, and a parent's less one child's is exactly the other's.

Node records are rows of a float64 table; its columns:
    GAIN FEATURE BIN DEFAULT_LEFT GL HL G H
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

GAIN, FEATURE, BIN, DEFAULT_LEFT, GL, HL, G, H = range(8)
RECORD = 8
# Positions in the table of rules.
L2, L1, LEAST, STEP, GAMMA, MAX_DEPTH, ONE_HOT, MOST_CATEGORIES = range(8)
# Rows fetched ahead of their use: a row of bins and its gradient lie at random addresses.
_AHEAD = 12
_LOW = np.int64(0xFFFFFFFF)
# As float32 gains, XGBoost's, would have it.
TIE = 2.0**-23

Array = NDArray[np.generic]


@intrinsic
def _prefetch(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Bring the cache line of ``array[index]`` nearer, for reading."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        held = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(held.data, [arguments[1]])
        byte = ir.IntType(8).as_pointer()
        word = ir.IntType(32)
        declared = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        )
        builder.call(declared, [builder.bitcast(pointer, byte), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


@njit(nogil=True, cache=True, error_model="numpy")
def gradient_sums(g: Array, h: Array, g_unit: float, h_unit: float) -> tuple[np.int64, np.int64]:
    """Return the sums of |g| and h in whole units: integers, so any order gives the same."""
    a = np.int64(0)
    b = np.int64(0)
    for i in range(len(g)):
        a += np.int64(abs(np.float64(g[i])) * g_unit)
    for i in range(len(h)):
        b += np.int64(np.float64(h[i]) * h_unit)
    return a, b


@njit(nogil=True, cache=True, error_model="numpy")
def pack(
    g: Array,
    h: Array,
    g_scale: np.float32,
    h_scale: np.float32,
    whole: bool,
    seed: np.uint64,
    first: int,
    packed: NDArray[np.int64],
) -> None:
    """Round each pair stochastically to whole steps and pack it.

    The draw depends on the row's number and the tree's seed alone. With ``whole`` the hessians
    are whole numbers already, kept exactly.
    """
    one = len(h) == 1
    for i in range(len(g)):
        own = h[0] if one else h[i]
        z = (np.uint64(first + i) + seed) * np.uint64(0x9E3779B97F4A7C15)
        z ^= z >> np.uint64(32)
        z *= np.uint64(0xD6E8FEB86659FD93)
        u = np.float32(z >> np.uint64(40)) * np.float32(2.0**-24)
        q = np.int64(np.floor(g[i] * g_scale + u))
        if whole:
            w = np.int64(own)
        else:
            v = np.float32((z >> np.uint64(16)) & np.uint64(0xFFFFFF)) * np.float32(2.0**-24)
            w = np.int64(np.floor(own * h_scale + v))
        packed[i] = (q << np.int64(32)) + w


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _add(
    flat: Array,
    at: np.uint64,
    f_end: np.uint64,
    bits: np.uint64,
    pair: np.int64,
    histogram: NDArray[np.int64],
) -> None:
    if bits == np.uint64(8):
        # A constant shift saves a third of the time.
        for f in range(f_end):
            histogram[(f << np.uint64(8)) + np.uint64(flat[at + f])] += pair
    else:
        for f in range(f_end):
            histogram[(f << bits) + np.uint64(flat[at + f])] += pair


@njit(nogil=True, cache=True, error_model="numpy")
def add_rows(
    flat: Array,
    stride: int,
    shift: int,
    features: int,
    packed: NDArray[np.int64],
    rows: NDArray[np.uint32],
    histogram: NDArray[np.int64],
) -> None:
    """Add the pairs of the listed rows to the histogram; every row, in turn, if none is listed."""
    width = np.uint64(stride)
    f_end = np.uint64(features)
    bits = np.uint64(shift)
    if len(rows) == 0:
        for i in range(np.uint64(len(packed))):
            _add(flat, i * width, f_end, bits, packed[i], histogram)
        return
    end = np.uint64(len(rows))
    ahead = np.uint64(_AHEAD)
    for i in range(end):
        if i + ahead < end:
            later = np.uint64(rows[i + ahead])
            _prefetch(flat, later * width)  # type: ignore[call-arg]
            _prefetch(packed, later)  # type: ignore[call-arg]
        row = np.uint64(rows[i])
        _add(flat, row * width, f_end, bits, packed[row], histogram)


@njit(nogil=True, cache=True, error_model="numpy")
def take_rest(parent: NDArray[np.int64], part: NDArray[np.int64], parts: NDArray[np.int64]) -> None:
    """Sum ``parts`` into ``part`` and leave the other child's histogram in ``parent``."""
    for k in range(parts.shape[0]):
        other = parts[k]
        for i in range(len(part)):
            part[i] += other[i]
    for i in range(len(part)):
        parent[i] -= part[i]


@njit(nogil=True, cache=True, error_model="numpy")
def partition(
    column: Array,
    goes_left: NDArray[np.uint8],
    rows: NDArray[np.uint32],
    spare: NDArray[np.uint32],
) -> np.int64:
    """Move the rows that go left to the front, keeping their order; return how many.

    The others are left in ``spare``, in order. Both writes happen for every row, so no branch
    is there to be mispredicted.
    """
    left = np.uint64(0)
    right = np.uint64(0)
    for i in range(np.uint64(len(rows))):
        row = rows[i]
        yes = np.uint64(goes_left[np.uint64(column[np.uint64(row)])])
        rows[left] = row
        spare[right] = row
        left += yes
        right += np.uint64(1) - yes
    return np.int64(left)


@njit(nogil=True, cache=True, error_model="numpy")
def _threshold(value: float, alpha: float) -> float:
    if value > alpha:
        return value - alpha
    if value < -alpha:
        return value + alpha
    return 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def weigh(g: float, h: float, l2: float, l1: float, step: float, low: float, high: float) -> float:
    """Return the leaf weight -T(G)/(H + lambda), clipped to the step and to its bounds."""
    if h <= 0.0:
        return 0.0
    w = -_threshold(g, l1) / (h + l2)
    if step > 0.0:
        w = min(max(w, -step), step)
    return min(max(w, low), high)


@njit(nogil=True, cache=True, error_model="numpy")
def _score(
    g: float, h: float, l2: float, l1: float, step: float, low: float, high: float, bounded: bool
) -> float:
    # XGBoost's gain of a node: twice the textbook's, without gamma.
    if h <= 0.0:
        return 0.0
    if step == 0.0 and not bounded:
        t = _threshold(g, l1)
        return t * t / (h + l2)
    w = weigh(g, h, l2, l1, step, low, high)
    return -(2.0 * g * w + (h + l2) * w * w)


@njit(nogil=True, cache=True, error_model="numpy")
def find_split(
    histogram: NDArray[np.int64],
    bins: NDArray[np.int64],
    shift: int,
    allowed: NDArray[np.uint8],
    direction: NDArray[np.int8],
    g_unit: float,
    h_unit: float,
    rules: NDArray[np.float64],
    bounds: NDArray[np.float64],
    scratch: NDArray[np.float64],
    record: NDArray[np.float64],
) -> None:
    """Write the best numerical split of a node to its record; gain 0 where none is legal.

    Args:
        histogram: Packed sums of the node, (F << shift,).
        bins: Bins of each feature, (F,); 0 for those that are not numerical.
        shift: Bits of a bin's code.
        allowed: Features that may be used, (F,).
        direction: Monotone constraint of each feature, (F,).
        g_unit: What one step of g is worth.
        h_unit: What one step of h is worth.
        rules: lambda, alpha, min_child_weight, max_delta_step.
        bounds: Least and greatest weight of the node.
        scratch: Room, (3, >= 2**shift).
        record: The node's record, with its G and H set.
    """
    l2, l1, least, step = rules[0], rules[1], rules[2], rules[3]
    low, high = bounds[0], bounds[1]
    bounded = low > -np.inf or high < np.inf
    for f in range(len(direction)):
        bounded = bounded or direction[f] != 0
    plain = l1 == 0.0 and step == 0.0 and not bounded
    total_g, total_h = record[G], record[H]
    parent = _score(total_g, total_h, l2, l1, step, low, high, bounded)
    best = 0.0
    record[GAIN] = 0.0
    left_g = scratch[0]
    left_h = scratch[1]
    gains = scratch[2]
    for f in range(len(bins)):
        m = bins[f]
        if m == 0 or not allowed[f]:
            continue
        own = histogram[f << shift : (f + 1) << shift]
        hole = own[(1 << shift) - 1]
        gone_g = (hole >> np.int64(32)) * g_unit
        gone_h = (hole & _LOW) * h_unit
        run_g = np.int64(0)
        run_h = np.int64(0)
        for b in range(m):
            run_h += own[b] & _LOW
            run_g += own[b] >> np.int64(32)
            left_g[b] = run_g * g_unit
            left_h[b] = run_h * h_unit
        for missing_left in range(2):
            if missing_left and hole == 0:
                break
            # With values missing, all present ones against the missing is a split too.
            last = m if (hole != 0 and not missing_left) else m - 1
            add_g = gone_g if missing_left else 0.0
            add_h = gone_h if missing_left else 0.0
            top = -1.0
            if plain:
                for b in range(last):
                    gl = left_g[b] + add_g
                    hl = left_h[b] + add_h
                    gr = total_g - gl
                    hr = total_h - hl
                    # Two divisions in one: (GL² (HR + λ) + GR² (HL + λ)) / ((HL + λ)(HR + λ)).
                    s = (gl * gl * (hr + l2) + gr * gr * (hl + l2)) / ((hl + l2) * (hr + l2))
                    s = s if (hl >= least) & (hr >= least) & (hl > 0.0) & (hr > 0.0) else -1.0
                    gains[b] = s
                    top = max(top, s)
            else:
                d = direction[f]
                for b in range(last):
                    gl = left_g[b] + add_g
                    hl = left_h[b] + add_h
                    gr = total_g - gl
                    hr = total_h - hl
                    s = -1.0
                    if hl >= least and hr >= least and hl > 0.0 and hr > 0.0:
                        wl = weigh(gl, hl, l2, l1, step, low, high)
                        wr = weigh(gr, hr, l2, l1, step, low, high)
                        if d == 0 or (d > 0 and wl <= wr) or (d < 0 and wl >= wr):
                            s = _score(gl, hl, l2, l1, step, low, high, bounded) + _score(
                                gr, hr, l2, l1, step, low, high, bounded
                            )
                    gains[b] = s
                    top = max(top, s)
            # Gains nearer than this are ties, which the rounding of the gradients must not decide.
            slack = TIE * max(top, parent)
            if top - parent > best + slack:
                for b in range(last):
                    if gains[b] >= top - slack:
                        best = gains[b] - parent
                        record[GAIN] = best
                        record[FEATURE] = f
                        record[BIN] = b
                        record[DEFAULT_LEFT] = missing_left
                        record[GL] = left_g[b] + add_g
                        record[HL] = left_h[b] + add_h
                        break


@njit(nogil=True, cache=True, error_model="numpy")
def _order(keys: NDArray[np.float64], order: NDArray[np.int64], count: int) -> None:
    # Shell sort by (key, number): no two are equal, so the order is one, and there is no call
    # to numpy's sort, which takes seconds to compile.
    gap = count // 2
    while gap > 0:
        for i in range(gap, count):
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
def find_categories(
    feature: int,
    count: int,
    own: NDArray[np.int64],
    g_unit: float,
    h_unit: float,
    rules: NDArray[np.float64],
    bounds: NDArray[np.float64],
    scratch: NDArray[np.float64],
    order: NDArray[np.int64],
    record: NDArray[np.float64],
    table: NDArray[np.uint8],
) -> None:
    """Replace a node's split by one on a categorical feature where that is better.

    A few categories are tried one by one; more are sorted by the weight G/(H + lambda) they
    would have as leaves, and the first or last of them go right, at most ``max_cat_threshold``.

    Args:
        feature: Its number.
        count: Its categories.
        own: Its bins of the histogram.
        g_unit: What one step of g is worth.
        h_unit: What one step of h is worth.
        rules: As in ``expand``.
        bounds: Least and greatest weight of the node.
        scratch: Room, (3, >= count).
        order: Room, (>= count,).
        record: The node's record.
        table: Which codes go left, written if the split is taken.
    """
    l2, l1, least, step = rules[0], rules[1], rules[2], rules[3]
    low, high = bounds[0], bounds[1]
    bounded = low > -np.inf or high < np.inf
    total_g, total_h = record[G], record[H]
    parent = _score(total_g, total_h, l2, l1, step, low, high, bounded)
    keys = scratch[2]
    seen = 0
    for c in range(count):
        scratch[0, c] = (own[c] >> np.int64(32)) * g_unit
        scratch[1, c] = (own[c] & _LOW) * h_unit
        if scratch[1, c] > 0.0:
            keys[c] = scratch[0, c] / (scratch[1, c] + l2)
            order[seen] = c
            seen += 1
    hole = own[len(own) - 1]
    gone_g = (hole >> np.int64(32)) * g_unit
    gone_h = (hole & _LOW) * h_unit
    single = seen < rules[ONE_HOT]
    if not single:
        _order(keys, order, seen)
    most = seen if single else np.int64(min(seen - 1, rules[MOST_CATEGORIES]))
    for backward in range(1 if single else 2):
        g = 0.0
        h = 0.0
        for k in range(most):
            c = order[seen - 1 - k] if backward else order[k]
            g = scratch[0, c] if single else g + scratch[0, c]
            h = scratch[1, c] if single else h + scratch[1, c]
            for missing_left in range(2):
                if missing_left == 0 and hole == 0:
                    continue
                gr = g if missing_left else g + gone_g
                hr = h if missing_left else h + gone_h
                gl = total_g - gr
                hl = total_h - hr
                if hl < least or hr < least or hl <= 0.0 or hr <= 0.0:
                    continue
                s = _score(gl, hl, l2, l1, step, low, high, bounded) + _score(
                    gr, hr, l2, l1, step, low, high, bounded
                )
                if s - parent > record[GAIN] + TIE * max(s, parent):
                    record[GAIN] = s - parent
                    record[FEATURE] = feature
                    record[BIN] = -1.0
                    record[DEFAULT_LEFT] = missing_left
                    record[GL] = gl
                    record[HL] = hl
                    for b in range(len(table)):
                        table[b] = 1
                    if single:
                        table[c] = 0
                    else:
                        for j in range(k + 1):
                            table[order[seen - 1 - j] if backward else order[j]] = 0
                    table[len(own) - 1] = missing_left


@njit(nogil=True, cache=True, error_model="numpy")
def total(histogram: NDArray[np.int64], shift: int) -> tuple[np.int64, np.int64]:
    """Return the whole-number sums of g and h of a node: those of its first feature's bins."""
    g = np.int64(0)
    h = np.int64(0)
    for b in range(1 << shift):
        h += histogram[b] & _LOW
        g += histogram[b] >> np.int64(32)
    return g, h


@njit(nogil=True, cache=True, error_model="numpy")
def settle(
    node: int,
    depth: NDArray[np.int64],
    histogram: NDArray[np.int64],
    bins: NDArray[np.int64],
    shift: int,
    allowed: NDArray[np.uint8],
    direction: NDArray[np.int8],
    g_unit: float,
    h_unit: float,
    rules: NDArray[np.float64],
    bounds: NDArray[np.float64],
    scratch: NDArray[np.float64],
    records: NDArray[np.float64],
    categories: NDArray[np.int64],
    tables: NDArray[np.uint8],
) -> None:
    """Set a node's sums from its histogram, and find its split where it may have one."""
    record = records[node]
    g, h = total(histogram, shift)
    record[G] = g * g_unit
    record[H] = h * h_unit
    find_split(
        histogram,
        bins,
        shift,
        allowed,
        direction,
        g_unit,
        h_unit,
        rules,
        bounds[node],
        scratch,
        record,
    )
    for f in range(len(categories)):
        if categories[f] > 0 and allowed[f]:
            find_categories(
                f,
                categories[f],
                histogram[f << shift : (f + 1) << shift],
                g_unit,
                h_unit,
                rules,
                bounds[node],
                scratch,
                np.empty(1 << shift, np.int64),
                record,
                tables[node],
            )
    # hist and approx expand a node only for a gain above 1e-6 and of at least gamma.
    if record[GAIN] <= 1e-6 or record[GAIN] < rules[GAMMA]:
        record[GAIN] = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def inherit(
    node: int,
    left: NDArray[np.int64],
    depth: NDArray[np.int64],
    direction: NDArray[np.int8],
    rules: NDArray[np.float64],
    bounds: NDArray[np.float64],
    records: NDArray[np.float64],
) -> None:
    """Give a split node's children their sums, depth and weight bounds."""
    a = left[node]
    record = records[node]
    for child in (a, a + 1):
        depth[child] = depth[node] + 1
        bounds[child, 0] = bounds[node, 0]
        bounds[child, 1] = bounds[node, 1]
        left[child] = -1
        records[child, GAIN] = 0.0
    records[a, G] = record[GL]
    records[a, H] = record[HL]
    records[a + 1, G] = record[G] - record[GL]
    records[a + 1, H] = record[H] - record[HL]
    d = direction[np.int64(record[FEATURE])]
    if d != 0:
        l2, l1, step = rules[0], rules[1], rules[3]
        low, high = bounds[node, 0], bounds[node, 1]
        wl = weigh(records[a, G], records[a, H], l2, l1, step, low, high)
        wr = weigh(records[a + 1, G], records[a + 1, H], l2, l1, step, low, high)
        middle = (wl + wr) / 2.0
        lower, upper = (a, a + 1) if d > 0 else (a + 1, a)
        bounds[lower, 1] = middle
        bounds[upper, 0] = middle


@njit(nogil=True, cache=True, error_model="numpy")
def sides(
    record: NDArray[np.float64], shift: int, of_node: NDArray[np.uint8], table: NDArray[np.uint8]
) -> None:
    """Write which codes go left at the node's split: by its bin, or by its table of categories."""
    cut = np.int64(record[BIN])
    if cut < 0:
        for b in range(1 << shift):
            table[b] = of_node[b]
        return
    for b in range(1 << shift):
        table[b] = b <= cut
    table[(1 << shift) - 1] = record[DEFAULT_LEFT] > 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def expand(
    nodes: NDArray[np.int64],
    fresh: NDArray[np.int64],
    flat: Array,
    stride: int,
    columns: Array,
    shift: int,
    packed: NDArray[np.int64],
    rows: NDArray[np.uint32],
    spare: NDArray[np.uint32],
    span: NDArray[np.int64],
    left: NDArray[np.int64],
    depth: NDArray[np.int64],
    slot: NDArray[np.int64],
    pool: NDArray[np.int64],
    bins: NDArray[np.int64],
    allowed: NDArray[np.uint8],
    mask: NDArray[np.int64],
    direction: NDArray[np.int8],
    units: NDArray[np.float64],
    rules: NDArray[np.float64],
    bounds: NDArray[np.float64],
    records: NDArray[np.float64],
    categories: NDArray[np.int64],
    tables: NDArray[np.uint8],
) -> None:
    """Split each of the nodes: its rows, its children's histograms, and their best splits.

    Args:
        nodes: Nodes to split; their children's numbers are in ``left``.
        fresh: A free slot of the pool for each of them.
        flat: Bins by row, flattened; each row ``stride`` long.
        stride: Length of a row.
        columns: Bins by feature, (F, n).
        shift: Bits of a code.
        packed: Gradient pairs, (n,).
        rows: Row numbers, those of a node side by side, (m,).
        spare: Room for as many.
        span: Where each node's rows begin and end, (nodes, 2).
        left: Each node's left child; -1 for none.
        depth: Each node's depth.
        slot: Each node's slot in the pool; -1 for none.
        pool: Histograms, (slots, F << shift).
        bins: Bins of each numerical feature.
        allowed: Which features may be used, (masks, F).
        mask: Each node's row of ``allowed``.
        direction: Monotone constraint of each feature.
        units: What one step of g and of h is worth.
        rules: lambda, alpha, min_child_weight, max_delta_step, gamma, max_depth,
            max_cat_to_onehot, max_cat_threshold.
        bounds: Least and greatest weight of each node, (nodes, 2).
        records: The nodes' records.
        categories: Categories of each feature; 0 for numerical ones.
        tables: Which codes go left at each node split by category, (nodes, 1 << shift); one row
            where no feature is categorical.
    """
    features = len(bins)
    table = np.empty(1 << shift, np.uint8)
    scratch = np.empty((3, 1 << shift))
    for k in range(len(nodes)):
        x = nodes[k]
        a = left[x]
        begin, end = span[x, 0], span[x, 1]
        sides(records[x], shift, tables[x if len(tables) > 1 else 0], table)
        n_left = partition(
            columns[np.int64(records[x, FEATURE])], table, rows[begin:end], spare[begin:end]
        )
        # A loop: an assignment of slices would compile two seconds of error formatting.
        for i in range(begin + n_left, end):
            rows[i] = spare[i - n_left]
        span[a, 0] = begin
        span[a, 1] = begin + n_left
        span[a + 1, 0] = begin + n_left
        span[a + 1, 1] = end
        inherit(x, left, depth, direction, rules, bounds, records)
        if depth[a] >= rules[MAX_DEPTH]:
            continue
        small = a if 2 * n_left <= end - begin else a + 1
        other = a + (a + 1) - small
        slot[small] = fresh[k]
        slot[other] = slot[x]
        own = pool[fresh[k]]
        own[:] = 0
        if span[small, 1] > span[small, 0]:
            add_rows(
                flat, stride, shift, features, packed, rows[span[small, 0] : span[small, 1]], own
            )
        rest = pool[slot[x]]
        take_rest(rest, own, pool[0:0])
        for child in (small, other):
            settle(
                child,
                depth,
                pool[slot[child]],
                bins,
                shift,
                allowed[mask[child]],
                direction,
                units[0],
                units[1],
                rules,
                bounds,
                scratch,
                records,
                categories,
                tables,
            )


@njit(nogil=True, cache=True, error_model="numpy")
def choose(
    records: NDArray[np.float64],
    left: NDArray[np.int64],
    depth: NDArray[np.int64],
    leaves: int,
    depthwise: bool,
    batch: int,
    pending: NDArray[np.int64],
    front: NDArray[np.int64],
) -> int:
    """Replay growth from the root on what is known; write the chosen nodes not yet split.

    Best-first takes the leaf of greatest gain (ties: the lower node), level-wise the lowest
    node of the least depth. What has been split beforehand and is not chosen drops out of the
    replay, so looking ahead by ``batch`` nodes does not change the tree.

    Returns:
        The number of pending nodes; 0 when the tree is done. ``front`` then holds its leaves
        up to a -1.
    """
    size = 1
    front[0] = 0
    grown = 1
    found = 0
    while grown < leaves:
        pick = -1
        for i in range(size):
            x = front[i]
            if records[x, GAIN] <= 0.0:
                continue
            if pick < 0:
                pick = i
                continue
            y = front[pick]
            if depthwise:
                better = depth[x] < depth[y] or (depth[x] == depth[y] and x < y)
            else:
                gain, held = records[x, GAIN], records[y, GAIN]
                better = gain > held or (gain == held and x < y)
            if better:
                pick = i
        if pick < 0:
            break
        x = front[pick]
        size -= 1
        front[pick] = front[size]
        grown += 1
        if left[x] < 0:
            pending[found] = x
            found += 1
            if found == batch:
                break
        else:
            front[size] = left[x]
            front[size + 1] = left[x] + 1
            size += 2
    front[size] = -1
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def leaf_sums(
    g: Array, h: Array, rows: NDArray[np.uint32], g_unit: float, h_unit: float
) -> tuple[np.int64, np.int64]:
    """Return a leaf's sums of g and h in fine whole units: exact, in any order."""
    a = np.int64(0)
    b = np.int64(0)
    one = len(h) == 1
    for i in range(len(rows)):
        row = np.uint64(rows[i])
        a += np.int64(np.float64(g[row]) * g_unit)
        b += np.int64(np.float64(h[0] if one else h[row]) * h_unit)
    return a, b


@njit(nogil=True, cache=True, error_model="numpy")
def add_value(margin: Array, rows: NDArray[np.uint32], value: float) -> None:
    """Add a leaf's value to the margin of its rows."""
    for i in range(len(rows)):
        margin[np.uint64(rows[i])] += value

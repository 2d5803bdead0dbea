"""Kernels of trees over several outputs: a bin of a histogram holds the pairs of four outputs.

Four packed int64 are one load, add and store of the processor, so four outputs cost about as
much as two. A single output has one lane, and the kernel of `drivetrain.trees.growing`.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from drivetrain.trees.growing._numba import (
    BIN,
    DEFAULT_LEFT,
    FEATURE,
    GAIN,
    TIE,
    _prefetch,
    add_rows,
    partition,
    sides,
)

# Positions in the table of rules.
L2, L1, LEAST, STEP, GAMMA, MAX_DEPTH = range(6)
_AHEAD = 12
_LOW = np.int64(0xFFFFFFFF)

Array = NDArray[np.generic]


@njit(nogil=True, cache=True)
def lanes_of(outputs: int) -> int:
    """Return how many outputs a bin holds side by side: one, two or four."""
    return outputs if outputs < 3 else 4


def _adder(lanes: int) -> Any:
    """Return code that adds so many neighbours at once: Numba's compiler leaves them apart."""

    def typed(typing_context, into, at, source, begin):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            vector = ir.VectorType(ir.IntType(64), lanes).as_pointer()
            left = context.make_array(signature.args[0])(context, builder, arguments[0])
            right = context.make_array(signature.args[2])(context, builder, arguments[2])
            target = builder.bitcast(builder.gep(left.data, [arguments[1]]), vector)
            added = builder.bitcast(builder.gep(right.data, [arguments[3]]), vector)
            total = builder.add(builder.load(target, align=8), builder.load(added, align=8))
            builder.store(total, target, align=8)
            return context.get_dummy_value()

        return types.void(into, types.uint64, source, types.uint64), generate

    return intrinsic(typed)


_add_two = _adder(2)
_add_four = _adder(4)


@njit(nogil=True, cache=True, error_model="numpy")
def add_twos(
    flat: Array,
    stride: int,
    shift: int,
    features: int,
    packed: NDArray[np.int64],
    rows: NDArray[np.uint32],
    histogram: NDArray[np.int64],
) -> None:
    """Add the two pairs of each listed row to each of its bins; (F << shift) * 2 long."""
    width = np.uint64(stride)
    f_end = np.uint64(features)
    bits = np.uint64(shift)
    lanes = np.uint64(1)
    end = np.uint64(len(rows))
    ahead = np.uint64(_AHEAD)
    for i in range(end):
        if i + ahead < end:
            later = np.uint64(rows[i + ahead])
            _prefetch(flat, later * width)  # type: ignore[call-arg]
            _prefetch(packed, later << lanes)  # type: ignore[call-arg]
        row = np.uint64(rows[i])
        own = row << lanes
        at = row * width
        for f in range(f_end):
            bin_at = ((f << bits) | np.uint64(flat[at + f])) << lanes
            _add_two(histogram, bin_at, packed, own)  # type: ignore[call-arg]


@njit(nogil=True, cache=True, error_model="numpy")
def add_fours(
    flat: Array,
    stride: int,
    shift: int,
    features: int,
    packed: NDArray[np.int64],
    rows: NDArray[np.uint32],
    histogram: NDArray[np.int64],
) -> None:
    """Add the four pairs of each listed row to each of its bins; (F << shift) * 4 long."""
    width = np.uint64(stride)
    f_end = np.uint64(features)
    bits = np.uint64(shift)
    lanes = np.uint64(2)
    end = np.uint64(len(rows))
    ahead = np.uint64(_AHEAD)
    for i in range(end):
        if i + ahead < end:
            later = np.uint64(rows[i + ahead])
            _prefetch(flat, later * width)  # type: ignore[call-arg]
            _prefetch(packed, later << lanes)  # type: ignore[call-arg]
        row = np.uint64(rows[i])
        own = row << lanes
        at = row * width
        for f in range(f_end):
            bin_at = ((f << bits) | np.uint64(flat[at + f])) << lanes
            _add_four(histogram, bin_at, packed, own)  # type: ignore[call-arg]


@njit(nogil=True, cache=True, error_model="numpy")
def fill(
    flat: Array,
    stride: int,
    shift: int,
    features: int,
    packed: NDArray[np.int64],
    rows: NDArray[np.uint32],
    histogram: NDArray[np.int64],
) -> None:
    """Make the histogram of the listed rows, all outputs of them.

    Args:
        flat: Bins by row, flattened.
        stride: Length of a row.
        shift: Bits of a code.
        features: Features.
        packed: Pairs, (blocks, n * lanes).
        rows: Row numbers.
        histogram: (blocks, (F << shift) * lanes).
    """
    lanes = histogram.shape[1] // (features << shift)
    for k in range(histogram.shape[0]):
        own = histogram[k]
        for i in range(len(own)):
            own[i] = 0
        if len(rows) == 0:
            continue
        if lanes == 1:
            add_rows(flat, stride, shift, features, packed[k], rows, own)
        elif lanes == 2:
            add_twos(flat, stride, shift, features, packed[k], rows, own)
        else:
            add_fours(flat, stride, shift, features, packed[k], rows, own)


@njit(nogil=True, cache=True, error_model="numpy")
def take_rest(parent: NDArray[np.int64], part: NDArray[np.int64], parts: NDArray[np.int64]) -> None:
    """Sum ``parts`` into ``part`` and leave the other child's histogram in ``parent``."""
    for k in range(part.shape[0]):
        own = part[k]
        for t in range(parts.shape[0]):
            other = parts[t, k]
            for i in range(len(own)):
                own[i] += other[i]
        whole = parent[k]
        for i in range(len(own)):
            whole[i] -= own[i]


@njit(nogil=True, cache=True, error_model="numpy")
def score(g: float, h: float, l2: float, l1: float, least: float, step: float) -> float:
    """Return -w T(G) of one output: T(G)²/(H + lambda) unless w is clipped or H too small."""
    soft = g - min(max(g, -l1), l1)
    w = min(max(-soft / (h + l2), -step), step)
    return -w * soft if (h >= least) & (h > 0.0) else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def sum_scores(sums: NDArray[np.int64], units: NDArray[np.float64], rules: Array) -> float:
    """Return a node's score, of its whole-number sums, (K, 2)."""
    total = 0.0
    for k in range(len(sums)):
        g, h = sums[k, 0] * units[k, 0], sums[k, 1] * units[k, 1]
        total += score(g, h, rules[L2], rules[L1], rules[LEAST], rules[STEP])
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def add_scores(
    histogram: NDArray[np.int64],
    first: int,
    last: int,
    bins: NDArray[np.int64],
    shift: int,
    has_missing: NDArray[np.bool_],
    allowed: NDArray[np.uint8],
    sums: NDArray[np.int64],
    units: NDArray[np.float64],
    rules: NDArray[np.float64],
    scratch: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    """Add the scores of both children, for every split of a node, to a table.

    A split that leaves a child empty adds what the whole node has: it gains nothing.

    Args:
        histogram: The node's, (blocks, (F << shift) * lanes).
        first: First feature.
        last: Last feature but one.
        bins: Bins of each feature, (F,).
        shift: Bits of a code.
        has_missing: Whether a feature has missing values anywhere, (F,).
        allowed: Features that may be used, (F,).
        sums: The node's whole-number sums of g and h, (K, 2).
        units: What a step of each is worth, (K, 2).
        rules: lambda, alpha, min_child_weight, max_delta_step (infinite for none).
        scratch: Room, (2, 1 << shift).
        scores: The table, (F, 2, 1 << shift): missing right, missing left.
    """
    l2, l1, least, step = rules[L2], rules[L1], rules[LEAST], rules[STEP]
    lanes = lanes_of(len(sums))
    left_g = scratch[0]
    left_h = scratch[1]
    for f in range(first, last):
        m = bins[f]
        if m == 0 or not allowed[f]:
            continue
        for k in range(len(sums)):
            own = histogram[k // lanes]
            at = (f << shift) * lanes + k % lanes
            hole = own[at + ((1 << shift) - 1) * lanes]
            g_unit, h_unit = units[k, 0], units[k, 1]
            total_g, total_h = sums[k, 0] * g_unit, sums[k, 1] * h_unit
            run_g = np.int64(0)
            run_h = np.int64(0)
            for b in range(m):
                pair = own[at + b * lanes]
                run_h += pair & _LOW
                run_g += pair >> np.int64(32)
                left_g[b] = run_g * g_unit
                left_h[b] = run_h * h_unit
            for missing_left in range(2 if has_missing[f] else 1):
                add_g = (hole >> np.int64(32)) * g_unit if missing_left else 0.0
                add_h = (hole & _LOW) * h_unit if missing_left else 0.0
                out = scores[f, missing_left]
                for b in range(m):
                    gl = left_g[b] + add_g
                    hl = left_h[b] + add_h
                    gr = total_g - gl
                    hr = total_h - hl
                    soft_l = gl - min(max(gl, -l1), l1)
                    soft_r = gr - min(max(gr, -l1), l1)
                    wl = min(max(-soft_l / (hl + l2), -step), step)
                    wr = min(max(-soft_r / (hr + l2), -step), step)
                    sl = -wl * soft_l if (hl >= least) & (hl > 0.0) else 0.0
                    sr = -wr * soft_r if (hr >= least) & (hr > 0.0) else 0.0
                    out[b] += sl + sr


@njit(nogil=True, cache=True, error_model="numpy")
def pick_split(
    scores: NDArray[np.float64],
    bins: NDArray[np.int64],
    has_missing: NDArray[np.bool_],
    allowed: NDArray[np.uint8],
    parent: float,
    gamma: float,
    record: NDArray[np.float64],
) -> None:
    """Write the split of greatest gain to the record; gain 0 where none is worth it."""
    best = 0.0
    record[GAIN] = 0.0
    for f in range(len(bins)):
        m = bins[f]
        if m == 0 or not allowed[f]:
            continue
        for missing_left in range(2 if has_missing[f] else 1):
            own = scores[f, missing_left]
            top = -1.0
            for b in range(m):
                top = max(top, own[b])
            # Gains nearer than this are ties, which the rounding of the gradients must not decide.
            slack = TIE * max(top, parent)
            if top - parent > best + slack:
                for b in range(m):
                    if own[b] >= top - slack:
                        best = own[b] - parent
                        record[GAIN] = best
                        record[FEATURE] = f
                        record[BIN] = b
                        record[DEFAULT_LEFT] = missing_left
                        break
    if best <= 1e-6 or best < gamma:
        record[GAIN] = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def sum_left(
    histogram: NDArray[np.int64],
    record: NDArray[np.float64],
    shift: int,
    out: NDArray[np.int64],
) -> None:
    """Write the whole-number sums of the rows that go left at the record's split, (K, 2)."""
    lanes = lanes_of(len(out))
    cut = np.int64(record[BIN])
    for k in range(len(out)):
        own = histogram[k // lanes]
        at = (np.int64(record[FEATURE]) << shift) * lanes + k % lanes
        g = np.int64(0)
        h = np.int64(0)
        for b in range(1 << shift):
            if b <= cut or (b == (1 << shift) - 1 and record[DEFAULT_LEFT] > 0.0):
                h += own[at + b * lanes] & _LOW
                g += own[at + b * lanes] >> np.int64(32)
        out[k, 0] = g
        out[k, 1] = h


@njit(nogil=True, cache=True, error_model="numpy")
def sum_all(histogram: NDArray[np.int64], shift: int, out: NDArray[np.int64]) -> None:
    """Write the whole-number sums of a node, (K, 2): those of its first feature's bins."""
    lanes = lanes_of(len(out))
    for k in range(len(out)):
        g = np.int64(0)
        h = np.int64(0)
        for b in range(1 << shift):
            pair = histogram[k // lanes, b * lanes + k % lanes]
            h += pair & _LOW
            g += pair >> np.int64(32)
        out[k, 0] = g
        out[k, 1] = h


@njit(nogil=True, cache=True, error_model="numpy")
def settle(
    node: int,
    histogram: NDArray[np.int64],
    bins: NDArray[np.int64],
    shift: int,
    has_missing: NDArray[np.bool_],
    allowed: NDArray[np.uint8],
    units: NDArray[np.float64],
    rules: NDArray[np.float64],
    scratch: NDArray[np.float64],
    scores: NDArray[np.float64],
    sums: NDArray[np.int64],
    lefts: NDArray[np.int64],
    records: NDArray[np.float64],
) -> None:
    """Find a node's split, and the sums of its left child.

    Args:
        node: Its number.
        histogram: Its histogram.
        bins: Bins of each feature.
        shift: Bits of a code.
        has_missing: Whether a feature has missing values.
        allowed: Features that may be used.
        units: What a step is worth, (K, 2).
        rules: As in ``expand``.
        scratch: Room, (2, 1 << shift).
        scores: Room, (F, 2, 1 << shift).
        sums: Whole-number sums of every node, (nodes, K, 2).
        lefts: Those of its left child, (nodes, K, 2).
        records: The nodes' records.
    """
    for f in range(len(bins)):
        for side in range(2):
            for b in range(bins[f]):
                scores[f, side, b] = 0.0
    add_scores(
        histogram,
        0,
        len(bins),
        bins,
        shift,
        has_missing,
        allowed,
        sums[node],
        units,
        rules,
        scratch,
        scores,
    )
    record = records[node]
    parent = sum_scores(sums[node], units, rules)
    pick_split(scores, bins, has_missing, allowed, parent, rules[GAMMA], record)
    if record[GAIN] > 0.0:
        sum_left(histogram, record, shift, lefts[node])
        left = np.int64(0)
        right = np.int64(0)
        for k in range(sums.shape[1]):
            left += lefts[node, k, 1]
            right += sums[node, k, 1] - lefts[node, k, 1]
        # A side without any hessian would be a leaf of no weight: the node stays whole.
        if left == 0 or right == 0:
            record[GAIN] = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def divide(
    node: int,
    columns: Array,
    shift: int,
    rows: NDArray[np.uint32],
    spare: NDArray[np.uint32],
    span: NDArray[np.int64],
    left: NDArray[np.int64],
    depth: NDArray[np.int64],
    sums: NDArray[np.int64],
    lefts: NDArray[np.int64],
    records: NDArray[np.float64],
) -> None:
    """Sort a node's rows to its children, and give these their spans, sums and depth."""
    a = left[node]
    begin, end = span[node, 0], span[node, 1]
    table = np.empty(1 << shift, np.uint8)
    sides(records[node], shift, table, table)
    n_left = partition(
        columns[np.int64(records[node, FEATURE])], table, rows[begin:end], spare[begin:end]
    )
    for i in range(begin + n_left, end):
        rows[i] = spare[i - n_left]
    span[a, 0] = begin
    span[a, 1] = begin + n_left
    span[a + 1, 0] = begin + n_left
    span[a + 1, 1] = end
    for child in (a, a + 1):
        depth[child] = depth[node] + 1
        left[child] = -1
        records[child, GAIN] = 0.0
    for k in range(sums.shape[1]):
        for side in range(2):
            sums[a, k, side] = lefts[node, k, side]
            sums[a + 1, k, side] = sums[node, k, side] - lefts[node, k, side]


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
    has_missing: NDArray[np.bool_],
    allowed: NDArray[np.uint8],
    mask: NDArray[np.int64],
    units: NDArray[np.float64],
    rules: NDArray[np.float64],
    sums: NDArray[np.int64],
    lefts: NDArray[np.int64],
    records: NDArray[np.float64],
) -> None:
    """Split each of the nodes: its rows, its children's histograms, and their best splits.

    Args:
        nodes: Nodes to split; their children's numbers are in ``left``.
        fresh: A free slot of the pool for each of them.
        flat: Bins by row, flattened; each row ``stride`` long.
        stride: Length of a row.
        columns: Bins by feature, (F, n).
        shift: Bits of a code.
        packed: Gradient pairs, (blocks, n * lanes).
        rows: Row numbers, those of a node side by side, (m,).
        spare: Room for as many.
        span: Where each node's rows begin and end, (nodes, 2).
        left: Each node's left child; -1 for none.
        depth: Each node's depth.
        slot: Each node's slot in the pool; -1 for none.
        pool: Histograms, (slots, blocks, (F << shift) * lanes).
        bins: Bins of each feature.
        has_missing: Whether a feature has missing values.
        allowed: Which features may be used, (masks, F).
        mask: Each node's row of ``allowed``.
        units: What one step of g and of h is worth, (K, 2).
        rules: lambda, alpha, min_child_weight, max_delta_step, gamma, max_depth.
        sums: Whole-number sums of every node, (nodes, K, 2).
        lefts: Those of its left child.
        records: The nodes' records.
    """
    features = len(bins)
    scratch = np.empty((2, 1 << shift))
    scores = np.empty((features, 2, 1 << shift))
    for i in range(len(nodes)):
        x = nodes[i]
        divide(x, columns, shift, rows, spare, span, left, depth, sums, lefts, records)
        a = left[x]
        if depth[a] >= rules[MAX_DEPTH]:
            continue
        small = a if span[a, 1] - span[a, 0] <= span[a + 1, 1] - span[a + 1, 0] else a + 1
        other = a + (a + 1) - small
        slot[small] = fresh[i]
        slot[other] = slot[x]
        own = pool[fresh[i]]
        fill(flat, stride, shift, features, packed, rows[span[small, 0] : span[small, 1]], own)
        take_rest(pool[slot[x]], own, pool[0:0])
        for child in (small, other):
            settle(
                child,
                pool[slot[child]],
                bins,
                shift,
                has_missing,
                allowed[mask[child]],
                units,
                rules,
                scratch,
                scores,
                sums,
                lefts,
                records,
            )


@njit(nogil=True, cache=True, error_model="numpy")
def leaf_sums(
    g: Array,
    h: Array,
    rows: NDArray[np.uint32],
    ends: NDArray[np.int64],
    fine: NDArray[np.float64],
    sums: NDArray[np.int64],
) -> None:
    """Write each leaf's sums of g and h in fine whole units, exact in any order, (L, K, 2)."""
    same = len(h) == 1
    for leaf in range(len(ends) - 1):
        for k in range(g.shape[1]):
            sums[leaf, k, 0] = 0
            sums[leaf, k, 1] = 0
        for i in range(ends[leaf], ends[leaf + 1]):
            row = np.int64(rows[i])
            for k in range(g.shape[1]):
                own = h[0, 0] if same else h[row, k]
                sums[leaf, k, 0] += np.int64(np.float64(g[row, k]) * fine[k, 0])
                sums[leaf, k, 1] += np.int64(np.float64(own) * fine[k, 1])


# Compiled in here: drivetrain.trees.growing._numba fa985cd06b2d5664

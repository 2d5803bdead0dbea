"""Kernels that find a node's best split on one feature, by value or by category."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from drivetrain.trees.growing._numba import (
    BIN,
    DEFAULT_LEFT,
    FEATURE,
    GAIN,
    GL,
    HIGH,
    HL,
    INNER,
    L1,
    L2,
    LEAST,
    LOW,
    MONOTONE,
    MOST_CATEGORIES,
    ONE_HOT,
    STEP,
    TIE,
    G,
    H,
    score,
    weigh,
)

_LOW_HALF = np.int64(0xFFFFFFFF)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@njit(**INNER)
def total(histogram: Ints, feature: int, shift: int, units: Floats, record: Floats) -> None:
    """Set a record's G and H: the sums of any one feature's bins, whole numbers."""
    g = np.int64(0)
    h = np.int64(0)
    for b in range(feature << shift, (feature + 1) << shift):
        h += histogram[b] & _LOW_HALF
        g += histogram[b] >> np.int64(32)
    record[G] = g * units[0]
    record[H] = h * units[1]


@njit(**INNER)
def better(candidate: Floats, rules: Floats, held: float) -> bool:
    """Tell whether a record's gain is above another by more than a tie."""
    gain = candidate[GAIN]
    if gain <= 0.0:
        return False
    parent = candidate[G] * candidate[G] / (candidate[H] + rules[L2])
    return gain > held + TIE * max(gain + parent, parent)


@njit(**INNER)
def find_split(
    feature: int,
    bins: int,
    own: Ints,
    direction: int,
    units: Floats,
    rules: Floats,
    scratch: Floats,
    record: Floats,
) -> None:
    """Replace a record's split by the best on a numerical feature where that is better.

    Args:
        feature: Its number.
        bins: Its bins.
        own: Its part of the node's histogram.
        direction: Its monotone constraint.
        units: What one step of g and of h is worth.
        rules: See the table of rules.
        scratch: Room, (3 or more, codes).
        record: The node's record, with its G, H and bounds set.
    """
    l2, l1, least, step = rules[L2], rules[L1], rules[LEAST], rules[STEP]
    low, high = record[LOW], record[HIGH]
    bounded = low > -np.inf or high < np.inf or rules[MONOTONE] > 0.0
    plain = l1 == 0.0 and step == 0.0 and not bounded
    total_g, total_h = record[G], record[H]
    parent = score(total_g, total_h, l2, l1, step, low, high, bounded)
    left_g = scratch[0]
    left_h = scratch[1]
    gains = scratch[2]
    hole = own[len(own) - 1]
    gone_g = (hole >> np.int64(32)) * units[0]
    gone_h = (hole & _LOW_HALF) * units[1]
    run_g = np.int64(0)
    run_h = np.int64(0)
    for b in range(bins):
        run_h += own[b] & _LOW_HALF
        run_g += own[b] >> np.int64(32)
        left_g[b] = run_g * units[0]
        left_h[b] = run_h * units[1]
    for missing_left in range(2):
        if missing_left and hole == 0:
            break
        # With values missing, all present ones against the missing is a split too.
        stop = bins if (hole != 0 and not missing_left) else bins - 1
        add_g = gone_g if missing_left else 0.0
        add_h = gone_h if missing_left else 0.0
        # Bounded leaves may make a score negative: no legal split is below every one.
        top = -np.inf
        if plain:
            for b in range(stop):
                gl = left_g[b] + add_g
                hl = left_h[b] + add_h
                gr = total_g - gl
                hr = total_h - hl
                # Two divisions in one: (GL² (HR + λ) + GR² (HL + λ)) / ((HL + λ)(HR + λ)).
                s = (gl * gl * (hr + l2) + gr * gr * (hl + l2)) / ((hl + l2) * (hr + l2))
                s = s if (hl >= least) & (hr >= least) & (hl > 0.0) & (hr > 0.0) else -np.inf
                gains[b] = s
                top = max(top, s)
        else:
            for b in range(stop):
                gl = left_g[b] + add_g
                hl = left_h[b] + add_h
                gr = total_g - gl
                hr = total_h - hl
                s = -np.inf
                if hl >= least and hr >= least and hl > 0.0 and hr > 0.0:
                    rising = 0.0
                    if direction != 0:
                        wl = weigh(gl, hl, l2, l1, step, low, high)
                        wr = weigh(gr, hr, l2, l1, step, low, high)
                        rising = (wr - wl) * direction
                    if rising >= 0.0:
                        s = score(gl, hl, l2, l1, step, low, high, bounded)
                        s += score(gr, hr, l2, l1, step, low, high, bounded)
                gains[b] = s
                top = max(top, s)
        # Gains nearer than this are ties, which the rounding of the gradients must not decide.
        slack = TIE * max(abs(top), abs(parent))
        if top - parent > record[GAIN] + slack:
            b = 0
            while gains[b] < top - slack:
                b += 1
            record[GAIN] = gains[b] - parent
            record[FEATURE] = feature
            record[BIN] = b
            record[DEFAULT_LEFT] = missing_left
            record[GL] = left_g[b] + add_g
            record[HL] = left_h[b] + add_h


@njit(**INNER)
def _order(keys: Floats, order: Floats, count: int) -> None:
    # Shell sort by (key, number): no two are equal, so the order is one, and there is no call
    # to numpy's sort, which takes seconds to compile.
    gap = count // 2
    while gap > 0:
        for i in range(gap, count):
            c = order[i]
            k = keys[np.int64(c)]
            j = i
            while j >= gap:
                d = order[j - gap]
                other = keys[np.int64(d)]
                if other < k or (other == k and d < c):
                    break
                order[j] = d
                j -= gap
            order[j] = c
        gap //= 2


@njit(**INNER)
def find_categories(
    feature: int,
    count: int,
    own: Ints,
    units: Floats,
    rules: Floats,
    scratch: Floats,
    record: Floats,
    table: NDArray[np.uint8],
) -> None:
    """Replace a node's split by one on a categorical feature where that is better.

    A few categories are tried one by one; more are sorted by the weight G/(H + lambda) they
    would have as leaves, and the first or last of them go right, at most ``max_cat_threshold``.

    Args:
        feature: Its number.
        count: Its categories.
        own: Its part of the node's histogram.
        units: What one step of g and of h is worth.
        rules: See the table of rules.
        scratch: Room, (4, codes).
        record: The node's record, with its G, H and bounds set.
        table: Which codes go left, written if the split is taken.
    """
    l2, l1, least, step = rules[L2], rules[L1], rules[LEAST], rules[STEP]
    low, high = record[LOW], record[HIGH]
    bounded = low > -np.inf or high < np.inf or rules[MONOTONE] > 0.0
    total_g, total_h = record[G], record[H]
    parent = score(total_g, total_h, l2, l1, step, low, high, bounded)
    keys = scratch[2]
    order = scratch[3]
    seen = 0
    for c in range(count):
        scratch[0, c] = (own[c] >> np.int64(32)) * units[0]
        scratch[1, c] = (own[c] & _LOW_HALF) * units[1]
        if scratch[1, c] > 0.0:
            keys[c] = scratch[0, c] / (scratch[1, c] + l2)
            order[seen] = c
            seen += 1
    hole = own[len(own) - 1]
    gone_g = (hole >> np.int64(32)) * units[0]
    gone_h = (hole & _LOW_HALF) * units[1]
    single = seen < rules[ONE_HOT]
    if not single:
        _order(keys, order, seen)
    most = seen if single else np.int64(min(seen - 1, rules[MOST_CATEGORIES]))
    for backward in range(1 if single else 2):
        g = 0.0
        h = 0.0
        for k in range(most):
            c = int(order[seen - 1 - k] if backward else order[k])
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
                s = score(gl, hl, l2, l1, step, low, high, bounded)
                s += score(gr, hr, l2, l1, step, low, high, bounded)
                if s - parent > record[GAIN] + TIE * max(abs(s), abs(parent)):
                    record[GAIN] = s - parent
                    record[FEATURE] = feature
                    record[BIN] = -1.0
                    record[DEFAULT_LEFT] = missing_left
                    record[GL] = gl
                    record[HL] = hl
                    for b in range(len(table)):
                        table[b] = 1
                    for j in range(k if single else 0, k + 1):
                        table[np.int64(order[seen - 1 - j] if backward else order[j])] = 0
                    table[len(own) - 1] = missing_left


# Compiled in here: drivetrain.trees.growing._numba fa985cd06b2d5664

"""Kernels of the streaming moments: each value is read from memory once, in blocks that fit L1.

A stream's state is one row of float64: see ``ROW``. Means are kept relative to the shift (the
first value), which is what preserves the digits of data far from zero.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK = 1024
"""Values a block holds: 8 kB, a quarter of the smallest L1."""

ROW = ("count", "weight", "weight_squared", "shift", "mean", "M2", "M3", "M4", "min", "max")
COUNT, WEIGHT, WEIGHT2, SHIFT, MEAN, M2, M3, M4, LOW, HIGH = range(len(ROW))

RAISE, OMIT, PROPAGATE = range(3)

# Sums inside a block may be reordered (that is what vector units do); nothing else may change.
BLOCKWISE = {"reassoc", "nsz", "contract"}


@njit(nogil=True, cache=True, fastmath=BLOCKWISE)
def centred_sums(v: Array, centre: float, low: float, high: float) -> tuple[float, float, bool]:
    """Return the sums of d and d² with d = v - centre, and whether a value leaves [low, high]."""
    s, q = 0.0, 0.0
    outside: Any = False
    for i in range(len(v)):
        x = np.float64(v[i])
        d = x - centre
        s += d
        q += d * d
        # A mask costs nothing beside the memory read; the extremes themselves would not vectorise.
        outside |= (x < low) | (x > high)
    return s, q, outside


@njit(nogil=True, cache=True, fastmath=BLOCKWISE)
def power_sums(v: Array, centre: float) -> tuple[float, float, float, float]:
    """Return the sums of d, d², d³ and d⁴ with d = v - centre."""
    s, q, c, f = 0.0, 0.0, 0.0, 0.0
    for i in range(len(v)):
        d = v[i] - centre
        e = d * d
        s += d
        q += e
        c += e * d
        f += e * e
    return s, q, c, f


@njit(nogil=True, cache=True, fastmath=BLOCKWISE)
def weighted_sums(v: Array, w: Array, shift: float) -> tuple[float, float, float, float]:
    """Return the count of positive weights, Σw, Σw² and Σw(v - shift)."""
    k, sw, sw2, s = 0.0, 0.0, 0.0, 0.0
    for i in range(len(v)):
        k += 1.0 if w[i] > 0.0 else 0.0
        sw += w[i]
        sw2 += w[i] * w[i]
        s += w[i] * (v[i] - shift)
    return k, sw, sw2, s


@njit(nogil=True, cache=True, fastmath=BLOCKWISE)
def weighted_powers(v: Array, w: Array, centre: float) -> tuple[float, float, float, float]:
    """Return Σwd, Σwd², Σwd³ and Σwd⁴ with d = v - centre."""
    s, q, c, f = 0.0, 0.0, 0.0, 0.0
    for i in range(len(v)):
        d = v[i] - centre
        e = w[i] * d * d
        s += w[i] * d
        q += e
        c += e * d
        f += e * d * d
    return s, q, c, f


@njit(nogil=True, cache=True)
def about_mean(k: float, s: float, q: float, c: float, f: float) -> tuple[float, ...]:
    """Move power sums of weight k from their centre to their mean; return it and the sums.

    The mean need not be a float where the data are far from zero; the centre is one. Their
    difference is tiny, yet would cost M3 half its digits.
    """
    r = s / k
    rr = r * r
    return (
        r,
        max(q - s * r, 0.0),
        c - 3.0 * r * q + 2.0 * k * rr * r,
        max(f - 4.0 * r * c + 6.0 * rr * q - 3.0 * k * rr * rr, 0.0),
    )


@njit(nogil=True, cache=True)
def extremes(v: Array, low: float, high: float) -> tuple[float, float]:
    """Return the least and the greatest of low, high and the values."""
    for i in range(len(v)):
        x = np.float64(v[i])
        if x < low:
            low = x
        if x > high:
            high = x
    return low, high


@njit(nogil=True, cache=True)
def fold(state: Array, k: float, mean: float, q: float, c: float, f: float) -> None:
    """Merge a summary of weight k into the state (Chan), M4 first because it needs the others.

    ``mean`` is relative to the state's shift. The caller adds counts, squared weights, extremes.
    """
    n = state[WEIGHT]
    if n == 0.0:
        state[WEIGHT], state[MEAN] = k, mean
        state[M2], state[M3], state[M4] = q, c, f
        return
    t = n + k
    d = mean - state[MEAN]
    # a and b are the two shares; products of shares cannot overflow where n·n·k would lose digits.
    a, b = n / t, k / t
    dd = d * d
    state[M4] += (
        f
        + dd * dd * (n * b) * (a * a - a * b + b * b)
        + 6.0 * dd * (a * a * q + b * b * state[M2])
        + 4.0 * d * (a * c - b * state[M3])
    )
    state[M3] += c + dd * d * (n * b) * (a - b) + 3.0 * d * (a * q - b * state[M2])
    state[M2] += q + dd * (n * b)
    state[MEAN] += d * b
    state[WEIGHT] = t


@njit(nogil=True, cache=True)
def begin(state: Array, shift: float) -> None:
    """Set the shift of an empty state; its extremes then take any value."""
    state[:] = 0.0
    state[SHIFT] = shift
    state[LOW] = math.inf
    state[HIGH] = -math.inf


@njit(nogil=True, cache=True)
def first_not_finite(v: Array) -> int:
    """Return the position of the first NaN or infinity, or -1."""
    for i in range(len(v)):
        if not math.isfinite(v[i]):
            return i
    return -1


@njit(nogil=True, cache=True)
def spoil(state: Array) -> None:
    """Make every moment NaN: the data held a NaN or an infinity that was to propagate."""
    for i in range(MEAN, len(state)):
        state[i] = math.nan


@njit(nogil=True, cache=True)
def absorb_weighted(v: Array, w: Array, state: Array) -> None:
    """Merge one block of finite values with weights; a weight of zero is an absent value."""
    for i in range(len(v)):
        if w[i] > 0.0:
            if state[COUNT] == 0.0:
                begin(state, v[i])
            break
    k, sw, sw2, s = weighted_sums(v, w, state[SHIFT])
    if not sw > 0.0:
        return
    centre = state[SHIFT] + s / sw
    s, q, c, f = weighted_powers(v, w, centre)
    r, q, c, f = about_mean(sw, s, q, c, f)
    fold(state, sw, (centre - state[SHIFT]) + r, q, c, f)
    state[COUNT] += k
    state[WEIGHT2] += sw2
    for i in range(len(v)):
        if w[i] > 0.0:
            state[LOW] = min(state[LOW], v[i])
            state[HIGH] = max(state[HIGH], v[i])


@njit(nogil=True, cache=True)
def absorb_plain(v: Array, state: Array, order: int) -> bool:
    """Merge one block; return False, the state untouched, where its sums are not finite."""
    k = float(len(v))
    empty = state[COUNT] == 0.0
    shift = float(v[0]) if empty else state[SHIFT]
    low, high = (math.inf, -math.inf) if empty else (state[LOW], state[HIGH])
    # About the running mean one pass suffices for M2: what cancels in q - s·r is no larger than
    # the d² that fold adds anyway. Higher orders, and the first block, get a second pass in L1.
    centre = shift + state[MEAN] if not empty else shift
    s, q, outside = centred_sums(v, centre, low, high)
    c, f = 0.0, 0.0
    if order > 2 or empty:
        centre += s / k
        s, q, c, f = power_sums(v, centre)
    r, q, c, f = about_mean(k, s, q, c, f)
    if not (math.isfinite(r) and math.isfinite(q)):
        return False
    if empty:
        begin(state, shift)
    fold(state, k, (centre - shift) + r, q, c, f)
    state[COUNT] += k
    state[WEIGHT2] += k
    if outside:
        state[LOW], state[HIGH] = extremes(v, state[LOW], state[HIGH])
    return True


@njit(nogil=True, cache=True)
def absorb_careful(v: Array, w: Array, state: Array, policy: int) -> int:
    """Merge one block that holds weights, NaN, infinities, or values whose squares overflow.

    Returns -1, or the position of the first value that the policy refuses.
    """
    bad = first_not_finite(v)
    if bad >= 0 and policy == RAISE:
        return bad
    n = len(v)
    values, weights = np.empty(n), np.ones(n)
    kept = 0
    for i in range(n):
        if bad < 0 or math.isfinite(v[i]):
            values[kept] = v[i]
            if len(w):
                weights[kept] = w[i]
            kept += 1
    if kept:
        absorb_weighted(values[:kept], weights[:kept], state)
    if bad >= 0 and policy == PROPAGATE:
        if state[COUNT] == 0.0:
            begin(state, 0.0)
        state[COUNT] += n - kept
        state[WEIGHT] += n - kept
        spoil(state)
    return -1


@njit(nogil=True, cache=True)
def absorb_moments(x: Array, w: Array, state: Array, order: int, policy: int) -> int:
    """Merge a contiguous run of values into the state, block by block.

    Args:
        x: Values, float64 or float32.
        w: One weight a value, or nothing at all.
        state: One row, changed in place.
        order: Highest moment kept, 1 to 4.
        policy: ``RAISE``, ``OMIT`` or ``PROPAGATE``.

    Returns:
        -1, or the position of the first value that the policy refuses; the state is then void.
    """
    nothing = w[:0]
    for start in range(0, len(x), BLOCK):
        v = x[start : start + BLOCK]
        if len(w) == 0 and absorb_plain(v, state, order):
            continue
        weights = w[start : start + BLOCK] if len(w) else nothing
        bad = absorb_careful(v, weights, state, policy)
        if bad >= 0:
            return start + bad
    return -1


@njit(nogil=True, cache=True)
def absorb_columns(x: Array, w: Array, state: Array, order: int, policy: int) -> int:
    """Merge the rows of a C-ordered matrix into one state a column; else as above.

    Returns:
        -1, or the flat position of a value that the policy refuses.
    """
    n, p = x.shape
    # Rows enough that the merge is cheap, few enough that the block stays in L2.
    rows = min(BLOCK, max(64, 65536 // max(p, 1)))
    values = np.empty(rows)
    nothing = w[:0]
    for start in range(0, n, rows):
        k = min(rows, n - start)
        for j in range(p):
            for i in range(k):
                values[i] = x[start + i, j]
            if len(w) == 0 and absorb_plain(values[:k], state[j], order):
                continue
            weights = w[start : start + k] if len(w) else nothing
            bad = absorb_careful(values[:k], weights, state[j], policy)
            if bad >= 0:
                return (start + bad) * p + j
    return -1


@njit(nogil=True, cache=True)
def merge_rows(state: Array, other: Array) -> None:
    """Merge a second stream's row into the first's."""
    if other[COUNT] == 0.0:
        return
    if state[COUNT] == 0.0:
        state[:] = other
        return
    mean = (other[SHIFT] - state[SHIFT]) + other[MEAN]
    fold(state, other[WEIGHT], mean, other[M2], other[M3], other[M4])
    state[COUNT] += other[COUNT]
    state[WEIGHT2] += other[WEIGHT2]
    # A NaN here marks spoiled data and must stay, whichever side holds it.
    if not math.isnan(state[LOW]) and not other[LOW] >= state[LOW]:
        state[LOW] = other[LOW]
    if not math.isnan(state[HIGH]) and not other[HIGH] <= state[HIGH]:
        state[HIGH] = other[HIGH]


@njit(nogil=True, cache=True, fastmath=BLOCKWISE)
def weighted_squares(v: Array, w: Array, centre: float) -> tuple[float, float, float]:
    """Return Σw, Σwd and Σwd² with d = v - centre."""
    k, s, q = 0.0, 0.0, 0.0
    for i in range(len(v)):
        d = v[i] - centre
        k += w[i]
        s += w[i] * d
        q += w[i] * d * d
    return k, s, q


@njit(nogil=True, cache=True)
def absorb_decaying(x: Array, weights: Array, state: Array, keep: float, order: int) -> None:
    """Merge values of which each forgets those before it, block by block.

    Args:
        x: Values, in their order.
        weights: alpha·keep^age of a whole block (BLOCK,), the oldest first.
        state: One row, changed in place; its weight stays one.
        keep: 1 - alpha, the share of the past.
        order: Highest moment kept, 1 to 4.
    """
    for start in range(0, len(x), BLOCK):
        v = x[start : start + BLOCK]
        if state[COUNT] == 0.0:
            # The first value starts with all the weight.
            begin(state, v[0])
            state[COUNT], state[WEIGHT] = 1.0, 1.0
            v = v[1:]
        n = len(v)
        if n == 0:
            continue
        w = weights[BLOCK - n :]
        past = keep**n
        for i in (WEIGHT, M2, M3, M4):
            state[i] *= past
        centre = state[SHIFT] + state[MEAN]
        k, s, q = weighted_squares(v, w, centre)
        c, f = 0.0, 0.0
        if order > 2:
            centre += s / k
            s, q, c, f = weighted_powers(v, w, centre)
        r, q, c, f = about_mean(k, s, q, c, f)
        fold(state, k, (centre - state[SHIFT]) + r, q, c, f)
        state[COUNT] += n

"""Kernels of the streaming quantiles: radix sort, t-digest, the two recursions."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

DIGIT = 11
"""Bits of a radix digit: three tables of 2048 counters fit L1."""

SIGN = np.uint64(1 << 63)
MASK = np.uint64((1 << DIGIT) - 1)


@njit(nogil=True, cache=True)
def radix_pass(source: Array, target: Array, shift: np.uint64, table: Array) -> None:
    """Distribute keys by one digit, stably; ``table`` holds the digit's counts."""
    start = 0
    for i in range(len(table)):
        count = table[i]
        table[i] = start
        start += count
    for i in range(len(source)):
        key = source[i]
        digit = (key >> shift) & MASK
        position = table[digit]
        table[digit] = position + 1
        target[position] = key


@njit(nogil=True, cache=True)
def insertion(keys: Array, budget: int) -> bool:
    """Finish nearly sorted keys; give up, and say so, after ``budget`` moves."""
    for i in range(1, len(keys)):
        key = keys[i]
        j = i - 1
        if keys[j] > key:
            while j >= 0 and keys[j] > key:
                keys[j + 1] = keys[j]
                j -= 1
                budget -= 1
            keys[j + 1] = key
            if budget < 0:
                return False
    return True


@njit(nogil=True, cache=True)
def radix_sort(x: Array, keys: Array, spare: Array, table: Array) -> Array:
    """Return the finite floats ``x`` sorted.

    Keys are the floats' bits in an order-preserving form. The three digits below the highest bit
    in which they differ put them nearly in order; a pass of insertion does the rest. Where many
    values share those 33 bits, all six digits are sorted.

    Args:
        x: At most as many values as the scratch arrays hold.
        keys: Scratch uint64; the result is a view of it.
        spare: Scratch uint64.
        table: Scratch int32 of shape (3, 2048).
    """
    n = len(x)
    a, b = keys[:n], spare[:n]
    bits = x.view(np.uint64)
    union, common = np.uint64(0), ~np.uint64(0)
    for i in range(n):
        key = bits[i] ^ (np.uint64(np.int64(bits[i]) >> 63) | SIGN)
        a[i] = key
        union |= key
        common &= key
    width, different = 0, union ^ common
    while different != np.uint64(0):
        different >>= np.uint64(1)
        width += 1
    low = np.uint64(max(0, width - 3 * DIGIT))
    s1, s2 = low + np.uint64(DIGIT), low + np.uint64(2 * DIGIT)
    table[:] = 0
    for i in range(n):
        key = a[i]
        table[0, (key >> low) & MASK] += 1
        table[1, (key >> s1) & MASK] += 1
        table[2, (key >> s2) & MASK] += 1
    radix_pass(a, b, low, table[0])
    radix_pass(b, a, s1, table[1])
    radix_pass(a, b, s2, table[2])
    if not insertion(b, 8 * n):
        for digit in range(6):
            shift = np.uint64(digit * DIGIT)
            table[0, :] = 0
            for i in range(n):
                table[0, (b[i] >> shift) & MASK] += 1
            radix_pass(b, a, shift, table[0])
            a, b = b, a
    out = keys.view(np.float64)[:n]
    raw = keys[:n]
    for i in range(n):
        raw[i] = b[i] ^ (np.uint64(np.int64(~b[i]) >> 63) | SIGN)
    return out


@njit(nogil=True, cache=True)
def compress(
    x: Array,
    wx: Array,
    y: Array,
    wy: Array,
    mean: Array,
    weight: Array,
    compression: float,
    backward: bool,
) -> int:
    """Merge two sorted lists of weighted points into clusters that the scale function allows.

    A cluster may reach from q0 to q1 with k(q1) - k(q0) <= 1, k(q) = δ/(2π)·asin(2q - 1). The
    addition theorem of the sine turns k⁻¹(k(q0) + 1) into one square root a cluster. Merging
    alternately from either end cancels the drift that one direction gives the means.

    Args:
        x: Sorted points; ``wx`` their weights, or nothing for weight 1.
        wx: See above.
        y: Sorted points; ``wy`` their weights.
        wy: See above.
        mean: Takes the clusters' means, nondecreasing.
        weight: Takes the clusters' weights.
        compression: δ.
        backward: Start from the greatest.

    Returns:
        The number of clusters.
    """
    nx, ny = len(x), len(y)
    total = float(nx) if len(wx) == 0 else wx.sum()
    total += wy.sum()
    angle = 2.0 * math.pi / compression
    cosine, sine = math.cos(angle), math.sin(angle)
    step, i, j = 1, 0, 0
    if backward:
        step, i, j = -1, nx - 1, ny - 1
    count = 0
    done, first, last, offset, w, limit = 0.0, 0.0, 0.0, 0.0, 0.0, -1.0
    while 0 <= i < nx or 0 <= j < ny:
        if not 0 <= j < ny:
            from_x = True
        elif not 0 <= i < nx:
            from_x = False
        else:
            from_x = (x[i] >= y[j]) if backward else (x[i] <= y[j])
        if from_x:
            value, share = x[i], 1.0 if len(wx) == 0 else wx[i]
            i += step
        else:
            value, share = y[j], wy[j]
            j += step
        if w + share <= limit:
            offset += (value - first) * share
            w += share
            last = value
            continue
        if w > 0.0:
            mean[count] = cluster_mean(first, last, offset, w)
            weight[count] = w
            count += 1
            done += w
        q = done / total
        z = 2.0 * q - 1.0
        if z >= cosine:
            limit = total
        else:
            up = z * cosine + 2.0 * math.sqrt(max(q * (1.0 - q), 0.0)) * sine
            limit = total * 0.5 * (1.0 + up) - done
        first, last, offset, w = value, value, 0.0, share
    if w > 0.0:
        mean[count] = cluster_mean(first, last, offset, w)
        weight[count] = w
        count += 1
    if backward:
        mean[:count] = mean[:count][::-1].copy()
        weight[:count] = weight[:count][::-1].copy()
    return count


@njit(nogil=True, cache=True)
def cluster_mean(first: float, last: float, offset: float, w: float) -> float:
    """Return first + offset / w, kept between the cluster's ends, which rounding could leave."""
    mean = first + offset / w
    if not math.isfinite(mean):
        mean = 0.5 * first + 0.5 * last
    return max(min(first, last), min(max(first, last), mean))


@njit(nogil=True, cache=True)
def digest(
    x: Array, size: int, mean: Array, weight: Array, count: int, compression: float, turns: int
) -> tuple[Array, Array, int]:
    """Sort runs of ``size`` values and merge them into the clusters, from alternate ends.

    Returns:
        Means and weights of the clusters, and the number of runs merged so far.
    """
    keys, spare = np.empty(size, np.uint64), np.empty(size, np.uint64)
    table = np.empty((3, 1 << DIGIT), np.int32)
    unit = np.empty(0)
    # k spans δ/2; two neighbours that do not fit one cluster span more than 1. Hence δ + 2 do.
    capacity = int(compression) + 8
    old_mean, old_weight = np.empty(capacity), np.empty(capacity)
    new_mean, new_weight = np.empty(capacity), np.empty(capacity)
    old_mean[:count] = mean[:count]
    old_weight[:count] = weight[:count]
    for start in range(0, len(x), size):
        run = radix_sort(x[start : start + size], keys, spare, table)
        count = compress(
            run,
            unit,
            old_mean[:count],
            old_weight[:count],
            new_mean,
            new_weight,
            compression,
            turns % 2 == 1,
        )
        old_mean, new_mean = new_mean, old_mean
        old_weight, new_weight = new_weight, old_weight
        turns += 1
    return old_mean[:count].copy(), old_weight[:count].copy(), turns


@njit(nogil=True, cache=True)
def robbins_monro(
    x: Array, q: Array, theta: Array, current: Array, earlier: Array, state: Array, g0: float
) -> None:
    """Run θ <- θ - a_k (1{x <= θ} - q), a_k = g0·ŝ_k·k^(-3/4), and average its tail.

    Args:
        x: Values, in their order.
        q: Levels (m,).
        theta: Iterates (m,), changed in place.
        current: Sums of θ less the shift over steps 2^j <= k (m,).
        earlier: The same over 2^(j-1) <= k < 2^j (m,): together at least the last half.
        state: k, start of ``current``, length of ``earlier``, shift, mean, M2, Σ(k - k̄)(x - x̄).
        g0: Scale of the gain.
    """
    k, start, span = state[0], state[1], state[2]
    shift, mean, m2, trend = state[3], state[4], state[5], state[6]
    m = len(q)
    if k == 0.0 and len(x):
        shift = x[0]
        start = 1.0
        for j in range(m):
            theta[j] = x[0]
    for i in range(len(x)):
        value = x[i]
        k += 1.0
        inverse = 1.0 / k
        d = (value - shift) - mean
        mean += d * inverse
        e = (value - shift) - mean
        m2 += d * e
        trend += 0.5 * k * e
        root = math.sqrt(inverse)
        # k^(-3/4) by two roots: off the critical path, where a power is not.
        gain = g0 * math.sqrt(m2 * inverse) * (root * math.sqrt(root))
        if k == 2.0 * start:
            span = k - start
            start = k
            for j in range(m):
                earlier[j] = current[j]
                current[j] = 0.0
        for j in range(m):
            t = theta[j]
            t -= gain * ((1.0 if value <= t else 0.0) - q[j])
            theta[j] = t
            current[j] += t - shift
    state[0], state[1], state[2] = k, start, span
    state[3], state[4], state[5], state[6] = shift, mean, m2, trend


@njit(nogil=True, cache=True)
def p_square(x: Array, q: Array, heights: Array, places: Array, seen: int) -> int:
    """Move the five markers of each level (Jain, Chlamtac 1985); return the count of values.

    Args:
        x: Values, in their order.
        q: Levels (m,).
        heights: Markers' values (m, 5).
        places: Markers' positions, from 1 (m, 5).
        seen: Values before these.
    """
    for i in range(len(x)):
        value = x[i]
        if seen < 5:
            place = seen
            while place > 0 and heights[0, place - 1] > value:
                heights[:, place] = heights[:, place - 1]
                place -= 1
            heights[:, place] = value
            places[:, seen] = seen + 1.0
            seen += 1
            continue
        seen += 1
        for j in range(len(q)):
            h, n = heights[j], places[j]
            if value < h[0]:
                h[0] = value
                cell = 0
            elif value >= h[4]:
                h[4] = max(h[4], value)
                cell = 3
            else:
                cell = 0
                while cell < 3 and value >= h[cell + 1]:
                    cell += 1
            for c in range(cell + 1, 5):
                n[c] += 1.0
            for c in range(1, 4):
                share = 0.5 * q[j] if c == 1 else (q[j] if c == 2 else 0.5 + 0.5 * q[j])
                d = 1.0 + (seen - 1.0) * share - n[c]
                if (d >= 1.0 and n[c + 1] - n[c] > 1.0) or (d <= -1.0 and n[c - 1] - n[c] < -1.0):
                    s = 1.0 if d > 0.0 else -1.0
                    up, down = n[c + 1] - n[c], n[c] - n[c - 1]
                    parabola = h[c] + s / (up + down) * (
                        (down + s) * (h[c + 1] - h[c]) / up + (up - s) * (h[c] - h[c - 1]) / down
                    )
                    if h[c - 1] < parabola < h[c + 1]:
                        h[c] = parabola
                    else:
                        o = c + int(s)
                        h[c] += s * (h[o] - h[c]) / (n[o] - n[c])
                    n[c] += s
    return seen

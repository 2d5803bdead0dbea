"""Kernels of the quantile sketch, with XGBoost's rounding: every rank is a float32.

A summary is a table (4, size) of float32: least rank, greatest rank, weight and value of each
entry, values rising. Literals would turn the arithmetic into float64, so constants are typed.

Sorting follows the C++ library's ``std::sort`` swap for swap: equal values keep the order it
would leave them in, and so do the sums taken over them.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

RMIN, RMAX, WEIGHT, VALUE = range(4)
Floats = NDArray[np.float32]
Keys = NDArray[np.int64]

_TWO = np.float32(2)
_ZERO = np.float32(0)
_LEAST_RANGE = np.float32(1e-3)
_SMALL = 16
_HALF = np.int64(32)


@njit(nogil=True, cache=True)
def _insert(keys: Keys, at: int) -> None:
    own = keys[at]
    high = own >> _HALF
    j = at - 1
    while high < (keys[j] >> _HALF):
        keys[j + 1] = keys[j]
        j -= 1
    keys[j + 1] = own


@njit(nogil=True, cache=True)
def _sift(keys: Keys, first: int, hole: int, size: int, own: np.int64) -> None:
    top = hole
    child = hole
    while child < (size - 1) // 2:
        child = 2 * (child + 1)
        if (keys[first + child] >> _HALF) < (keys[first + child - 1] >> _HALF):
            child -= 1
        keys[first + hole] = keys[first + child]
        hole = child
    if size % 2 == 0 and child == (size - 2) // 2:
        child = 2 * (child + 1)
        keys[first + hole] = keys[first + child - 1]
        hole = child - 1
    parent = (hole - 1) // 2
    while hole > top and (keys[first + parent] >> _HALF) < (own >> _HALF):
        keys[first + hole] = keys[first + parent]
        hole = parent
        parent = (hole - 1) // 2
    keys[first + hole] = own


@njit(nogil=True, cache=True)
def _heap_sort(keys: Keys, first: int, last: int) -> None:
    size = last - first
    for parent in range((size - 2) // 2, -1, -1):
        _sift(keys, first, parent, size, keys[first + parent])
    for end in range(last - 1, first, -1):
        own = keys[end]
        keys[end] = keys[first]
        _sift(keys, first, 0, end - first, own)


@njit(nogil=True, cache=True)
def _partition(keys: Keys, first: int, last: int) -> int:
    a, b, c = first + 1, first + (last - first) // 2, last - 1
    ka, kb, kc = keys[a] >> _HALF, keys[b] >> _HALF, keys[c] >> _HALF
    if ka < kb:
        median = b if kb < kc else (c if ka < kc else a)
    else:
        median = a if ka < kc else (c if kb < kc else b)
    keys[first], keys[median] = keys[median], keys[first]
    pivot = keys[first] >> _HALF
    i, j = first + 1, last
    while True:
        while (keys[i] >> _HALF) < pivot:
            i += 1
        j -= 1
        while pivot < (keys[j] >> _HALF):
            j -= 1
        if i >= j:
            return i
        keys[i], keys[j] = keys[j], keys[i]
        i += 1


@njit(nogil=True, cache=True)
def sort_keys(keys: Keys, size: int) -> None:
    """Sort the first keys by their high 32 bits alone, as ``std::sort`` does: not stable."""
    if size < 2:
        return
    limit = 0
    while (size >> (limit + 1)) > 0:
        limit += 1
    stack = np.empty((2 * limit + 2, 3), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, size, 2 * limit
    held = 1
    while held:
        held -= 1
        first, last, depth = stack[held, 0], stack[held, 1], stack[held, 2]
        while last - first > _SMALL:
            if depth == 0:
                _heap_sort(keys, first, last)
                break
            depth -= 1
            cut = _partition(keys, first, last)
            stack[held, 0], stack[held, 1], stack[held, 2] = cut, last, depth
            held += 1
            last = cut
    for i in range(1, min(size, _SMALL)):
        own = keys[i]
        if (own >> _HALF) < (keys[0] >> _HALF):
            for j in range(i, 0, -1):
                keys[j] = keys[j - 1]
            keys[0] = own
        else:
            _insert(keys, i)
    for i in range(_SMALL, size):
        _insert(keys, i)


@njit(nogil=True, cache=True)
def sort_column(ordered: NDArray[np.int32], keys: Keys, rows: NDArray[np.uint32]) -> int:
    """Write the numbers of the rows with a value, by value; return how many.

    Args:
        ordered: Each value's bits, ordered as the values are; the greatest number for NaN.
        keys: Room, (n,).
        rows: Written, (n,).
    """
    size = 0
    for i in range(len(ordered)):
        if ordered[i] != np.int32(0x7FFFFFFF):
            keys[size] = (np.int64(ordered[i]) << _HALF) | np.int64(i)
            size += 1
    sort_keys(keys, size)
    for i in range(size):
        rows[i] = np.uint32(keys[i] & np.int64(0xFFFFFFFF))
    return size


@njit(nogil=True, cache=True)
def copy_entries(source: Floats, size: int, target: Floats) -> int:
    """Copy a summary; return its size."""
    for j in range(4):
        for i in range(size):
            target[j, i] = source[j, i]
    return size


@njit(nogil=True, cache=True)
def _keep(source: Floats, i: int, target: Floats, at: int) -> int:
    for j in range(4):
        target[j, at] = source[j, i]
    return at + 1


@njit(nogil=True, cache=True)
def _nearer_left(s: Floats, i: int, twice: np.float32) -> bool:
    # The wanted rank lies nearer to entry i than to the next.
    return twice < (s[RMIN, i] + s[WEIGHT, i]) + (s[RMAX, i + 1] - s[WEIGHT, i + 1])


@njit(nogil=True, cache=True, error_model="numpy")
def prune(s: Floats, size: int, most: int, target: Floats) -> int:
    """Write the entries nearest to ``most`` evenly spaced ranks; return how many."""
    if size <= most:
        return copy_entries(s, size, target)
    begin = s[RMAX, 0]
    span = s[RMIN, size - 1] - begin
    n = most - 1
    kept = _keep(s, 0, target, 0)
    i = 1
    last = 0
    for k in range(1, n):
        twice = _TWO * ((np.float32(k) * span) / np.float32(n) + begin)
        while i < size - 1 and twice >= s[RMAX, i + 1] + s[RMIN, i + 1]:
            i += 1
        if i == size - 1:
            break
        chosen = i if _nearer_left(s, i, twice) else i + 1
        if chosen != last:
            kept = _keep(s, chosen, target, kept)
            last = chosen
    if last != size - 1:
        kept = _keep(s, size - 1, target, kept)
    return kept


@njit(nogil=True, cache=True, error_model="numpy")
def prune_heavy(s: Floats, size: int, most: int, target: Floats) -> int:
    """Prune, but keep every entry heavier than two even shares; return how many are left."""
    if size <= most:
        return copy_entries(s, size, target)
    begin = s[RMAX, 0]
    n = most - 2
    span = s[RMIN, size - 1] - begin
    kept = _keep(s, 0, target, 0)
    if span == _ZERO or most <= 2:
        return _keep(s, size - 1, target, kept)
    chunk = _TWO * max(span, _LEAST_RANGE) / np.float32(n)
    # What the heavy entries leave of the ranks is shared evenly among the others.
    light = _ZERO
    heavy = 0
    block = 0
    for i in range(1, size - 1):
        if s[RMIN, i] + s[WEIGHT, i] > s[RMAX, i] - s[WEIGHT, i] + chunk:
            if block != i - 1:
                light += (s[RMAX, i] - s[WEIGHT, i]) - (s[RMIN, block] + s[WEIGHT, block])
            block = i
            heavy += 1
    e = size - 1
    if block != size - 2:
        light += (s[RMAX, e] - s[WEIGHT, e]) - (s[RMIN, block] + s[WEIGHT, block])
    n -= heavy
    block, k, last = 0, 1, 0
    for end in range(1, size):
        above = s[RMIN, end] + s[WEIGHT, end]
        below = s[RMAX, end] - s[WEIGHT, end]
        if end != size - 1 and not above > below + chunk:
            continue
        if block != end - 1:
            i = block
            while k < n:
                twice = _TWO * ((np.float32(k) * light) / np.float32(n) + begin)
                if twice >= below * _TWO:
                    break
                while i < end and twice >= s[RMAX, i + 1] + s[RMIN, i + 1]:
                    i += 1
                if i == end:
                    break
                chosen = i if _nearer_left(s, i, twice) else i + 1
                if chosen != last:
                    kept = _keep(s, chosen, target, kept)
                    last = chosen
                k += 1
        if last != end:
            kept = _keep(s, end, target, kept)
            last = end
        block = end
        begin += above - below
    return kept


@njit(nogil=True, cache=True)
def _put(
    t: Floats, at: int, low: np.float32, high: np.float32, w: np.float32, v: np.float32
) -> int:
    t[RMIN, at], t[RMAX, at], t[WEIGHT, at], t[VALUE, at] = low, high, w, v
    return at + 1


@njit(nogil=True, cache=True)
def merge(a: Floats, na: int, b: Floats, nb: int, target: Floats) -> int:
    """Write the summary of both sets together; return its size."""
    if na == 0:
        return copy_entries(b, nb, target)
    if nb == 0:
        return copy_entries(a, na, target)
    i = j = n = 0
    # Weight of what is certainly below the next entry of the other set.
    below_a = below_b = _ZERO
    while i < na or j < nb:
        from_a = i < na and (j == nb or a[VALUE, i] <= b[VALUE, j])
        from_b = j < nb and (i == na or b[VALUE, j] <= a[VALUE, i])
        if from_a and from_b:
            low, high = a[RMIN, i] + b[RMIN, j], a[RMAX, i] + b[RMAX, j]
            n = _put(target, n, low, high, a[WEIGHT, i] + b[WEIGHT, j], a[VALUE, i])
        elif from_a:
            other = b[RMAX, nb - 1] if j == nb else b[RMAX, j] - b[WEIGHT, j]
            n = _put(target, n, a[RMIN, i] + below_b, a[RMAX, i] + other, a[WEIGHT, i], a[VALUE, i])
        else:
            other = a[RMAX, na - 1] if i == na else a[RMAX, i] - a[WEIGHT, i]
            n = _put(target, n, b[RMIN, j] + below_a, b[RMAX, j] + other, b[WEIGHT, j], b[VALUE, j])
        if from_a:
            below_a = a[RMIN, i] + a[WEIGHT, i]
            i += 1
        if from_b:
            below_b = b[RMIN, j] + b[WEIGHT, j]
            j += 1
    # Rounding may have put ranks out of order by a hair.
    low = high = _ZERO
    for k in range(n):
        low = target[RMIN, k] = max(target[RMIN, k], low)
        high = max(target[RMAX, k], high)
        target[RMAX, k] = high = max(high, low + target[WEIGHT, k])
    return n


@njit(nogil=True, cache=True)
def summarize(
    ordered: NDArray[np.int32], values: Floats, weights: Floats, size: int, keys: Keys, out: Floats
) -> int:
    """Write the exact summary of unordered values; return its size.

    Args:
        ordered: Each value's bits, ordered as the values are.
        values: The values.
        weights: Their weights.
        size: How many.
        keys: Room for as many.
        out: The summary.
    """
    for i in range(size):
        keys[i] = (np.int64(ordered[i]) << _HALF) | np.int64(i)
    sort_keys(keys, size)
    n = 0
    total = _ZERO
    i = 0
    while i < size:
        own = keys[i] & np.int64(0xFFFFFFFF)
        w = weights[own]
        j = i + 1
        while j < size and (keys[j] >> _HALF) == (keys[i] >> _HALF):
            w += weights[keys[j] & np.int64(0xFFFFFFFF)]
            j += 1
        n = _put(out, n, total, total + w, w, values[own])
        total += w
        i = j
    return n


@njit(nogil=True, cache=True)
def _rise(
    temp: Floats, size: int, limit: int, levels: NDArray[np.float32], sizes: NDArray[np.int64]
) -> None:
    # A binary counter of summaries: two of a level are merged into one of the next.
    for l in range(1, len(levels)):
        if sizes[l] == 0:
            sizes[l] = prune(temp, size, limit, levels[l])
            return
        n = prune(temp, size, limit, levels[0])
        size = merge(levels[0], n, levels[l], sizes[l], temp)
        if size <= limit:
            sizes[l] = copy_entries(temp, size, levels[l])
            return
        sizes[l] = 0


@njit(nogil=True, cache=True)
def stream(
    ordered: NDArray[np.int32],
    values: Floats,
    weights: Floats,
    limit: int,
    levels: NDArray[np.float32],
    temp: Floats,
) -> int:
    """Write the sketch of values as they come to ``temp``; return its size.

    Args:
        ordered: Each value's bits, ordered as the values are, (n,).
        values: The values, (n,).
        weights: Their weights, (n,); empty for 1 each.
        limit: Most entries of a summary.
        levels: Room for the summaries, (levels, 4, limit + 2).
        temp: Room, (4, 2 * limit + 2).
    """
    room = 2 * limit
    bits = np.empty(room, np.int32)
    held = np.empty(room, np.float32)
    mass = np.empty(room, np.float32)
    keys = np.empty(room, np.int64)
    sizes = np.zeros(len(levels), np.int64)
    tail = 0
    pushed = False
    for i in range(len(values)):
        w = np.float32(1) if len(weights) == 0 else weights[i]
        if w == _ZERO:
            continue
        if tail > 0 and bits[tail - 1] == ordered[i]:
            mass[tail - 1] += w
            continue
        if tail == room:
            size = summarize(bits, held, mass, tail, keys, temp)
            _rise(temp, size, limit, levels, sizes)
            pushed = True
            tail = 0
        bits[tail], held[tail], mass[tail] = ordered[i], values[i], w
        tail += 1
    size = summarize(bits, held, mass, tail, keys, temp)
    n = prune(temp, size, limit, levels[0])
    if pushed:
        for l in range(1, len(levels)):
            if sizes[l] == 0:
                continue
            size = merge(levels[0], n, levels[l], sizes[l], temp)
            n = prune(temp, size, limit, levels[0])
    return copy_entries(levels[0], n, temp)


@njit(nogil=True, cache=True, error_model="numpy")
def thin(values: Floats, rows: NDArray[np.uint32], weights: Floats, most: int, out: Floats) -> int:
    """Write about ``most`` entries of a sorted column, evenly spaced in weight; return how many.

    Args:
        values: Rising.
        rows: Their rows.
        weights: Weight of each row.
        most: Entries.
        out: The summary, (4, most + 1).
    """
    total = 0.0
    for i in range(len(rows)):
        total += weights[rows[i]]
    low = 0.0
    own = 0.0
    goal = 0.0
    n = 0
    for i in range(len(rows)):
        w = weights[rows[i]]
        if i == 0:
            own = np.float64(w)
        elif values[i] == values[i - 1]:
            own += w
        else:
            high = low + own
            if high >= goal and n != most:
                n = _put(out, n, np.float32(low), np.float32(high), np.float32(own), values[i - 1])
                goal = np.float64(np.float32(n * total / most)) if n != most else 2 * total + 1e-5
            low = high
            own = np.float64(w)
    if len(rows):
        last = values[len(rows) - 1]
        n = _put(out, n, np.float32(low), np.float32(low + own), np.float32(own), last)
    return n

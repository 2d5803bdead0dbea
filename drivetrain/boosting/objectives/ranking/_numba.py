"""Kernels of LambdaMART: pairs of rows, query by query; every query is summed on its own."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.generic]

# Places in the table of rules.
KIND, PAIRS, MEAN, NORMALIZE, BY_SCORE, UNBIASED = range(6)
PAIRWISE, NDCG, MAP = range(3)
_LEAST = 1e-16
# Shorter runs are sorted by insertion before they are merged.
_RUN = 12
# The generator of pairs is the C++ library's minstd_rand, so that pairs are XGBoost's.
_MODULUS = np.uint64(2147483647)
_FACTOR = np.uint64(48271)


@njit(nogil=True, cache=True, error_model="numpy")
def descend(key: Array, order: Array, spare: Array) -> None:
    """Write the places of ``key`` into ``order``, greatest first, equals as they stand."""
    n = len(key)
    for begin in range(0, n, _RUN):
        end = min(begin + _RUN, n)
        for i in range(begin, end):
            value = key[i]
            j = i
            while j > begin and key[order[j - 1]] < value:
                order[j] = order[j - 1]
                j -= 1
            order[j] = i
    width = _RUN
    while width < n:
        for begin in range(0, n, 2 * width):
            middle = min(begin + width, n)
            end = min(begin + 2 * width, n)
            i = begin
            j = middle
            for k in range(begin, end):
                if j >= end or (i < middle and key[order[i]] >= key[order[j]]):
                    spare[k] = order[i]
                    i += 1
                else:
                    spare[k] = order[j]
                    j += 1
        for k in range(n):
            order[k] = spare[k]
        width *= 2


@njit(nogil=True, cache=True, error_model="numpy")
def _draw(state: Array, count: int) -> np.int64:
    """Return a whole number below ``count``, as the C++ library draws it."""
    scale = np.uint64(2147483645) // np.uint64(count)
    past = np.uint64(count) * scale
    while True:
        state[0] = state[0] * _FACTOR % _MODULUS
        drawn = state[0] - np.uint64(1)
        if drawn < past:
            return np.int64(drawn // scale)


@njit(nogil=True, cache=True, error_model="numpy")
def _precision_change(
    high: int, low: int, above: bool, relevant: Array, mean_precision: Array
) -> float:
    """Return what exchanging places high < low of a list changes in its average precision."""
    m = relevant[low]
    n = relevant[high]
    between = mean_precision[low - 1] - mean_precision[high]
    if above:
        return (n / (high + 1.0) - m / (low + 1.0) + between) / relevant[len(relevant) - 1]
    return (m / (low + 1.0) - (n + 1.0) / (high + 1.0) - between) / relevant[len(relevant) - 1]


@njit(nogil=True, cache=True, error_model="numpy")
def _change(
    kind: int,
    i: int,
    j: int,
    y: Array,
    gain: Array,
    discount: Array,
    inverse: float,
    relevant: Array,
    precision: Array,
) -> float:
    """Return by how much the metric changes when places i and j of the list are exchanged."""
    if kind == NDCG:
        return abs((gain[i] - gain[j]) * (discount[i] - discount[j])) * inverse
    if kind == MAP:
        high = min(i, j)
        low = max(i, j)
        return abs(_precision_change(high, low, y[high] > y[low], relevant, precision))
    return 1.0


@njit(nogil=True, cache=True, error_model="numpy")
def lambdas(
    first: int,
    last: int,
    seed: int,
    offsets: Array,
    score: Array,
    label: Array,
    gains: Array,
    discount: Array,
    inverse: Array,
    weight: Array,
    rules: Array,
    t_plus: Array,
    t_minus: Array,
    g: Array,
    h: Array,
    cost_high: Array,
    cost_low: Array,
) -> None:
    """Write g and h of the rows of queries ``first`` to ``last`` - 1.

    Args:
        seed: (round + 1) * queries: with a query's number it starts the drawing of its pairs.
        offsets: Where queries begin.
        score: Margins, (n,).
        label: (n,).
        gains: Gains of the labels, (n,).
        discount: Of each place, as many as the longest query has.
        inverse: 1 / ideal DCG, or 0, (queries,).
        weight: (queries,).
        rules: What the constants above index.
        t_plus, t_minus: Bias of each tracked place; none where not UNBIASED.
        g, h: Written, (n,).
        cost_high, cost_low: Losses by row for the next estimate of the bias, added to.
    """
    longest = len(discount)
    order = np.empty(longest, np.int64)
    spare = np.empty(longest, np.int64)
    by_label = np.empty(longest, np.int64)
    s = np.empty(longest, np.float32)
    y = np.empty(longest, np.float32)
    gain = np.empty(longest, np.float64)
    relevant = np.empty(longest, np.float64)
    precision = np.empty(longest, np.float64)
    slope = np.empty(longest, np.float64)
    bend = np.empty(longest, np.float64)
    total = np.zeros(1, np.float64)
    state = np.empty(1, np.uint64)
    kind = rules[KIND]
    for q in range(first, last):
        a = offsets[q]
        n = offsets[q + 1] - a
        if n == 0:
            continue
        descend(score[a : a + n], order, spare)
        hits = 0.0
        mean = 0.0
        for k in range(n):
            row = a + order[k]
            s[k] = score[row]
            y[k] = label[row]
            gain[k] = gains[row]
            hits += y[k]
            mean += y[k] / (k + 1.0)
            relevant[k] = hits
            precision[k] = mean
            slope[k] = 0.0
            bend[k] = 0.0
        total[0] = 0.0
        divide = rules[BY_SCORE] and s[0] != s[n - 1]
        if rules[MEAN] == 0:
            for i in range(min(n, rules[PAIRS])):
                for j in range(i + 1, n):
                    _pair(
                        i, j, kind, divide, s, y, gain, discount, inverse[q],
                        relevant[:n], precision, order, a, rules[UNBIASED], t_plus, t_minus,
                        slope, bend, cost_high, cost_low, total,
                    )  # fmt: skip
        else:
            start = np.uint64(np.uint32(seed + q)) % _MODULUS
            state[0] = start if start else np.uint64(1)
            descend(y[:n], by_label, spare)
            i = 0
            while i < n:
                j = i + 1
                while j < n and y[by_label[j]] == y[by_label[i]]:
                    j += 1
                others = n - (j - i)
                for _ in range(rules[PAIRS] if others else 0):
                    for k in range(i, j):
                        other = _draw(state, others)
                        if other >= i:
                            other += j - i
                        _pair(
                            by_label[k], by_label[other], kind, divide, s, y, gain, discount,
                            inverse[q], relevant[:n], precision, order, a, rules[UNBIASED],
                            t_plus, t_minus, slope, bend, cost_high, cost_low, total,
                        )  # fmt: skip
                i = j
        norm = weight[q]
        if rules[NORMALIZE]:
            if rules[MEAN]:
                norm /= rules[PAIRS]
            elif total[0] > 0.0:
                norm *= np.log2(1.0 + total[0]) / total[0]
        for k in range(n):
            g[a + order[k]] = slope[k] * norm
            h[a + order[k]] = bend[k] * norm


@njit(nogil=True, cache=True, error_model="numpy")
def _pair(
    i: int,
    j: int,
    kind: int,
    divide: bool,
    s: Array,
    y: Array,
    gain: Array,
    discount: Array,
    inverse: float,
    relevant: Array,
    precision: Array,
    order: Array,
    begin: int,
    unbiased: int,
    t_plus: Array,
    t_minus: Array,
    slope: Array,
    bend: Array,
    cost_high: Array,
    cost_low: Array,
    total: Array,
) -> None:
    """Add what the rows at places i and j of the list do to each other."""
    if y[i] == y[j]:
        return
    high = i if y[i] > y[j] else j
    low = j if y[i] > y[j] else i
    change = _change(kind, i, j, y, gain, discount, inverse, relevant, precision)
    off = np.float64(s[high] - s[low])
    if divide:
        change /= abs(off) + 0.01
    # 1 - sigmoid(off), without cancellation for either sign.
    e = np.exp(-abs(off))
    small = e / (1.0 + e)
    miss = small if off > 0 else 1.0 - small
    push = miss * change
    steep = max(miss * (1.0 - miss), _LEAST) * change * 2.0
    if unbiased:
        k = len(t_plus)
        a = order[high]
        b = order[low]
        if a < k and b < k:
            cost = -np.log(max(miss, _LEAST)) * change
            if t_minus[b] >= _LEAST:
                cost_high[begin + a] += cost / t_minus[b]
            if t_plus[a] >= _LEAST:
                cost_low[begin + b] += cost / t_plus[a]
            if t_minus[b] >= _LEAST and t_plus[a] >= _LEAST:
                push /= t_plus[a] * t_minus[b]
                steep /= t_plus[a] * t_minus[b]
    slope[high] -= push
    slope[low] += push
    bend[high] += steep
    bend[low] += steep
    total[0] += 2.0 * push


@njit(nogil=True, cache=True, error_model="numpy")
def ndcg(
    offsets: Array,
    score: Array,
    gains: Array,
    discount: Array,
    inverse: Array,
    most: int,
    empty: float,
    out: Array,
) -> None:
    """Write each query's NDCG at ``most``; ``empty`` where nothing is relevant."""
    order = np.empty(len(discount), np.int64)
    spare = np.empty(len(discount), np.int64)
    for q in range(len(offsets) - 1):
        a = offsets[q]
        n = offsets[q + 1] - a
        out[q] = empty
        if inverse[q] <= 0.0:
            continue
        descend(score[a : a + n], order, spare)
        gained = 0.0
        for k in range(min(n, most)):
            gained += discount[k] * gains[a + order[k]]
        out[q] = gained * inverse[q]


@njit(nogil=True, cache=True, error_model="numpy")
def hits(
    offsets: Array, score: Array, label: Array, most: int, empty: float, longest: int, out: Array
) -> None:
    """Write each query's average precision and precision at ``most``, (queries, 2)."""
    order = np.empty(longest, np.int64)
    spare = np.empty(longest, np.int64)
    for q in range(len(offsets) - 1):
        a = offsets[q]
        n = offsets[q + 1] - a
        descend(score[a : a + n], order, spare)
        found = 0.0
        area = 0.0
        for k in range(min(n, most)):
            p = label[a + order[k]]
            found += p
            area += found / (k + 1.0) * p
        out[q, 1] = found / max(min(n, most), 1)
        for k in range(min(n, most), n):
            found += label[a + order[k]]
        out[q, 0] = area / min(found, np.float64(most)) if found > 0.0 else empty

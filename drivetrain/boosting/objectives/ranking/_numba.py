"""Kernels of LambdaMART: pairs of rows, query by query; every query is summed on its own."""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[np.generic]

# Places in the table of rules.
KIND, PAIRS, MEAN, NORMALIZE, BY_SCORE = range(5)
PAIRWISE, NDCG, MAP = range(3)
_LEAST = 1e-16
# Shorter runs are sorted by insertion before they are merged.
_RUN = 12
# The generator of pairs is the C++ library's minstd_rand, so that pairs are XGBoost's.
_MODULUS = np.uint64(2147483647)
_FACTOR = np.uint64(48271)
_MAGIC = 1.5 * 2.0**52
#: Rows of a query at most. Not a power of two: lists would share the places of a cache.
LONGEST = 65_536 + 72
_LISTS = 9
# Where each list of a query begins; scores begin at 0.
_LABEL, _GAIN, _PLACE, _RELEVANT, _PRECISION, _SLOPE, _BEND, _CHANGE = (
    np.uint64(k * LONGEST) for k in range(1, _LISTS)
)
_ONE = np.uint64(1)


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


@intrinsic
def _bits(typing_context, value):  # type: ignore[no-untyped-def]
    """Return the bits of a float64 as a whole number."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def _float(typing_context, bits):  # type: ignore[no-untyped-def]
    """Return the float64 of these bits."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


# No "reassoc" here: (x + _MAGIC) - _MAGIC rounds x to a whole number.
@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def _decay(d: float) -> float:
    """Return exp(-d), d >= 0, to 1e-11 of itself, in steps that go eight at a time.

    exp(-d) = 2^k e^f with |f| <= log(2)/2, for which ten terms of e^f are enough.
    """
    x = max(d * -1.4426950408889634, -1000.0)
    whole = x + _MAGIC
    f = (x - (whole - _MAGIC)) * 0.6931471805599453
    p = 1.0 + f * (1.0 + f * (1 / 2 + f * (1 / 6 + f * (1 / 24 + f * (1 / 120 + f * (
        1 / 720 + f * (1 / 5040 + f * (1 / 40320 + f * (1 / 362880)))))))))  # fmt: skip
    power = (_bits(whole) + np.int64(1023)) << np.int64(52)  # type: ignore[call-arg]
    return p * _float(power)  # type: ignore[call-arg]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def _change(w: Array, a: np.uint64, b: np.uint64, kind: int, scale: float) -> float:
    """Return by how much the metric changes when places a < b of the list are exchanged."""
    if kind == NDCG:
        gained = (w[_GAIN + a] - w[_GAIN + b]) * (w[_PLACE + a] - w[_PLACE + b])
        return abs(gained) * scale
    if w[_LABEL + a] == w[_LABEL + b]:
        return 0.0
    if kind == PAIRWISE:
        return 1.0
    between = w[_PRECISION + b - _ONE] - w[_PRECISION + a]
    m = w[_RELEVANT + b] * w[_PLACE + b]
    n = w[_RELEVANT + a]
    if w[_LABEL + a] > w[_LABEL + b]:
        return abs(n * w[_PLACE + a] - m + between) * scale
    return abs(m - (n + 1.0) * w[_PLACE + a] - between) * scale


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def _against_all(
    w: Array, i: int, n: int, kind: int, scale: float, near: float, far: float
) -> float:
    """Pair place i with all below it; return Σ |λ|.

    All lists lie in one array at fixed distances, so that the compiler sees that no store
    changes what is still to be read, and takes several places at once.
    """
    a = np.uint64(i)
    own = w[a]
    label = w[_LABEL + a]
    slope = 0.0
    bend = 0.0
    total = 0.0
    for j in range(a + _ONE, np.uint64(n)):
        w[_CHANGE + j] = _change(w, a, np.uint64(j), kind, scale)
    for j in range(a + _ONE, np.uint64(n)):
        d = own - w[j]
        e = _decay(d)
        r = 1.0 / (1.0 + e)
        change = w[_CHANGE + j] / (near + far * d)
        above = label > w[_LABEL + j]
        miss = e * r if above else r
        push = miss * change
        steep = max(miss * (1.0 - miss), _LEAST) * change * 2.0
        signed = -push if above else push
        w[_SLOPE + j] -= signed
        w[_BEND + j] += steep
        slope += signed
        bend += steep
        total += push
    w[_SLOPE + a] += slope
    w[_BEND + a] += bend
    return total * 2.0


@njit(nogil=True, cache=True, error_model="numpy")
def _pair(
    w: Array,
    i: int,
    j: int,
    kind: int,
    scale: float,
    near: float,
    far: float,
    rows: Array,
    bias: Array,
    cost: Array,
    known: float,
) -> float:
    """Add what places i and j of the list do to each other; return 2 |λ|.

    Args:
        rows: The row of the query at each place.
        bias: Of clicked and of other rows by place shown, (2, places); no places for none.
        cost: The query's losses by row for the next estimate of the bias, (2, n).
        known: 1 where all but the effect of the bias has been added already, else 0.
    """
    a = np.uint64(min(i, j))
    b = np.uint64(max(i, j))
    if w[_LABEL + a] == w[_LABEL + b]:
        return 0.0
    above = w[_LABEL + a] > w[_LABEL + b]
    d = w[a] - w[b]
    e = _decay(d)
    r = 1.0 / (1.0 + e)
    miss = e * r if above else r
    change = _change(w, a, b, kind, scale) / (near + far * d)
    push = miss * change
    steep = max(miss * (1.0 - miss), _LEAST) * change * 2.0
    share = 1.0
    if bias.shape[1]:
        high = rows[a] if above else rows[b]
        low = rows[b] if above else rows[a]
        if high < bias.shape[1] and low < bias.shape[1]:
            plus = bias[0, high]
            minus = bias[1, low]
            lost = -np.log(max(miss, _LEAST)) * change
            if minus >= _LEAST:
                cost[0, high] += lost / minus
            if plus >= _LEAST:
                cost[1, low] += lost / plus
            if minus >= _LEAST and plus >= _LEAST:
                share = 1.0 / (plus * minus)
    push *= share - known
    steep *= share - known
    signed = -push if above else push
    w[_SLOPE + a] += signed
    w[_SLOPE + b] -= signed
    w[_BEND + a] += steep
    w[_BEND + b] += steep
    return push * 2.0


@njit(nogil=True, cache=True, error_model="numpy")
def _fill(
    w: Array, score: Array, label: Array, gains: Array, place: Array, rows: Array, n: int
) -> None:
    """Write a query's lists, in the order of its scores."""
    hits = 0.0
    mean = 0.0
    for k in range(n):
        at = np.uint64(k)
        row = rows[k]
        y = np.float64(label[row])
        hits += y
        mean += y / (k + 1.0)
        w[at] = score[row]
        w[_LABEL + at] = y
        w[_GAIN + at] = gains[row]
        w[_PLACE + at] = place[k]
        w[_RELEVANT + at] = hits
        w[_PRECISION + at] = mean
        w[_SLOPE + at] = 0.0
        w[_BEND + at] = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _drawn(
    w: Array,
    n: int,
    state: Array,
    pairs: int,
    kind: int,
    scale: float,
    near: float,
    far: float,
    rows: Array,
    by_label: Array,
    spare: Array,
    bias: Array,
    cost: Array,
) -> float:
    """Pair each row with some drawn of another label; return Σ |λ|."""
    total = 0.0
    descend(w[_LABEL : _LABEL + np.uint64(n)], by_label, spare)
    i = 0
    while i < n:
        y = w[_LABEL + np.uint64(by_label[i])]
        j = i + 1
        while j < n and w[_LABEL + np.uint64(by_label[j])] == y:
            j += 1
        others = n - (j - i)
        for _ in range(pairs if others else 0):
            for k in range(i, j):
                other = _draw(state, others)
                if other >= i:
                    other += j - i
                total += _pair(
                    w, by_label[k], by_label[other], kind, scale, near, far, rows, bias, cost, 0.0
                )
        i = j
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def lambdas(
    first: int,
    last: int,
    seed: int,
    offsets: Array,
    score: Array,
    label: Array,
    gains: Array,
    place: Array,
    scales: Array,
    weight: Array,
    rules: Array,
    bias: Array,
    g: Array,
    h: Array,
    cost: Array,
) -> None:
    """Write g and h of the rows of queries ``first`` to ``last`` - 1.

    Args:
        seed: (round + 1) * queries: with a query's number it starts the drawing of its pairs.
        offsets: Where queries begin; none is longer than LONGEST.
        score: Margins, (n,).
        label: (n,).
        gains: Gains of the labels, (n,).
        place: What a place is worth, as many as the longest query has.
        scales: 1 / ideal of each query's metric, or 0, (queries,).
        weight: (queries,).
        rules: What the constants above index.
        bias: Of each tracked place, (2, places).
        g, h: Written, (n,).
        cost: Losses by row for the next estimate of the bias, added to, (2, n or 0).
    """
    w = np.empty(_LISTS * LONGEST, np.float64)
    rows = np.empty(len(place), np.int64)
    spare = np.empty(len(place), np.int64)
    by_label = np.empty(len(place), np.int64)
    state = np.empty(1, np.uint64)
    kind = rules[KIND]
    for q in range(first, last):
        a = offsets[q]
        n = offsets[q + 1] - a
        if n == 0:
            continue
        descend(score[a : a + n], rows, spare)
        _fill(w, score[a : a + n], label[a : a + n], gains[a : a + n], place, rows, n)
        divide = rules[BY_SCORE] and w[0] != w[n - 1]
        near = 0.01 if divide else 1.0
        far = 1.0 if divide else 0.0
        total = 0.0
        if rules[MEAN]:
            start = np.uint64(np.uint32(seed + q)) % _MODULUS
            state[0] = start if start else np.uint64(1)
            total = _drawn(
                w, n, state, rules[PAIRS], kind, scales[q], near, far, rows, by_label, spare,
                bias, cost[:, a : a + n],
            )  # fmt: skip
        else:
            for i in range(min(n, rules[PAIRS])):
                total += _against_all(w, i, n, kind, scales[q], near, far)
            tracked = 0
            for k in range(n if bias.shape[1] else 0):
                if rows[k] < bias.shape[1]:
                    spare[tracked] = k
                    tracked += 1
            for m in range(tracked):
                for k in range(m + 1, tracked if spare[m] < rules[PAIRS] else 0):
                    total += _pair(
                        w, spare[m], spare[k], kind, scales[q], near, far, rows, bias,
                        cost[:, a : a + n], 1.0,
                    )  # fmt: skip
        norm = weight[q]
        if rules[NORMALIZE]:
            if rules[MEAN]:
                norm /= rules[PAIRS]
            elif total > 0.0:
                norm *= np.log2(1.0 + total) / total
        for k in range(n):
            g[a + rows[k]] = w[_SLOPE + np.uint64(k)] * norm
            h[a + rows[k]] = w[_BEND + np.uint64(k)] * norm


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

"""Kernels of the protocols: who found whom by any rule, the true positives in order, the curve."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

# Rules of assignment, as ``assign`` knows them.
FREE, BEST, PAIRS = 0, 1, 2
# What a group-of truth is.
PLAIN, ABSORBS, ONCE = 0, 1, 2


@njit(nogil=True, cache=True)
def assign(
    lo: int,
    hi: int,
    pairs: tuple[Array, ...],
    detections: tuple[Array, ...],
    truths: tuple[Array, ...],
    rules: tuple[int, bool, Array],
    found: Array,
    ignored: Array,
) -> None:
    """Fill ``found`` and ``ignored`` (A, D) for detections lo..hi, and ``taken`` (A, G).

    Bit t of a word is threshold t. A truth is in one group only, and a group's detections come
    by falling score: walking them in order and marking truths as taken is the whole of matching.
    """
    starts, targets, overlaps = pairs
    admitted, excused = detections
    aside, crowd, bunch, zero, taken = truths
    rule, strict, thresholds = rules
    n_thresholds, n_areas = len(thresholds), len(found)
    every = np.uint32((np.int64(1) << n_thresholds) - 1)
    least = np.empty(n_thresholds)
    for t in range(n_thresholds):
        least[t] = min(thresholds[t], 1 - 1e-10) if rule == FREE else thresholds[t]
    for d in range(lo, hi):
        if not admitted[d]:
            for a in range(n_areas):
                found[a, d], ignored[a, d] = 0, every
            continue
        c0, c1 = starts[d], starts[d + 1]
        for a in range(n_areas):
            hit, void = np.uint32(0), np.uint32(0)
            if c0 < c1 and rule == FREE:
                for t in range(n_thresholds):
                    bit = np.uint32(1) << np.uint32(t)
                    best, match = least[t], -1
                    # Truths that count come first; only where none fits, those set aside.
                    for phase in range(2):
                        if match >= 0:
                            break
                        for c in range(c0, c1):
                            g = targets[c]
                            v = overlaps[c]
                            if bunch[g] or (aside[g] >> a) & 1 != phase or v < best:
                                continue
                            if match > g and v == best:  # of equal overlaps the later truth
                                continue
                            if strict and v <= thresholds[t]:
                                continue
                            if taken[a, g] & bit and not crowd[g]:
                                continue
                            best, match = v, g
                    if match < 0:
                        continue
                    taken[a, match] |= bit
                    if (aside[match] >> a) & 1:
                        void |= bit
                    elif not zero[match]:
                        hit |= bit
            elif c0 < c1:
                best, match = -1.0, -1
                for c in range(c0, c1):
                    v, g = overlaps[c], targets[c]
                    if bunch[g] or v < best:
                        continue
                    # Of equal overlaps the first truth, or Ultralytics' last.
                    if v > best or (g > match if rule == PAIRS else g < match):
                        best, match = v, g
                if match >= 0:
                    bits = np.uint32(0)
                    for t in range(n_thresholds):
                        if best > least[t] or (best == least[t] and not strict):
                            bits |= np.uint32(1) << np.uint32(t)
                    if (aside[match] >> a) & 1:
                        void = bits
                    else:
                        hit = bits & ~taken[a, match]
                        if zero[match]:
                            hit = np.uint32(0)
                    taken[a, match] |= bits
            rest = every & ~(hit | void)
            if c0 < c1 and rest:
                best, match = -1.0, -1
                for c in range(c0, c1):
                    v, g = overlaps[c], targets[c]
                    if bunch[g] and (v > best or (v == best and g < match)):
                        best, match = v, g
                if match >= 0:
                    bits = np.uint32(0)
                    for t in range(n_thresholds):
                        if best > thresholds[t] or (best == thresholds[t] and not strict):
                            bits |= np.uint32(1) << np.uint32(t)
                    bits &= rest
                    if bunch[match] == ONCE and not (aside[match] >> a) & 1:
                        hit |= bits & ~taken[a, match]
                    void |= bits & ~hit
                    taken[a, match] |= bits
            if (excused[d] >> a) & 1:
                void |= every & ~hit
            found[a, d], ignored[a, d] = hit, void


@njit(nogil=True, cache=True)
def walk(
    lo: int,
    hi: int,
    segments: Array,
    ranking: Array,
    words: Array,
    places: tuple[Array, Array],
    out: tuple[Array, Array, Array],
) -> None:
    """Write where each true positive of classes lo..hi stands among what counts.

    ``words[d]`` holds the thresholds at which a detection is a true positive in its low 32 bits,
    and those at which it counts for nothing above. ``events[bases[k] + t * room[k] + i]`` is the
    number of detections that count up to and with true positive i of class k at threshold t;
    ``at`` is which detection that is. ``totals`` (T, K, 2) are the numbers of true positives and
    of detections that count.
    """
    bases, room = places
    events, at, totals = out
    n_thresholds = len(totals)
    nothing = np.uint64((np.int64(1) << n_thresholds) - 1) << np.uint64(32)
    tp = np.zeros(n_thresholds, np.int32)
    void = np.zeros(n_thresholds, np.int32)
    for k in range(lo, hi):
        tp[:] = 0
        void[:] = 0
        n = np.int32(0)
        for q in range(segments[k], segments[k + 1]):
            d = ranking[q]
            word = words[d]
            if word == nothing:
                continue
            n += np.int32(1)
            if not word:
                continue
            for t in range(n_thresholds):
                if (word >> np.uint64(32 + t)) & np.uint64(1):
                    void[t] += 1
                elif (word >> np.uint64(t)) & np.uint64(1):
                    e = bases[k] + t * room[k] + tp[t]
                    events[e], at[e] = n - void[t], d
                    tp[t] += 1
        for t in range(n_thresholds):
            totals[t, k, 0], totals[t, k, 1] = tp[t], n - void[t]


@njit(nogil=True, cache=True)
def sample(
    places: tuple[Array, Array],
    true: tuple[Array, Array, Array],
    n_truths: Array,
    first: Array,
    recalls: Array,
    spacing: float,
    score: Array,
    out: tuple[Array, Array],
) -> None:
    """Fill the best precision at each recall or beyond, and the score there, (T, K, R).

    Between true positives precision only falls, so its envelope needs no other detections.
    """
    bases, room = places
    events, at, totals = true
    precision, scores = out
    n_thresholds, n_classes = totals.shape[0], totals.shape[1]
    for k in range(n_classes):
        if not n_truths[k]:
            continue
        for t in range(n_thresholds):
            b, n = bases[k] + t * room[k], totals[t, k, 0]
            best = np.empty(n)
            for i in range(n - 1, -1, -1):
                best[i] = (i + 1) / (float(events[b + i]) + spacing)
                if i + 1 < n and best[i + 1] > best[i]:
                    best[i] = best[i + 1]
            i = 0
            for r in range(len(recalls)):
                while i < n and (i + 1) / n_truths[k] < recalls[r]:
                    i += 1
                precision[t, k, r] = best[i] if i < n else 0.0
                if recalls[r] <= 0:
                    scores[t, k, r] = score[first[k]] if first[k] >= 0 else 0.0
                else:
                    scores[t, k, r] = score[at[b + i]] if i < n else 0.0


@njit(nogil=True, cache=True)
def slopes(
    places: tuple[Array, Array],
    events: Array,
    totals: Array,
    n_truths: Array,
    recalls: Array,
    values: Array,
) -> None:
    """Fill the straight lines between the points of the envelope at each recall, (T, K, R).

    As ``numpy.interp`` over the recalls 0, R, 1 and the envelope of 1, P, 0: of equal recalls the
    last one counts, which is the last detection before the next true positive.
    """
    bases, room = places
    n_thresholds, n_classes = totals.shape[0], totals.shape[1]
    for k in range(n_classes):
        for t in range(n_thresholds):
            b, n, total = bases[k] + t * room[k], totals[t, k, 0], totals[t, k, 1]
            if not n_truths[k] or not total:
                continue
            # best[i]: envelope at true positive i; tail: at the last detection of all.
            tail = n / total
            best = np.empty(n + 1)
            best[n] = tail if n == 0 or events[b + n - 1] < total else 0.0
            for i in range(n - 1, -1, -1):
                best[i] = max((i + 1) / events[b + i], best[i + 1])
            i = 0  # true positives at or below the recall
            for r in range(len(recalls)):
                x = recalls[r]
                while i < n and (i + 1) / n_truths[k] <= x:
                    i += 1
                if x >= 1.0:
                    values[t, k, r] = 0.0
                    continue
                before = 0 if i == 0 else events[b + i - 1]
                after = events[b + i] if i < n else total + 1
                # The point on the left is true positive i itself if the next follows at once.
                if after > before + 1:
                    left = best[i]
                elif i:
                    left = best[i - 1]
                else:
                    left = 1.0
                x0 = i / n_truths[k]
                if x0 == x:
                    values[t, k, r] = left
                    continue
                x1 = (i + 1) / n_truths[k] if i < n else 1.0
                right = best[i] if i < n else 0.0
                values[t, k, r] = (right - left) / (x1 - x0) * (x - x0) + left

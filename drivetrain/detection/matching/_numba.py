"""Kernels of the order, of the boxes' overlaps and of COCO's matching.

Positions "in the index" count along the order (class, image, falling score); positions "in the
file" count annotations or detections as they came. Groups are the pairs (class, image) that hold
anything. All kernels release the GIL and write to arrays, or parts of arrays, of their own.
"""

import numpy as np
from numba import njit

U32 = np.uint32
U64 = np.uint64
ONE = np.uint32(1)


@njit(nogil=True, cache=True)
def rank_ids(ids, low, table, out):
    """Write the rank of each id, ``table[id - low]``, or -1 where there is none; whether sorted."""
    rising, before = True, -1
    for i in range(len(ids)):
        at = ids[i] - low
        rank = table[at] if 0 <= at < len(table) else -1
        out[i] = rank
        if rank < before:
            rising = False
        before = rank
    return rising


@njit(nogil=True, cache=True)
def sort_by(keys, order, n_keys, out):
    """Stable counting sort of the positions ``order`` by ``keys``; negative keys are left out."""
    first = np.zeros(n_keys + 1, np.int64)
    for i in range(len(order)):
        key = keys[order[i]]
        if key >= 0:
            first[key + 1] += 1
    for key in range(n_keys):
        first[key + 1] += first[key]
    n = first[n_keys]
    for i in range(len(order)):
        key = keys[order[i]]
        if key >= 0:
            out[first[key]] = order[i]
            first[key] += 1
    return n


@njit(nogil=True, cache=True)
def join_groups(detections, truths, d_class, d_image, t_class, t_image, group):
    """Walk both sorted lists at once; write one group for each (class, image) of either.

    ``group`` holds, by row: class, image, first detection, first truth.
    """
    d = g = n = 0
    classes, images, first_d, first_t = group[0], group[1], group[2], group[3]
    while d < len(detections) or g < len(truths):
        k = i = np.int32(2147483647)
        if d < len(detections):
            k, i = d_class[detections[d]], d_image[detections[d]]
        if g < len(truths):
            tk, ti = t_class[truths[g]], t_image[truths[g]]
            if tk < k or (tk == k and ti < i):
                k, i = tk, ti
        classes[n], images[n], first_d[n], first_t[n] = k, i, d, g
        n += 1
        while d < len(detections) and d_class[detections[d]] == k and d_image[detections[d]] == i:
            d += 1
        while g < len(truths) and t_class[truths[g]] == k and t_image[truths[g]] == i:
            g += 1
    first_d[n], first_t[n] = d, g
    return n


@njit(nogil=True, cache=True)
def sort_falling(scores, order):
    """Stable sort of ``order``, and of ``scores`` with it, by falling score; NaN last.

    Insertion for short lists; else a radix sort, 11 bits a pass, of the scores' bits turned so
    that they rise where scores fall. -0.0 equals 0.0.
    """
    n = len(order)
    done = True
    for i in range(1, n):
        if not scores[i - 1] >= scores[i] and scores[i] == scores[i]:
            done = False
            break
    if done:
        return
    if n <= 64:
        for i in range(1, n):
            score, position, at = scores[i], order[i], i
            while at > 0 and (
                scores[at - 1] < score or (scores[at - 1] != scores[at - 1] and score == score)
            ):
                scores[at], order[at] = scores[at - 1], order[at - 1]
                at -= 1
            scores[at], order[at] = score, position
        return
    keys = np.empty(n, U64)
    raw = keys.view(np.float64)
    for i in range(n):
        raw[i] = 0.0 - scores[i]
    for i in range(n):
        key = keys[i]
        if scores[i] != scores[i]:
            key = U64(0xFFFFFFFFFFFFFFFF)
        elif key >> U64(63):
            key = ~key
        else:
            key = key | U64(0x8000000000000000)
        keys[i] = key
    counts = np.zeros((6, 2048), np.int64)
    for i in range(n):
        key = keys[i]
        for p in range(6):
            counts[p, (key >> U64(11 * p)) & U64(2047)] += 1
    at_a = np.arange(n).astype(np.int32)
    at_b, keys_b = np.empty(n, np.int32), np.empty(n, U64)
    for p in range(6):
        count, before = counts[p], 0
        if count[(keys[0] >> U64(11 * p)) & U64(2047)] == n:
            continue
        for value in range(2048):
            here = count[value]
            count[value] = before
            before += here
        for i in range(n):
            key = keys[i]
            digit = (key >> U64(11 * p)) & U64(2047)
            to = count[digit]
            count[digit] = to + 1
            keys_b[to], at_b[to] = key, at_a[i]
        keys, keys_b = keys_b, keys
        at_a, at_b = at_b, at_a
    old_scores, old_order = scores.copy(), order.copy()
    for i in range(n):
        scores[i], order[i] = old_scores[at_a[i]], old_order[at_a[i]]


@njit(nogil=True, cache=True)
def gather_scores(low, high, first, found_scores, order, scores):
    """Fetch the scores of the groups low..high-1 and put each group in order."""
    for i in range(first[low], first[high]):
        scores[i] = found_scores[order[i]]
    for g in range(low, high):
        lo, hi = first[g], first[g + 1]
        if hi - lo > 1:
            sort_falling(scores[lo:hi], order[lo:hi])


@njit(nogil=True, cache=True)
def box_candidates(low, high, groups, boxes, cap, minimum, plus, out):
    """Find the pairs of boxes with IoU >= minimum in the groups low..high-1.

    Products and sums are those of COCO's C code, in its order. Candidates go to ``out``: touched
    detections, number of candidates of each, truths, overlaps. Returns how many of both.
    """
    first_d, first_t, order, truths = groups
    found, truth, crowd = boxes
    touched, many, which, overlaps = out
    n_touched = n = 0
    room = 64
    edges, alone = np.empty((5, room)), np.empty(room, np.bool_)
    for g in range(low, high):
        t0, t1, d0 = first_t[g], first_t[g + 1], first_d[g]
        n_truths, n_found = t1 - t0, min(first_d[g + 1] - d0, cap)
        if n_truths == 0 or n_found == 0:
            continue
        if n_truths > room:
            room = 2 * n_truths
            edges, alone = np.empty((5, room)), np.empty(room, np.bool_)
        left, right, top, bottom, areas = edges[0], edges[1], edges[2], edges[3], edges[4]
        for j in range(n_truths):
            at = truths[t0 + j]
            x, y, w, h = truth[at, 0], truth[at, 1], truth[at, 2], truth[at, 3]
            left[j], right[j], top[j], bottom[j] = x, w + x, y, h + y
            areas[j], alone[j] = (w + plus) * (h + plus), crowd[at]
        for d in range(d0, d0 + n_found):
            at = order[d]
            x, y, w, h = found[at, 0], found[at, 1], found[at, 2], found[at, 3]
            x1, y1, area = w + x, h + y, (w + plus) * (h + plus)
            begin = n
            for j in range(n_truths):
                across = min(x1, right[j]) - max(x, left[j]) + plus
                if across <= 0:
                    continue
                down = min(y1, bottom[j]) - max(y, top[j]) + plus
                if down <= 0:
                    continue
                shared = across * down
                overlap = shared / (area if alone[j] else area + areas[j] - shared)
                if overlap >= minimum:
                    # In order of preference: the greater first, of equal ones the later.
                    to = n
                    while to > begin and overlaps[to - 1] <= overlap:
                        overlaps[to], which[to] = overlaps[to - 1], which[to - 1]
                        to -= 1
                    overlaps[to], which[to] = overlap, t0 + j
                    n += 1
            if n > begin:
                touched[n_touched], many[n_touched] = d, n - begin
                n_touched += 1
    return n_touched, n


@njit(nogil=True, cache=True)
def list_pairs(low, high, first_d, first_t, cap, pairs):
    """Write all pairs (detection, truth), positions in the index, of the groups low..high-1."""
    n = 0
    for g in range(low, high):
        for d in range(first_d[g], min(first_d[g + 1], first_d[g] + cap)):
            for t in range(first_t[g], first_t[g + 1]):
                pairs[0, n], pairs[1, n] = d, t
                n += 1
    return n


@njit(nogil=True, cache=True)
def keep_pairs(pairs, values, minimum, out):
    """Keep the pairs with a value >= minimum, in the form and order of ``box_candidates``."""
    touched, many, which, overlaps = out
    n_touched = n = begin = 0
    for p in range(len(values)):
        overlap = values[p]
        if not overlap >= minimum or overlap <= 0.0:
            continue
        if n_touched == 0 or touched[n_touched - 1] != pairs[0, p]:
            touched[n_touched], many[n_touched] = pairs[0, p], 0
            n_touched += 1
            begin = n
        to = n
        while to > begin and overlaps[to - 1] <= overlap:
            overlaps[to], which[to] = overlaps[to - 1], which[to - 1]
            to -= 1
        overlaps[to], which[to] = overlap, pairs[1, p]
        n += 1
        many[n_touched - 1] += 1
    return n_touched, n


@njit(nogil=True, cache=True)
def range_bits(values, ranges, out):
    """Write, one bit a range, whether low <= value <= high."""
    for i in range(len(values)):
        value, bits = values[i], U32(0)
        for a in range(len(ranges)):
            # As COCO's code asks: what is neither below nor above is inside.
            if not (value < ranges[a, 0] or value > ranges[a, 1]):
                bits |= ONE << U32(a)
        out[i] = bits


@njit(nogil=True, cache=True)
def match_detections(low, high, candidates, rule, truths, out):
    """COCO's matching of the touched detections low..high-1, all thresholds at once.

    A detection's candidates come in order of preference, which is the same at every threshold;
    so each in turn gets all thresholds that it reaches, where it is still open and that no
    earlier one got. Truths that count come before ignored ones. Writes to ``out``, one bit a
    threshold, found and ignored (A, E), and who was found where ``matched`` (A, T, E) has room.
    """
    first, which, overlaps = candidates
    thresholds, strict = rule
    truth_ignored, crowd, credit, taken = truths
    found, ignored, matched = out
    n_ranges, n_thresholds, tell = len(found), len(thresholds), matched.size > 0
    reach = np.empty(64, U32)
    for e in range(low, high):
        begin, end = first[e], first[e + 1]
        if end - begin > len(reach):
            reach = np.empty(2 * (end - begin), U32)
        for c in range(begin, end):
            bits, overlap = U32(0), overlaps[c]
            for t in range(n_thresholds):
                # pycocotools lowers a threshold of 1 by 1e-10, lest nothing reach it.
                if overlap >= min(thresholds[t], 1 - 1e-10):
                    if not (strict and overlap <= thresholds[t]):
                        bits |= ONE << U32(t)
            reach[c - begin] = bits
        for a in range(n_ranges):
            unmet, true, void, later = ~U32(0), U32(0), U32(0), False
            for turn in range(2):
                for c in range(begin, end):
                    j = which[c]
                    aside = np.int64((truth_ignored[j] >> U32(a)) & ONE)
                    if aside != turn:
                        later = True
                        continue
                    take = reach[c - begin] & unmet
                    if not crowd[j]:
                        take &= ~taken[a, j]
                        taken[a, j] |= take
                    unmet &= ~take
                    if turn:
                        void |= take
                    elif credit[j]:
                        true |= take
                    if tell:
                        for t in range(n_thresholds):
                            if (take >> U32(t)) & ONE:
                                matched[a, t, e] = j
                if not later:
                    break
            found[a, e], ignored[a, e] = true, void

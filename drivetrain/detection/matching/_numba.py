# mypy: allow-untyped-defs
"""Kernels of the order, of the boxes' overlaps and of COCO's matching.

Positions "in the index" count along the order (class, image, falling score); positions "in the
file" count annotations or detections as they came. Groups are the pairs (class, image) that hold
anything. All kernels release the GIL, write to arrays, or parts of arrays, of their own, and get
their scratch memory from outside. Arrays are flat, sums of bits plain integers and calls rare:
what a kernel takes to compile goes by the number of calls in it, and everyone waits for it once.
"""

import numpy as np
from numba import njit

LARGEST = np.int64(0x7FFFFFFFFFFFFFFF)


@njit(nogil=True, cache=True, error_model="numpy")
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


@njit(nogil=True, cache=True, error_model="numpy")
def sort_by(keys, order, first, out):
    """Stable counting sort of the positions ``order`` by ``keys``; negative keys are left out.

    ``first`` holds a zero for each key and one more.
    """
    for i in range(len(order)):
        key = keys[order[i]]
        if key >= 0:
            first[key + 1] += 1
    for key in range(len(first) - 1):
        first[key + 1] += first[key]
    for i in range(len(order)):
        key = keys[order[i]]
        if key >= 0:
            out[first[key]] = order[i]
            first[key] += 1


@njit(nogil=True, cache=True, error_model="numpy")
def join_groups(detections, truths, d_class, d_image, t_class, t_image, group):
    """Walk both sorted lists at once; write one group for each (class, image) of either.

    A row of ``group`` holds: class, image, first detection, first truth.
    """
    d = t = n = 0
    n_d, n_t = len(detections), len(truths)
    while d < n_d or t < n_t:
        k = i = 0
        if d < n_d:
            k, i = d_class[detections[d]], d_image[detections[d]]
        if t < n_t:
            t_k, t_i = t_class[truths[t]], t_image[truths[t]]
            if d == n_d or t_k < k or (t_k == k and t_i < i):
                k, i = t_k, t_i
        group[n, 0], group[n, 1], group[n, 2], group[n, 3] = k, i, d, t
        n += 1
        while d < n_d and d_class[detections[d]] == k and d_image[detections[d]] == i:
            d += 1
        while t < n_t and t_class[truths[t]] == k and t_image[truths[t]] == i:
            t += 1
    group[n, 2], group[n, 3] = d, t
    return n


@njit(nogil=True, cache=True, error_model="numpy")
def sort_falling(scores, order, scratch):
    """Stable sort of ``order``, and of ``scores`` with it, by falling score; NaN last.

    Long lists are first put in order of the 22 leading bits in which their scores differ, by two
    counting passes; insertion does the rest. Where that is much, six passes take all bits.
    ``scratch``: as many floats and integers, floats and their bits, and 2,048 counts.
    """
    n = len(order)
    other_scores, other_order, turned, keys, count = scratch
    for passes in range(2, 7, 4):
        low, high, shift = LARGEST, -LARGEST, 0
        for p in range(passes if n > 64 else 0):
            for i in range(n):
                # 0.0 - x makes -0.0 equal 0.0; the bits of negative numbers rise as they fall.
                turned[i] = 0.0 - scores[i]
                key = keys[i] if keys[i] >= 0 else keys[i] ^ LARGEST
                key = key if scores[i] == scores[i] else LARGEST
                keys[i] = key
                low, high = key if key < low else low, key if key > high else high
            # Differences may wrap; shifted and cut to a digit they are in order all the same.
            while p == 0 and passes == 2 and shift < 42 and (high - low) >> (shift + 22):
                shift += 1
            for value in range(2048):
                count[value] = 0
            for i in range(n):
                count[((keys[i] - low) >> shift) & 2047] += 1
            begin = 0
            for value in range(2048):
                many = count[value]
                count[value] = begin
                begin += many
            for i in range(n):
                digit = ((keys[i] - low) >> shift) & 2047
                to = count[digit]
                count[digit] = to + 1
                other_scores[to], other_order[to] = scores[i], order[i]
            # After an even number of passes everything lies where it came from.
            scores, other_scores = other_scores, scores
            order, other_order = other_order, order
            shift += 11
        moves, most = 0, 8 * n + 4096
        for i in range(1, n):
            score, position, at = scores[i], order[i], i
            while at > 0 and (
                scores[at - 1] < score or (scores[at - 1] != scores[at - 1] and score == score)
            ):
                scores[at], order[at] = scores[at - 1], order[at - 1]
                at -= 1
            scores[at], order[at] = score, position
            moves += i - at
            if moves > most:
                break
        if moves <= most:
            return


@njit(nogil=True, cache=True, error_model="numpy")
def gather_scores(low, high, group, found_scores, order, scores, wide, scratch):
    """Fetch the scores of the groups low..high-1 and put each group in order."""
    for g in range(low, high):
        begin, end = group[g, 2], group[g + 1, 2]
        falling = True
        for i in range(begin, end):
            scores[i] = found_scores[order[i]]
            if i > begin and not scores[i - 1] >= scores[i]:
                falling = False
        if not falling:
            for i in range(begin, end):
                wide[i - begin] = order[i]
            sort_falling(scores[begin:end], wide[: end - begin], scratch)
            for i in range(begin, end):
                order[i] = wide[i - begin]


@njit(nogil=True, cache=True, error_model="numpy")
def box_candidates(low, high, groups, boxes, rule, out):
    """Find the pairs of boxes with IoU >= minimum in the groups low..high-1.

    Products and sums are those of COCO's C code, in its order. Candidates go to ``out``: touched
    detections, candidates of each, truths, overlaps. Returns the number of both.
    """
    group, order, truths = groups
    found, truth, crowd = boxes
    cap, minimum, plus = rule
    touched, many, which, overlaps, left, right, top, bottom, areas, shares = out
    n_touched = n = 0
    for g in range(low, high):
        d0, t0, t1 = group[g, 2], group[g, 3], group[g + 1, 3]
        d1 = group[g + 1, 2]
        if t0 == t1 or d0 == d1:
            continue
        if d1 - d0 > cap:
            d1 = d0 + cap
        for j in range(t1 - t0):
            at = truths[t0 + j]
            x, y, w, h = truth[at, 0], truth[at, 1], truth[at, 2], truth[at, 3]
            left[j], right[j], top[j], bottom[j] = x, w + x, y, h + y
            areas[j], shares[j] = (w + plus) * (h + plus), 0.0 if crowd[at] else 1.0
        for d in range(d0, d1):
            at = order[d]
            x, y, w, h = found[at, 0], found[at, 1], found[at, 2], found[at, 3]
            x1, y1, area = w + x, h + y, (w + plus) * (h + plus)
            begin = n
            for j in range(t1 - t0):
                across = (
                    (x1 if x1 < right[j] else right[j]) - (x if x > left[j] else left[j]) + plus
                )
                if across <= 0:
                    continue
                down = (y1 if y1 < bottom[j] else bottom[j]) - (y if y > top[j] else top[j]) + plus
                if down <= 0:
                    continue
                overlap = across * down
                overlap /= area + areas[j] - overlap if shares[j] else area
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


@njit(nogil=True, cache=True, error_model="numpy")
def list_pairs(low, high, group, cap, pairs):
    """Write all pairs (detection, truth), positions in the index, of the groups low..high-1."""
    n = 0
    for g in range(low, high):
        d0, d1 = group[g, 2], group[g + 1, 2]
        if d1 - d0 > cap:
            d1 = d0 + cap
        for d in range(d0, d1):
            for t in range(group[g, 3], group[g + 1, 3]):
                pairs[0, n], pairs[1, n] = d, t
                n += 1


@njit(nogil=True, cache=True, error_model="numpy")
def keep_pairs(pairs, values, minimum, out):
    """Keep the pairs with a value >= minimum, in the form and order of ``box_candidates``."""
    touched, many, which, overlaps = out
    n_touched = n = begin = 0
    for p in range(len(values)):
        overlap = values[p]
        if overlap < minimum or overlap <= 0.0:
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


@njit(nogil=True, cache=True, error_model="numpy")
def range_bits(values, ranges, out):
    """Write, one bit a range, whether low <= value <= high."""
    for a in range(len(ranges)):
        low, high, bit = ranges[a, 0], ranges[a, 1], 1 << a
        for i in range(len(values)):
            # As COCO's code asks: what is neither below nor above is inside.
            outside = (values[i] < low) | (values[i] > high)
            out[i] = (out[i] if a else 0) | (0 if outside else bit)


@njit(nogil=True, cache=True, error_model="numpy")
def match_detections(low, high, candidates, rule, truths, out):
    """COCO's matching of the touched detections low..high-1, all thresholds at once.

    A detection's candidates come in order of preference, which is the same at every threshold;
    so each in turn gets all thresholds that it reaches, where it is still open and that no
    earlier one got. Truths that count come before ignored ones. Writes to ``out``, one bit a
    threshold, found and ignored (E, A), and who was found where ``matched`` (A, T, E) has room.
    """
    first, which, overlaps = candidates
    thresholds, strict, n_ranges, reach = rule
    truth_ignored, crowd, credit, taken = truths
    found, ignored, matched = out
    n_thresholds, tell = len(thresholds), len(matched) > 0
    for e in range(low, high):
        begin, end = first[e], first[e + 1]
        for c in range(begin, end):
            bits, overlap = 0, overlaps[c]
            for t in range(n_thresholds):
                least = thresholds[t]
                # pycocotools lowers a threshold of 1 by 1e-10, lest nothing reach it.
                reached = overlap >= (least if least < 1 - 1e-10 else 1 - 1e-10)
                if reached and (overlap > least or not strict):
                    bits |= 1 << t
            reach[c - begin] = bits
        for a in range(n_ranges):
            unmet, true, void, later = -1, 0, 0, False
            for turn in range(2):
                for c in range(begin, end):
                    j = which[c]
                    if (truth_ignored[j] >> a) & 1 != turn:
                        later = True
                        continue
                    take = reach[c - begin] & unmet
                    if not crowd[j]:
                        take &= ~taken[j * n_ranges + a]
                        taken[j * n_ranges + a] |= take
                    unmet &= ~take
                    if turn:
                        void |= take
                    elif credit[j]:
                        true |= take
                    for t in range(n_thresholds if tell else 0):
                        if (take >> t) & 1:
                            matched[a, t, e] = j
                if not later:
                    break
            found[e * n_ranges + a], ignored[e * n_ranges + a] = true, void

# mypy: allow-untyped-defs
"""The kernel that turns matches into curves, a class at a time."""

import numpy as np
from numba import njit

from drivetrain.detection.matching._numba import sort_falling

EPS = np.spacing(1)
ONE = np.uint32(1)


@njit(nogil=True, cache=True)
def fill_classes(classes, index, matches, rule, tables):
    """Fill precision, recall and scores of some classes.

    Only true positives are events: precision peaks nowhere else, so the envelope over them is
    that over all detections. What is false up to an event is the number of detections inside
    the range up to it, less those of them that found somebody.
    """
    first_group, first_d, first_t, order, d_scores = index
    touched, first_touched, found, ignored, inside, truth_ignored = matches
    recalls, caps, n_thresholds = rule
    precision, recall, scores = tables
    n_ranges, n_recalls, n_caps = len(found), len(recalls), len(caps)
    rows = np.empty((2, n_recalls, n_ranges * n_caps))
    count, start = np.empty((n_ranges, n_caps), np.int32), np.empty(n_caps, np.int32)
    wanted = np.empty(n_ranges, np.int32)
    needed = np.empty((n_ranges, n_recalls), np.int32)
    length = np.empty(n_ranges * n_caps, np.int32)
    for k in classes:
        g0, g1 = first_group[k], first_group[k + 1]
        d0, d1 = first_d[g0], first_d[g1]
        # Truths to be found, and how many of them each recall needs.
        for a in range(n_ranges):
            wanted[a], need = 0, 1
            for j in range(first_t[g0], first_t[g1]):
                wanted[a] += 1 - np.int32((truth_ignored[j] >> np.uint32(a)) & ONE)
            for r in range(n_recalls):
                # The least tp > 0 with tp / wanted >= r; recalls mostly rise.
                while need > 1 and (need - 1) / wanted[a] >= recalls[r]:
                    need -= 1
                while need <= wanted[a] and need / wanted[a] < recalls[r]:
                    need += 1
                needed[a, r] = need if recalls[r] > 0 else 0
        # Detections by falling score; equal scores stay in the order of the index.
        at, falling = np.empty(d1 - d0, np.int32), np.empty(d1 - d0)
        first_cap, what = np.empty(d1 - d0, np.uint8), np.empty(d1 - d0, np.uint32)
        n = 0
        for g in range(g0, g1):
            m, begin = 0, first_d[g]
            for d in range(begin, min(first_d[g + 1], begin + caps[n_caps - 1])):
                while d - begin >= caps[m]:
                    m += 1
                at[n], falling[n] = d - d0, d_scores[d]
                first_cap[d - d0], what[d - d0] = m, inside[order[d]]
                n += 1
        event = np.empty(d1 - d0, np.int32)
        e0 = e1 = first_touched[k]
        for d in range(d0, d1):
            event[d - d0] = -1
            if e1 < len(touched) and touched[e1] == d:
                event[d - d0] = e1
                e1 += 1
        sort_falling(falling[:n], at[:n])
        # One walk finds, for every range and cap, what happens: true positives, found ones to
        # be taken off the count, that count, and where.
        size = e1 - e0
        hits = np.empty((n_ranges * n_caps, size), np.uint32)
        gone = np.empty((n_ranges * n_caps, size), np.uint32)
        before = np.empty((n_ranges * n_caps, size), np.int32)
        place = np.empty((n_ranges * n_caps, size), np.int32)
        when, false = np.empty(size + 1, np.int32), np.empty(size + 1, np.int32)
        best = np.empty(size + 1)
        for m in range(n_caps):
            start[m] = -1
            for a in range(n_ranges):
                count[a, m], length[a * n_caps + m] = 0, 0
        for q in range(n):
            d = at[q]
            m0, bits, e = first_cap[d], what[d], event[d]
            if start[m0] < 0:
                for m in range(m0, n_caps):
                    start[m] = q if start[m] < 0 else start[m]
            for a in range(n_ranges):
                count[a, m0] += np.int32((bits >> np.uint32(a)) & ONE)
            if e < 0:
                continue
            for a in range(n_ranges):
                hit = found[a, e]
                off = (hit | ignored[a, e]) if (bits >> np.uint32(a)) & ONE else np.uint32(0)
                if not hit | off:
                    continue
                so_far = 0
                for m in range(n_caps):
                    so_far += count[a, m]
                    if m >= m0:
                        row = a * n_caps + m
                        x = length[row]
                        hits[row, x], gone[row, x] = hit, off
                        before[row, x], place[row, x] = so_far, q
                        length[row] = x + 1
        for t in range(n_thresholds):
            bit = np.uint32(1) << np.uint32(t)
            for row in range(n_ranges * n_caps):
                a, m = row // n_caps, row % n_caps
                tp = off = 0
                for x in range(length[row]):
                    off += 1 if gone[row, x] & bit else 0
                    false[tp], when[tp] = before[row, x] - off, place[row, x]
                    tp += 1 if hits[row, x] & bit else 0
                for x in range(tp):
                    best[x] = (x + 1) / (float(false[x]) + float(x + 1) + EPS)
                for x in range(tp - 1, 0, -1):
                    if best[x] > best[x - 1]:
                        best[x - 1] = best[x]
                recall[t, k, a, m] = tp / wanted[a] if wanted[a] else np.nan
                reached = start[m] >= 0
                for r in range(n_recalls):
                    need = needed[a, r]
                    # The first recall out of reach ends the walk.
                    reached = reached and need <= tp
                    p = s = 0.0
                    if wanted[a] == 0:
                        p = s = np.nan
                    elif reached and need:
                        p, s = best[need - 1], falling[when[need - 1]]
                    elif reached:
                        p, s = best[0] if tp else 0.0, falling[start[m]]
                    rows[0, r, row], rows[1, r, row] = p, s
            for r in range(n_recalls):
                for a in range(n_ranges):
                    for m in range(n_caps):
                        precision[t, r, k, a, m] = rows[0, r, a * n_caps + m]
                        scores[t, r, k, a, m] = rows[1, r, a * n_caps + m]

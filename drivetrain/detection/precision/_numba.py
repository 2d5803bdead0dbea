# mypy: allow-untyped-defs
"""The kernel that turns matches into curves, a class at a time.

Arrays are flat, and scratch memory comes from outside: it compiles in a fraction of the time.
"""

import numpy as np
from numba import njit

from drivetrain.detection.matching._numba import sort_falling

EPS = np.spacing(1)


@njit(nogil=True, cache=True, error_model="numpy")
def fill_classes(classes, index, matches, rule, tables, scratch):
    """Fill precision, recall and scores of some classes.

    Only true positives are events: precision peaks nowhere else, so the envelope over them is
    that over all detections. What is false up to an event is the number of detections inside
    the range up to it, less those of them that found somebody.
    """
    first_group, group, order, d_scores = index
    touched, first_touched, found, ignored, inside, truth_ignored = matches
    recalls, caps, n_thresholds, n_ranges, n_classes = rule
    precision, recall, scores = tables
    falling, known, to_sort, events, best, when, needed, small = scratch
    n_recalls, n_caps = len(recalls), len(caps)
    n_rows = n_ranges * n_caps
    wanted, start, count, length = small
    for k in classes:
        g0, g1 = first_group[k], first_group[k + 1]
        e0, e1 = first_touched[k], first_touched[k + 1]
        # Truths to be found, and how many of them each recall needs.
        for a in range(n_ranges):
            wants, need = 0, 1
            for j in range(group[g0, 3], group[g1, 3]):
                wants += 1 - ((truth_ignored[j] >> a) & 1)
            for r in range(n_recalls):
                # The least tp > 0 with tp / wants >= r; recalls mostly rise.
                while need > 1 and (need - 1) / wants >= recalls[r]:
                    need -= 1
                while need <= wants and need / wants < recalls[r]:
                    need += 1
                needed[a * n_recalls + r] = need if recalls[r] > 0 else 0
            wanted[a] = wants
        # Detections by falling score; equal scores stay in the order of the index. What is
        # known of one is in a word: 24 bits of ranges, 8 of the first cap, 31 of its event.
        n, e = 0, e0
        for g in range(g0, g1):
            m, begin = 0, group[g, 2]
            for d in range(begin, group[g + 1, 2]):
                while m < n_caps and d - begin >= caps[m]:
                    m += 1
                if m == n_caps:
                    break
                word = inside[order[d]] | m << 24
                if e < e1 and touched[e] == d:
                    some = 0
                    for a in range(e * n_ranges, (e + 1) * n_ranges):
                        some |= found[a] | ignored[a]
                    e += 1
                    word |= (e - e0) << 32 if some else 0
                falling[n], known[n] = d_scores[d], word
                n += 1
        sort_falling(falling[:n], known[:n], to_sort)
        # One walk finds what happens in every range and cap, four numbers each time: true
        # positives, found ones to be taken off the count, that count, and where.
        size = e1 - e0
        for row in range(n_rows):
            start[row], count[row], length[row] = -1, 0, 4 * row * size
        for q in range(n):
            word = known[q]
            m0, e = (word >> 24) & 255, word >> 32
            for m in range(m0, n_caps if start[m0] < 0 else 0):
                start[m] = q if start[m] < 0 else start[m]
            for a in range(n_ranges):
                count[a * n_caps + m0] += (word >> a) & 1
            if e == 0:
                continue
            for a in range(n_ranges):
                hit = found[(e0 + e - 1) * n_ranges + a]
                off = (hit | ignored[(e0 + e - 1) * n_ranges + a]) if (word >> a) & 1 else 0
                so_far = 0
                for row in range(a * n_caps, (a + 1) * n_caps if hit | off else 0):
                    so_far += count[row]
                    if row >= a * n_caps + m0:
                        to = length[row]
                        events[to], events[to + 1] = hit, off
                        events[to + 2], events[to + 3] = so_far, q
                        length[row] = to + 4
        for t in range(n_thresholds):
            for row in range(n_rows):
                tp, off, wants, first = 0, 0, wanted[row // n_caps], start[row % n_caps]
                for x in range(4 * row * size, length[row], 4):
                    off += (events[x + 1] >> t) & 1
                    best[tp], when[tp] = events[x + 2] - off, events[x + 3]
                    tp += (events[x] >> t) & 1
                for x in range(tp):
                    best[x] = (x + 1) / (best[x] + (x + 1) + EPS)
                top = 0.0
                for x in range(tp - 1, -1, -1):
                    top = best[x] if best[x] > top else top
                    best[x] = top
                recall[(t * n_classes + k) * n_rows + row] = tp / wants if wants else np.nan
                reached = first >= 0
                for r in range(n_recalls):
                    need = needed[row // n_caps * n_recalls + r]
                    # The first recall out of reach ends the walk.
                    reached = reached and need <= tp
                    p = s = 0.0 if wants else np.nan
                    if wants and reached:
                        p = best[need - 1 if need else 0] if tp else 0.0
                        s = falling[when[need - 1] if need else first]
                    to = ((t * n_recalls + r) * n_classes + k) * n_rows + row
                    precision[to], scores[to] = p, s


# Compiled in here: drivetrain.detection.matching._numba 7fcc596132600740

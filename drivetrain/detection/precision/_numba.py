# mypy: allow-untyped-defs
"""The kernel that turns matches into curves, a class at a time.

Arrays are flat, and scratch memory comes from outside: it compiles in a fraction of the time.
"""

import numpy as np
from numba import njit

EPS = np.spacing(1)


@njit(nogil=True, cache=True, error_model="numpy")
def fill_class(k, hits, ranked, wanted, needed, rule, tables, scratch):
    """Fill precision, recall and scores of class ``k``.

    Only true positives are events: precision peaks nowhere else, so the envelope over them is
    that over all detections. What is false up to an event is the number of detections inside
    the range up to it, less those of them that found somebody. ``ranked``: falling scores, and
    what is known of each detection: 24 bits of ranges, 8 of the first cap, 31 of its event.
    """
    found, ignored = hits
    falling, known = ranked
    n_caps, n_thresholds, n_ranges, n_classes = rule
    precision, recall, scores = tables
    events, best, when, start, count, length = scratch
    n_recalls, n_rows = len(needed) // n_ranges, n_ranges * n_caps
    # One walk finds what happens in every range and cap, four numbers each time: true
    # positives, found ones to be taken off the count, that count, and where.
    size = len(found) // n_ranges
    for row in range(n_rows):
        start[row], count[row], length[row] = -1, 0, 4 * row * size
    for q in range(len(known)):
        word = known[q]
        m0, e = (word >> 24) & 255, word >> 32
        for m in range(m0, n_caps if start[m0] < 0 else 0):
            start[m] = q if start[m] < 0 else start[m]
        for a in range(n_ranges):
            count[a * n_caps + m0] += (word >> a) & 1
        if e == 0:
            continue
        for a in range(n_ranges):
            hit = found[(e - 1) * n_ranges + a]
            off = (hit | ignored[(e - 1) * n_ranges + a]) if (word >> a) & 1 else 0
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

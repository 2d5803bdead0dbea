"""The kernel that turns matches into curves, a class at a time."""

import numpy as np
from numba import njit

from drivetrain.detection.matching._numba import sort_falling

EPS = np.spacing(1)


@njit(nogil=True, cache=True)
def fill_classes(classes, index, matches, rule, tables):
    """Fill precision, recall and scores of some classes.

    Only true positives are events: precision peaks nowhere else, so the envelope over them is
    that over all detections. What is false up to an event is the number of detections inside
    the range up to it, less those of them that found somebody.
    """
    first_group, first_d, first_t, order, d_scores = index
    touched, found, ignored, inside, truth_ignored = matches
    recalls, caps, n_thresholds = rule
    precision, recall, scores = tables
    n_ranges, n_recalls, n_caps = len(found), len(recalls), len(caps)
    most = caps[n_caps - 1]
    needed = np.empty((n_ranges, n_recalls), np.int32)
    row_p, row_s = np.empty((2, n_recalls, n_ranges, n_caps))
    for k in classes:
        g0, g1 = first_group[k], first_group[k + 1]
        d0, d1, t0, t1 = first_d[g0], first_d[g1], first_t[g0], first_t[g1]
        # Truths to be found, and how many of them each recall needs.
        wanted = np.zeros(n_ranges, np.int32)
        for j in range(t0, t1):
            for a in range(n_ranges):
                wanted[a] += 1 - ((truth_ignored[j] >> np.uint32(a)) & np.uint32(1))
        for a in range(n_ranges):
            for r in range(n_recalls):
                need = 0
                if recalls[r] > 0 and wanted[a] > 0:
                    # The least tp with tp / wanted >= r, from a guess that is at most too high.
                    need = min(int(recalls[r] * wanted[a]) + 2, wanted[a] + 1)
                    while need > 1 and (need - 1) / wanted[a] >= recalls[r]:
                        need -= 1
                needed[a, r] = need
        # Detections by falling score; those of equal scores stay in the order of the index.
        n, e0 = 0, np.searchsorted(touched, d0)
        at, rank = np.empty(d1 - d0, np.int32), np.empty(d1 - d0, np.int32)
        falling, event = np.empty(d1 - d0), np.full(d1 - d0, -1, np.int32)
        for g in range(g0, g1):
            for d in range(first_d[g], min(first_d[g + 1], first_d[g] + most)):
                at[n], falling[n], rank[d - d0] = d - d0, d_scores[d], d - first_d[g]
                n += 1
        sort_falling(falling[:n], at[:n])
        n_touched, e = 0, e0
        while e < len(touched) and touched[e] < d1:
            event[touched[e] - d0] = e
            n_touched += 1
            e += 1
        # One walk counts, for every range and cap, the detections inside up to each event.
        count = np.zeros((n_ranges, n_caps), np.int32)
        before = np.empty((n_ranges, n_caps, n_touched), np.int32)
        walk, met = np.empty(n_touched, np.int32), 0
        start = np.full(n_caps, -1, np.int32)
        for q in range(n):
            d = at[q]
            bits, m0 = inside[order[d0 + d]], 0
            while caps[m0] <= rank[d]:
                m0 += 1
            for a in range(n_ranges):
                if (bits >> np.uint32(a)) & np.uint32(1):
                    for m in range(m0, n_caps):
                        count[a, m] += 1
            for m in range(m0, n_caps):
                if start[m] < 0:
                    start[m] = q
            if event[d] >= 0:
                walk[met] = q
                for a in range(n_ranges):
                    for m in range(n_caps):
                        before[a, m, met] = count[a, m]
                met += 1
        hits, voids = np.empty(met, np.uint32), np.empty(met, np.uint32)
        false, when = np.empty(met, np.int32), np.empty(met, np.int32)
        best = np.empty(met + 1)
        for t in range(n_thresholds):
            bit = np.uint32(1) << np.uint32(t)
            for a in range(n_ranges):
                for m in range(n_caps):
                    if wanted[a] == 0:
                        recall[t, k, a, m] = np.nan
                        for r in range(n_recalls):
                            row_p[r, a, m] = row_s[r, a, m] = np.nan
                        continue
                    tp = gone = 0
                    for x in range(met):
                        d = at[walk[x]]
                        if rank[d] >= caps[m]:
                            continue
                        e = event[d]
                        hit, void = found[a, e] & bit, ignored[a, e] & bit
                        if hit or void:
                            gone += (inside[order[d0 + d]] >> np.uint32(a)) & np.uint32(1)
                        if hit:
                            fp = before[a, m, x] - gone
                            when[tp] = walk[x]
                            tp += 1
                            best[tp - 1] = tp / (float(fp) + float(tp) + EPS)
                    for x in range(tp - 1, 0, -1):
                        if best[x] > best[x - 1]:
                            best[x - 1] = best[x]
                    recall[t, k, a, m] = tp / wanted[a]
                    reached = True
                    for r in range(n_recalls):
                        need = needed[a, r]
                        row_p[r, a, m] = row_s[r, a, m] = 0.0
                        # The first recall out of reach ends the walk.
                        reached = reached and (start[m] >= 0 if need == 0 else need <= tp)
                        if not reached:
                            continue
                        if need > 0:
                            row_p[r, a, m] = best[need - 1]
                            row_s[r, a, m] = falling[when[need - 1]]
                        else:
                            row_p[r, a, m] = best[0] if tp else 0.0
                            row_s[r, a, m] = falling[start[m]]
            for r in range(n_recalls):
                for a in range(n_ranges):
                    for m in range(n_caps):
                        precision[t, r, k, a, m] = row_p[r, a, m]
                        scores[t, r, k, a, m] = row_s[r, a, m]

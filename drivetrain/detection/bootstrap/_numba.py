"""The kernel of the bootstrap: average precision of every class under weights of the images."""

# mypy: allow-untyped-defs

import numpy as np
from numba import njit

SAMPLED, STAIRS, LINES = 0, 1, 2


@njit(nogil=True, cache=True, error_model="numpy")
def replicate(
    weights, starts, images, offsets, stops, hits, truth_starts, truth_images, area, recalls,
    spacing, out,
):  # fmt: skip
    """Fill ``out`` (n, T, K) for ``weights`` (n, I); NaN for a class without weighted truths.

    A detection or truth in an image of weight w stands for w equal ones in a row. Between two
    stops all detections are false, so their number is a difference of two sums of weights.
    """
    n_thresholds, n_classes = offsets.shape[0], offsets.shape[1] - 1
    longest = most = 0
    for k in range(n_classes):
        longest = max(longest, starts[k + 1] - starts[k])
        for t in range(n_thresholds):
            most = max(most, offsets[t, k + 1] - offsets[t, k])
    passed = np.empty(longest, np.int64)
    after, false = np.empty(most, np.int64), np.empty(most, np.int64)
    best = np.empty(most + 1)
    for r in range(len(weights)):
        weight = weights[r]
        for k in range(n_classes):
            wanted = np.int64(0)
            for g in range(truth_starts[k], truth_starts[k + 1]):
                wanted += weight[truth_images[g]]
            if wanted == 0:
                for t in range(n_thresholds):
                    out[r, t, k] = np.nan
                continue
            first = starts[k]
            own = images[first : starts[k + 1]]
            total = np.int64(0)
            for i in range(len(own)):
                total += weight[own[i]]
                passed[i] = total
            for t in range(n_thresholds):
                tp = void = np.int64(0)
                m = 0
                for s in range(offsets[t, k], offsets[t, k + 1]):
                    i = stops[s] - first
                    w = weight[own[i]]
                    if w == 0:
                        continue
                    if hits[s]:
                        tp += w
                        after[m], false[m] = tp, passed[i] - tp - void
                        m += 1
                    else:
                        void += w
                out[r, t, k] = integral(
                    after[:m], false[:m], best, total - void, wanted, area, recalls, spacing
                )


@njit(nogil=True, cache=True, error_model="numpy")
def integral(after, false, best, counted, wanted, area, recalls, spacing):
    """Return the area under one curve: ``after`` and ``false`` are TP and FP at each stop."""
    m, n_recalls = len(after), len(recalls)
    tail = after[m - 1] / counted if m and counted else 0.0
    best[m] = tail if area == LINES and m and false[m - 1] + after[m - 1] < counted else 0.0
    for i in range(m - 1, -1, -1):
        p = after[i] / (float(false[i] + after[i]) + spacing)
        best[i] = max(p, best[i + 1])
    value = 0.0
    if area == STAIRS:
        before = np.int64(0)
        for i in range(m):
            value += (after[i] - before) / wanted * best[i]
            before = after[i]
        return value
    if area == SAMPLED:
        i = 0
        for j in range(n_recalls):
            while i < m and after[i] / wanted < recalls[j]:
                i += 1
            if i == m:
                break
            value += best[i]
        return value / n_recalls
    if counted == 0:
        return 0.0
    i, previous = 0, 0.0
    for j in range(n_recalls):
        x = recalls[j]
        while i < m and after[i] / wanted <= x:
            i += 1
        at = 0.0
        if x < 1.0:
            before = after[i - 1] if i else np.int64(0)
            others = false[i - 1] if i else np.int64(0)
            # Of equal recalls the last one counts: a false detection, where one lies between.
            left = 1.0 if i == 0 else best[i - 1]
            if (false[i] if i < m else counted - before) > others:
                left = best[i]
            at = left
            x0, right = before / wanted, best[i] if i < m else 0.0
            x1 = (before + 1) / wanted if i < m else 1.0
            if x >= x1:
                at = right
            elif x > x0:
                at = (right - left) / (x1 - x0) * (x - x0) + left
        if j:
            value += (at + previous) / 2 * (x - recalls[j - 1])
        previous = at
    return value

"""The kernel of the bootstrap: average precision of every class under weights of the images."""

# mypy: allow-untyped-defs

import numpy as np
from numba import njit

SAMPLED, STAIRS, LINES = 0, 1, 2


@njit(nogil=True, cache=True, error_model="numpy")
def replicate(
    weights, starts, images, offsets, stops, stop_images, hits, truth_starts, truth_images, area,
    recalls, spacing, out,
):  # fmt: skip
    """Fill ``out`` (n, T, K) for ``weights`` (n, I); NaN for a class without weighted truths.

    A detection or truth in an image of weight w stands for w equal ones in a row. Between two
    stops all detections are false, so their number is a difference of two sums of weights, which
    must stay below 2^31. Indices are cast to unsigned, which spares the question whether they
    count from the end: it costs half of the time here.
    """
    n_thresholds, n_classes = offsets.shape[0], offsets.shape[1] - 1
    longest = most = 0
    for k in range(n_classes):
        longest = max(longest, starts[k + 1] - starts[k])
        for t in range(n_thresholds):
            most = max(most, offsets[t, k + 1] - offsets[t, k])
    passed = np.empty(longest, np.int32)
    after, false = np.empty(most, np.int32), np.empty(most, np.int32)
    best = np.empty(most + 1)
    needed = np.empty(len(recalls), np.int32)
    for r in range(len(weights)):
        weight = weights[r]
        for k in range(n_classes):
            wanted = np.int64(0)
            for image in truth_images[truth_starts[k] : truth_starts[k + 1]]:
                wanted += weight[image]
            if wanted == 0:
                for t in range(n_thresholds):
                    out[r, t, k] = np.nan
                continue
            if area == SAMPLED:
                fill_needed(recalls, wanted, needed)
            own = images[starts[k] : starts[k + 1]]
            total = np.int32(0)
            for i in range(len(own)):
                total += weight[np.uint32(own[i])]
                passed[i] = total
            for t in range(n_thresholds):
                low, high = offsets[t, k], offsets[t, k + 1]
                some, of, true = stops[low:high], stop_images[low:high], hits[low:high]
                tp = void = np.int32(0)
                m = np.uint32(0)
                for s in range(len(some)):
                    w = weight[np.uint32(of[s])]
                    if true[s]:
                        # Of weight 0, the next one overwrites it.
                        tp += w
                        after[m], false[m] = tp, passed[np.uint32(some[s])] - tp - void
                        m += np.uint32(w > 0)
                    else:
                        void += w
                if area == SAMPLED:
                    out[r, t, k] = sampled(after[:m], false[:m], needed, spacing)
                else:
                    out[r, t, k] = integral(
                        after[:m], false[:m], best, total - void, wanted, area, recalls
                    )


@njit(nogil=True, cache=True, error_model="numpy")
def fill_needed(recalls, wanted, needed):
    """Write the least number of true positives that reaches each recall, in rounded division."""
    for j in range(len(recalls)):
        n = np.int64(recalls[j] * wanted)
        while n / wanted < recalls[j]:
            n += 1
        while n > 0 and (n - 1) / wanted >= recalls[j]:
            n -= 1
        needed[j] = n


@njit(nogil=True, cache=True, error_model="numpy")
def sampled(after, false, needed, spacing):
    """Return the mean over the recalls of the best precision there or beyond, else 0."""
    j = len(needed) - 1
    value = best = 0.0
    reached = after[len(after) - 1] if len(after) else np.int32(0)
    while j >= 0 and needed[j] > reached:
        j -= 1
    for i in range(len(after) - 1, -1, -1):
        best = max(best, after[i] / (np.float64(false[i] + after[i]) + spacing))
        before = after[i - 1] if i else np.int32(0)
        while j >= 0 and needed[j] > before:
            value += best
            j -= 1
    return (value + best * (j + 1)) / len(needed)


@njit(nogil=True, cache=True, error_model="numpy")
def integral(after, false, best, counted, wanted, area, recalls):
    """Return the area of stairs or lines: ``after`` and ``false`` are TP and FP at each stop."""
    m, n_recalls = len(after), len(recalls)
    tail = after[m - 1] / counted if m and counted else 0.0
    best[m] = tail if area == LINES and m and false[m - 1] + after[m - 1] < counted else 0.0
    for i in range(m - 1, -1, -1):
        best[i] = max(after[i] / (false[i] + after[i]), best[i + 1])
    value = 0.0
    if area == STAIRS:
        before = np.int32(0)
        for i in range(m):
            value += (after[i] - before) / wanted * best[i]
            before = after[i]
        return value
    if counted == 0:
        return 0.0
    i, previous = 0, 0.0
    for j in range(n_recalls):
        x = recalls[j]
        while i < m and after[i] / wanted <= x:
            i += 1
        at = 0.0
        if x < 1.0:
            before = after[i - 1] if i else np.int32(0)
            others = false[i - 1] if i else np.int32(0)
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

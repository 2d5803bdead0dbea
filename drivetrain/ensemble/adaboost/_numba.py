"""Kernels of stumps: a histogram of each feature, one scan for its best cut, and the vote."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.generic]
Doubles = NDArray[np.float64]
#: Scores that differ by less, relatively, are equal: rounding must not choose between them, or
#: the order of the rows would.
ALIKE = 1e-12


@njit(nogil=True, cache=True, error_model="numpy")
def spans(column: Array, values: NDArray[np.float32], low: Doubles, high: Doubles) -> None:
    """Note the least and the greatest value in each bin of a feature.

    Args:
        column: Bins, (n,).
        values: What was binned, (n,).
        low: Is written, (bins,); infinite before.
        high: Is written, (bins,); minus infinity before.
    """
    for i in range(len(column)):
        b = np.uint64(column[i])
        v = np.float64(values[i])
        if v < low[b]:
            low[b] = v
        if v > high[b]:
            high[b] = v


@njit(nogil=True, cache=True, error_model="numpy")
def search(
    columns: Array,
    bins: NDArray[np.int64],
    begin: int,
    end: int,
    labels: NDArray[np.uint16],
    weight: Doubles,
    classes: int,
    scores: Doubles,
    places: NDArray[np.int64],
) -> None:
    """Find the best cut of each of some features, by Gini's impurity of weighted rows.

    The score of a cut is Σ_k L_k²/L + Σ_k R_k²/R, the greatest where impurity is least; of equal
    ones the first is taken. Every number is summed in the order of the rows, whatever the
    threads.

    Args:
        columns: Bins by feature, (F, n).
        bins: Number of bins of each feature, (F,).
        begin: The first feature.
        end: The last but one.
        labels: Number of each row's class, (n,).
        weight: Of each row, at least 0, (n,).
        classes: How many there are.
        scores: Is written, (F,); minus infinity where a feature is constant.
        places: Is written, (F, 2): the last bin to the left, and the first to the right, that
            hold weight.
    """
    most = 1
    for f in range(begin, end):
        most = max(most, bins[f])
    histogram = np.empty(most * classes)
    left, right, total = np.empty(classes), np.empty(classes), np.empty(classes)
    width = np.uint64(classes)
    n = np.uint64(len(labels))
    for f in range(begin, end):
        column = columns[f]
        for i in range(bins[f] * classes):
            histogram[i] = 0.0
        for i in range(n):
            histogram[np.uint64(column[i]) * width + np.uint64(labels[i])] += weight[i]
        whole = 0.0
        for k in range(classes):
            total[k], left[k] = 0.0, 0.0
            for b in range(bins[f]):
                total[k] += histogram[b * classes + k]
            whole += total[k]
        run = 0.0
        best = -np.inf
        last = -1
        for b in range(bins[f]):
            own = 0.0
            for k in range(classes):
                own += histogram[b * classes + k]
            if own <= 0.0:
                continue
            if last >= 0:
                rest = whole - run
                a, c = 0.0, 0.0
                for k in range(classes):
                    right[k] = total[k] - left[k]
                    a += left[k] * left[k]
                    c += right[k] * right[k]
                score = a / run + c / rest
                if score - best > ALIKE * score:
                    best = score
                    places[f, 0], places[f, 1] = last, b
            for k in range(classes):
                left[k] += histogram[b * classes + k]
            run += own
            last = b
        scores[f] = best


@njit(nogil=True, cache=True, error_model="numpy")
def vote(
    x: NDArray[np.float32],
    feature: NDArray[np.int64],
    threshold: Doubles,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    gains: Doubles,
    losses: Doubles,
    sums: Doubles,
) -> None:
    """Add what each stump says of each row to the sums, stump by stump.

    Args:
        x: Values, (n, F).
        feature: Of each stump, (M,).
        threshold: Values up to it go left, (M,).
        left: The class to the left, (M,).
        right: The class to the right, (M,).
        gains: What the class a stump says gains, (M,).
        losses: What the others do, (M,).
        sums: Is added to, (n, classes).
    """
    classes = sums.shape[1]
    for i in range(len(x)):
        for m in range(len(feature)):
            said = left[m] if np.float64(x[i, feature[m]]) <= threshold[m] else right[m]
            for k in range(classes):
                sums[i, k] += gains[m] if k == said else losses[m]

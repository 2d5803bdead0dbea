"""Exclusive feature bundling, algorithms 3 and 4 of the LightGBM paper, line by line."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]


def greedy_bundling(codes: Codes, limit: int) -> list[list[int]]:
    """Return the bundles of algorithm 3.

    Args:
        codes: Bins, (n, F).
        limit: K, conflicts a bundle may have.
    """
    n, features = codes.shape
    graph = [
        [sum(1 for i in range(n) if codes[i, a] and codes[i, b]) for b in range(features)]
        for a in range(features)
    ]
    degree = [sum(1 for b in range(features) if b != a and graph[a][b]) for a in range(features)]
    search_order = sorted(range(features), key=lambda f: (-degree[f], f))
    bundles: list[list[int]] = []
    conflict: list[int] = []
    for f in search_order:
        for j, bundle in enumerate(bundles):
            count = sum(1 for i in range(n) if codes[i, f] and any(codes[i, m] for m in bundle))
            if count + conflict[j] <= limit:
                bundle.append(f)
                conflict[j] += count
                break
        else:
            bundles.append([f])
            conflict.append(0)
    return bundles


def merge(codes: Codes, bundle: Sequence[int]) -> Codes:
    """Return the column of algorithm 4: new_bin = bin + the bins of those before.

    Args:
        codes: Bins, (n, F).
        bundle: Its members.
    """
    ranges, total = {}, 0
    for f in bundle:
        ranges[f] = total
        total += int(codes[:, f].max(initial=0))
    merged = np.zeros(len(codes), np.int64)
    for i in range(len(codes)):
        for f in bundle:
            if codes[i, f] != 0:
                merged[i] = codes[i, f] + ranges[f]
    return merged


def feature_histogram(
    codes: Codes, feature: int, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sums of values over the rows of each bin of a feature, by definition.

    Args:
        codes: Bins, (n, F).
        feature: Which.
        values: Of each row, (n,).
    """
    bins = int(codes[:, feature].max(initial=0)) + 1
    return np.array([values[codes[:, feature] == b].sum() for b in range(bins)])

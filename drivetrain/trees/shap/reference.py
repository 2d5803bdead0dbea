"""Shapley values of a tree by their definition: every subset of features, float64.

The value of a subset S is the path-dependent expectation: at a split on a feature outside of
S both sides count, by their share of the cover.

References:
    Lundberg, Erion, Lee: Consistent Individualized Feature Attribution for Tree Ensembles, 2018,
    arXiv:1802.03888, algorithm 1.
"""

from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.forest import Forest

Floats = NDArray[np.float64]


def goes_left(forest: Forest, node: int, row: NDArray[np.float32]) -> bool:
    """Tell where a row goes at a split."""
    x = row[forest.feature[node]]
    if np.isnan(x):
        return bool(forest.default_left[node])
    if forest.categorical[node]:
        own = forest.sets[forest.set_offsets[node] : forest.set_offsets[node + 1]]
        return int(x) not in own
    return bool(x < forest.threshold[node])


def expectation(
    forest: Forest, tree: int, row: NDArray[np.float32], known: frozenset[int]
) -> Floats:
    """Return the tree's expected value where only the features of ``known`` are known, (K,)."""
    base = int(forest.offsets[tree])

    def below(node: int) -> Floats:
        at = base + node
        left, right = int(forest.left[at]), int(forest.right[at])
        if left < 0:
            return forest.value[at].astype(np.float64)
        if int(forest.feature[at]) in known:
            return below(left if goes_left(forest, at, row) else right)
        whole = float(forest.cover[at])
        share = float(forest.cover[base + left]) / whole if whole else 0.5
        other = float(forest.cover[base + right]) / whole if whole else 0.5
        return share * below(left) + other * below(right)

    return below(0)


def shapley(forest: Forest, row: NDArray[np.float32]) -> Floats:
    """Return phi_i = Σ_S |S|!(F-|S|-1)!/F! (v(S+i) - v(S)), and v of nothing, (groups, F + 1)."""
    f = forest.n_features
    values = _values(forest, row)
    phi = np.zeros((forest.n_groups, f + 1))
    phi[:, f] = values[frozenset()]
    for i in range(f):
        for chosen in _subsets(set(range(f)) - {i}):
            share = factorial(len(chosen)) * factorial(f - len(chosen) - 1) / factorial(f)
            phi[:, i] += share * (values[chosen | {i}] - values[chosen])
    return phi


def interactions(forest: Forest, row: NDArray[np.float32]) -> Floats:
    """Return the Shapley interaction values, halved off the diagonal, (groups, F + 1, F + 1).

    Phi_ij = Σ_S |S|!(F-|S|-2)!/(2(F-1)!) (v(S+i+j) - v(S+i) - v(S+j) + v(S)); the diagonal is
    what is left of phi_i.
    """
    f = forest.n_features
    values = _values(forest, row)
    out = np.zeros((forest.n_groups, f + 1, f + 1))
    for i, j in combinations(range(f), 2):
        for chosen in _subsets(set(range(f)) - {i, j}):
            share = factorial(len(chosen)) * factorial(f - len(chosen) - 2) / factorial(f - 1)
            both = values[chosen | {i, j}] - values[chosen | {i}]
            out[:, i, j] += share / 2 * (both - values[chosen | {j}] + values[chosen])
        out[:, j, i] = out[:, i, j]
    phi = shapley(forest, row)
    for i in range(f + 1):
        out[:, i, i] = phi[:, i] - out[:, i].sum(axis=1)
    return out


def _subsets(features: set[int]) -> list[frozenset[int]]:
    return [
        frozenset(chosen)
        for size in range(len(features) + 1)
        for chosen in combinations(sorted(features), size)
    ]


def _values(forest: Forest, row: NDArray[np.float32]) -> dict[frozenset[int], Floats]:
    """Return v(S) of the whole forest for every subset, (groups,) each."""
    held = {}
    for known in _subsets(set(range(forest.n_features))):
        sums = np.zeros(forest.n_groups)
        for t in range(len(forest)):
            value = expectation(forest, t, row, known)
            if forest.group[t] < 0:
                sums += value
            else:
                sums[forest.group[t]] += value[0]
        held[known] = sums
    return held

"""Symmetric trees: one split a level, chosen by the gain summed over the level's nodes; float64.

A leaf's number is the row of bits that say on which side of each level's split a row lies.

References:
    Kohavi: Bottom-Up Induction of Oblivious Read-Once Decision Graphs, ECML 1994; Prokhorenkova,
    Gusev, Vorobev, Dorogush, Gulin: CatBoost: unbiased boosting with categorical features,
    NeurIPS 2018, arXiv:1706.09516, section 4.
"""

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.reference import TIE, Split
from drivetrain.trees.vector.reference import score

Floats = NDArray[np.float64]


def level_score(leaf: NDArray[np.int64], g: Floats, h: Floats, growth: Growth) -> float:
    """Return Σ over leaves of Σ_k T(G_k)²/(H_k + λ); a leaf whose H is too small counts 0."""
    return sum(
        score(g[leaf == one].sum(axis=0), h[leaf == one].sum(axis=0), growth)
        for one in np.unique(leaf)
    )


def find_split(
    codes: NDArray[np.int64],
    leaf: NDArray[np.int64],
    derivatives: tuple[Floats, Floats],
    missing: int,
    growth: Growth,
) -> Split | None:
    """Return the split that gains most where every leaf so far is split by it.

    Args:
        codes: Bins, (m, F).
        leaf: The leaf of each row so far, (m,).
        derivatives: g and h, (m, K) each.
        missing: The code of a missing value.
        growth: The penalties.
    """
    g, h = derivatives
    parent = level_score(leaf, g, h, growth)
    best: Split | None = None
    for f in range(codes.shape[1]):
        code = codes[:, f]
        absent = code == missing
        for default_left in (False, True) if absent.any() else (False,):
            for b in range(int(code[~absent].max(initial=-1)) + 1):
                left = np.where(absent, default_left, code <= b)
                gain = level_score(2 * leaf + ~left, g, h, growth) - parent
                held = 0.0 if best is None else best.gain
                if gain > held + TIE * max(gain + parent, parent):
                    best = Split(gain=gain, feature=f, bin=b, default_left=default_left)
    if best is None or best.gain <= 1e-6 or best.gain < growth.gamma:
        return None
    return best


def grow(
    codes: NDArray[np.int64], g: Floats, h: Floats, missing: int, growth: Growth
) -> tuple[list[Split], NDArray[np.int64]]:
    """Return the splits, level by level, and the leaf of each row, (m,)."""
    leaf = np.zeros(len(g), np.int64)
    splits: list[Split] = []
    while len(splits) < depth_of(growth):
        split = find_split(codes, leaf, (g, h), missing, growth)
        if split is None:
            break
        code = codes[:, split.feature]
        leaf = 2 * leaf + ~np.where(code == missing, split.default_left, code <= split.bin)
        splits.append(split)
    return splits, leaf


def depth_of(growth: Growth) -> int:
    """Return the levels a tree may have: 2^depth leaves are at most ``max_leaves``."""
    return min(growth.max_depth, (growth.max_leaves or 1 << 30).bit_length() - 1)

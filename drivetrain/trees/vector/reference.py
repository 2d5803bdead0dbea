"""Trees with a vector in each leaf, as XGBoost 3.2 grows them; float64.

G and H are sums of the derivatives of K outputs over a node's rows, (K,). An output whose H is
below ``min_child_weight`` keeps the weight 0 and adds no gain; the split itself stays legal.

References:
    Zhang, Jung: GBDT-MO: Gradient Boosted Decision Trees for Multiple Outputs, IEEE TNNLS 2020,
    arXiv:1909.04373. The rules are those of XGBoost's ``multi_strategy="multi_output_tree"``.
"""

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.reference import TIE, Split

Floats = NDArray[np.float64]


def weights(g: Floats, h: Floats, growth: Growth) -> Floats:
    """Return w_k = -T(G_k) / (H_k + λ), clipped to ±max_delta_step; 0 where H_k is too small."""
    soft = np.sign(g) * np.maximum(np.abs(g) - growth.reg_alpha, 0.0)
    whole = h + growth.reg_lambda
    w = -np.divide(soft, whole, out=np.zeros_like(soft), where=whole > 0)
    step = growth.max_delta_step or np.inf
    return np.where((h >= growth.min_child_weight) & (h > 0), np.clip(w, -step, step), 0.0)


def score(g: Floats, h: Floats, growth: Growth) -> float:
    """Return a node's part of the gain: Σ_k -w_k T(G_k), which is Σ_k T(G_k)²/(H_k + λ)."""
    soft = np.sign(g) * np.maximum(np.abs(g) - growth.reg_alpha, 0.0)
    return float(-np.sum(weights(g, h, growth) * soft))


def find_split(
    codes: NDArray[np.int64], g: Floats, h: Floats, missing: int, growth: Growth
) -> Split | None:
    """Return the split of greatest gain, summed over the outputs; None where none has any.

    The first of equal gains wins: lowest feature, missing right before left, lowest bin.

    Args:
        codes: Bins of the node's rows, (m, F).
        g: First derivatives, (m, K).
        h: Second derivatives, (m, K).
        missing: The code of a missing value.
        growth: The penalties.
    """
    best: Split | None = None
    parent = score(g.sum(axis=0), h.sum(axis=0), growth)
    for f in range(codes.shape[1]):
        code = codes[:, f]
        absent = code == missing
        for default_left in (False, True) if absent.any() else (False,):
            for b in range(int(code[~absent].max(initial=-1)) + 1):
                left = np.where(absent, default_left, code <= b)
                sums = [(g[side].sum(axis=0), h[side].sum(axis=0)) for side in (left, ~left)]
                gain = sum(score(*one, growth) for one in sums) - parent
                held = 0.0 if best is None else best.gain
                if gain > held + TIE * max(gain + parent, parent):
                    best = Split(gain=gain, feature=f, bin=b, default_left=default_left)
    if best is None or best.gain <= 1e-6 or best.gain < growth.gamma:
        return None
    code = codes[:, best.feature]
    left = np.where(code == missing, best.default_left, code <= best.bin)
    # A side without any hessian would be a leaf of no weight: the node stays whole.
    return best if h[left].sum() > 0 and h[~left].sum() > 0 else None


def grow(
    codes: NDArray[np.int64], g: Floats, h: Floats, missing: int, growth: Growth
) -> NDArray[np.int64]:
    """Return the leaf of each row, leaves numbered in the order of their making, (m,)."""
    node_of = np.zeros(len(g), np.int64)
    depth = {0: 0}
    splits = {0: find_split(codes, g, h, missing, growth)}
    leaves, made = 1, 1
    while leaves < (growth.max_leaves or len(g) + 1):
        turns = [
            (depth[node] if growth.grow_policy == "depthwise" else -split.gain, node)
            for node, split in splits.items()
            if split and (not growth.max_depth or depth[node] < growth.max_depth)
        ]
        if not turns:
            break
        node = min(turns)[1]
        split = splits.pop(node)
        assert split is not None
        code = codes[:, split.feature]
        left = np.where(code == missing, split.default_left, code <= split.bin)
        for side in (left, ~left):
            rows = (node_of == node) & side
            node_of[rows] = made
            depth[made] = depth[node] + 1
            splits[made] = find_split(codes[rows], g[rows], h[rows], missing, growth)
            made += 1
        leaves += 1
    return node_of

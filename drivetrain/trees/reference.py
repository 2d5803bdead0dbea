"""Boosted trees as the XGBoost paper writes them: weights, gains, splits, sketches; float64.

G and H are sums of first and second derivatives g, h of the loss over the rows of a node.

References:
    Chen, Guestrin: XGBoost: A Scalable Tree Boosting System, KDD 2016, arXiv:1603.02754.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.growing.settings import Growth

Floats = NDArray[np.float64]
#: Gains nearer than this share of the score are ties: the first wins.
TIE = 2.0**-23


def soft_threshold(g: float, alpha: float) -> float:
    """Return T(G) = sign(G) max(|G| - alpha, 0), what the L1 penalty leaves of G."""
    return float(np.sign(g) * max(abs(g) - alpha, 0.0))


def weight(g: float, h: float, growth: Growth) -> float:
    """Return w* = -T(G) / (H + lambda), clipped to ±max_delta_step where that is not 0 (eq. 5)."""
    if h <= 0:
        return 0.0
    w = -soft_threshold(g, growth.reg_alpha) / (h + growth.reg_lambda)
    step = growth.max_delta_step
    return float(np.clip(w, -step, step)) if step else w


def score(g: float, h: float, growth: Growth) -> float:
    """Return a node's part of the gain: T(G)²/(H + lambda); -(2Gw + (H + lambda)w²) if clipped."""
    if h <= 0:
        return 0.0
    if not growth.max_delta_step:
        return soft_threshold(g, growth.reg_alpha) ** 2 / (h + growth.reg_lambda)
    w = weight(g, h, growth)
    return -(2 * g * w + (h + growth.reg_lambda) * w * w)


def textbook_gain(gl: float, hl: float, gr: float, hr: float, growth: Growth) -> float:
    """Return L_split = 1/2 [GL²/(HL+λ) + GR²/(HR+λ) - (GL+GR)²/(HL+HR+λ)] - γ (eq. 7)."""
    halves = score(gl, hl, growth) + score(gr, hr, growth) - score(gl + gr, hl + hr, growth)
    return halves / 2 - growth.gamma


def tree_objective(g: Floats, h: Floats, growth: Growth) -> float:
    """Return -1/2 Σ T(G_j)²/(H_j + λ) + γ J, the loss of a tree of J leaves (eq. 6)."""
    parts = [score(float(a), float(b), growth) for a, b in zip(g, h)]
    return -sum(parts) / 2 + growth.gamma * len(parts)


def weighted_ranks(values: Floats, h: Floats) -> tuple[Floats, Floats]:
    """Return the distinct values and r(z) = Σ_{x<z} h / Σ h of each (eq. 8).

    Example:
        >>> z, r = weighted_ranks(np.array([1.0, 2.0, 2.0]), np.array([1.0, 1.0, 2.0]))
        >>> z.tolist(), r.tolist()
        ([1.0, 2.0], [0.0, 0.25])
    """
    distinct, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, weights=h, minlength=len(distinct))
    return distinct, (np.cumsum(mass) - mass) / mass.sum()


def candidates(values: Floats, h: Floats, eps: float) -> Floats:
    """Return split candidates: the first value at or past each multiple of eps in rank (eq. 9)."""
    distinct, rank = weighted_ranks(values, h)
    wanted = np.arange(eps, 1.0 - 1e-12, eps)
    return np.unique(distinct[np.minimum(np.searchsorted(rank, wanted), len(distinct) - 1)])


@dataclass(frozen=True, kw_only=True)
class Split:
    """A split of a node: bins up to ``bin`` go left, missing values where ``default_left`` says."""

    gain: float
    feature: int
    bin: int
    default_left: bool


def find_split(
    codes: NDArray[np.int64], g: Floats, h: Floats, missing: int, growth: Growth
) -> Split | None:
    """Return the best split of a node by trying every bin of every feature (algorithms 1 and 3).

    Missing values are tried on both sides. The first of equal gains wins: lowest feature,
    missing right before left, lowest bin.

    Args:
        codes: Bins of the node's rows, (m, F).
        g: First derivatives, (m,).
        h: Second derivatives, (m,).
        missing: The code of a missing value.
        growth: The penalties.
    """
    best: Split | None = None
    parent = score(float(g.sum()), float(h.sum()), growth)
    for f in range(codes.shape[1]):
        code = codes[:, f]
        absent = code == missing
        for default_left in (False, True) if absent.any() else (False,):
            for b in range(int(code[~absent].max(initial=-1)) + 1):
                left = np.where(absent, default_left, code <= b)
                hl, hr = float(h[left].sum()), float(h[~left].sum())
                if min(hl, hr) < growth.min_child_weight or min(hl, hr) <= 0:
                    continue
                gain = score(float(g[left].sum()), hl, growth) - parent
                gain += score(float(g[~left].sum()), hr, growth)
                if best is None or gain > best.gain + TIE * max(gain + parent, parent):
                    best = Split(gain=gain, feature=f, bin=b, default_left=default_left)
    if best is None or best.gain <= 1e-6 or best.gain < growth.gamma:
        return None
    return best


def grow(
    codes: NDArray[np.int64], g: Floats, h: Floats, missing: int, growth: Growth
) -> NDArray[np.int64]:
    """Return the leaf of each row, leaves numbered in the order of their making, (m,).

    Splits the open node of greatest gain (lossguide) or the oldest of least depth (depthwise)
    until no gain, leaf or depth is left.
    """
    node_of = np.zeros(len(g), np.int64)
    depth = {0: 0}
    splits = {0: find_split(codes, g, h, missing, growth)}
    leaves, made = 1, 1
    while leaves < (growth.max_leaves or len(g) + 1):
        open_nodes = [
            node
            for node, split in splits.items()
            if split and (not growth.max_depth or depth[node] < growth.max_depth)
        ]
        if not open_nodes:
            break
        node = min(open_nodes, key=lambda k: _turn(k, depth, splits, growth))
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


def _turn(
    node: int, depth: dict[int, int], splits: dict[int, Split | None], growth: Growth
) -> tuple[float, int]:
    split = splits[node]
    assert split is not None
    return (depth[node] if growth.grow_policy == "depthwise" else -split.gain, node)

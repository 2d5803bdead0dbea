"""Cost-complexity pruning: splits that gain less than their leaves cost are taken back."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.deep.finishing import DeepTree
from drivetrain.trees.forest import Forest


def pruned(tree: DeepTree, alpha: float) -> DeepTree:
    """Return the smallest subtree that minimizes R + alpha times its leaves.

    R is the impurity of the leaves, each by its share of the weight. A split stays where the best
    that can be made below it gains more than alpha a split.

    Args:
        tree: A grown tree.
        alpha: What a leaf costs, above 0.

    References:
        Breiman, Friedman, Olshen, Stone: Classification and Regression Trees, 1984, chapter 3.
    """
    forest = tree.forest
    total = float(forest.cover[0])
    inner = np.flatnonzero(forest.left >= 0)
    # Children come after their parents.
    worth = np.zeros(len(forest.left))
    value = forest.value.astype(np.float64)
    cover = forest.cover.astype(np.float64)
    for x in inner[::-1]:
        a, b = int(forest.left[x]), int(forest.right[x])
        worth[x] = max(0.0, forest.gain[x] - alpha * total + worth[a] + worth[b])
        value[x] = (value[a] * cover[a] + value[b] * cover[b]) / (cover[a] + cover[b])
    kept = np.zeros(len(worth), np.bool_)
    kept[0] = True
    for x in inner:
        if kept[x] and worth[x] > 0:
            kept[[forest.left[x], forest.right[x]]] = True
    small = _taken(forest, kept, worth > 0, value)
    split = small.left >= 0
    features = len(tree.impurity_decrease)
    decrease = np.bincount(small.feature[split], small.gain[split], features) / total
    return DeepTree(forest=small, impurity_decrease=decrease)


def _taken(
    forest: Forest,
    kept: NDArray[np.bool_],
    split: NDArray[np.bool_],
    value: NDArray[np.float64],
) -> Forest:
    """Return the nodes that are kept; those not split become leaves."""
    nodes = np.flatnonzero(kept)
    place = np.cumsum(kept) - 1
    inner = split[nodes]
    own = nodes[inner]
    left, right = np.full(len(nodes), -1, np.int32), np.full(len(nodes), -1, np.int32)
    left[inner], right[inner] = place[forest.left[own]], place[forest.right[own]]
    kinds = forest.categorical[nodes] & inner
    sets = [
        forest.sets[forest.set_offsets[x] : forest.set_offsets[x + 1]] if kind else forest.sets[:0]
        for x, kind in zip(nodes, kinds)
    ]
    return replace(
        forest,
        offsets=np.array([0, len(nodes)]),
        left=left,
        right=right,
        feature=np.where(inner, forest.feature[nodes], 0).astype(np.int32),
        threshold=np.where(inner, forest.threshold[nodes], np.float32(0)),
        default_left=forest.default_left[nodes] & inner,
        value=np.where(inner[:, None], 0, value[nodes]).astype(np.float32),
        cover=forest.cover[nodes],
        gain=np.where(inner, forest.gain[nodes], np.float32(0)),
        set_offsets=np.concatenate([[0], np.cumsum([len(one) for one in sets])]).astype(np.int64),
        sets=np.concatenate(sets),
        categorical=kinds,
    )

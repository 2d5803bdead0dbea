"""A forest packed for prediction: siblings side by side, a node in eight bytes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.forest import Forest

# What fits a packed node: 12 bits of doubled feature number, 20 bits of child.
_MOST_FEATURES = 2048
_MOST_NODES = 1 << 20
_LEAF_KEY = np.int64(2**31 - 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Packed:
    """Nodes as the kernel reads them.

    Attributes:
        nodes: (key of the threshold << 32) | (left child << 12) | feature, (N,).
        values: Leaf values, (N,).
        offsets: Where each tree begins, (T + 1,).
        groups: The output each tree adds to, (T,).
    """

    nodes: NDArray[np.int64]
    values: NDArray[np.float32]
    offsets: NDArray[np.int64]
    groups: NDArray[np.int32]


def can_pack(forest: Forest) -> bool:
    """Tell whether the forest fits the packed form: no categories, scalar leaves, not too wide."""
    return (
        not forest.categorical.any()
        and forest.value.shape[1] == 1
        and forest.n_features <= _MOST_FEATURES
        and int(np.diff(forest.offsets).max(initial=0)) < _MOST_NODES
        and bool((forest.group >= 0).all())
    )


def pack(forest: Forest) -> Packed:
    """Return the forest packed, the nodes of each tree level by level."""
    order, place = _breadth_first(forest)
    leaf = forest.is_leaf[order]
    feature = forest.feature[order].astype(np.int64)
    feature = np.where(forest.default_left[order], feature + forest.n_features, feature)
    key = _keys(forest.threshold[order])
    tree = np.repeat(np.arange(len(forest)), np.diff(forest.offsets))
    base = forest.offsets[:-1][tree]
    own = np.arange(len(order)) - base
    child = place[np.where(leaf, order, base + forest.left[order])] - base
    nodes = np.where(
        leaf,
        (_LEAF_KEY << 32) | (own << 12),
        (key << 32) | (child << 12) | feature,
    )
    return Packed(
        nodes=nodes,
        values=np.ascontiguousarray(forest.value[order, 0]),
        offsets=forest.offsets,
        groups=forest.group,
    )


def _keys(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return whole numbers that order as the floats do; -0.0 and 0.0 are one."""
    bits = (values + np.float32(0)).view(np.int32)
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)


def _breadth_first(forest: Forest) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all nodes, level by level within each tree, siblings adjacent; and their places.

    All trees descend together, a level at a time, so the work is a few array operations.
    """
    base = forest.offsets[:-1]
    level, tree = base.copy(), np.arange(len(forest))
    seen, owners = [level], [tree]
    while len(level):
        inner = forest.left[level] >= 0
        at, tree = level[inner], tree[inner]
        first, second = base[tree] + forest.left[at], base[tree] + forest.right[at]
        level = np.stack([first, second], axis=1).reshape(-1)
        tree = np.repeat(tree, 2)
        seen.append(level)
        owners.append(tree)
    nodes, owner = np.concatenate(seen), np.concatenate(owners)
    order = nodes[np.argsort(owner, kind="stable")]
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return order, place

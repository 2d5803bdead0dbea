"""A forest packed for prediction: siblings side by side, a node in eight bytes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.forest import Forest

# What fits a packed node: 12 bits of doubled feature number, 20 bits of child.
_MOST_FEATURES = 2048
_MOST_NODES = 1 << 20
# Tables this wide, of which half the columns are not split on, are narrowed first.
_WIDE = 128
_LEAF_KEY = np.int64(2**31 - 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Packed:
    """Nodes of a run of trees as the kernels read them.

    Attributes:
        first: The run's first tree.
        nodes: (key of the threshold << 32) | (left child << 12) | feature, (N,).
        values: Leaf values, (N,), or (N, K) where leaves are vectors.
        offsets: Where each tree begins, (T + 1,).
        groups: The output each tree adds to, (T,).
        names: Each node's number in its tree of the forest, (N,).
        used: The columns that the nodes' feature numbers count, rising; None for all.
    """

    first: int
    nodes: NDArray[np.int64]
    values: NDArray[np.float32]
    offsets: NDArray[np.int64]
    groups: NDArray[np.int32]
    names: NDArray[np.int32]
    used: NDArray[np.int64] | None


def pack(forest: Forest) -> list[Packed] | None:
    """Return the forest packed, the nodes of each tree level by level.

    A packed node counts 2048 features. Where the forest splits on more, it is packed in runs of
    trees that each split on fewer, with the columns they read.

    Returns:
        The runs; None for what has no packed form: categories, both kinds of leaves, a tree of
        over a million nodes or that splits on over 2048 features itself.
    """
    vectors = forest.group < 0
    if (
        forest.categorical.any()
        or (vectors.any() and not vectors.all())
        or int(np.diff(forest.offsets).max(initial=0)) >= _MOST_NODES
    ):
        return None
    used = columns_of(forest)
    if (forest.n_features if used is None else len(used)) <= _MOST_FEATURES:
        return [_pack_run(forest, 0, used)]
    runs = _runs(forest)
    if runs is None:
        return None
    return [_pack_run(forest.take(run), run.start, columns) for run, columns in runs]


def columns_of(forest: Forest) -> NDArray[np.int64] | None:
    """Return the columns that a forest reads, rising; None where that is most of them."""
    if forest.n_features < _WIDE:
        return None
    used = np.unique(forest.feature[~forest.is_leaf]).astype(np.int64)
    return used if 2 * len(used) <= forest.n_features else None


def _runs(forest: Forest) -> list[tuple[slice, NDArray[np.int64]]] | None:
    """Return runs of trees, and the features of each; None where one tree has too many."""
    runs: list[tuple[slice, NDArray[np.int64]]] = []
    begin, held = 0, np.empty(0, np.int64)
    for t in range(len(forest)):
        span = slice(int(forest.offsets[t]), int(forest.offsets[t + 1]))
        own = np.unique(forest.feature[span][forest.left[span] >= 0]).astype(np.int64)
        if len(own) > _MOST_FEATURES:
            return None
        both = np.union1d(held, own)
        if len(both) > _MOST_FEATURES:
            runs.append((slice(begin, t), held))
            begin, both = t, own
        held = both
    return [*runs, (slice(begin, len(forest)), held)]


def _pack_run(forest: Forest, first: int, used: NDArray[np.int64] | None) -> Packed:
    order, place = _breadth_first(forest)
    leaf = forest.is_leaf[order]
    feature = forest.feature[order].astype(np.int64)
    width = forest.n_features
    if used is not None:
        feature, width = np.where(leaf, 0, np.searchsorted(used, feature)), len(used)
    feature = np.where(forest.default_left[order], feature + width, feature)
    key = keys_of(forest.threshold[order])
    tree = np.repeat(np.arange(len(forest)), np.diff(forest.offsets))
    base = forest.offsets[:-1][tree]
    own = np.arange(len(order)) - base
    child = place[np.where(leaf, order, base + forest.left[order])] - base
    nodes = np.where(
        leaf,
        (_LEAF_KEY << 32) | (own << 12),
        (key << 32) | (child << 12) | feature,
    )
    vectors = bool((forest.group < 0).any())
    values = forest.value[order]
    return Packed(
        first=first,
        nodes=nodes,
        values=np.ascontiguousarray(values if vectors else values[:, 0]),
        offsets=forest.offsets,
        groups=forest.group,
        names=(order - base).astype(np.int32),
        used=used,
    )


def keys_of(values: NDArray[np.float32]) -> NDArray[np.int64]:
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

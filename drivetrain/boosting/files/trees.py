"""Trees as XGBoost's files hold them: read with every index checked, and written."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.forest import Forest, join

_NO_PARENT = 2147483647
# The feature of nodes that pruning took out and left in their place.
_DELETED = 2147483647
_CATEGORICAL_CONDITION = np.float32(1e-45)
_COLUMNS = {
    "left_children": np.int32,
    "right_children": np.int32,
    "split_indices": np.int32,
    "split_conditions": np.float32,
    "default_left": np.uint8,
    "sum_hessian": np.float32,
    "loss_changes": np.float32,
    "split_type": np.uint8,
}


class FileError(ValueError):
    """A model file that is not what it should be."""


def read_trees(
    trees: list[Mapping[str, Any]], groups: NDArray[np.int32], n_features: int, n_groups: int
) -> Forest:
    """Return the trees of a model as a forest.

    Args:
        trees: Their objects, as decoded.
        groups: The output each adds to, (T,).
        n_features: Features of the model.
        n_groups: Outputs of the model.

    Raises:
        FileError: A part is missing, of another length or type, or points where nothing is.
    """
    forests = [
        _read_tree(tree, number, int(group), n_features, n_groups)
        for number, (tree, group) in enumerate(zip(trees, groups))
    ]
    return join(forests)


def column(tree: Mapping[str, Any], name: str, dtype: Any, where: str) -> NDArray[Any]:
    """Return one array of an object as numbers of a type.

    Raises:
        FileError: It is missing or holds something else.
    """
    if name not in tree:
        raise FileError(f"{where} has no {name!r}.")
    try:
        wide = np.asarray(tree[name], np.float64 if np.dtype(dtype).kind == "f" else np.int64)
    except (TypeError, ValueError, OverflowError):
        raise FileError(f"{where} must have numbers in {name!r}.") from None
    if wide.ndim != 1:
        raise FileError(f"{where} must have a plain list in {name!r}. Got shape {wide.shape}.")
    with np.errstate(over="ignore"):
        narrow = wide.astype(dtype)
    if np.dtype(dtype).kind in "iu" and not np.array_equal(narrow, wide):
        raise FileError(f"{where} must have numbers of {np.dtype(dtype)} in {name!r}.")
    return narrow


def _read_tree(
    tree: Mapping[str, Any], number: int, group: int, n_features: int, n_groups: int
) -> Forest:
    where = f"tree {number}"
    if not isinstance(tree, Mapping):
        raise FileError(f"{where} must be an object. Got {type(tree).__name__}.")
    held = _columns(tree, where)
    categorical = (held["split_type"] == 1) & (held["left_children"] >= 0)
    set_offsets, sets = _read_sets(tree, categorical, where)
    vector = "leaf_weights" in tree
    kept = held["split_indices"] != _DELETED
    if not kept.all():
        held, categorical = _pruned(held, kept, where), categorical[kept]
        set_offsets = np.concatenate([[0], np.cumsum(np.diff(set_offsets)[kept])])
    left, right = held["left_children"], held["right_children"]
    check_shape(left, right, where, vector=vector)
    leaf = left < 0
    feature = _features(held["split_indices"], leaf, n_features, where)
    condition = held["split_conditions"]
    if np.isnan(condition).any():
        raise FileError(f"{where} has a split or leaf that is NaN.")
    value = _leaf_vectors(tree, right, leaf, n_groups, where) if vector else condition[:, None]
    return Forest(
        offsets=np.array([0, len(left)]),
        left=np.where(leaf, -1, left).astype(np.int32),
        right=np.where(leaf, -1, right).astype(np.int32),
        feature=feature,
        threshold=np.where(leaf | categorical, 0, condition).astype(np.float32),
        default_left=(held["default_left"] != 0) & ~leaf,
        value=np.where(leaf[:, None], value, 0).astype(np.float32),
        cover=held["sum_hessian"],
        gain=held["loss_changes"],
        group=np.array([-1 if vector else group], np.int32),
        n_features=n_features,
        n_groups=n_groups,
        set_offsets=set_offsets,
        sets=sets,
        categorical=categorical,
    )


def _columns(tree: Mapping[str, Any], where: str) -> dict[str, NDArray[Any]]:
    held = {name: column(tree, name, dtype, where) for name, dtype in _COLUMNS.items()}
    n = len(held["left_children"])
    for name, array in held.items():
        if len(array) != n:
            raise FileError(f"{where} has {n} nodes but {len(array)} in {name!r}.")
    return held


def _pruned(
    held: dict[str, NDArray[Any]], kept: NDArray[np.bool_], where: str
) -> dict[str, NDArray[Any]]:
    """Return the columns without the nodes that pruning has deleted, the others renumbered."""
    left, right = held["left_children"], held["right_children"]
    if (left[~kept] >= 0).any():
        raise FileError(f"{where} has a deleted node with children.")
    place = np.where(kept, np.cumsum(kept) - 1, len(kept)).astype(np.int32)
    whole = {name: array[kept] for name, array in held.items()}
    inner = (left >= 0) & kept
    if (np.maximum(left, right)[inner] >= len(kept)).any() or (right[inner] < 0).any():
        raise FileError(f"{where} has a child outside of nodes 1 to {len(kept) - 1}.")
    for name, child in (("left_children", left), ("right_children", right)):
        # A child that is deleted becomes one that is nowhere, and is told so.
        whole[name] = np.where(inner, place[np.where(inner, child, 0)], child)[kept]
    return whole


def _features(
    given: NDArray[np.int32], leaf: NDArray[np.bool_], n_features: int, where: str
) -> NDArray[np.int32]:
    feature = np.where(leaf, 0, given).astype(np.int32)
    if (feature < 0).any() or (feature >= n_features).any():
        raise FileError(f"{where} splits on feature {feature.max()} of {n_features}.")
    return feature


def check_shape(
    left: NDArray[np.int32], right: NDArray[np.int32], where: str, *, vector: bool = False
) -> None:
    """Raise a FileError unless the children make one tree: every node but the root once.

    Args:
        left: Left children, negative for leaves.
        right: Right children.
        where: What it is called.
        vector: Leaves keep the number of their vector where others keep their right child.
    """
    n = len(left)
    if not n:
        raise FileError(f"{where} has no node.")
    inner = left >= 0
    if not vector and (right[~inner] >= 0).any():
        raise FileError(f"{where} has a node with only one child.")
    children = np.concatenate([left[inner], right[inner]])
    if (children < 1).any() or (children >= n).any():
        raise FileError(f"{where} has a child outside of nodes 1 to {n - 1}.")
    times = np.bincount(children, minlength=n)
    if (times[1:] != 1).any():
        raise FileError(f"{where} has nodes that are nobody's child, or two nodes'.")
    # Each node has one parent and the root none: what remains possible is a loop beside the tree.
    level, seen = np.array([0]), 0
    while len(level):
        seen += len(level)
        split = level[inner[level]]
        level = np.concatenate([left[split], right[split]])
    if seen != n:
        raise FileError(f"{where} has a loop: {n - seen} nodes cannot be reached.")


def _read_sets(
    tree: Mapping[str, Any], categorical: NDArray[np.bool_], where: str
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    n = len(categorical)
    empty = np.zeros(n + 1, np.int64), np.empty(0, np.int32)
    if not categorical.any():
        return empty
    names = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    values, nodes, begins, sizes = (column(tree, name, np.int64, where) for name in names)
    if not len(nodes) == len(begins) == len(sizes):
        raise FileError(f"{where} has category lists of unequal length.")
    if sorted(nodes.tolist()) != np.flatnonzero(categorical).tolist():
        raise FileError(f"{where} has sets of categories for other nodes than its categorical.")
    if (sizes < 0).any() or (begins < 0).any() or (begins + sizes > len(values)).any():
        raise FileError(f"{where} has a set of categories beyond the {len(values)} it lists.")
    if (values < 0).any() or (values >= 2**24).any():
        raise FileError(f"{where} has a category outside of 0 to {2**24 - 1}.")
    counts = np.zeros(n, np.int64)
    counts[nodes] = sizes
    order = np.argsort(nodes)
    picked = [values[begins[k] : begins[k] + sizes[k]] for k in order]
    return np.concatenate([[0], np.cumsum(counts)]), np.concatenate(picked).astype(np.int32)


def _leaf_vectors(
    tree: Mapping[str, Any],
    right: NDArray[np.int32],
    leaf: NDArray[np.bool_],
    width: int,
    where: str,
) -> NDArray[np.float32]:
    weights = column(tree, "leaf_weights", np.float32, where)
    rows = right[leaf]
    if len(weights) != width * leaf.sum() or (rows < 0).any() or (rows >= leaf.sum()).any():
        raise FileError(f"{where} has {len(weights)} leaf weights for {leaf.sum()} leaves.")
    value = np.zeros((len(leaf), width), np.float32)
    value[leaf] = weights.reshape(-1, width)[rows]
    return value


def write_tree(forest: Forest, number: int) -> dict[str, Any]:
    """Return one tree as the object XGBoost reads; arrays stay numpy arrays."""
    span = slice(int(forest.offsets[number]), int(forest.offsets[number + 1]))
    left, right = forest.left[span], forest.right[span]
    leaf = left < 0
    n = len(left)
    parents = np.full(n, _NO_PARENT, np.int32)
    inner = np.flatnonzero(~leaf)
    parents[left[inner]] = inner
    parents[right[inner]] = inner
    categorical = forest.categorical[span]
    value = forest.value[span]
    condition = np.where(leaf, value[:, 0], forest.threshold[span])
    vector = forest.group[number] < 0
    return {
        "base_weights": value.reshape(-1)
        if vector
        else np.where(leaf, value[:, 0], 0).astype("f4"),
        **_write_sets(forest, span, categorical),
        "default_left": forest.default_left[span].astype(np.uint8),
        "id": number,
        **({"leaf_weights": value[leaf].reshape(-1)} if vector else {}),
        "left_children": left,
        "loss_changes": forest.gain[span],
        "parents": parents,
        "right_children": _right(right, leaf) if vector else right,
        "split_conditions": np.where(
            categorical | (leaf & vector), _CATEGORICAL_CONDITION, condition
        ).astype(np.float32),
        "split_indices": forest.feature[span],
        "split_type": categorical.astype(np.uint8),
        "sum_hessian": forest.cover[span],
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(forest.n_features),
            "num_nodes": str(n),
            "size_leaf_vector": str(value.shape[1] if vector else 1),
        },
    }


def _right(right: NDArray[np.int32], leaf: NDArray[np.bool_]) -> NDArray[np.int32]:
    own = right.copy()
    own[leaf] = np.arange(leaf.sum())
    return own


def _write_sets(
    forest: Forest, span: slice, categorical: NDArray[np.bool_]
) -> dict[str, NDArray[Any]]:
    offsets = forest.set_offsets[span.start : span.stop + 1]
    nodes = np.flatnonzero(categorical)
    return {
        "categories": forest.sets[offsets[0] : offsets[-1]].astype(np.int32),
        "categories_nodes": nodes.astype(np.int32),
        "categories_segments": (offsets[nodes] - offsets[0]).astype(np.int64),
        "categories_sizes": (offsets[nodes + 1] - offsets[nodes]).astype(np.int64),
    }

"""One tree of a LightGBM model, turned to our rules.

LightGBM numbers inner nodes from 0 and writes leaf j as child -(j + 1); here leaves follow the
inner nodes. Its ``decision_type`` holds, from the lowest bit: categorical; missing goes left;
two bits of what is missing: nothing (NaN is then 0), zero, or NaN.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.files.trees import FileError, check_shape
from drivetrain.trees.forest import Forest, Terms

_CATEGORICAL, _LEFT = 1, 2
_NOTHING, _ZERO, _NAN = 0, 1, 2
_MOST_LEAVES = 1 << 24
# LightGBM takes |x| up to this float32 for zero.
_TINY = float(np.float32(1e-35))


def read_tree(
    tree: Mapping[str, str], where: str, *, group: int, shape: tuple[int, int], factor: float
) -> Forest:
    """Return one tree as a forest.

    Args:
        tree: Its lines by name.
        where: What it is called.
        group: The output it adds to.
        shape: Features and outputs of the model.
        factor: What its leaves are multiplied by.

    Raises:
        FileError: A list of another length, an index that points nowhere, or what our trees
            cannot say.
    """
    leaves = _whole_number(tree, "num_leaves", where)
    if not 1 <= leaves <= _MOST_LEAVES:
        raise FileError(f"{where} must have 1 leaf or more. Got {leaves}.")
    inner = leaves - 1
    feature = _list(tree, "split_feature", np.int64, inner, where)
    if ((feature < 0) | (feature >= shape[0])).any():
        raise FileError(f"{where} splits on feature {feature.max()} of {shape[0]}.")
    kinds = _list(tree, "decision_type", np.int64, inner, where)
    if ((kinds < 0) | (kinds > 11)).any():
        raise FileError(f"{where} has a decision_type outside of 0 to 11.")
    categorical = (kinds & _CATEGORICAL) > 0
    left, right = (_children(tree, name, leaves, where) for name in ("left_child", "right_child"))
    given = _list(tree, "threshold", np.float64, inner, where)
    threshold, default_left = _thresholds(given, kinds, where)
    # Its sets go left, whatever is in none right; ours the other way round.
    first = np.where(categorical, right, left)
    second = np.where(categorical, left, right)
    set_offsets, sets = _sets(tree, given, categorical, leaves, where)
    return Forest(
        offsets=np.array([0, inner + leaves]),
        **_nodes(first, second, leaves, where),
        feature=_padded(feature, leaves, np.int32),
        threshold=_padded(np.where(categorical, 0, threshold), leaves, np.float32),
        default_left=_padded(default_left | categorical, leaves, np.bool_),
        value=_values(tree, leaves, factor, where),
        cover=_covers(tree, leaves, where),
        gain=_padded(_list(tree, "split_gain", np.float64, inner, where), leaves, np.float32),
        group=np.array([group], np.int32),
        n_features=shape[0],
        n_groups=shape[1],
        set_offsets=set_offsets,
        sets=sets,
        categorical=_padded(categorical, leaves, np.bool_),
        terms=_terms(tree, leaves, shape[0], factor, where),
    )


def _whole_number(tree: Mapping[str, str], name: str, where: str) -> int:
    text = tree.get(name, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise FileError(f"{where} must have a whole number in {name}. Got {text!r:.40}.")
    return int(text)


def _list(tree: Mapping[str, str], name: str, dtype: Any, length: int, where: str) -> NDArray[Any]:
    """Return a list of numbers of a known length."""
    words = tree.get(name, "").split()
    if len(words) != length:
        raise FileError(f"{where} must have {length} numbers in {name}. Got {len(words)}.")
    try:
        numbers = np.array(words, object).astype(dtype)
    except (ValueError, OverflowError, TypeError):
        raise FileError(f"{where} must have numbers of {np.dtype(dtype)} in {name}.") from None
    if np.dtype(dtype).kind == "f" and np.isnan(numbers).any():
        raise FileError(f"{where} has NaN in {name}.")
    return numbers


def _children(tree: Mapping[str, str], name: str, leaves: int, where: str) -> NDArray[np.int64]:
    """Return children with leaf j as node (leaves - 1) + j."""
    given = _list(tree, name, np.int64, leaves - 1, where)
    if ((given < -leaves) | (given >= leaves - 1)).any():
        raise FileError(f"{where} has a child outside of its nodes in {name}.")
    return np.where(given < 0, leaves - 2 - given, given)


def _nodes(
    first: NDArray[np.int64], second: NDArray[np.int64], leaves: int, where: str
) -> dict[str, NDArray[np.int32]]:
    children = {"left": first, "right": second}
    held = {n: np.append(c, np.full(leaves, -1)).astype(np.int32) for n, c in children.items()}
    check_shape(held["left"], held["right"], where)
    return held


def _padded(inner: NDArray[Any], leaves: int, dtype: Any) -> NDArray[Any]:
    """Return numbers of inner nodes with zeros for the leaves."""
    with np.errstate(over="ignore"):
        return np.append(inner, np.zeros(leaves)).astype(dtype)


def _thresholds(
    given: NDArray[np.float64], kinds: NDArray[np.int64], where: str
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return t' such that x < t' is x <= t for every float32 x, and where missing values go."""
    with np.errstate(over="ignore", under="ignore"):
        below = given.astype(np.float32)
        down = np.nextafter(below, np.float32(-np.inf))
        below = np.where(below.astype(np.float64) > given, down, below)
        above = np.nextafter(below, np.float32(np.inf))
    missing = (kinds >> 2) & 3
    left = (kinds & _LEFT) > 0
    # Zero itself, and what counts as zero, go the way of missing values.
    sides = (given >= -_TINY, given >= _TINY)
    numeric = (kinds & _CATEGORICAL) == 0
    zeros = numeric & (missing == _ZERO)
    torn = zeros & ((sides[0] != left) | (sides[1] != left))
    if torn.any():
        raise FileError(
            f"{where} sends zeros as missing values (zero_as_missing) to the other side than "
            f"their value {given[torn][0]:g} would: give NaN for zero and train again."
        )
    return above, np.where(missing == _NOTHING, given >= 0, left)


def _sets(
    tree: Mapping[str, str],
    given: NDArray[np.float64],
    categorical: NDArray[np.bool_],
    leaves: int,
    where: str,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the categories of each node, from the bits of 32-bit words."""
    counts = np.zeros(2 * leaves - 1, np.int64)
    if not categorical.any():
        return np.concatenate([[0], np.cumsum(counts)]), np.empty(0, np.int32)
    number = _whole_number(tree, "num_cat", where)
    begins = _list(tree, "cat_boundaries", np.int64, number + 1, where)
    if begins[0] != 0 or (np.diff(begins) < 0).any():
        raise FileError(f"{where} must have cat_boundaries that rise from 0.")
    words = _list(tree, "cat_threshold", np.int64, int(begins[-1]), where)
    if ((words < 0) | (words >= 1 << 32)).any():
        raise FileError(f"{where} must have 32-bit words in cat_threshold.")
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    held = []
    for node in np.flatnonzero(categorical):
        k = given[node]
        if not (0 <= k < number and k == int(k)):
            raise FileError(f"{where} has set {k:g} of {number} for a node.")
        a, b = begins[int(k)], begins[int(k) + 1]
        held.append(np.flatnonzero(bits[32 * a : 32 * b]).astype(np.int32))
        counts[node] = len(held[-1])
    return np.concatenate([[0], np.cumsum(counts)]), np.concatenate(held)


def _values(tree: Mapping[str, str], leaves: int, factor: float, where: str) -> NDArray[np.float32]:
    given = _list(tree, "leaf_value", np.float64, leaves, where)
    with np.errstate(over="ignore"):
        value = (given * factor).astype(np.float32)
    if not np.isfinite(value).all():
        raise FileError(f"{where} has a leaf that is not finite.")
    return np.append(np.zeros(leaves - 1, np.float32), value)[:, None]


def _terms(
    tree: Mapping[str, str], leaves: int, features: int, factor: float, where: str
) -> Terms | None:
    """Return the lines in the leaves, if it has any; its missing values as ours."""
    if tree.get("is_linear", "0").strip() == "0":
        return None
    counts = _list(tree, "num_features", np.int64, leaves, where)
    if (counts < 0).any() or (counts > features).any():
        raise FileError(f"{where} must have 0 to {features} features a leaf in num_features.")
    total = int(counts.sum())
    feature = _list(tree, "leaf_features", np.int64, total, where)
    if ((feature < 0) | (feature >= features)).any():
        raise FileError(f"{where} has a line in feature {feature.max()} of {features}.")
    coefficient = _list(tree, "leaf_coeff", np.float64, total, where) * factor
    constant = _list(tree, "leaf_const", np.float64, leaves, where) * factor
    if not (np.isfinite(coefficient).all() and np.isfinite(constant).all()):
        raise FileError(f"{where} has a line that is not finite.")
    none = np.zeros(leaves - 1, np.int64)
    return Terms(
        offsets=np.concatenate([[0], none, np.cumsum(counts)]),
        feature=feature.astype(np.int32),
        coefficient=coefficient,
        constant=np.append(none, constant),
    )


def _covers(tree: Mapping[str, str], leaves: int, where: str) -> NDArray[np.float32]:
    """Return the rows of each node; zero where a model keeps none."""
    sizes = {"internal_count": leaves - 1, "leaf_count": leaves}
    held = [
        _list(tree, name, np.float64, n, where) if tree.get(name, "").strip() else np.zeros(n)
        for name, n in sizes.items()
    ]
    with np.errstate(over="ignore"):
        return np.concatenate(held).astype(np.float32)

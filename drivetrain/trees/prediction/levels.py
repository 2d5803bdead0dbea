"""A forest of symmetric trees for prediction: a level is one comparison for all its nodes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.forest import Forest
from drivetrain.trees.prediction.packed import columns_of, keys_of

_DEEPEST = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
    """Symmetric trees as the kernel reads them.

    Attributes:
        levels: Where each tree's levels begin, (T + 1,).
        feature: Feature of each level; those that send missing values left count on from F.
        threshold: Key of each level's threshold.
        values: Leaf values, in the order of the leaves' numbers, (leaves, K).
        offsets: Where each tree's leaves begin, (T + 1,).
        groups: The output each tree adds to, (T,).
        used: The columns that the features count, rising; None for all.
    """

    levels: NDArray[np.int64]
    feature: NDArray[np.int32]
    threshold: NDArray[np.int32]
    values: NDArray[np.float32]
    offsets: NDArray[np.int64]
    groups: NDArray[np.int32]
    used: NDArray[np.int64] | None


def find_levels(forest: Forest) -> Levels | None:
    """Return the forest by its levels; None where a tree is not symmetric.

    Symmetric: complete, its nodes numbered level by level, one split a level. A lone leaf is.
    """
    sizes = np.diff(forest.offsets)
    depths = np.log2(sizes + 1).astype(np.int64) - 1
    complete = (sizes + 1 == 2 << depths) & (depths <= _DEEPEST)
    if not len(forest) or not complete.all() or not depths.any() or forest.categorical.any():
        return None
    tree = np.repeat(np.arange(len(forest)), sizes)
    own = np.arange(len(tree)) - forest.offsets[tree]
    inner = np.flatnonzero(own < (sizes[tree] - 1) // 2)
    if not np.array_equal(np.flatnonzero(~forest.is_leaf), inner):
        return None
    ordered = forest.left[inner] == 2 * own[inner] + 1
    if not (ordered & (forest.right[inner] == 2 * own[inner] + 2)).all():
        return None
    # The node before on the same level, which must have the same split.
    later = inner[(own[inner] & (own[inner] + 1)) != 0]
    for column in (forest.feature, forest.threshold, forest.default_left):
        if not np.array_equal(column[later], column[later - 1]):
            return None
    first = inner[(own[inner] & (own[inner] + 1)) == 0]
    used, feature, width = columns_of(forest), forest.feature[first], forest.n_features
    if used is not None:
        feature, width = np.searchsorted(used, feature), len(used)
    feature = feature + width * forest.default_left[first]
    leaves = np.flatnonzero(forest.is_leaf)
    return Levels(
        levels=np.concatenate([[0], np.cumsum(depths)]),
        feature=feature.astype(np.int32),
        threshold=keys_of(forest.threshold[first]).astype(np.int32),
        values=np.ascontiguousarray(forest.value[leaves]),
        offsets=np.concatenate([[0], np.cumsum(1 << depths)]),
        groups=forest.group,
        used=used,
    )

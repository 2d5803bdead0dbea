"""From the grower's records to a tree of the forest: bins become thresholds."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.cuts import Cuts
from drivetrain.trees.forest import Forest
from drivetrain.trees.growing import _numba as kernels
from drivetrain.trees.growing.grower import Grown


def to_forest(
    grown: Grown, cuts: Cuts, *, shrinkage: float = 1.0, group: int = 0, n_groups: int = 1
) -> Forest:
    """Return the grown tree as a forest of one, its nodes numbered level by level.

    Args:
        grown: The tree.
        cuts: What its bins mean.
        shrinkage: What its leaf weights are multiplied by.
        group: The output it adds to.
        n_groups: Outputs of the model.
    """
    order, number = _levels(grown.left)
    records = grown.records[order]
    children = grown.left[order]
    inner = children >= 0
    left = np.where(inner, number[np.where(inner, children, 0)], -1).astype(np.int32)
    feature = np.where(inner, records[:, kernels.FEATURE], 0).astype(np.int32)
    value = np.zeros(len(grown.left), np.float32)
    value[grown.leaves] = (shrinkage * grown.values).astype(np.float32)
    size = len(order)
    categorical = inner & (records[:, kernels.BIN] < 0)
    set_offsets, sets = _sets(grown, order, categorical, cuts)
    return Forest(
        offsets=np.array([0, size]),
        left=left,
        right=np.where(inner, left + 1, -1).astype(np.int32),
        feature=feature,
        threshold=_thresholds(records, feature, inner & ~categorical, cuts),
        default_left=inner & (records[:, kernels.DEFAULT_LEFT] > 0),
        value=value[order][:, None],
        cover=records[:, kernels.H].astype(np.float32),
        gain=np.where(inner, records[:, kernels.GAIN], 0).astype(np.float32),
        group=np.array([group], np.int32),
        n_features=len(cuts.lowest),
        n_groups=n_groups,
        set_offsets=set_offsets,
        sets=sets,
        categorical=categorical,
    )


def _levels(left: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the reachable nodes level by level, and each one's place among them."""
    levels = [np.array([0], np.int64)]
    while len(levels[-1]):
        level = levels[-1]
        firsts = left[level][left[level] >= 0]
        levels.append(np.stack([firsts, firsts + 1], axis=1).reshape(-1))
    order = np.concatenate(levels)
    number = np.full(len(left), -1, np.int64)
    number[order] = np.arange(len(order))
    return order, number


def _sets(
    grown: Grown, order: NDArray[np.int64], categorical: NDArray[np.bool_], cuts: Cuts
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the categories that go right at each node, one after another."""
    counts = np.zeros(len(order), np.int64)
    held = [np.empty(0, np.int32)]
    for place in np.flatnonzero(categorical):
        node = order[place]
        bins = int(cuts.n_bins[int(grown.records[node, kernels.FEATURE])])
        right = np.flatnonzero(grown.tables[node, :bins] == 0).astype(np.int32)
        counts[place] = len(right)
        held.append(right)
    return np.concatenate([[0], np.cumsum(counts)]), np.concatenate(held)


def _thresholds(
    records: NDArray[np.float64],
    feature: NDArray[np.int32],
    inner: NDArray[np.bool_],
    cuts: Cuts,
) -> NDArray[np.float32]:
    at = np.where(inner, cuts.offsets[feature] + records[:, kernels.BIN].astype(np.int64), 0)
    return np.where(inner, cuts.values[at], 0).astype(np.float32)

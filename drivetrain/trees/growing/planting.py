"""From the grower's records to a tree of the forest: bins become thresholds."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.cuts import Cuts
from drivetrain.trees.forest import Forest
from drivetrain.trees.growing import _numba as kernels
from drivetrain.trees.growing.grower import Grown
from drivetrain.trees.planter import Planted

_MOST = float(np.finfo(np.float32).max)


def to_planted(grown: Grown, cuts: Cuts) -> Planted:
    """Return the grown tree, its nodes numbered level by level.

    Args:
        grown: The tree.
        cuts: What its bins mean.
    """
    order, number = _levels(grown.left)
    records = grown.records[order]
    children = grown.left[order]
    inner = children >= 0
    left = np.where(inner, number[np.where(inner, children, 0)], -1).astype(np.int32)
    feature = np.where(inner, records[:, kernels.FEATURE], 0).astype(np.int32)
    categorical = inner & (records[:, kernels.BIN] < 0)
    set_offsets, sets = _sets(grown, order, categorical, cuts)
    shape = Forest(
        offsets=np.array([0, len(order)]),
        left=left,
        right=np.where(inner, left + 1, -1).astype(np.int32),
        feature=feature,
        threshold=_thresholds(records, feature, inner & ~categorical, cuts),
        default_left=inner & (records[:, kernels.DEFAULT_LEFT] > 0),
        value=np.zeros((len(order), 1), np.float32),
        cover=records[:, kernels.H].astype(np.float32),
        # Gains are squares: those of labels above 1e19 do not fit.
        gain=np.where(inner, np.minimum(records[:, kernels.GAIN], _MOST), 0).astype(np.float32),
        group=np.zeros(1, np.int32),
        n_features=len(cuts.lowest),
        n_groups=1,
        set_offsets=set_offsets,
        sets=sets,
        categorical=categorical,
    )
    return Planted(
        shape=shape,
        leaves=number[grown.leaves],
        values=grown.values[:, None],
        rows=grown.rows,
        ends=np.append(grown.span[grown.leaves, 0], len(grown.rows)),
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

"""Where a feature's values are cut into bins: quantiles with frequent values kept apart."""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning._numba import (
    DIGITS,
    PLACES,
    greedy_ends,
    run_lengths,
    sort_column,
)

Floats = NDArray[np.float32]
# Where a column is sorted: its keys, as many again, and how often each value occurs.
Room = tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cuts:
    """The cuts of all features. Bin b of a feature holds cut[b-1] <= x < cut[b].

    Attributes:
        values: Cuts of all features in a row, strictly rising within each; the last of a
            feature lies above all its values.
        offsets: Where each feature's cuts begin, (F + 1,).
        lowest: A value below all of the feature's, (F,).
        categorical: Whether a feature's bins are its categories, (F,).
    """

    values: Floats
    offsets: NDArray[np.int64]
    lowest: Floats
    categorical: NDArray[np.bool_]

    def of(self, feature: int) -> Floats:
        """Return the cuts of one feature; as many as it has bins."""
        return self.values[self.offsets[feature] : self.offsets[feature + 1]]

    @property
    def n_bins(self) -> NDArray[np.int64]:
        """Number of bins of each feature, (F,)."""
        return np.diff(self.offsets)


def above(value: float) -> np.float32:
    """Return XGBoost's last cut: v + (|v| + 1e-5), above every value of the column."""
    return np.float32(value) + (np.abs(np.float32(value)) + np.float32(1e-5))


def between(left: Floats, right: Floats) -> Floats:
    """Return float32 cuts c with left < c <= right, near the middle."""
    middle = ((left.astype(np.float64) + right.astype(np.float64)) / 2).astype(np.float32)
    return np.where(middle <= left, right, middle)


def greedy_cuts(column: Floats, max_bins: int) -> tuple[Floats, np.float32]:
    """Return the cuts of a column and a value below it.

    Every value gets a bin of its own where ``max_bins`` allows; else values as frequent as a
    mean bin do, and the others are spread evenly over the bins left. Quantiles alone would
    spend several of their cuts on one frequent value and merge its neighbours.

    Args:
        column: Values; NaN are left out.
        max_bins: Most bins.
    """
    wide = np.ascontiguousarray(column)[:, None]
    return _cuts_of(wide, 0, max_bins=max_bins, room=_room(len(wide)))


def _room(n: int) -> Room:
    return np.empty(n, np.uint32), np.empty(n, np.uint32), np.empty(n, np.int64)


def _cuts_of(x: Floats, feature: int, *, max_bins: int, room: Room) -> tuple[Floats, np.float32]:
    keys, spare, counts = room
    digits = np.empty((DIGITS, PLACES), np.int64)
    ordered = keys[: sort_column(x, feature, keys, spare, digits)].view(np.float32)
    if not len(ordered):
        return np.array([1e-5], np.float32), np.float32(-1e-5)
    values = spare[: len(ordered)].view(np.float32)
    distinct = run_lengths(ordered, values, counts)
    values, counts = values[:distinct], counts[:distinct]
    if distinct <= max_bins:
        inner = between(values[:-1], values[1:])
    else:
        ends = np.empty(max_bins, np.int64)
        bins = greedy_ends(counts, max_bins, ends)
        inner = between(values[ends[: bins - 1]], values[ends[: bins - 1] + 1])
    low = values[0] - np.abs(values[0]) - np.float32(1e-5)
    return np.append(inner, above(values[-1])), low


def find_cuts(
    x: Floats,
    *,
    max_bins: int,
    categorical: NDArray[np.bool_] | None = None,
    executor: Executor | None = None,
) -> Cuts:
    """Return the cuts of every feature.

    Args:
        x: Values, (n, F).
        max_bins: Most bins of a feature.
        categorical: Features whose values are the whole numbers of their categories, (F,).
        executor: Where features are cut in parallel; in turn where None.
    """
    features = x.shape[1]
    kinds = np.zeros(features, np.bool_) if categorical is None else categorical
    rooms: list[Room] = []

    def one(f: int) -> tuple[Floats, np.float32]:
        if kinds[f]:
            top = np.nanmax(x[:, f], initial=0.0)
            return np.arange(1, int(top) + 2, dtype=np.float32), np.float32(0)
        if not x.flags.c_contiguous:
            return greedy_cuts(x[:, f], max_bins)
        # Fresh memory costs as much as the sort: what one column leaves, the next takes.
        room = rooms.pop() if rooms else _room(len(x))
        found = _cuts_of(x, f, max_bins=max_bins, room=room)
        rooms.append(room)
        return found

    found = list((executor.map if executor else map)(one, range(features)))
    sizes = [len(cuts) for cuts, _ in found]
    return Cuts(
        values=np.concatenate([cuts for cuts, _ in found]) if found else np.empty(0, np.float32),
        offsets=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]),
        lowest=np.array([low for _, low in found], np.float32),
        categorical=kinds,
    )

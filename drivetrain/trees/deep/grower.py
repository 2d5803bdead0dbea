"""Grows deep trees side by side, one thread a tree."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.cuts import Cuts
from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.deep import _numba as kernels
from drivetrain.trees.deep.finishing import DeepTree, Finish, together
from drivetrain.trees.deep.rules import DeepRules
from drivetrain.trees.deep.targets import Target

__all__ = ["DeepGrower", "DeepTree", "Grower", "Sample", "grow_all", "together"]

#: Rows of a tree, rising, and the weight of each, by the tree's number.
Sample = Callable[[int], tuple[NDArray[np.uint32], NDArray[np.float64]]]


class Grower(Protocol):
    """Grows one tree after another on the same table; several threads may ask at once."""

    def grow(self, rows: NDArray[np.uint32], weight: NDArray[np.float64], *, seed: int) -> DeepTree:
        """Return one tree, of rows, each once, and their weights, above 0."""
        ...


def grow_all(
    grower: Grower, sample: Sample, seeds: Sequence[int], *, threads: int = 1
) -> Iterator[DeepTree]:
    """Yield a tree a seed, in order; the same bits for any number of threads.

    Args:
        grower: Grows each.
        sample: Draws each tree's rows.
        seeds: Of the trees.
        threads: Trees grown at once.
    """

    def one(number: int) -> DeepTree:
        rows, weight = sample(number)
        return grower.grow(rows, weight, seed=seeds[number])

    if threads == 1:
        yield from map(one, range(len(seeds)))
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(one, range(len(seeds)))


class DeepGrower:
    """Grows trees on one binned matrix.

    Args:
        matrix: The data.
        target: What is fitted.
        rules: How.
        values: The value of each bin, in the cuts' order, where every bin has one: thresholds
            then lie halfway between the values of a node. Cuts of the matrix where None.
    """

    def __init__(
        self,
        matrix: BinnedMatrix,
        target: Target,
        rules: DeepRules,
        values: NDArray[np.float32] | None = None,
    ) -> None:
        self.matrix = matrix
        self.values = values
        self._finish = Finish(target, rules, rows=len(matrix), features=matrix.n_features)
        kinds = matrix.cuts.categorical
        self._widest = int(matrix.cuts.n_bins[kinds].max(initial=0))

    def grow_all(
        self, sample: Sample, seeds: Sequence[int], *, threads: int = 1
    ) -> Iterator[DeepTree]:
        """Yield a tree a seed, in order; the same bits for any number of threads.

        Args:
            sample: Draws each tree's rows.
            seeds: Of the trees.
            threads: Trees grown at once.
        """
        return grow_all(self, sample, seeds, threads=threads)

    def grow(self, rows: NDArray[np.uint32], weight: NDArray[np.float64], *, seed: int) -> DeepTree:
        """Return one tree.

        Args:
            rows: Rows to use, each once, (m,).
            weight: Their weights, above 0, (m,).
            seed: Draws the features.
        """
        matrix, finish = self.matrix, self._finish
        room = finish.room(rows, weight, widest=self._widest)
        size = kernels.grow(
            matrix.columns,
            matrix.rows,
            matrix.cuts.n_bins,
            matrix.missing,
            np.int64(room.held.shift),
            matrix.cuts.categorical,
            finish.direction,
            room.ordered,
            room.held.carried,
            finish.vectors,
            room.spare_rows,
            room.spare_payload,
            np.empty((matrix.n_features, kernels.LOCAL), matrix.columns.dtype),
            finish.table(room),
            np.uint64(seed),
            room.nodes,
            room.sums,
            room.kept,
            room.gains,
            room.sets,
            room.bounds,
        )
        threshold = _thresholds(room.nodes[:size], matrix.cuts, self.values)
        return finish.tree(room, size, threshold, matrix.cuts.n_bins)


def _thresholds(
    nodes: NDArray[np.int64], cuts: Cuts, values: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return what values are compared with at each node; 0 where none are."""
    numeric = (nodes[:, kernels.LEFT] >= 0) & (nodes[:, kernels.BIN] >= 0)
    own = nodes[numeric]
    begin = cuts.offsets[own[:, kernels.FEATURE]]
    found = cuts.values[begin + own[:, kernels.BIN]]
    if values is not None:
        between = own[:, kernels.ABOVE] >= 0
        low = values[begin[between] + own[between, kernels.BELOW]]
        high = values[begin[between] + own[between, kernels.ABOVE]]
        found[between] = _halfway(low, high)
    out = np.zeros(len(nodes), np.float32)
    out[numeric] = found
    return out


def _halfway(low: NDArray[np.float32], high: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the least float32 above the middle: x < it says what x <= middle does."""
    middle = low.astype(np.float64) / 2 + high.astype(np.float64) / 2
    near = middle.astype(np.float32)
    return np.where(near > middle, near, np.nextafter(near, np.float32(np.inf)))

"""Grows trees that cut at random."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.deep._numba import LOCAL
from drivetrain.trees.deep.finishing import DeepTree, Finish
from drivetrain.trees.deep.random import _numba as kernels
from drivetrain.trees.deep.rules import DeepRules
from drivetrain.trees.deep.targets import Target


class RandomGrower:
    """Grows extremely randomized trees on a table of values; nothing is binned.

    A node draws features, and for each a cut evenly between the least and greatest value of its
    rows; the best cut is taken.

    Args:
        x: Values, (n, F), C order; NaN is missing, and goes where chance sends it.
        target: What is fitted.
        rules: How.

    References:
        Geurts, Ernst, Wehenkel: Extremely Randomized Trees, Machine Learning 63 (2006).
    """

    def __init__(self, x: NDArray[np.float32], target: Target, rules: DeepRules) -> None:
        self._table = x
        self._columns = np.ascontiguousarray(x.T)
        self._finish = Finish(target, rules, rows=len(x), features=x.shape[1])

    def grow(self, rows: NDArray[np.uint32], weight: NDArray[np.float64], *, seed: int) -> DeepTree:
        """Return one tree.

        Args:
            rows: Rows to use, each once, (m,).
            weight: Their weights, above 0, (m,).
            seed: Draws features and cuts.
        """
        room = self._finish.room(rows, weight)
        cuts = np.zeros(2 * max(len(rows), 1), np.float32)
        size = kernels.grow(
            self._columns,
            self._table,
            np.int64(room.held.shift),
            self._finish.direction,
            room.ordered,
            room.held.carried,
            self._finish.vectors,
            room.spare_rows,
            room.spare_payload,
            np.empty((len(self._columns), LOCAL), np.float32),
            self._finish.table(room),
            np.uint64(seed),
            room.nodes,
            room.sums,
            room.kept,
            room.gains,
            cuts,
            room.bounds,
        )
        inner = room.nodes[:size, 0] >= 0
        threshold = np.where(inner, cuts[:size], np.float32(0))
        return self._finish.tree(room, size, threshold)

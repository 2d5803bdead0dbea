"""The memory a tree grows in, kept from tree to tree."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_integer
from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.growing import _numba as kernels
from drivetrain.trees.growing.masks import Masks
from drivetrain.trees.growing.settings import Growth


class Room:
    """Arrays of one tree: its rows, its nodes, and the histograms of those still open.

    Args:
        matrix: The data.
        growth: The rules.
        batch: Nodes split at once.
    """

    def __init__(self, matrix: BinnedMatrix, growth: Growth, batch: int) -> None:
        self._matrix = matrix
        self._width = matrix.n_features << matrix.shift
        self.rows = np.empty(len(matrix), np.uint32)
        self.spare = np.empty(len(matrix), np.uint32)
        self.pending = np.empty(batch, np.int64)
        self.fresh = np.empty(batch, np.int64)
        self.direction = np.zeros(matrix.n_features, np.int8)
        given = growth.monotone_constraints
        if len(given) > matrix.n_features:
            raise ValueError(
                f"monotone_constraints must be at most {matrix.n_features} long. Got {len(given)}."
            )
        for group in growth.interaction_constraints:
            for feature in group:
                check_integer("interaction_constraints", feature, low=0, high=matrix.n_features - 1)
        self.direction[: len(given)] = given
        bins = matrix.cuts.n_bins
        self.bins = np.where(matrix.cuts.categorical, 0, bins)
        self.categories = np.where(matrix.cuts.categorical, bins, 0)
        self._growth = growth
        self.allowed = np.ones((1, matrix.n_features), np.uint8)
        self.pool = np.empty((0, self._width), np.int64)
        self._parts = np.empty((0, self._width), np.int64)
        self._nodes_held(256)

    def _nodes_held(self, count: int) -> None:
        self.records = np.zeros((count, kernels.RECORD))
        self.span = np.zeros((count, 2), np.int64)
        self.left = np.full(count, -1, np.int64)
        self.depth = np.zeros(count, np.int64)
        self.slot = np.full(count, -1, np.int64)
        self.mask = np.zeros(count, np.int64)
        self.bounds = np.empty((count, 2))
        rows = count if self.categories.any() else 1
        self.tables = np.zeros((rows, 1 << self._matrix.shift), np.uint8)
        self.front = np.empty(count + 2, np.int64)

    def begin(self, rows: NDArray[np.uint32] | None, seed: int) -> "Room":
        """Forget the last tree; only the root is left, with the given rows and a seed."""
        self._masks = None
        if Masks.needed(self._growth):
            self._masks = Masks(self._growth, self._matrix.n_features, seed)
            self.allowed = np.ones((len(self.left), self._matrix.n_features), np.uint8)
            self.allowed[0] = self._masks.root()
        self.n = len(self._matrix) if rows is None else len(rows)
        self.rows[: self.n] = np.arange(self.n) if rows is None else rows
        self.nodes = 1
        self.left[:] = -1
        self.span[0] = 0, self.n
        self.depth[0] = 0
        self.bounds[0] = -np.inf, np.inf
        self.mask[:] = 0
        self.slot[:] = -1
        self._free = list(range(len(self.pool)))
        self.slot[0] = self._slot()
        return self

    def parts(self, count: int) -> NDArray[np.int64]:
        """Return room for the partial histograms of ``count`` threads."""
        if len(self._parts) < count:
            self._parts = np.empty((count, self._width), np.int64)
        return self._parts

    def lay_out(self, found: int) -> None:
        """Number the children of the pending nodes, and find a slot for one of each pair."""
        while self.nodes + 2 * found > len(self.left):
            self._grow_nodes()
        for k in range(found):
            self.left[self.pending[k]] = self.nodes
            if self._masks is not None:
                self._mask_children(int(self.pending[k]), self._masks)
            self.nodes += 2
            self.fresh[k] = self._slot()

    def _mask_children(self, parent: int, masks: Masks) -> None:
        feature = int(self.records[parent, kernels.FEATURE])
        first, depth = self.nodes, int(self.depth[parent]) + 1
        self.allowed[first : first + 2] = masks.children(parent, feature, first, depth)
        self.mask[first : first + 2] = first, first + 1

    def release(self, found: int) -> None:
        """Give back the slots of children that will not be split."""
        for k in range(found):
            first = self.left[self.pending[k]]
            if self.slot[first] < 0:
                # At the greatest depth no child has a histogram: both slots of the pair are free.
                self._free += [int(self.fresh[k]), int(self.slot[self.pending[k]])]
                continue
            for child in (first, first + 1):
                if self.records[child, kernels.GAIN] <= 0:
                    self._free.append(int(self.slot[child]))

    def _slot(self) -> int:
        if not self._free:
            held = len(self.pool)
            more = max(16, held // 2)
            grown = np.empty((held + more, self._width), np.int64)
            grown[:held] = self.pool
            self.pool = grown
            self._free = list(range(held, held + more))
        return self._free.pop()

    def _grow_nodes(self) -> None:
        names = ["records", "span", "left", "depth", "slot", "mask", "bounds", "front"]
        names += ["tables"] if len(self.tables) > 1 else []
        held = {name: getattr(self, name) for name in names}
        n = len(self.left)
        self._nodes_held(2 * n)
        for name, old in held.items():
            getattr(self, name)[: len(old)] = old
        if len(self.allowed) > 1:
            self.allowed = np.concatenate([self.allowed, np.ones_like(self.allowed)])

"""The memory in which trees over several outputs grow, kept from tree to tree."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.growing import _numba as scalar
from drivetrain.trees.growing.masks import Masks
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.vector.pairs import lay_out

# Histograms are made room for by about so many bytes at a time.
_STEP = 1 << 24


class Room:
    """Arrays of one tree: its rows, its nodes, and the histograms of those still open.

    Args:
        matrix: The data.
        growth: The rules.
        outputs: Outputs, K.
        batch: Nodes split at once.
    """

    def __init__(self, matrix: BinnedMatrix, growth: Growth, outputs: int, batch: int) -> None:
        self._features = matrix.n_features
        self._growth = growth
        self._outputs = outputs
        blocks, lanes = lay_out(outputs)
        self.shape = (blocks, (matrix.n_features << matrix.shift) * lanes)
        self.rows = np.empty(len(matrix), np.uint32)
        self.spare = np.empty(len(matrix), np.uint32)
        self.pending = np.empty(batch, np.int64)
        self.fresh = np.empty(batch, np.int64)
        self.pool = np.empty((0, *self.shape), np.int64)
        self.parts = np.empty((0, *self.shape), np.int64)
        self._hold(256)

    def _hold(self, nodes: int) -> None:
        self.records = np.zeros((nodes, scalar.RECORD))
        self.span = np.zeros((nodes, 2), np.int64)
        self.left = np.full(nodes, -1, np.int64)
        self.depth = np.zeros(nodes, np.int64)
        self.slot = np.full(nodes, -1, np.int64)
        self.mask = np.zeros(nodes, np.int64)
        self.sums = np.zeros((nodes, self._outputs, 2), np.int64)
        self.lefts = np.zeros((nodes, self._outputs, 2), np.int64)
        self.front = np.empty(nodes + 2, np.int64)
        masked = nodes if Masks.needed(self._growth) else 1
        self.allowed = np.ones((masked, self._features), np.uint8)

    def begin(self, rows: NDArray[np.uint32] | None, seed: int) -> None:
        """Forget the last tree; only the root is left, with the given rows and a seed."""
        self._masks = None
        if Masks.needed(self._growth):
            self._masks = Masks(self._growth, self._features, seed)
            self.allowed[0] = self._masks.root()
        self.n = len(self.rows) if rows is None else len(rows)
        self.rows[: self.n] = np.arange(self.n) if rows is None else rows
        self.nodes = 1
        self.left[:] = -1
        self.span[0] = 0, self.n
        self.depth[0] = 0
        self.mask[:] = 0
        self._free = list(range(len(self.pool)))
        self.slot[:] = -1
        self.slot[0] = self.take_slot()

    def lay_out(self, found: int) -> None:
        """Number the children of the pending nodes, and find a slot for one of each pair."""
        while self.nodes + 2 * found > len(self.left):
            self._double()
        for k in range(found):
            parent, first = int(self.pending[k]), self.nodes
            self.left[parent] = first
            self.nodes += 2
            self.fresh[k] = self.take_slot()
            if self._masks is not None:
                feature = int(self.records[parent, scalar.FEATURE])
                depth = int(self.depth[parent]) + 1
                self.allowed[first : first + 2] = self._masks.children(
                    parent, feature, first, depth
                )
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
                if self.records[child, scalar.GAIN] <= 0:
                    self._free.append(int(self.slot[child]))

    def take_slot(self) -> int:
        """Return a free slot of the pool, which grows where there is none."""
        if not self._free:
            held = len(self.pool)
            more = max(4, held // 2, _STEP // (self.shape[0] * self.shape[1] * 8))
            grown = np.empty((held + more, *self.shape), np.int64)
            grown[:held] = self.pool
            self.pool = grown
            self._free = list(range(held, held + more))
        return self._free.pop()

    def _double(self) -> None:
        names = ("records", "span", "left", "depth", "slot", "mask", "sums", "lefts", "front")
        held = {name: getattr(self, name) for name in (*names, "allowed")}
        self._hold(2 * len(self.left))
        for name, old in held.items():
            getattr(self, name)[: len(old)] = old

"""Grows one symmetric tree, a level at a time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.growing import _numba as scalar
from drivetrain.trees.growing.grower import Grown
from drivetrain.trees.growing.masks import Masks
from drivetrain.trees.growing.planting import to_planted
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Planted
from drivetrain.trees.symmetric import _numba as kernels
from drivetrain.trees.symmetric.reference import depth_of
from drivetrain.trees.vector import _numba as vector
from drivetrain.trees.vector.grower import leaf_weights, rules_of
from drivetrain.trees.vector.pairs import Pairs, lay_out

# Bytes of histograms that are held for a level; deeper levels make theirs some nodes at a time.
_BUDGET = 1 << 28


@dataclass(kw_only=True, eq=False)
class _Level:
    """The nodes of a level.

    Attributes:
        ends: Where each node's rows begin, and the last's end, (nodes + 1,).
        sums: Whole-number sums of g and h of each node, (nodes, K, 2).
        slot: Where each node's histogram lies in the pool; empty where they are not held.
    """

    ends: NDArray[np.int64]
    sums: NDArray[np.int64]
    slot: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sums)


class SymmetricGrower:
    """Grows symmetric trees with K values in a leaf on one binned matrix.

    Args:
        matrix: The data; no feature is categorical.
        growth: The rules.
        outputs: K.
        threads: Threads; the tree is the same bits for any number of them.
    """

    def __init__(
        self, matrix: BinnedMatrix, growth: Growth, outputs: int, *, threads: int = 1
    ) -> None:
        self.matrix = matrix
        self.growth = growth
        self.threads = threads
        self._executor = ThreadPoolExecutor(threads) if threads > 1 else None
        self._lanes = lay_out(outputs)
        width = (matrix.n_features << matrix.shift) * self._lanes[1]
        self._shape = (self._lanes[0], width)
        self._most = max(1, _BUDGET // (self._lanes[0] * width * 8))
        self._pool = np.empty((0, *self._shape), np.int64)
        self._rules = rules_of(growth)
        self._rows = np.empty(len(matrix), np.uint32)
        self._spare = np.empty(len(matrix), np.uint32)
        self._scores = np.empty((matrix.n_features, 2, 1 << matrix.shift))

    def grow(self, pairs: Pairs, rows: NDArray[np.uint32] | None, *, seed: int) -> Planted:
        """Return a tree fitted to the pairs, its values unshrunk.

        Args:
            pairs: Of all rows of the matrix.
            rows: Rows to use, rising; all where None.
            seed: Draws the features of the tree and its levels.
        """
        n = len(self._rows) if rows is None else len(rows)
        self._rows[:n] = np.arange(n) if rows is None else rows
        masks = Masks(self.growth, self.matrix.n_features, seed)
        allowed = masks.root()
        levels = [self._level(np.array([0, n]), pairs)]
        self._root(levels[0], pairs)
        splits: list[NDArray[np.float64]] = []
        while len(splits) < depth_of(self.growth):
            record = self._find(levels[-1], allowed, pairs)
            if record[scalar.GAIN] <= 0:
                break
            levels.append(self._divide(levels[-1], record, pairs))
            splits.append(record)
            depth = len(splits)
            # The nodes of a level count as one node here: the leftmost.
            first = 2 * depth - 1
            parent = max(0, first - 2)
            allowed = masks.children(parent, int(record[scalar.FEATURE]), first, depth)[0]
            if depth < depth_of(self.growth):
                self._descend(levels[-2], levels[-1], pairs)
        return self._planted(levels, splits, pairs, n)

    def close(self) -> None:
        """End the threads."""
        if self._executor is not None:
            self._executor.shutdown()

    def _level(self, ends: NDArray[np.int64], pairs: Pairs) -> _Level:
        sums = np.empty((len(ends) - 1, len(pairs.units), 2), np.int64)
        self._each(
            lambda hand: kernels.sum_rows(
                hand[0], hand[1], _flat(pairs), self._lanes[1], self._rows, ends, sums
            ),
            self._hands(ends, 1),
        )
        return _Level(ends=ends, sums=sums, slot=np.empty(0, np.int64))

    def _root(self, level: _Level, pairs: Pairs) -> None:
        """Make the root's histogram, each thread of a share of the rows."""
        self._hold(self.threads)
        n = int(level.ends[-1])
        ends = np.array([n * t // self.threads for t in range(self.threads + 1)])
        slot = np.arange(self.threads)
        self._each(
            lambda t: self._fill((t, t + 1), ends, slot, pairs, halves=False), range(self.threads)
        )
        for t in range(1, self.threads):
            self._pool[0] += self._pool[t]
        level.slot = np.zeros(1, np.int64)

    def _descend(self, above: _Level, level: _Level, pairs: Pairs) -> None:
        """Make the children's histograms, if so many may be held: one of each pair by rows."""
        nodes = len(level)
        if len(above.slot) == 0 or nodes > self._most:
            return
        self._hold(nodes)
        sizes = np.diff(level.ends).reshape(-1, 2)
        small = (sizes[:, 1] < sizes[:, 0]).astype(np.int64)
        slot = np.empty((len(above), 2), np.int64)
        at = np.arange(len(above))
        slot[at, small] = len(above) + at
        slot[at, 1 - small] = above.slot
        level.slot = slot.reshape(-1)
        self._each(
            lambda hand: self._fill(hand, level.ends, level.slot, pairs, halves=True),
            self._hands(level.ends, 2),
        )

    def _fill(
        self,
        hand: tuple[int, int],
        ends: NDArray[np.int64],
        slot: NDArray[np.int64],
        pairs: Pairs,
        *,
        halves: bool,
    ) -> None:
        m = self.matrix
        kernels.fill_level(
            *hand, m.rows.reshape(-1), m.rows.shape[1], m.shift, m.n_features, _flat(pairs),
            self._rows, ends, slot, self._pool, halves,
        )  # fmt: skip

    def _find(self, level: _Level, allowed: NDArray[np.uint8], pairs: Pairs) -> NDArray[np.float64]:
        """Return the record of the level's split; its gain is 0 where none is worth it."""
        m = self.matrix
        self._scores[:] = 0
        nodes = len(level)
        if len(level.slot):
            self._scan(level, (0, nodes), level.slot, allowed, pairs)
        else:
            self._hold(min(nodes, self._most))
            for first in range(0, nodes, self._most):
                last = min(nodes, first + self._most)
                slot = np.arange(-first, nodes - first)
                hands = self._hands(level.ends[first : last + 1], 1)
                shifted = [(first + a, first + b) for a, b in hands]
                self._each(
                    lambda hand, slot=slot: self._fill(  # type: ignore[misc]
                        hand, level.ends, slot, pairs, halves=False
                    ),
                    shifted,
                )
                self._scan(level, (first, last), slot, allowed, pairs)
        record = np.zeros(scalar.RECORD)
        parent = float(_node_scores(level.sums, pairs, self.growth).sum())
        bins = m.cuts.n_bins
        vector.pick_split(
            self._scores, bins, m.has_missing, allowed, parent, self.growth.gamma, record
        )
        return record

    def _scan(
        self,
        level: _Level,
        nodes: tuple[int, int],
        slot: NDArray[np.int64],
        allowed: NDArray[np.uint8],
        pairs: Pairs,
    ) -> None:
        """Add up the scores; each thread has its features, so the order of the sums is one."""
        m = self.matrix
        cuts = [m.n_features * t // self.threads for t in range(self.threads + 1)]
        self._each(
            lambda t: kernels.scan_level(
                *nodes, cuts[t], cuts[t + 1], self._pool, slot, m.cuts.n_bins, m.shift,
                m.has_missing, allowed, level.sums, pairs.units, self._rules, self._scores,
            ),
            range(self.threads),
        )  # fmt: skip

    def _divide(self, level: _Level, record: NDArray[np.float64], pairs: Pairs) -> _Level:
        """Sort all rows to the next level's nodes."""
        m = self.matrix
        table = np.empty(1 << m.shift, np.uint8)
        scalar.sides(record, m.shift, table, table)
        column = m.columns[int(record[scalar.FEATURE])]
        below = np.zeros(2 * len(level) + 1, np.int64)
        self._each(
            lambda hand: kernels.divide_level(
                hand[0], hand[1], column, table, self._rows, self._spare, level.ends, below
            ),
            self._hands(level.ends, 1),
        )
        return self._level(below, pairs)

    def _planted(
        self,
        levels: list[_Level],
        splits: list[NDArray[np.float64]],
        pairs: Pairs,
        n: int,
    ) -> Planted:
        """Return the tree with its nodes written out, level by level."""
        nodes = 2 * len(levels[-1]) - 1
        inner = len(levels[-1]) - 1
        left = np.full(nodes, -1, np.int64)
        left[:inner] = 2 * np.arange(inner) + 1
        records = np.zeros((nodes, scalar.RECORD))
        for record, level in zip(splits, levels):
            records[len(level) - 1 : 2 * len(level) - 1] = record
        sums = np.concatenate([level.sums for level in levels])
        records[:, scalar.H] = sums[:, :, 1] @ pairs.units[:, 1]
        own = _node_scores(sums, pairs, self.growth)
        gain = own[1:].reshape(-1, 2).sum(axis=1) - own[:inner]
        records[:inner, scalar.GAIN] = gain
        leaves = np.arange(inner, nodes)
        ends = levels[-1].ends
        grown = Grown(
            left=left,
            records=records,
            span=np.zeros((nodes, 2), np.int64),
            leaves=leaves,
            rows=self._rows[:n],
            values=np.zeros(len(leaves)),
            bounds=np.empty((0, 2)),
            tables=np.empty((1, 0), np.uint8),
        )
        values = leaf_weights(pairs, self._rows[:n], ends, self.growth)
        return replace(to_planted(grown, self.matrix.cuts), values=values, ends=ends)

    def _hold(self, slots: int) -> None:
        if len(self._pool) < slots:
            grown = np.empty((slots, *self._shape), np.int64)
            grown[: len(self._pool)] = self._pool
            self._pool = grown

    def _hands(self, ends: NDArray[np.int64], step: int) -> list[tuple[int, int]]:
        """Return runs of nodes, one a thread, with about as many rows each; whole steps."""
        nodes = len(ends) - 1
        if self.threads == 1 or nodes < 2 * step:
            return [(0, nodes)]
        wanted = ends[0] + (ends[-1] - ends[0]) * np.arange(1, self.threads) / self.threads
        cuts = np.searchsorted(ends[::step], wanted) * step
        marks = [0, *np.clip(cuts, 0, nodes).tolist(), nodes]
        return [(a, b) for a, b in pairwise(marks) if b > a]

    def _each(self, work: Callable[[Any], Any], items: Iterable[Any]) -> None:
        if self._executor is None:
            for item in items:
                work(item)
        else:
            list(self._executor.map(work, items))


def _node_scores(sums: NDArray[np.int64], pairs: Pairs, growth: Growth) -> NDArray[np.float64]:
    """Return the score of each node, (nodes,)."""
    rules = rules_of(growth)
    return np.array([vector.sum_scores(one, pairs.units, rules) for one in sums])


def _flat(pairs: Pairs) -> NDArray[np.int64]:
    return pairs.packed.reshape(len(pairs.packed), -1)

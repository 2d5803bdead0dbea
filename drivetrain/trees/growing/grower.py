"""Grows one tree: batches of nodes are split, then growth is replayed on what came out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.growing import _numba as kernels
from drivetrain.trees.growing.gradients import Gradients
from drivetrain.trees.growing.room import Room
from drivetrain.trees.growing.settings import Growth

# A node with more rows is split by all threads together, a smaller one by a single thread.
_SHARED = 1 << 17
_UNLIMITED = 1 << 30


@dataclass(frozen=True, kw_only=True, eq=False)
class Grown:
    """A tree as it came out of the grower; nodes in the order of their making.

    Attributes:
        left: Left child of each node, its right child is the next; -1 for a leaf, (nodes,).
        records: The kernels' records, (nodes, 8).
        span: Where the rows of each node lie in ``rows``, (nodes, 2).
        leaves: Numbers of the leaves, in the order of their rows, (leaves,).
        rows: Row numbers, those of a leaf side by side and rising, (m,).
        values: Leaf weights, unshrunk, (leaves,).
        bounds: Least and greatest weight each node may have, (nodes, 2).
        tables: Which codes go left at nodes split by category, (nodes, codes); one row where no
            feature is categorical.
    """

    left: NDArray[np.int64]
    records: NDArray[np.float64]
    span: NDArray[np.int64]
    leaves: NDArray[np.int64]
    rows: NDArray[np.uint32]
    values: NDArray[np.float64]
    bounds: NDArray[np.float64]
    tables: NDArray[np.uint8]


class Grower:
    """Grows trees on one binned matrix.

    Args:
        matrix: The data.
        growth: The rules.
        threads: Threads; the tree is the same bits for any number of them.
    """

    def __init__(self, matrix: BinnedMatrix, growth: Growth, *, threads: int = 1) -> None:
        self.matrix = matrix
        self.growth = growth
        self.threads = threads
        self.batch = 4 if 0 < growth.max_leaves <= 32 else 8
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._room = Room(matrix, growth, self.batch)

    def grow(
        self, gradients: Gradients, rows: NDArray[np.uint32] | None = None, *, seed: int = 0
    ) -> Grown:
        """Return a tree fitted to the gradients.

        Args:
            gradients: Of all rows of the matrix.
            rows: Rows to use, rising; all where None.
            seed: Draws the features of the tree, its levels and nodes.
        """
        room = self._room.begin(rows, seed)
        self._plant(gradients, whole=rows is None)
        most = self.growth.max_leaves or _UNLIMITED
        depthwise = self.growth.grow_policy == "depthwise"
        while True:
            found = kernels.choose(
                room.records,
                room.left,
                room.depth,
                most,
                depthwise,
                self.batch,
                room.pending,
                room.front,
            )
            if not found:
                return self._finish(gradients)
            room.lay_out(found)
            self._split(room.pending[:found], gradients)
            room.release(found)

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def _rules(self) -> NDArray[np.float64]:
        g = self.growth
        deepest = g.max_depth or _UNLIMITED
        return np.array(
            [
                *(g.reg_lambda, g.reg_alpha, g.min_child_weight, g.max_delta_step, g.gamma),
                *(deepest, g.max_cat_to_onehot, g.max_cat_threshold),
            ],
            np.float64,
        )

    def _plant(self, gradients: Gradients, *, whole: bool) -> None:
        """Build the root's histogram, each thread its share of the rows, and find its split."""
        room = self._room
        rows = room.rows[: room.n]
        parts = room.parts(self.threads)
        shares = [room.n * t // self.threads for t in range(self.threads + 1)]

        def fill(t: int) -> None:
            own, a, b = parts[t], shares[t], shares[t + 1]
            own[:] = 0
            matrix = self.matrix
            stride = matrix.rows.shape[1]
            if whole:
                flat, pairs = matrix.rows[a:b].reshape(-1), gradients.packed[a:b]
                self._add(flat, stride, pairs, rows[:0], own, b - a)
            else:
                flat = matrix.rows.reshape(-1)
                self._add(flat, stride, gradients.packed, rows[a:b], own, b - a)

        self._each(fill, range(self.threads))
        root = room.pool[room.slot[0]]
        root[:] = parts[: self.threads].sum(axis=0)
        self._settle(0, root, gradients)

    def _add(
        self, flat: Any, stride: int, pairs: Any, rows: Any, histogram: Any, count: int
    ) -> None:
        if count:
            matrix = self.matrix
            kernels.add_rows(flat, stride, matrix.shift, matrix.n_features, pairs, rows, histogram)

    def _settle(self, node: int, histogram: NDArray[np.int64], gradients: Gradients) -> None:
        room = self._room
        kernels.settle(
            node,
            room.depth,
            histogram,
            room.bins,
            self.matrix.shift,
            room.allowed[room.mask[node]],
            room.direction,
            gradients.units[0],
            gradients.units[1],
            self._rules(),
            room.bounds,
            np.empty((3, 1 << self.matrix.shift)),
            room.records,
            room.categories,
            room.tables,
        )

    def _split(self, nodes: NDArray[np.int64], gradients: Gradients) -> None:
        room = self._room
        sizes = room.span[nodes, 1] - room.span[nodes, 0]
        order = np.argsort(-sizes, kind="stable")
        shared = [int(i) for i in order if self._pool is not None and sizes[i] > _SHARED]
        alone = order[len(shared) :]
        for i in shared:
            self._split_together(int(nodes[i]), int(room.fresh[i]), gradients)
        if len(alone):
            hands = _deal(sizes[alone], self.threads)
            self._each(lambda hand: self._expand(nodes, alone[hand], gradients), hands)

    def _expand(
        self, nodes: NDArray[np.int64], chosen: NDArray[np.int64], gradients: Gradients
    ) -> None:
        room, matrix = self._room, self.matrix
        kernels.expand(
            nodes[chosen],
            room.fresh[chosen],
            matrix.rows.reshape(-1),
            matrix.rows.shape[1],
            matrix.columns,
            matrix.shift,
            gradients.packed,
            room.rows,
            room.spare,
            room.span,
            room.left,
            room.depth,
            room.slot,
            room.pool,
            room.bins,
            room.allowed,
            room.mask,
            room.direction,
            gradients.units,
            self._rules(),
            room.bounds,
            room.records,
            room.categories,
            room.tables,
        )

    def _split_together(self, node: int, fresh: int, gradients: Gradients) -> None:
        """Split one large node with all threads, phase by phase."""
        room = self._room
        a = int(room.left[node])
        begin, end = (int(v) for v in room.span[node])
        middle = begin + self._partition(node, begin, end)
        room.span[a] = begin, middle
        room.span[a + 1] = middle, end
        kernels.inherit(
            node, room.left, room.depth, room.direction, self._rules(), room.bounds, room.records
        )
        if room.depth[a] >= self._rules()[kernels.MAX_DEPTH]:
            return
        small = a if 2 * (middle - begin) <= end - begin else a + 1
        other = 2 * a + 1 - small
        room.slot[small], room.slot[other] = fresh, room.slot[node]
        parts = self._share_histogram(small, gradients)
        own = room.pool[fresh]
        own[:] = parts[0]
        kernels.take_rest(room.pool[room.slot[other]], own, parts[1:])
        self._each(
            lambda child: self._settle(child, room.pool[room.slot[child]], gradients),
            (small, other),
        )

    def _partition(self, node: int, begin: int, end: int) -> int:
        """Sort a node's rows to their sides, each thread a piece; return how many go left."""
        room = self._room
        table = np.empty(1 << self.matrix.shift, np.uint8)
        of_node = room.tables[node if len(room.tables) > 1 else 0]
        kernels.sides(room.records[node], self.matrix.shift, of_node, table)
        column = self.matrix.columns[int(room.records[node, kernels.FEATURE])]
        cuts = [begin + (end - begin) * t // self.threads for t in range(self.threads + 1)]
        pieces = list(pairwise(cuts))

        def one(piece: tuple[int, int]) -> int:
            where = slice(*piece)
            return int(kernels.partition(column, table, room.rows[where], room.spare[where]))

        lefts = self._each(one, pieces)
        at = begin
        for (a, _), count in zip(pieces, lefts):
            room.rows[at : at + count] = room.rows[a : a + count]
            at += count
        middle = at
        for (a, b), count in zip(pieces, lefts):
            rest = b - a - count
            room.rows[at : at + rest] = room.spare[a : a + rest]
            at += rest
        return middle - begin

    def _share_histogram(self, node: int, gradients: Gradients) -> NDArray[np.int64]:
        room, matrix = self._room, self.matrix
        begin, end = (int(v) for v in room.span[node])
        parts = room.parts(self.threads)
        cuts = [begin + (end - begin) * t // self.threads for t in range(self.threads + 1)]
        flat, stride = matrix.rows.reshape(-1), matrix.rows.shape[1]

        def fill(t: int) -> None:
            parts[t][:] = 0
            rows = room.rows[cuts[t] : cuts[t + 1]]
            self._add(flat, stride, gradients.packed, rows, parts[t], len(rows))

        self._each(fill, range(self.threads))
        return parts[: self.threads]

    def _finish(self, gradients: Gradients) -> Grown:
        room = self._room
        size = int(np.argmax(room.front < 0))
        leaves = room.front[:size]
        leaves = leaves[np.argsort(room.span[leaves, 0], kind="stable")].copy()
        return Grown(
            left=_kept(room.left, leaves),
            records=room.records[: room.nodes].copy(),
            span=room.span[: room.nodes].copy(),
            leaves=leaves,
            rows=room.rows[: room.n],
            values=self._weights(leaves, gradients),
            bounds=room.bounds[: room.nodes].copy(),
            tables=room.tables[: room.nodes].copy(),
        )

    def _weights(self, leaves: NDArray[np.int64], gradients: Gradients) -> NDArray[np.float64]:
        """Return the leaves' weights, from exact sums of the gradients as they were."""
        room, growth = self._room, self.growth
        fine = gradients.fine

        def one(leaf: int) -> float:
            begin, end = room.span[leaf]
            a, b = kernels.leaf_sums(
                gradients.g, gradients.h, room.rows[begin:end], fine[0], fine[1]
            )
            low, high = room.bounds[leaf]
            return kernels.weigh(
                a / fine[0],
                b / fine[1],
                growth.reg_lambda,
                growth.reg_alpha,
                growth.max_delta_step,
                low,
                high,
            )

        return np.array([one(int(leaf)) for leaf in leaves])

    def _each(self, work: Callable[[Any], Any], items: Any) -> list[Any]:
        if self._pool is None:
            return [work(item) for item in items]
        return list(self._pool.map(work, items))


def _deal(sizes: NDArray[np.int64], hands: int) -> list[NDArray[np.int64]]:
    """Deal positions, largest first, each to the hand that holds least."""
    held = [0] * hands
    dealt: list[list[int]] = [[] for _ in range(hands)]
    for i, size in enumerate(sizes):
        hand = held.index(min(held))
        held[hand] += int(size) + 256
        dealt[hand].append(i)
    return [np.array(hand, np.int64) for hand in dealt if hand]


def _kept(left: NDArray[np.int64], leaves: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the children with the chosen leaves' own forgotten: they were looked at ahead."""
    own = left.copy()
    own[leaves] = -1
    return own

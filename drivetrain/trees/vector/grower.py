"""Grows one tree over all outputs: batches of nodes are split, then growth is replayed."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.growing import _numba as scalar
from drivetrain.trees.growing.grower import Grown
from drivetrain.trees.growing.planting import to_planted
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Planted
from drivetrain.trees.vector import _numba as kernels
from drivetrain.trees.vector import reference
from drivetrain.trees.vector.pairs import Pairs
from drivetrain.trees.vector.room import Room

# The histogram of a node with more rows is made by all threads together.
_SHARED = 1 << 16
_UNLIMITED = 1 << 30


class VectorGrower:
    """Grows trees with K values in a leaf on one binned matrix.

    Args:
        matrix: The data; no feature is categorical.
        growth: The rules; no monotone constraints.
        outputs: K.
        threads: Threads; the tree is the same bits for any number of them.
    """

    def __init__(
        self, matrix: BinnedMatrix, growth: Growth, outputs: int, *, threads: int = 1
    ) -> None:
        self.matrix = matrix
        self.growth = growth
        self.threads = threads
        self._batch = max(1, min(8, growth.max_leaves - 1)) if growth.max_leaves else 8
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._room = Room(matrix, growth, outputs, self._batch)
        self._rules = rules_of(growth)

    def grow(self, pairs: Pairs, rows: NDArray[np.uint32] | None, *, seed: int) -> Planted:
        """Return a tree fitted to the pairs, its values unshrunk.

        Args:
            pairs: Of all rows of the matrix.
            rows: Rows to use, rising; all where None.
            seed: Draws the features of the tree, its levels and nodes.
        """
        room = self._room
        room.begin(rows, seed)
        self._begin(pairs)
        most = self.growth.max_leaves or _UNLIMITED
        depthwise = self.growth.grow_policy == "depthwise"
        while True:
            found = scalar.choose(
                room.records,
                room.left,
                room.depth,
                most,
                depthwise,
                self._batch,
                room.pending,
                room.front,
            )
            if not found:
                return self._finish(pairs)
            room.lay_out(found)
            self._split(room.pending[:found], room.fresh[:found], pairs)
            room.release(found)

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def _begin(self, pairs: Pairs) -> None:
        room = self._room
        root = room.pool[room.slot[0]]
        parts = self._fill(room.rows[: room.n], root, pairs)
        for part in parts:
            root += part
        kernels.sum_all(root, self.matrix.shift, room.sums[0])
        self._settle(0, pairs)

    def _fill(
        self, rows: NDArray[np.uint32], histogram: NDArray[np.int64], pairs: Pairs
    ) -> NDArray[np.int64]:
        """Make a histogram, each thread of a share of the rows; return the other threads' parts."""
        room, matrix = self._room, self.matrix
        hands = self.threads if len(rows) > _SHARED else 1
        if len(room.parts) < hands - 1:
            room.parts = np.empty((hands - 1, *room.shape), np.int64)
        ends = [len(rows) * t // hands for t in range(hands + 1)]
        flat, stride = matrix.rows.reshape(-1), matrix.rows.shape[1]
        packed = _flat(pairs)

        def one(t: int) -> None:
            own = histogram if t == 0 else room.parts[t - 1]
            some = rows[ends[t] : ends[t + 1]]
            kernels.fill(flat, stride, matrix.shift, matrix.n_features, packed, some, own)

        self._each(one, range(hands))
        return room.parts[: hands - 1]

    def _settle(self, node: int, pairs: Pairs) -> None:
        room, matrix = self._room, self.matrix
        kernels.settle(
            node,
            room.pool[room.slot[node]],
            matrix.cuts.n_bins,
            matrix.shift,
            matrix.has_missing,
            room.allowed[room.mask[node]],
            pairs.units,
            self._rules,
            np.empty((2, 1 << matrix.shift)),
            np.empty((matrix.n_features, 2, 1 << matrix.shift)),
            room.sums,
            room.lefts,
            room.records,
        )

    def _split(self, nodes: NDArray[np.int64], fresh: NDArray[np.int64], pairs: Pairs) -> None:
        sizes = self._room.span[nodes, 1] - self._room.span[nodes, 0]
        shared = (sizes > 2 * _SHARED) & (self.threads > 1)
        for k in np.flatnonzero(shared):
            self._split_together(int(nodes[k]), int(fresh[k]), pairs)
        alone = np.flatnonzero(~shared)
        alone = alone[np.argsort(-sizes[alone], kind="stable")]
        hands = [alone[t :: self.threads] for t in range(self.threads)]
        self._each(
            lambda own: self._expand(nodes[own], fresh[own], pairs),
            [hand for hand in hands if len(hand)],
        )

    def _expand(self, nodes: NDArray[np.int64], fresh: NDArray[np.int64], pairs: Pairs) -> None:
        room, matrix = self._room, self.matrix
        kernels.expand(
            nodes,
            fresh,
            matrix.rows.reshape(-1),
            matrix.rows.shape[1],
            matrix.columns,
            matrix.shift,
            _flat(pairs),
            room.rows,
            room.spare,
            room.span,
            room.left,
            room.depth,
            room.slot,
            room.pool,
            matrix.cuts.n_bins,
            matrix.has_missing,
            room.allowed,
            room.mask,
            pairs.units,
            self._rules,
            room.sums,
            room.lefts,
            room.records,
        )

    def _split_together(self, node: int, fresh: int, pairs: Pairs) -> None:
        """Split a large node, all threads at the histogram of its smaller child."""
        room, matrix = self._room, self.matrix
        kernels.divide(
            node,
            matrix.columns,
            matrix.shift,
            room.rows,
            room.spare,
            room.span,
            room.left,
            room.depth,
            room.sums,
            room.lefts,
            room.records,
        )
        a = int(room.left[node])
        if room.depth[a] >= self._rules[kernels.MAX_DEPTH]:
            return
        sizes = np.diff(room.span[a : a + 2], axis=1)[:, 0]
        small = a + int(sizes[1] < sizes[0])
        other = 2 * a + 1 - small
        room.slot[small], room.slot[other] = fresh, room.slot[node]
        rows = room.rows[slice(*room.span[small])]
        parts = self._fill(rows, room.pool[fresh], pairs)
        kernels.take_rest(room.pool[room.slot[other]], room.pool[fresh], parts)
        self._each(lambda child: self._settle(child, pairs), (small, other))

    def _finish(self, pairs: Pairs) -> Planted:
        room = self._room
        size = int(np.argmax(room.front < 0))
        leaves = room.front[:size]
        leaves = leaves[np.argsort(room.span[leaves, 0], kind="stable")].copy()
        left = room.left[: room.nodes].copy()
        # What was split ahead of its turn, and never had it, is forgotten.
        left[leaves] = -1
        records = room.records[: room.nodes].copy()
        records[:, scalar.H] = room.sums[: room.nodes, :, 1] @ pairs.units[:, 1]
        ends = np.append(room.span[leaves, 0], room.n)
        grown = Grown(
            left=left,
            records=records,
            span=room.span[: room.nodes].copy(),
            leaves=leaves,
            rows=room.rows[: room.n],
            values=np.zeros(size),
            bounds=np.empty((0, 2)),
            tables=np.empty((1, 0), np.uint8),
        )
        values = leaf_weights(pairs, room.rows[: room.n], ends, self.growth)
        return replace(to_planted(grown, self.matrix.cuts), values=values)

    def _each(self, work: Callable[[Any], None], items: Iterable[Any]) -> None:
        if self._pool is None:
            for item in items:
                work(item)
        else:
            list(self._pool.map(work, items))


def rules_of(growth: Growth) -> NDArray[np.float64]:
    """Return the rules as the kernels read them; no limit is an infinite one."""
    return np.array(
        [
            *(growth.reg_lambda, growth.reg_alpha, growth.min_child_weight),
            *(growth.max_delta_step or np.inf, growth.gamma, growth.max_depth or np.inf),
        ],
        np.float64,
    )


def leaf_weights(
    pairs: Pairs, rows: NDArray[np.uint32], ends: NDArray[np.int64], growth: Growth
) -> NDArray[np.float64]:
    """Return the leaves' weights, (L, K), from exact sums of the gradients as they were."""
    sums = np.empty((len(ends) - 1, *pairs.fine.shape), np.int64)
    kernels.leaf_sums(pairs.g, pairs.h, rows, ends, pairs.fine, sums)
    exact = sums / pairs.fine
    return reference.weights(exact[..., 0], exact[..., 1], growth)


def _flat(pairs: Pairs) -> NDArray[np.int64]:
    return pairs.packed.reshape(len(pairs.packed), -1)

"""Grows one tree: every thread enters one kernel, once a tree."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.growing import _numba as kernels
from drivetrain.trees.growing.gradients import Gradients
from drivetrain.trees.growing.room import UNLIMITED, Room
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.growing.team import _numba as team
from drivetrain.trees.growing.tree import _numba as tree
from drivetrain.trees.growing.undisturbed import undisturbed

# Bins of the histograms of one round, for each thread: 32 MiB.
_BINS = 1 << 22


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
        # Level by level all that is split is known to be; else looking ahead costs splits that
        # are not chosen, and saves threads the wait for each other.
        ahead = 16 if growth.grow_policy == "depthwise" else 1 if threads == 1 else 4
        self.batch = max(1, min(ahead, _BINS // max(1, matrix.n_features << matrix.shift)))
        self._room = Room(matrix, growth, batch=self.batch, threads=threads)
        self._process = os.getpid()
        self._pool: ThreadPoolExecutor | None = None
        self._calls = np.zeros(1, np.int64)
        self._lingering: list[Future[None]] = []

    def grow(
        self, gradients: Gradients, rows: NDArray[np.uint32] | None = None, *, seed: int = 0
    ) -> Grown:
        """Return a tree fitted to the gradients.

        Args:
            gradients: Of all rows of the matrix.
            rows: Rows to use, rising; all where None.
            seed: Draws the features of the tree, its levels and nodes.
        """
        room = self._room
        self._gather()
        room.begin(rows, seed)
        while True:
            self._enter(gradients, every=rows is None)
            if room.space.state[tree.ASKS] == tree.NOTHING:
                return self._finish()
            self._gather()
            room.widen()

    def close(self) -> None:
        """End the threads."""
        self._gather()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _enter(self, gradients: Gradients, *, every: bool) -> None:
        """Let every thread into the kernel, this one too; all have left it on return."""
        room, growth = self._room, self.growth
        state = room.space.state
        state[: team.SHARED] = 0

        def one(thread: int) -> None:
            tree.grow(
                thread,
                self.threads,
                growth.max_leaves or UNLIMITED,
                growth.grow_policy == "depthwise",
                self.batch,
                every,
                room.seed,
                room.scratch[thread],
                room.goes_left[thread],
                room.flags,
                room.tables,
                room.found_tables,
                gradients.packed,
                gradients.units,
                room.table,
                room.space,
            )
            if state[tree.ASKS] == tree.NOTHING:
                g, h, fine = gradients.g, gradients.h, gradients.fine
                tree.weigh_leaves(self.threads, g, h, fine, room.table.rules, room.space)

        if self.threads == 1:
            one(0)
            return
        with undisturbed():
            self._let_in(one)
            one(0)

    def _let_in(self, one: Callable[[int], None]) -> None:
        """Let the other threads in, and have them linger for the next tree when they are out."""
        calls = self._calls
        heard = int(calls[0])

        def other(thread: int) -> None:
            one(thread)
            team.linger(calls, heard)

        if self._pool is None and self.threads > 1:
            self._pool = ThreadPoolExecutor(self.threads - 1)
        for thread in range(1, self.threads):
            assert self._pool is not None
            self._lingering.append(self._pool.submit(other, thread))

    def _gather(self) -> None:
        """Call back the threads that linger after the last tree."""
        if self._process != os.getpid():
            # A forked child has none of its parent's threads.
            self._pool, self._lingering = None, []
            self._process = os.getpid()
        team.call(self._calls)
        for one in self._lingering:
            one.result()
        self._lingering = []

    def _finish(self) -> Grown:
        space, tables = self._room.space, self._room.tables
        made, count = int(space.state[tree.NODES]), int(space.state[tree.SHUT])
        nodes, records = space.nodes[:made], space.records[:made].copy()
        leaves = space.nodes[:count, tree.CLOSED]
        leaves = leaves[np.argsort(nodes[leaves, tree.START], kind="stable")]
        left = nodes[:, tree.LEFT].copy()
        # What was split ahead and not chosen is a leaf: its rows go back to their order.
        for leaf in leaves[left[leaves] >= 0]:
            space.rows[0, slice(*nodes[leaf, [tree.START, tree.STOP]])].sort()
        left[leaves] = -1
        return Grown(
            left=left,
            records=records,
            span=nodes[:, [tree.START, tree.STOP]],
            leaves=leaves,
            rows=space.rows[0],
            values=records[leaves, kernels.WEIGHT],
            bounds=records[:, [kernels.LOW, kernels.HIGH]],
            tables=np.zeros((1, 1), np.uint8) if tables is None else tables[:made],
        )

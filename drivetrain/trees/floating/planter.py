"""Trees equal to XGBoost's, node for node: sums of floats in its order, rounded where it rounds."""

import heapq
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.floating import _numba as kernels
from drivetrain.trees.floating.nodes import Node, to_planted
from drivetrain.trees.floating.rules import directions, pairs_of, root_state, rule_table
from drivetrain.trees.growing.masks import Masks
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Gradient, Planted

Rows = NDArray[np.uint32]
Histogram = NDArray[np.float64]

# The least gain of a split.
LEAST_GAIN = np.float32(1e-6)
# A node of fewer updates is filled by one thread.
_SHARED = 1 << 18
_NOTHING = np.empty(0, np.float64)


class FloatPlanter:
    """Grows trees on histograms of float64 sums: XGBoost's own trees, given its cuts.

    Equal are structure, thresholds, default directions, leaf weights and gains, to the bit, for
    the same gradients. XGBoost must run with one thread: with more, its sums depend on them.
    Ours do not: threads share the features, not the rows.

    Args:
        matrix: The data.
        growth: The rules.
        threads: Threads; the trees are the same bits for any number of them.
        sum_rows: Whether the root's sums are taken over rows even where nothing is missing, as
            XGBoost does in its approximate method.

    References:
        XGBoost 3.2.0, src/tree/updater_quantile_hist.cc, hist/evaluate_splits.h, driver.h.
    """

    def __init__(
        self, matrix: BinnedMatrix, growth: Growth, *, threads: int = 1, sum_rows: bool = False
    ) -> None:
        self.matrix = matrix
        self.growth = growth
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        share = matrix.n_features / threads
        self._shares = list(pairwise(round(t * share) for t in range(threads + 1)))
        self._rules = rule_table(growth)
        self._direction = directions(growth, matrix.n_features)
        self._sum_rows = sum_rows or bool(matrix.has_missing.any())
        self._gamma = np.float32(growth.gamma)
        self._spare = np.empty(len(matrix), np.uint32)
        self._free: list[Histogram] = []

    def plant(self, g: Gradient, h: Gradient, rows: Rows | None, *, seed: int) -> Planted:
        """Return a tree fitted to g and h, (n, 1); see `drivetrain.trees.planter.Planter`."""
        self._pairs = pairs_of(g, h)
        self._rows = np.arange(len(g), dtype=np.uint32) if rows is None else rows.copy()
        self._masks = Masks(self.growth, self.matrix.n_features, seed)
        self._held: dict[int, Histogram] = {}
        self._allowed = {0: self._masks.root()}
        self._nodes = [self._root()]
        self._grow()
        self._free += self._held.values()
        return to_planted(self._nodes, self._rows, self.matrix.n_features)

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def _root(self) -> Node:
        rows, pairs = self._rows, self._pairs
        own = self._histogram(0)
        self._each(len(rows), lambda a, b: self._fill(a, b, rows, own, _NOTHING))
        if self._sum_rows:
            g, h = kernels.sum_pairs(pairs, rows)
        else:
            g, h = kernels.sum_bins(own, int(self.matrix.cuts.n_bins[0]))
        state = root_state(g, h)
        low, high = state[kernels.LOW], state[kernels.HIGH]
        state[kernels.UNSPLIT] = kernels.score(g, h, self._rules, low, high)
        weight = float(kernels.weigh(g, h, self._rules, low, high))
        root = Node(depth=0, begin=0, end=len(rows), weight=weight, state=state, cover=h)
        self._find(0, root)
        return root

    def _histogram(self, number: int) -> Histogram:
        size = self.matrix.n_features << self.matrix.shift << 1
        self._held[number] = self._free.pop() if self._free else np.empty(size)
        return self._held[number]

    def _grow(self) -> None:
        """Split node after node: level by level in order of number, or by gain."""
        most = self.growth.max_leaves or len(self._rows) + 1
        lossguide = self.growth.grow_policy == "lossguide"
        queue = [(0.0, 0)]
        leaves = 1
        while queue:
            _, number = heapq.heappop(queue)
            node = self._nodes[number]
            if leaves == most or not self._worthy(node):
                if lossguide:
                    # XGBoost ends here, whatever else may wait in the queue.
                    return
                continue
            leaves += 1
            first = self._split(number, node)
            deepest = self.growth.max_depth and node.depth + 1 >= self.growth.max_depth
            if deepest or leaves >= most:
                self._free.append(self._held.pop(number))
                continue
            self._evaluate(number, first)
            for child in (first, first + 1):
                gain = self._nodes[child].gain
                if gain > LEAST_GAIN:
                    heapq.heappush(queue, (-float(gain) if lossguide else 0.0, child))
                else:
                    self._free.append(self._held.pop(child))

    def _worthy(self, node: Node) -> bool:
        split = node.split
        legal = split[kernels.HL] != 0 and split[kernels.HR] != 0
        return bool(node.gain > LEAST_GAIN and legal and node.gain >= self._gamma)

    def _split(self, number: int, node: Node) -> int:
        """Part the node's rows; return the number of its left child."""
        matrix = self.matrix
        first = node.left = len(self._nodes)
        if node.table is None:
            node.table = np.empty(1 << matrix.shift, np.uint8)
        node.settle(matrix.cuts)
        here = slice(node.begin, node.end)
        column = matrix.columns[node.feature]
        size = kernels.part(column, node.split, node.table, self._rows[here], self._spare[here])
        states = np.empty((2, kernels.NODE))
        weights = kernels.describe(
            node.split, int(self._direction[node.feature]), self._rules, node.state, states
        )
        middle = node.begin + size
        spans = (node.begin, middle), (middle, node.end)
        # XGBoost tells of a node that is split the sum over its children, rounded once more.
        node.cover = float(node.split[kernels.HL] + node.split[kernels.HR])
        for (begin, end), weight, state in zip(spans, weights, states):
            cover, depth = float(state[kernels.H]), node.depth + 1
            child = Node(
                depth=depth, begin=begin, end=end, weight=float(weight), state=state, cover=cover
            )
            self._nodes.append(child)
        masks = self._masks.children(number, node.feature, first, node.depth + 1)
        self._allowed[first], self._allowed[first + 1] = masks
        return first

    def _evaluate(self, number: int, first: int) -> None:
        """Find the best splits of a pair of children; the lighter's histogram is built."""
        split = self._nodes[number].split
        small = first + int(split[kernels.HR] < split[kernels.HL])
        other = 2 * first + 1 - small
        rest = self._held[other] = self._held.pop(number)
        own = self._histogram(small)
        node = self._nodes[small]
        rows = self._rows[node.begin : node.end]
        self._each(len(rows), lambda a, b: self._fill(a, b, rows, own, rest))
        for child in (first, first + 1):
            self._find(child, self._nodes[child])

    def _fill(self, begin: int, end: int, rows: Rows, own: Histogram, rest: Histogram) -> None:
        matrix = self.matrix
        flat, stride = matrix.rows.reshape(-1), matrix.rows.shape[1]
        kernels.fill(flat, stride, matrix.shift, begin, end, self._pairs, rows, own, rest)

    def _find(self, number: int, node: Node) -> None:
        matrix = self.matrix
        if matrix.cuts.categorical.any():
            node.table = np.empty(1 << matrix.shift, np.uint8)
        kernels.scan(
            self._held[number],
            matrix.cuts.n_bins,
            matrix.cuts.categorical,
            matrix.shift,
            0,
            matrix.n_features,
            self._allowed[number],
            self._direction,
            node.state,
            self._rules,
            node.split,
            np.empty(1 << matrix.shift, np.uint8) if node.table is None else node.table,
        )

    def _each(self, rows: int, work: Callable[[int, int], None]) -> None:
        """Do the work for all features, or each thread for its own."""
        if self._pool is None or rows * self.matrix.n_features < _SHARED:
            work(0, self.matrix.n_features)
        else:
            list(self._pool.map(lambda share: work(*share), self._shares))

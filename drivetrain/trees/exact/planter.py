"""Exact greedy growth: every midpoint between two values of every column is tried."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_integer
from drivetrain.trees.exact import _numba as kernels
from drivetrain.trees.exact.pruning import prune
from drivetrain.trees.floating import _numba as arithmetic
from drivetrain.trees.floating.nodes import Node, to_planted
from drivetrain.trees.floating.planter import LEAST_GAIN
from drivetrain.trees.floating.rules import directions, pairs_of, root_state, rule_table
from drivetrain.trees.growing.masks import Masks
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Gradient, Planted
from drivetrain.trees.sketching.columns import SortedColumns, sort_columns

T = TypeVar("T")
Floats = NDArray[np.float32]
Rows = NDArray[np.uint32]


class ExactPlanter:
    """Grows trees level by level on columns sorted once: XGBoost's exact method, to the bit.

    A split lies midway between two neighbouring values of a node; or beyond its last value, by
    the value and 1e-6. Missing values go left, or right too where the column has any. The tree
    is grown to its full depth, and then splits of a gain below gamma are taken back from below.

    With ``bins`` only so many candidates are tried, evenly spaced in the weight of each node's
    own rows: the approximate method with proposals made anew in every node.

    Args:
        x: Values, (n, F); NaN is missing.
        growth: The rules.
        threads: Threads; the trees are the same bits for any number of them.
        bins: Candidates a node and feature, >= 2; 0 for all of them.
        block: Entries of a column scanned at once, >= 1: their sums fit the first cache.

    Raises:
        ValueError: Rules that growth level by level does not know.

    References:
        Chen, Guestrin: XGBoost: A Scalable Tree Boosting System, KDD 2016, algorithms 1 to 3;
        XGBoost 3.2.0, src/tree/updater_colmaker.cc, updater_prune.cc.
    """

    def __init__(
        self, x: Floats, growth: Growth, *, threads: int = 1, bins: int = 0, block: int = 256
    ) -> None:
        refuse(growth, "exact" if not bins else "approx")
        self.block = check_integer("block", block, low=1)
        self.x = np.ascontiguousarray(x, np.float32)
        self.growth = growth
        self._bins = bins
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._threads = threads
        self._offsets, self._sorted = _entries(sort_columns(self.x, executor=self._pool))
        self._entries = np.empty_like(self._sorted)
        self._sides = np.empty(len(self.x), np.uint8)
        self._rules = rule_table(growth)
        self._direction = directions(growth, self.x.shape[1])

    def plant(self, g: Gradient, h: Gradient, rows: Rows | None, *, seed: int) -> Planted:
        """Return a tree fitted to g and h, (n, 1); see `drivetrain.trees.planter.Planter`."""
        n = len(g)
        self._pairs = pairs_of(g, h)
        self._rows = np.arange(n, dtype=np.uint32) if rows is None else rows
        self._places = np.full(n, -1, np.int32)
        self._places[self._rows] = 0
        self._masks = Masks(self.growth, self.x.shape[1], seed)
        self._allowed = [self._masks.root()]
        self._nodes = [self._root()]
        self._spans = self._begin(rows)
        level = [0]
        for _ in range(self.growth.max_depth):
            level = self._deepen(level)
            if not level:
                break
        return self._finish()

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def _begin(self, rows: Rows | None) -> NDArray[np.int64]:
        """Return where the root's entries of each column lie, (F, 1, 2)."""
        spans = np.stack([self._offsets[:-1], self._offsets[1:]], axis=1)
        self._own = self._sorted
        if rows is None:
            return spans[:, None]
        used = np.zeros(len(self.x), np.uint8)
        used[rows] = 1
        self._own = self._entries
        source, halves = self._sorted.view(np.int64)[:, 0], self._sorted.reshape(-1)
        target = self._entries.view(np.int64)[:, 0]
        for f, (begin, end) in enumerate(spans):
            spans[f, 1] = kernels.take_rows(source, halves, used, begin, end, target)
        return spans[:, None]

    def _root(self) -> Node:
        g, h = arithmetic.sum_pairs(self._pairs, self._rows)
        return self._node(root_state(g, h), None, 0)

    def _node(self, state: NDArray[np.float64], parent: Node | None, depth: int) -> Node:
        """Return a node of these sums: its weight is bounded as its parent's is."""
        limits = state if parent is None else parent.state
        low, high = limits[arithmetic.LOW], limits[arithmetic.HIGH]
        g, h = state[arithmetic.G], state[arithmetic.H]
        state[arithmetic.UNSPLIT] = arithmetic.score(g, h, self._rules, low, high)
        weight = float(arithmetic.weigh(g, h, self._rules, low, high))
        return Node(depth=depth, begin=0, end=0, weight=weight, state=state, cover=float(h))

    def _deepen(self, level: list[int]) -> list[int]:
        """Split the nodes of a level; return their children."""
        nodes = self._nodes
        records = self._best(level)
        split = [number for number in level if np.float32(records[number, 0]) > LEAST_GAIN]
        if not split:
            return []
        left = np.full(len(nodes), -1, np.int64)
        for number in split:
            nodes[number].split = records[number]
            nodes[number].threshold = np.float32(records[number, kernels.THRESHOLD])
            left[number] = nodes[number].left = len(nodes) + 2 * int((left >= 0).sum())
        states = np.zeros((len(nodes) + 2 * len(split), arithmetic.NODE))
        kernels.place_rows(
            self.x, self._pairs, self._rows, left, records, self._places, self._sides, states
        )
        for number in split:
            self._bear(number, states)
        if self._nodes[-1].depth < self.growth.max_depth:
            self._part(np.array(level, np.int64), left)
        return [child for number in split for child in (left[number], left[number] + 1)]

    def _bear(self, number: int, states: NDArray[np.float64]) -> None:
        """Add the children of a split node, whose sums are known."""
        parent = self._nodes[number]
        own = states[parent.left : parent.left + 2]
        own[:, arithmetic.LOW :] = parent.state[arithmetic.LOW :]
        children = [self._node(state, parent, parent.depth + 1) for state in own]
        direction = self._direction[parent.feature]
        if direction:
            weights = [np.float32(child.weight) for child in children]
            lower = 0 if direction > 0 else 1
            middle = (weights[0] + weights[1]) / np.float32(2)
            own[lower, arithmetic.HIGH] = own[1 - lower, arithmetic.LOW] = middle
        self._nodes += children
        self._allowed += self._masks.children(number, parent.feature, parent.left, parent.depth + 1)

    def _best(self, level: list[int]) -> NDArray[np.float64]:
        """Return the best splits of a level's nodes, each thread trying some of the features."""
        count = len(self._nodes)
        states = np.array([node.state for node in self._nodes])
        allowed = np.array(self._allowed)
        numbers = np.array(level, np.int64)
        steps = np.zeros(count) if not self._bins else states[:, arithmetic.H] / self._bins

        halves = self._own.reshape(-1)
        joined = self._pairs.view(np.int64)[:, 0]

        def share(features: NDArray[np.int64]) -> NDArray[np.float64]:
            records = np.zeros((count, arithmetic.RECORD))
            sums, bounds = np.empty((2, self.block)), np.empty((4, self.block), np.float32)
            near = np.empty(self.block, np.int64)
            for f in features[allowed[numbers][:, features].any(axis=0)]:
                for backward in self._scans(f):
                    kernels.scan_column(
                        halves,
                        halves.view(np.float32),
                        self._spans[f],
                        backward,
                        f,
                        int(self._direction[f]),
                        joined,
                        numbers,
                        allowed,
                        steps,
                        states,
                        self._rules,
                        near,
                        near.view(np.float32),
                        sums,
                        bounds,
                        records,
                    )
            return records

        return _first_best(self._each(share))

    def _part(self, level: NDArray[np.int64], left: NDArray[np.int64]) -> None:
        """Move every column's entries to the children of the nodes that were split."""
        spans = np.zeros((len(self._spans), len(self._nodes), 2), np.int64)
        spans[:, : self._spans.shape[1]] = self._spans
        source, halves = self._own.view(np.int64)[:, 0], self._own.reshape(-1)
        target = self._entries.view(np.int64)[:, 0]

        def share(features: NDArray[np.int64]) -> None:
            spare = np.empty(len(self.x), np.int64)
            for f in features:
                kernels.part_column(
                    source, halves, spans[f], level, left, self._sides, spare, target
                )

        self._each(share)
        self._spans, self._own = spans, self._entries

    def _scans(self, feature: int) -> tuple[bool, ...]:
        """Return the directions of a column's scans; forward comes first."""
        begin, end = self._offsets[feature : feature + 2]
        missing = np.float32(len(self.x) - (end - begin)) / np.float32(len(self.x))
        values = self._sorted[begin:end, 1].view(np.float32)
        constant = end > begin and values[0] == values[-1]
        return (False, True) if np.float32(1) - missing < 1 and not constant else (True,)

    def _each(self, work: Callable[[NDArray[np.int64]], T]) -> list[T]:
        features = np.arange(self.x.shape[1])
        if self._pool is None:
            return [work(features)]
        return list(self._pool.map(work, np.array_split(features, self._threads)))

    def _finish(self) -> Planted:
        nodes, homes = prune(self._nodes, np.float32(self.growth.gamma))
        ends = np.zeros(len(nodes) + 1, np.int64)
        rows = kernels.gather_rows(self._rows, homes, self._places, ends)
        for k, node in enumerate(nodes):
            node.begin, node.end = int(ends[k]), int(ends[k + 1])
        return to_planted(nodes, rows, self.x.shape[1])


def _entries(columns: SortedColumns) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return where each column begins, and the entries: row and bits of the value, (entries, 2)."""
    entries = np.empty((len(columns.rows), 2), np.uint32)
    entries[:, 0] = columns.rows
    entries[:, 1] = columns.values.view(np.uint32)
    return columns.offsets, entries


def _first_best(found: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return each node's best record; the first of equals, the lowest feature's."""
    best = found[0]
    for records in found[1:]:
        better = records[:, 0] > best[:, 0]
        best[better] = records[better]
    return best


def refuse(growth: Growth, method: str) -> None:
    """Raise a ValueError where the rules are not for growth level by level to a known depth."""
    if growth.grow_policy != "depthwise":
        raise ValueError(
            f"tree_method {method!r} grows level by level: grow_policy must be 'depthwise'. "
            f"Got {growth.grow_policy!r}."
        )
    if not growth.max_depth:
        raise ValueError(f"tree_method {method!r} needs a limit: max_depth must be >= 1. Got 0.")
    if growth.max_leaves:
        raise ValueError(
            f"tree_method {method!r} grows whole levels: max_leaves must be 0. "
            f"Got {growth.max_leaves}."
        )

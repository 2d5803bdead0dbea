"""Grows deep trees side by side, one thread a tree."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.cuts import Cuts
from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.deep import _numba as kernels
from drivetrain.trees.deep.rules import DeepRules
from drivetrain.trees.deep.targets import Payload, Target, payload
from drivetrain.trees.forest import Forest, join

#: Rows of a tree, rising, and the weight of each, by the tree's number.
Sample = Callable[[int], tuple[NDArray[np.uint32], NDArray[np.float64]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class DeepTree:
    """A grown tree.

    Attributes:
        forest: The tree, as a forest of one; leaf values are means or class shares.
        impurity_decrease: What the splits on each feature took from the impurity, (F,).
    """

    forest: Forest
    impurity_decrease: NDArray[np.float64]


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
        self.target = target
        self.rules = rules
        self._direction = np.zeros(matrix.n_features, np.int8)
        self._direction[: len(rules.monotonic)] = rules.monotonic
        none = np.empty((0, 1), np.int64)
        self._vectors = none if target.vectors is None else target.vectors

    def grow_all(
        self, sample: Sample, seeds: Sequence[int], *, threads: int = 1
    ) -> Iterator[DeepTree]:
        """Yield a tree a seed, in order; the same bits for any number of threads.

        Args:
            sample: Draws each tree's rows.
            seeds: Of the trees.
            threads: Trees grown at once.
        """

        def one(number: int) -> DeepTree:
            rows, weight = sample(number)
            return self.grow(rows, weight, seed=seeds[number])

        if threads == 1:
            yield from map(one, range(len(seeds)))
            return
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(one, range(len(seeds)))

    def grow(self, rows: NDArray[np.uint32], weight: NDArray[np.float64], *, seed: int) -> DeepTree:
        """Return one tree.

        Args:
            rows: Rows to use, each once, (m,).
            weight: Their weights, above 0, (m,).
            seed: Draws the features.
        """
        held = payload(self.target, rows, weight)
        room = _Room(self.matrix, rows, self.target.outputs, limited=self.rules.max_leaf_nodes > 0)
        size = kernels.grow(
            self.matrix.columns,
            self.matrix.rows,
            self.matrix.cuts.n_bins,
            self.matrix.missing,
            np.int64(held.shift),
            self.matrix.cuts.categorical,
            self._direction,
            room.ordered,
            held.carried,
            self._vectors,
            np.empty_like(room.ordered),
            np.empty_like(held.carried),
            room.local,
            self._rules(held, float(weight.sum())),
            np.uint64(seed),
            room.nodes,
            room.sums,
            room.kept,
            room.gains,
            room.sets,
            room.bounds,
        )
        return self._tree(room, size, held, rows, weight)

    def _tree(
        self,
        room: "_Room",
        size: int,
        held: Payload,
        rows: NDArray[np.uint32],
        weight: NDArray[np.float64],
    ) -> DeepTree:
        nodes = room.nodes[:size]
        by_row = np.zeros(len(self.matrix))
        by_row[rows] = weight
        leaves = _Leaves(room.ordered, by_row, nodes)
        value = self._values(leaves, room.sums[:size], held)
        inner = nodes[:, kernels.LEFT] >= 0
        scaled = np.where(inner, room.gains[:size], 0) * self._gain_unit(held)
        threshold = _thresholds(nodes, self.matrix.cuts, self.values)
        forest = _forest(
            nodes, room.sets, scaled, value, leaves.weights, threshold, self.matrix.cuts
        )
        split_on = nodes[inner, kernels.FEATURE]
        decrease = np.bincount(split_on, scaled[inner], self.matrix.n_features)
        return DeepTree(forest=forest, impurity_decrease=decrease / weight.sum())

    def _gain_unit(self, held: Payload) -> float:
        bits = np.log(2) if self.rules.criterion == "entropy" else 1.0
        if self.target.vectors is not None:
            return held.g_unit**2 * held.h_unit / bits / self.target.parts
        if self.target.classes:
            # scikit-learn's entropy is in bits.
            return held.h_unit / bits
        twice = 1.0 if self.rules.criterion == "squared_error" else 2.0
        return twice * held.g_unit**2 / held.h_unit

    def _rules(self, held: Payload, total: float) -> NDArray[np.float64]:
        rules = self.rules
        out = np.zeros(kernels.RULES)
        out[kernels.TRIED] = rules.max_features
        out[kernels.LEAST_ROWS_SPLIT] = rules.min_samples_split
        out[kernels.LEAST_ROWS] = rules.min_samples_leaf
        out[kernels.LEAST_WEIGHT] = rules.min_weight_fraction * total / held.h_unit
        out[kernels.MAX_DEPTH] = rules.max_depth or np.inf
        out[kernels.LEAST_GAIN] = rules.min_impurity_decrease * total / self._gain_unit(held)
        out[kernels.MAX_LEAVES] = rules.max_leaf_nodes
        out[kernels.ENTROPY] = rules.criterion == "entropy"
        out[kernels.CONSTRAINED] = self._direction.any()
        return out

    def _values(
        self, leaves: "_Leaves", sums: NDArray[np.int64], held: Payload
    ) -> NDArray[np.float64]:
        """Return the nodes' values, (nodes, outputs): exact means, not those of rounded targets."""
        if self.target.vectors is not None:
            return np.stack([leaves.means(one) for one in self.target.values.T], axis=1)
        if self.target.classes:
            return sums[:, :-1] / sums[:, -1:]
        mean = leaves.means(self.target.values)[:, None]
        if self._direction.any():
            # Rounding must not undo what the splits were constrained to.
            mean = sums[:, :1] * (held.g_unit / held.h_unit) / sums[:, 1:] + self.target.middle
        return mean


class _Room:
    """What a kernel writes to."""

    def __init__(
        self, matrix: BinnedMatrix, rows: NDArray[np.uint32], outputs: int, *, limited: bool
    ) -> None:
        m = max(len(rows), 1)
        kinds = matrix.cuts.categorical
        widest = int(matrix.cuts.n_bins[kinds].max(initial=0))
        self.ordered = rows.copy()
        self.local = np.empty((matrix.n_features, kernels.LOCAL), matrix.columns.dtype)
        self.nodes = np.empty((2 * m, kernels.FIELDS), np.int64)
        self.sums = np.empty((2 * m, outputs + 1), np.int64)
        self.kept = np.empty((2 * m if limited else 1, outputs + 1), np.int64)
        self.gains = np.empty(2 * m)
        self.sets = np.empty((2 * m if widest else 1, -(-widest // 64)), np.uint64)
        self.bounds = np.empty((2 * m, 2))


class _Leaves:
    """Sums over the rows of each node, from the rows in the order of the leaves."""

    def __init__(
        self, ordered: NDArray[np.uint32], weight: NDArray[np.float64], nodes: NDArray[np.int64]
    ) -> None:
        self._ordered = ordered
        self._weight = weight[ordered]
        self._is_leaf = nodes[:, kernels.LEFT] < 0
        at = np.flatnonzero(self._is_leaf)
        self._at = at[np.argsort(nodes[at, kernels.BEGIN], kind="stable")]
        self._begins = nodes[self._at, kernels.BEGIN]
        self.weights = _covers(nodes, self._spread(self._weight))

    def _spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.zeros(len(self._is_leaf))
        out[self._at] = np.add.reduceat(values, self._begins)
        return out

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weighted mean of each leaf's rows; 0 for inner nodes."""
        total = self._spread(values[self._ordered] * self._weight)
        return np.divide(total, self.weights, out=np.zeros(len(total)), where=self._is_leaf)


def _covers(nodes: NDArray[np.int64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weight of every node from those of the leaves; children come after parents."""
    whole = weight.copy()
    ends = np.concatenate([[0.0], np.cumsum(weight[_leaf_order(nodes)])])
    at = nodes[:, kernels.LEFT] >= 0
    begins = np.sort(nodes[~at, kernels.BEGIN])
    first = np.searchsorted(begins, nodes[at, kernels.BEGIN])
    last = np.searchsorted(begins, nodes[at, kernels.END])
    whole[at] = ends[last] - ends[first]
    return whole


def _leaf_order(nodes: NDArray[np.int64]) -> NDArray[np.int64]:
    leaves = np.flatnonzero(nodes[:, kernels.LEFT] < 0)
    return leaves[np.argsort(nodes[leaves, kernels.BEGIN], kind="stable")]


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


def _forest(
    nodes: NDArray[np.int64],
    sets: NDArray[np.uint64],
    gains: NDArray[np.float64],
    value: NDArray[np.float64],
    cover: NDArray[np.float64],
    threshold: NDArray[np.float32],
    cuts: Cuts,
) -> Forest:
    left = nodes[:, kernels.LEFT].astype(np.int32)
    inner = left >= 0
    feature = np.where(inner, nodes[:, kernels.FEATURE], 0).astype(np.int32)
    categorical = inner & (nodes[:, kernels.BIN] < 0)
    right = [_absent(sets[x], int(cuts.n_bins[feature[x]])) for x in np.flatnonzero(categorical)]
    counts = np.zeros(len(nodes), np.int64)
    counts[categorical] = [len(one) for one in right]
    outputs = value.shape[1]
    return Forest(
        offsets=np.array([0, len(nodes)]),
        left=left,
        right=np.where(inner, left + 1, -1).astype(np.int32),
        feature=feature,
        threshold=threshold,
        default_left=inner & (nodes[:, kernels.MISSING_LEFT] > 0),
        value=np.where(inner[:, None], 0, value).astype(np.float32),
        cover=cover.astype(np.float32),
        gain=gains.astype(np.float32),
        group=np.array([-1 if outputs > 1 else 0], np.int32),
        n_features=len(cuts.lowest),
        n_groups=outputs,
        set_offsets=np.concatenate([[0], np.cumsum(counts)]),
        sets=np.concatenate([np.empty(0, np.int32), *right]),
        categorical=categorical,
    )


def _absent(words: NDArray[np.uint64], bins: int) -> NDArray[np.int32]:
    """Return the bins that do not go left."""
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")[:bins]
    return np.flatnonzero(bits == 0).astype(np.int32)


def together(trees: Sequence[DeepTree]) -> Forest:
    """Return all trees as one forest."""
    return join([tree.forest for tree in trees])

"""What a kernel needs to know before it grows a tree, and what becomes of the nodes it wrote."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.deep import _numba as kernels
from drivetrain.trees.deep.rules import DeepRules
from drivetrain.trees.deep.targets import Payload, Target, payload
from drivetrain.trees.forest import Forest, join

Rows = NDArray[np.uint32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class DeepTree:
    """A grown tree.

    Attributes:
        forest: The tree, as a forest of one; leaf values are means or class shares.
        impurity_decrease: What the splits on each feature took from the impurity, (F,).
    """

    forest: Forest
    impurity_decrease: NDArray[np.float64]


class Room:
    """What a kernel writes to."""

    def __init__(
        self,
        rows: Rows,
        weight: Doubles,
        held: Payload,
        outputs: int,
        *,
        limited: bool,
        widest: int,
    ) -> None:
        m = max(len(rows), 1)
        self.rows, self.weight, self.held = rows, weight, held
        self.ordered = rows.copy()
        self.spare_rows = np.empty_like(rows)
        self.spare_payload = np.empty_like(held.carried)
        self.nodes = np.empty((2 * m, kernels.FIELDS), np.int64)
        self.sums = np.empty((2 * m, outputs + 1), np.int64)
        self.kept = np.empty((2 * m if limited else 1, outputs + 1), np.int64)
        self.gains = np.empty(2 * m)
        self.sets = np.empty((2 * m if widest else 1, -(-widest // 64)), np.uint64)
        self.bounds = np.empty((2 * m, 2))


class Finish:
    """Poses the task of growing a tree, and makes a forest of one of the nodes.

    Args:
        target: What is fitted.
        rules: How.
        rows: Rows of the table.
        features: Its features.
    """

    def __init__(self, target: Target, rules: DeepRules, *, rows: int, features: int) -> None:
        self.target = target
        self.rules = rules
        self._rows = rows
        self._features = features
        self.direction = np.zeros(features, np.int8)
        self.direction[: len(rules.monotonic)] = rules.monotonic
        none = np.empty((0, 1), np.int64)
        self.vectors = none if target.vectors is None else target.vectors

    def room(self, rows: Rows, weight: Doubles, *, widest: int = 0) -> Room:
        """Return room for a tree.

        Args:
            rows: Its rows, each once, (m,).
            weight: Their weights, above 0, (m,).
            widest: Most categories of a feature.
        """
        held = payload(self.target, rows, weight)
        limited = self.rules.max_leaf_nodes > 0
        return Room(rows, weight, held, outputs=self.target.outputs, limited=limited, widest=widest)

    def table(self, room: Room) -> NDArray[np.float64]:
        """Return the rules as the kernels read them."""
        rules, held, total = self.rules, room.held, float(room.weight.sum())
        out = np.zeros(kernels.RULES)
        out[kernels.TRIED] = rules.max_features
        out[kernels.LEAST_ROWS_SPLIT] = rules.min_samples_split
        out[kernels.LEAST_ROWS] = rules.min_samples_leaf
        out[kernels.LEAST_WEIGHT] = rules.min_weight_fraction * total / held.h_unit
        out[kernels.MAX_DEPTH] = rules.max_depth or np.inf
        out[kernels.LEAST_GAIN] = rules.min_impurity_decrease * total / self._gain_unit(held)
        out[kernels.MAX_LEAVES] = rules.max_leaf_nodes
        out[kernels.ENTROPY] = rules.criterion == "entropy"
        out[kernels.CONSTRAINED] = self.direction.any()
        return out

    def _gain_unit(self, held: Payload) -> float:
        bits = np.log(2) if self.rules.criterion == "entropy" else 1.0
        if self.target.vectors is not None:
            return held.g_unit**2 * held.h_unit / bits / self.target.parts
        if self.target.classes:
            # scikit-learn's entropy is in bits.
            return held.h_unit / bits
        twice = 1.0 if self.rules.criterion == "squared_error" else 2.0
        return twice * held.g_unit**2 / held.h_unit

    def tree(
        self,
        room: Room,
        size: int,
        threshold: NDArray[np.float32],
        n_bins: NDArray[np.int64] | None = None,
    ) -> DeepTree:
        """Return the tree of the first ``size`` nodes.

        Args:
            room: Where they were written.
            size: How many there are.
            threshold: What values are compared with at each, (size,).
            n_bins: Bins of each feature, where some are categories.
        """
        nodes, held = room.nodes[:size], room.held
        by_row = np.zeros(self._rows)
        by_row[room.rows] = room.weight
        leaves = _Leaves(room.ordered, by_row, nodes)
        value = self._values(leaves, room.sums[:size], held)
        inner = nodes[:, kernels.LEFT] >= 0
        gain = np.where(inner, room.gains[:size], 0) * self._gain_unit(held)
        bins = np.zeros(self._features, np.int64) if n_bins is None else n_bins
        forest = _forest(nodes, room.sets, gain, value, leaves.weights, threshold, bins)
        decrease = np.bincount(nodes[inner, kernels.FEATURE], gain[inner], self._features)
        return DeepTree(forest=forest, impurity_decrease=decrease / room.weight.sum())

    def _values(
        self, leaves: "_Leaves", sums: NDArray[np.int64], held: Payload
    ) -> NDArray[np.float64]:
        """Return the nodes' values, (nodes, outputs): exact means, not those of rounded targets."""
        if self.target.vectors is not None:
            return np.stack([leaves.means(one) for one in self.target.values.T], axis=1)
        if self.target.classes:
            return sums[:, :-1] / sums[:, -1:]
        mean = leaves.means(self.target.values)[:, None]
        if self.direction.any():
            # Rounding must not undo what the splits were constrained to.
            mean = sums[:, :1] * (held.g_unit / held.h_unit) / sums[:, 1:] + self.target.middle
        return mean


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


def _forest(
    nodes: NDArray[np.int64],
    sets: NDArray[np.uint64],
    gains: NDArray[np.float64],
    value: NDArray[np.float64],
    cover: NDArray[np.float64],
    threshold: NDArray[np.float32],
    n_bins: NDArray[np.int64],
) -> Forest:
    left = nodes[:, kernels.LEFT].astype(np.int32)
    inner = left >= 0
    feature = np.where(inner, nodes[:, kernels.FEATURE], 0).astype(np.int32)
    categorical = inner & (nodes[:, kernels.BIN] < 0)
    right = [_absent(sets[x], int(n_bins[feature[x]])) for x in np.flatnonzero(categorical)]
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
        n_features=len(n_bins),
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

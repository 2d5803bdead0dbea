"""The memory a tree grows in, kept from tree to tree."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_integer
from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.growing import _numba as kernels
from drivetrain.trees.growing.masks import Masks, folded
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.growing.tree import _numba as tree

UNLIMITED = 1 << 30
_NODES = 256
_SLOTS = 16


class Room:
    """Arrays of one tree: its rows, its nodes, and the histograms of those still open.

    Args:
        matrix: The data.
        growth: The rules.
        batch: Most nodes split at once.
        threads: Threads that work on it.
    """

    def __init__(self, matrix: BinnedMatrix, growth: Growth, *, batch: int, threads: int) -> None:
        self._matrix, self._growth = matrix, growth
        self._batch, self._threads = batch, threads
        self.table = table_of(matrix, growth)
        self._rows = np.empty(2 * len(matrix), np.uint32)
        # Parts of the other threads' lie before the nodes' own histograms.
        self._parts = batch * (threads - 1)
        width = matrix.n_features << matrix.shift
        codes = 1 << matrix.shift
        groups = -(-matrix.n_features // tree.GROUP)
        categorical = bool(matrix.cuts.categorical.any())
        masked = Masks.needed(growth)
        slots = self._parts + batch + _SLOTS
        pieces = len(matrix) // tree.SHORTEST + 6 * threads + 2 * batch
        self.space = tree.Space(
            nodes=np.zeros((_NODES, tree.NODE_COLUMNS), np.int64),
            records=np.zeros((_NODES, kernels.RECORD)),
            state=np.zeros(tree.STATE, np.int64),
            board=np.zeros((batch, tree.BOARD + threads), np.int64),
            free=np.zeros(slots, np.int64),
            pieces=np.zeros((pieces, tree.PIECE), np.int64),
            rows=self._rows.reshape(2, -1),
            pool=np.empty((slots, width), np.int64),
            found=np.zeros((batch, 2, groups, kernels.RECORD)),
        )
        # None where nothing is drawn, and where no feature is categorical.
        self.flags = np.ones((_NODES, 2, matrix.n_features), np.uint8) if masked else None
        self.tables = np.zeros((_NODES, codes), np.uint8) if categorical else None
        self.found_tables = np.zeros((batch, 2, groups, codes), np.uint8) if categorical else None
        self.scratch = np.empty((threads, 4, codes))
        self.goes_left = np.empty((threads, codes), np.uint8)
        self.seed = 0

    def begin(self, rows: NDArray[np.uint32] | None, seed: int) -> None:
        """Forget the last tree; only the root is left, with the given rows and a seed."""
        n = len(self._matrix) if rows is None else len(rows)
        # Side by side, also where they are fewer: strides would be another type, compiled anew.
        self.space = space = self.space._replace(rows=self._rows[: 2 * n].reshape(2, n))
        if rows is not None:
            space.rows[0] = rows
        state, root, first = space.state, space.nodes[0], self._parts
        state[:] = 0
        state[tree.NODES] = state[tree.FOUND] = 1
        # The root has the first slot.
        state[tree.FREE] = len(space.pool) - first - 1
        space.free[: state[tree.FREE]] = np.arange(len(space.pool) - 1, first, -1)
        space.board[:] = 0
        space.board[0, [tree.FRESH, tree.OTHER]] = first, -1
        root[:] = 0
        root[[tree.LEFT, tree.SLOT, tree.STOP, tree.PLACE]] = -1, first, n, 1
        space.records[0, [kernels.LOW, kernels.HIGH]] = -np.inf, np.inf
        self.seed = int(folded([seed]).view(np.int64))
        if self.flags is not None:
            masks = Masks(self._growth, self._matrix.n_features, seed)
            self.flags[0] = masks.root(), masks.tree

    def widen(self) -> None:
        """Make room for more nodes, and for more histograms, where either lacks."""
        space = self.space
        state = space.state
        state[tree.ASKS] = 0
        if state[tree.NODES] + 2 * self._batch > len(space.nodes):
            space = space._replace(nodes=_doubled(space.nodes), records=_doubled(space.records))
            self.flags = None if self.flags is None else _doubled(self.flags)
            self.tables = None if self.tables is None else _doubled(self.tables)
        if state[tree.FREE] < self._batch:
            held, count = len(space.pool), int(state[tree.FREE])
            space = space._replace(pool=_doubled(space.pool), free=_doubled(space.free))
            space.free[count : count + held] = np.arange(2 * held - 1, held - 1, -1)
            state[tree.FREE] += held
        self.space = space


def _doubled(held: NDArray[Any]) -> NDArray[Any]:
    # Zeros: what a leaf's record does not say is read by nobody, but must be a number.
    out = np.zeros((2 * len(held), *held.shape[1:]), held.dtype)
    out[: len(held)] = held
    return out


def table_of(matrix: BinnedMatrix, growth: Growth) -> tree.Table:
    """Return the data and the rules as the kernel takes them.

    Raises:
        ValueError: Constraints on features that there are not.
    """
    features = matrix.n_features
    given = growth.monotone_constraints
    if len(given) > features:
        raise ValueError(f"monotone_constraints must be at most {features} long. Got {len(given)}.")
    meeting = np.zeros((len(growth.interaction_constraints), features), np.uint8)
    for k, group in enumerate(growth.interaction_constraints):
        for feature in group:
            check_integer("interaction_constraints", feature, low=0, high=features - 1)
            meeting[k, feature] = 1
    bins, categorical = matrix.cuts.n_bins, matrix.cuts.categorical
    kinds = np.zeros((3, features), np.int64)
    kinds[tree.BINS] = np.where(categorical, 0, bins)
    kinds[tree.CATEGORIES] = np.where(categorical, bins, 0)
    kinds[tree.DIRECTION, : len(given)] = given
    return tree.Table(
        flat=matrix.rows.reshape(-1),
        stride=matrix.rows.shape[1],
        columns=matrix.columns,
        shift=matrix.shift,
        kinds=kinds,
        meeting=meeting,
        rules=_rules(growth),
    )


def _rules(growth: Growth) -> NDArray[np.float64]:
    rules = np.zeros(kernels.RULES)
    rules[kernels.L2], rules[kernels.L1] = growth.reg_lambda, growth.reg_alpha
    rules[kernels.LEAST], rules[kernels.STEP] = growth.min_child_weight, growth.max_delta_step
    rules[kernels.GAMMA] = growth.gamma
    rules[kernels.MAX_DEPTH] = growth.max_depth or UNLIMITED
    rules[kernels.ONE_HOT] = growth.max_cat_to_onehot
    rules[kernels.MOST_CATEGORIES] = growth.max_cat_threshold
    rules[kernels.MONOTONE] = any(growth.monotone_constraints)
    rules[kernels.LEVEL] = growth.colsample_bylevel
    rules[kernels.NODE_SHARE] = growth.colsample_bynode
    return rules

"""Margins and leaves of many rows, by blocks over threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.forest import Forest
from drivetrain.trees.prediction import _numba as kernels
from drivetrain.trees.prediction.levels import Levels, find_levels
from drivetrain.trees.prediction.packed import Packed, pack

_BLOCK = 64
# Rows a thread takes at a time, and how many there must be before threads are worth their start.
_PIECE = 4096

Floats = NDArray[np.float32]
Leaves = NDArray[np.int32]


class Predictor:
    """Predicts with one forest; packs it at its first use.

    Args:
        forest: The trees.
        threads: Threads; the sums are the same bits for any number.
    """

    def __init__(self, forest: Forest, *, threads: int = 1) -> None:
        self.forest = forest
        self.threads = threads

    @cached_property
    def _packed(self) -> list[Packed] | None:
        return pack(self.forest)

    @cached_property
    def _levels(self) -> Levels | None:
        return find_levels(self.forest) if self.forest.terms is None else None

    def margin(self, x: Floats, start: Floats) -> Floats:
        """Return ``start`` plus the leaf values of all trees, summed in float32 in their order.

        Args:
            x: Values, (n, F); NaN is missing.
            start: Base scores, (groups,) or (n, groups).

        Returns:
            Margins, (n, groups).

        Raises:
            ValueError: Another number of features, or a start of another shape.
        """
        x = self.forest.table(x)
        sums = np.empty((len(x), self.forest.n_groups), np.float32)
        try:
            sums[:] = start
        except ValueError:
            raise ValueError(
                f"start must be of shape {sums.shape} or {sums.shape[1:]}. Got {np.shape(start)}."
            ) from None
        if len(x) <= _PIECE:
            self._add(x, sums)
        else:
            self._each(lambda a, b: self._add(x[a:b], sums[a:b]), len(x))
        return sums

    def leaves(self, x: Floats) -> Leaves:
        """Return the leaf each row reaches in each tree, (n, T).

        Raises:
            ValueError: Another number of features.
        """
        x = self.forest.table(x)
        reached = np.empty((len(x), len(self.forest)), np.int32)

        def one(a: int, b: int) -> None:
            reached[a:b] = self._reach(x[a:b])

        self._each(one, len(x))
        return reached

    @cached_property
    def _add(self) -> Callable[[Floats, Floats], None]:
        """Return what adds the trees to the sums of a piece's rows."""
        if self.forest.terms is not None:
            return self._add_lines
        if self._levels is not None:
            return self._add_levels
        if self._packed is None:
            return self._add_plain
        return self._add_vectors if (self.forest.group < 0).any() else self._add_packed

    def _add_packed(self, x: Floats, sums: Floats) -> None:
        held = np.empty((_BLOCK + kernels.LANES, sums.shape[1]), np.float32)
        for run in self._packed or ():
            keys = _room(x, run.used)
            for a in range(0, len(x), _BLOCK):
                count = min(_BLOCK, len(x) - a)
                width = _load(x, a, count, run.used, keys)
                held[:count] = sums[a : a + count]
                kernels.walk(
                    keys, width, count, run.nodes, run.values, run.offsets, run.groups, held
                )
                sums[a : a + count] = held[:count]

    def _add_levels(self, x: Floats, sums: Floats) -> None:
        levels = self._levels
        assert levels is not None
        used, width = levels.used, x.shape[1] if levels.used is None else len(levels.used)
        keys = np.zeros((2 * width, _BLOCK), np.int32)
        places = np.empty(_BLOCK, np.int32)
        for a in range(0, len(x), _BLOCK):
            count = min(_BLOCK, len(x) - a)
            if used is None:
                kernels.load_columns(x.view(np.int32), a, count, keys)
            else:
                block = x[a : a + count].take(used, axis=1)
                kernels.load_columns(block.view(np.int32), 0, count, keys)
            kernels.walk_levels(
                keys, count, levels.levels, levels.feature, levels.threshold, levels.values,
                levels.offsets, levels.groups, places, sums[a : a + count],
            )  # fmt: skip

    def _add_vectors(self, x: Floats, sums: Floats) -> None:
        places = np.empty(_BLOCK + kernels.LANES, np.uint64)
        for run in self._packed or ():
            keys = _room(x, run.used)
            for a in range(0, len(x), _BLOCK):
                count = min(_BLOCK, len(x) - a)
                width = _load(x, a, count, run.used, keys)
                own = sums[a : a + count]
                kernels.walk_vectors(
                    keys, width, count, run.nodes, run.values, run.offsets, places, own
                )

    def _add_lines(self, x: Floats, sums: Floats) -> None:
        forest, terms = self.forest, self.forest.terms
        assert terms is not None
        kernels.add_lines(
            x, self._reach(x), forest.offsets, forest.value, terms.offsets, terms.feature,
            terms.coefficient, terms.constant, forest.group, sums,
        )  # fmt: skip

    def _add_plain(self, x: Floats, sums: Floats) -> None:
        reached = self._reach(x)
        for t in range(len(self.forest)):
            values = self.forest.value[self.forest.offsets[t] + reached[:, t]]
            group = int(self.forest.group[t])
            if group < 0:
                sums += values
            else:
                sums[:, group] += values[:, 0]

    def _reach(self, x: Floats) -> Leaves:
        """Return the leaf each row of a piece reaches in each tree, (n, T)."""
        reached = np.empty((len(x), len(self.forest)), np.int32)
        if self._packed is None:
            f = self.forest
            kernels.walk_plain(
                x, f.offsets, f.left, f.right, f.feature, f.threshold, f.default_left,
                f.categorical, f.set_offsets, f.sets, reached,
            )  # fmt: skip
            return reached
        for run in self._packed:
            trees = slice(run.first, run.first + len(run.groups))
            held = np.empty((_BLOCK + kernels.LANES, len(run.groups)), np.int32)
            keys = _room(x, run.used)
            for a in range(0, len(x), _BLOCK):
                count = min(_BLOCK, len(x) - a)
                width = _load(x, a, count, run.used, keys)
                kernels.walk_leaves(keys, width, count, run.nodes, run.names, run.offsets, held)
                reached[a : a + count, trees] = held[:count]
        return reached

    def _each(self, work: Callable[[int, int], None], n: int) -> None:
        pieces = [(a, min(n, a + _PIECE)) for a in range(0, n, _PIECE)]
        if self.threads == 1 or len(pieces) < 2:
            for piece in pieces:
                work(*piece)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda piece: work(*piece), pieces))


def _room(x: Floats, used: NDArray[np.int64] | None) -> Leaves:
    return np.empty(_BLOCK * 2 * (x.shape[1] if used is None else len(used)), np.int32)


def _load(x: Floats, first: int, count: int, used: NDArray[np.int64] | None, keys: Leaves) -> int:
    """Write the keys of a block of rows, of the used columns; return how many a row has."""
    if used is None:
        kernels.load_rows(x.view(np.int32), first, count, keys)
        return 2 * x.shape[1]
    block = x[first : first + count].take(used, axis=1)
    kernels.load_rows(block.view(np.int32), 0, count, keys)
    return 2 * len(used)

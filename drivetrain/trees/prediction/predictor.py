"""Margins and leaves of many rows, by blocks over threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.forest import Forest
from drivetrain.trees.prediction._numba import LANES, load_rows, walk, walk_plain
from drivetrain.trees.prediction.packed import Packed, can_pack, pack

_BLOCK = 64
# Rows a thread takes at a time, and how many there must be before threads are worth their start.
_PIECE = 4096


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
    def _packed(self) -> Packed | None:
        return pack(self.forest) if can_pack(self.forest) else None

    def margin(self, x: NDArray[np.float32], start: NDArray[np.float32]) -> NDArray[np.float32]:
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
        add = self._add_packed if self._packed is not None else self._add_plain
        self._each(lambda a, b: add(x, sums, a, b), len(x))
        return sums

    def leaves(self, x: NDArray[np.float32]) -> NDArray[np.int32]:
        """Return the leaf each row reaches in each tree, (n, T).

        Raises:
            ValueError: Another number of features.
        """
        x = self.forest.table(x)
        reached = np.empty((len(x), len(self.forest)), np.int32)
        self._each(lambda a, b: self._reach(x[a:b], reached[a:b]), len(x))
        return reached

    def _add_packed(
        self, x: NDArray[np.float32], sums: NDArray[np.float32], begin: int, end: int
    ) -> None:
        packed = self._packed
        assert packed is not None
        width = 2 * x.shape[1]
        keys = np.empty(_BLOCK * width, np.int32)
        held = np.empty((_BLOCK + LANES, sums.shape[1]), np.float32)
        bits = x.view(np.int32)
        for a in range(begin, end, _BLOCK):
            count = min(_BLOCK, end - a)
            load_rows(bits, a, count, keys)
            held[:count] = sums[a : a + count]
            walk(
                keys, width, count, packed.nodes, packed.values, packed.offsets, packed.groups, held
            )
            sums[a : a + count] = held[:count]

    def _reach(self, x: NDArray[np.float32], reached: NDArray[np.int32]) -> None:
        f = self.forest
        walk_plain(
            x,
            f.offsets,
            f.left,
            f.right,
            f.feature,
            f.threshold,
            f.default_left,
            f.categorical,
            f.set_offsets,
            f.sets,
            reached,
        )

    def _add_plain(
        self, x: NDArray[np.float32], sums: NDArray[np.float32], begin: int, end: int
    ) -> None:
        reached = np.empty((end - begin, len(self.forest)), np.int32)
        self._reach(x[begin:end], reached)
        for t in range(len(self.forest)):
            values = self.forest.value[self.forest.offsets[t] + reached[:, t]]
            group = int(self.forest.group[t])
            if group < 0:
                sums[begin:end] += values
            else:
                sums[begin:end, group] += values[:, 0]

    def _each(self, work: Callable[[int, int], None], n: int) -> None:
        pieces = [(a, min(n, a + _PIECE)) for a in range(0, n, _PIECE)]
        if self.threads == 1 or len(pieces) < 2:
            for piece in pieces:
                work(*piece)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda piece: work(*piece), pieces))

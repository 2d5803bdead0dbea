"""The column block of the XGBoost paper: every feature's rows, sorted by value once."""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.sketching._numba import sort_column

Floats = NDArray[np.float32]

_NONE = np.int32(0x7FFFFFFF)


@dataclass(frozen=True, kw_only=True, eq=False)
class SortedColumns:
    """Columns of n rows in compressed form, missing values left out, values rising.

    Attributes:
        offsets: Where each column begins, (F + 1,).
        rows: The row of each entry, (entries,).
        values: Its value, (entries,).
        n_rows: n.
    """

    offsets: NDArray[np.int64]
    rows: NDArray[np.uint32]
    values: Floats
    n_rows: int

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.offsets) - 1

    def of(self, feature: int) -> tuple[NDArray[np.uint32], Floats]:
        """Return a column's rows and values."""
        span = slice(int(self.offsets[feature]), int(self.offsets[feature + 1]))
        return self.rows[span], self.values[span]


def ordered_bits(values: Floats) -> NDArray[np.int32]:
    """Return whole numbers in the order of the values; NaN is the greatest, -0.0 below 0.0."""
    bits = values.view(np.int32)
    ordered = bits ^ ((bits >> 31) & _NONE)
    return np.where(np.isnan(values), _NONE, ordered).astype(np.int32)


def sort_columns(x: Floats, *, executor: Executor | None = None) -> SortedColumns:
    """Return the columns of a table, each sorted.

    Equal values stand in the order in which XGBoost's sort leaves them, so that sums over the
    rows are the same bits.

    Args:
        x: Values, (n, F); NaN is missing.
        executor: Where columns are sorted in parallel; in turn where None.
    """
    n, features = x.shape

    def one(f: int) -> tuple[NDArray[np.uint32], Floats]:
        # -0.0 and 0.0 are one value.
        column = np.ascontiguousarray(x[:, f], np.float32) + np.float32(0)
        rows = np.empty(n, np.uint32)
        size = sort_column(ordered_bits(column), np.empty(n, np.int64), rows)
        return rows[:size].copy(), column[rows[:size]]

    found = list((executor.map if executor else map)(one, range(features)))
    sizes = [len(rows) for rows, _ in found]
    empty = np.empty(0, np.uint32), np.empty(0, np.float32)
    return SortedColumns(
        offsets=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
        rows=np.concatenate([rows for rows, _ in [*found, empty]]),
        values=np.concatenate([values for _, values in [*found, empty]]),
        n_rows=n,
    )

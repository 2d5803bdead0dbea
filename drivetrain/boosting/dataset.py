"""What boosting learns from: values, labels, weights, and what the columns are called."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.queries import check_offsets, offsets_after, query_of_row, spread
from drivetrain.core.checks import check_array
from drivetrain.trees.binning.cuts import Cuts
from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.forest import Forest

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

# Columns with a row each; those of rank 1 or 2 become a column a target or group.
_RANKS: dict[str, tuple[int, ...]] = {
    "label": (1, 2),
    "weight": (1,),
    "base_margin": (1, 2),
    "label_bounds": (2,),
}


class Table(Protocol):
    """Values that are not in memory: read in blocks, binned once."""

    @property
    def n_features(self) -> int:
        """Number of features."""
        ...

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Yield all rows in order: the number of each block's first row, and its values, (m, F)."""
        ...

    def binned(self, find: Callable[..., Cuts], method: str, *, threads: int = 1) -> BinnedMatrix:
        """Return the rows as bins.

        Args:
            find: Called with some columns, (n, k), ``categorical=`` (k,) and ``executor=``.
            method: What tells this way of cutting from others.
            threads: Threads.
        """
        ...

    def walked(self, forest: Forest, margin: Floats, rows: Rows | None, threads: int) -> Floats:
        """Return the margins of all rows, or of some, with a forest's leaves added."""
        ...

    def take(self, rows: Rows) -> "Table":
        """Return some of the rows; their numbers must rise."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Rows and what is known of them.

    Attributes:
        x: Values, (n, F); NaN is missing. A categorical column holds the whole numbers
            of its categories. Without columns, (n, 0), where they are in a ``table``.
        label: Targets, (n,) or (n, targets), or None where only predictions are wanted.
        weight: Weight of each row, (n,), not negative, or None for 1 each. Where there are
            queries it may be given a query, (queries,); it is kept a row.
        base_margin: Margin to start from, (n,) or (n, groups), or None for the model's base score.
        group_offsets: Where each query's rows begin, (queries + 1,), or None.
        label_bounds: Least and greatest survival time of each row, (n, 2), or None.
        feature_names: A name a column.
        feature_types: XGBoost's word for each column (``float``, ``int``, ``i``, ``q``, ``c``), or
            none; kept for its files.
        categorical: Whether a column is categorical, (F,).
        categories: The values that the whole numbers of each categorical column stand for, by
            column; empty where they stand for themselves.
        table: Where the values are if they are not in memory.
    """

    x: Floats
    label: Floats | None = None
    weight: Floats | None = None
    base_margin: Floats | None = None
    group_offsets: NDArray[np.int64] | None = None
    label_bounds: Floats | None = None
    feature_names: tuple[str, ...] = ()
    feature_types: tuple[str, ...] = ()
    categorical: NDArray[np.bool_] | None = None
    categories: tuple[tuple[object, ...], ...] = ()
    table: Table | None = None

    def __post_init__(self) -> None:
        """Settle every column's type, shape and layout: the kernels take them as they are.

        Raises:
            TypeError: A column that is not numeric.
            ValueError: A column of another rank or length.
        """
        x = np.ascontiguousarray(check_array("x", self.x, ndim=2, dtype=np.float32))
        object.__setattr__(self, "x", x)
        if self.group_offsets is not None:
            offsets = check_offsets(self.group_offsets, len(x))
            object.__setattr__(self, "group_offsets", offsets)
        for name, ranks in _RANKS.items():
            given = getattr(self, name)
            if given is None:
                continue
            column = check_array(name, given, ndim=ranks, dtype=np.float32)
            if name == "weight":
                column = spread(column, self.group_offsets)
            if len(column) != len(x):
                raise ValueError(f"{name} must have {len(x)} rows. Got {len(column)}.")
            wide = column[:, None] if column.ndim == 1 and ranks == (1, 2) else column
            object.__setattr__(self, name, np.ascontiguousarray(wide))
        for name in ("feature_names", "feature_types", "categorical"):
            held = getattr(self, name)
            if held is not None and len(held) not in (0, self.n_features):
                raise ValueError(f"{name} must have {self.n_features} entries. Got {len(held)}.")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.x.shape[1]) if self.table is None else self.table.n_features

    @property
    def labels(self) -> Floats:
        """The targets, (n, targets).

        Raises:
            ValueError: There are none.
        """
        if self.label is None:
            raise ValueError("label is missing: training needs the rows' targets.")
        return self.label

    @property
    def target(self) -> Floats:
        """The only target, (n,)."""
        return self.labels[:, 0]

    @property
    def query_of_row(self) -> NDArray[np.int64] | None:
        """The number of each row's query, (n,), or None where there are none."""
        return None if self.group_offsets is None else query_of_row(self.group_offsets)

    def take_queries(self, queries: NDArray[np.int64]) -> "Dataset":
        """Return the rows of some queries.

        Args:
            queries: Their numbers, in any order.

        Raises:
            ValueError: There are no queries.
        """
        numbers = self.query_of_row
        if numbers is None:
            raise ValueError("group_offsets is missing: there are no queries to take.")
        return self.take(np.flatnonzero(np.isin(numbers, queries)))

    def take(self, rows: NDArray[np.int64]) -> "Dataset":
        """Return some of the rows, in their queries.

        Args:
            rows: Numbers of rows; where there are queries they must rise.
        """

        def some(column: Floats | None) -> Floats | None:
            return None if column is None else np.ascontiguousarray(column[rows])

        return Dataset(
            x=np.ascontiguousarray(self.x[rows]),
            label=some(self.label),
            weight=some(self.weight),
            base_margin=some(self.base_margin),
            group_offsets=None
            if self.group_offsets is None
            else offsets_after(self.group_offsets, rows),
            label_bounds=some(self.label_bounds),
            feature_names=self.feature_names,
            feature_types=self.feature_types,
            categorical=self.categorical,
            categories=self.categories,
            table=None if self.table is None else self.table.take(rows),
        )


def check_values(x: Floats, categorical: NDArray[np.bool_] | None) -> None:
    """Raise a ValueError that names the first infinite value, or the first that is no category."""
    if np.isinf(x).any():
        row, at = (int(v) for v in np.argwhere(np.isinf(x))[0])
        raise ValueError(f"x must not be infinite. Got {x[row, at]} at {row, at}.")
    for column in np.flatnonzero(() if categorical is None else categorical):
        codes = x[:, column]
        # 65535 stands for a missing value among 16 bits.
        strange = (codes < 0) | (codes >= 65535) | (codes != np.floor(codes))
        wrong = np.flatnonzero(strange & ~np.isnan(codes))
        if len(wrong):
            got = f"{codes[wrong[0]]} in row {wrong[0]}"
            raise ValueError(
                f"x column {column} holds categories: whole numbers below 65535. Got {got}."
            )

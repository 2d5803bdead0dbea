"""A table of numbers as trees read it, and what its columns are."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """What the columns of a table are: kept by a model, so that later tables mean the same.

    Attributes:
        names: A name a column; empty where there are none.
        categorical: Whether a column is categorical, (F,), or None for none.
        categories: What the whole numbers of each categorical column stand for, by column; empty
            where they stand for themselves.
    """

    names: tuple[str, ...] = ()
    categorical: NDArray[np.bool_] | None = None
    categories: tuple[tuple[object, ...], ...] = ()

    def words(self, column: int) -> tuple[object, ...]:
        """Return what the numbers of a column stand for; empty where for themselves."""
        return self.categories[column] if self.categories else ()

    def is_category(self, column: int) -> bool:
        """Return whether a column is categorical."""
        return self.categorical is not None and bool(self.categorical[column])


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Values as trees read them.

    Attributes:
        x: Values, (n, F), float32; NaN is missing.
        columns: What they are.
        types: XGBoost's word for each column: ``float``, ``int``, ``i`` (true or false), ``c``;
            empty where the table had no types.
    """

    x: Floats
    columns: Columns = field(default_factory=Columns)
    types: tuple[str, ...] = ()

    @property
    def given(self) -> dict[str, Any]:
        """The columns under the names of a ``Dataset``'s fields."""
        return {
            "feature_names": self.columns.names,
            "categorical": self.columns.categorical,
            "categories": self.columns.categories,
            "feature_types": self.types,
        }


def with_gaps(x: Floats, missing: float) -> Floats:
    """Return the values with NaN wherever they are the one that stands for a missing one."""
    if missing is None or np.isnan(missing):
        return x
    with np.errstate(over="ignore"):
        return np.where(x == np.float32(missing), np.float32(np.nan), x)

"""DMatrix: rows and what is known of them, by XGBoost's names."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.core.checks import check_array


class DMatrix:
    """Rows with labels, weights and names.

    Args:
        data: Values, (n, F): an array, a data frame, or a scipy sparse matrix, whose absent
            entries are missing.
        label: Targets, (n,) or (n, targets).
        weight: Weight of each row.
        base_margin: Margin to start from, (n,) or (n, groups).
        missing: The value that stands for a missing one.
        feature_names: A name a column; a data frame's own where None.
        feature_types: ``c`` for columns that hold the whole numbers of categories, else ``q``.

    Raises:
        TypeError: Not numeric.
        ValueError: Lengths that do not fit.
    """

    def __init__(
        self,
        data: Any,
        label: ArrayLike | None = None,
        *,
        weight: ArrayLike | None = None,
        base_margin: ArrayLike | None = None,
        missing: float = np.nan,
        feature_names: Sequence[str] | None = None,
        feature_types: Sequence[str] | None = None,
    ) -> None:
        names = feature_names if feature_names is not None else _names(data)
        x = _dense(data)
        if not np.isnan(missing):
            x = np.where(x == np.float32(missing), np.float32(np.nan), x)
        if feature_types is not None and len(feature_types) != x.shape[1]:
            raise ValueError(
                f"feature_types must have {x.shape[1]} entries. Got {len(feature_types)}."
            )
        kinds = None if feature_types is None else np.array([k == "c" for k in feature_types])
        self.data = Dataset(
            x=x,
            label=label,  # type: ignore[arg-type]
            weight=weight,  # type: ignore[arg-type]
            base_margin=base_margin,  # type: ignore[arg-type]
            feature_names=tuple(map(str, names or ())),
            categorical=kinds,
        )

    def num_row(self) -> int:
        """Return the number of rows."""
        return len(self.data)

    def num_col(self) -> int:
        """Return the number of features."""
        return self.data.x.shape[1]

    def get_label(self) -> NDArray[np.float32]:
        """Return the labels."""
        return self.data.labels[:, 0] if self.data.labels.shape[1] == 1 else self.data.labels

    @property
    def feature_names(self) -> list[str] | None:
        """The features' names, or None."""
        return list(self.data.feature_names) or None


def _names(data: Any) -> list[str] | None:
    columns = getattr(data, "columns", None)
    return None if columns is None else [str(name) for name in columns]


def _dense(data: Any) -> NDArray[np.float32]:
    from scipy.sparse import issparse

    if issparse(data):
        held = data.tocoo()
        x = np.full(held.shape, np.nan, np.float32)
        x[held.row, held.col] = held.data
        return x
    return np.ascontiguousarray(check_array("data", data, ndim=2, dtype=np.float32))

"""One door for every kind of table: values as float32, words as the numbers of their categories."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.frames.chosen import Chosen, chosen_columns
from drivetrain.boosting.frames.sparse import dense
from drivetrain.boosting.frames.table import Columns, Table, with_gaps
from drivetrain.core.checks import check_array, check_choice
from drivetrain.core.errors import require

Floats = NDArray[np.float32]


def is_frame(data: Any) -> bool:
    """Return whether the data is a data frame: pandas, polars, pyarrow, or what narwhals knows.

    Raises:
        MissingDependency: It may be one, but narwhals, which would know, is not installed.
    """
    if isinstance(data, np.ndarray | list | tuple) or is_sparse(data) or _is_tensor(data):
        return False
    narwhals = require("narwhals.stable.v2", "drivetrain[frames]")
    return bool(narwhals.dependencies.is_into_dataframe(data))


def is_array(data: Any) -> bool:
    """Return whether the data is what numpy alone makes an array of."""
    return not (is_sparse(data) or _is_tensor(data) or is_frame(data))


def is_sparse(data: Any) -> bool:
    """Return whether the data is a scipy sparse matrix or array."""
    # There is none where nobody has imported scipy.sparse, which takes a tenth of a second.
    scipy = sys.modules.get("scipy.sparse")
    return scipy is not None and bool(scipy.issparse(data))


def _is_tensor(data: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(data, torch.Tensor)


def read_table(
    data: Any,
    *,
    missing: float = np.nan,
    categorical: Chosen = "from_dtype",
    known: Columns | None = None,
    unknown: str = "error",
) -> Table:
    """Return any table as float32.

    A data frame's columns become numbers: integers, floats, booleans and decimals as they are,
    nulls as NaN, categories and words as the place of their value among the column's categories.
    A sparse matrix' absent entries are missing, as in XGBoost, and not zero; it is spread into
    the dense table trees are grown on, without an index a value.

    Args:
        data: A data frame, a scipy sparse matrix, a torch tensor, or what numpy makes an array.
        missing: The value that stands for a missing one, besides NaN.
        categorical: Which columns are categorical: ``from_dtype`` for categories and words of a
            data frame, None for none, or a list of masks, places or names.
        known: The columns a model was fitted on: their categories are kept.
        unknown: What to do with a category that is not among the known: ``error`` or ``missing``.

    Raises:
        TypeError: A column that holds no numbers: dates, lists, mixed objects. It is named.
        ValueError: A category that is not known, another type of column than the model's.

    Example:
        >>> import numpy as np
        >>> read_table(np.eye(2), missing=0).x
        array([[ 1., nan],
               [nan,  1.]], dtype=float32)
    """
    check_choice("unknown", unknown, ("error", "missing"))
    if is_frame(data):
        # Here, so that arrays need not wait for narwhals.
        from drivetrain.boosting.frames.frame import of_frame

        return of_frame(data, missing, categorical, known, unknown)
    x = dense(data) if is_sparse(data) else _array(data)
    table = Table(x=with_gaps(x, missing))
    if known is not None:
        return Table(x=table.x, columns=known)
    chosen = chosen_columns(categorical, x.shape[1], ())
    mask = np.isin(np.arange(x.shape[1]), sorted(chosen)) if chosen else None
    return Table(x=table.x, columns=Columns(categorical=mask))


def _array(data: Any) -> Floats:
    if _is_tensor(data):
        data = data.detach().float().cpu().numpy()
    array = np.asarray(data) if not isinstance(data, np.ndarray) else data
    if array.dtype == object:
        array = _plain(array)
    return np.ascontiguousarray(check_array("data", array, ndim=2, dtype=np.float32))


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return objects that are all numbers as numbers; None is missing."""
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"data must hold numbers: {error}.") from None

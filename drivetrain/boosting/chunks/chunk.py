"""One piece of the data: some rows, in the types that training keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_array
from drivetrain.core.errors import unknown

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Chunk:
    """Some rows and what is known of them.

    Attributes:
        x: Values, (m, F); NaN is missing.
        label: Targets, (m,) or (m, targets).
        weight: Weight of each row, (m,).
        base_margin: Margin to start from, (m,) or (m, groups).
        label_bounds: Least and greatest survival time, (m, 2).
        qid: The query of each row, (m,); the rows of a query stand together, also over the
            border of two chunks.
    """

    x: Any
    label: Any = None
    weight: Any = None
    base_margin: Any = None
    label_bounds: Any = None
    qid: Any = None

    def known(self) -> dict[str, NDArray[Any]]:
        """Return the columns that are there, the values apart."""
        held = {one.name: getattr(self, one.name) for one in fields(self)[1:]}
        return {name: column for name, column in held.items() if column is not None}

    @property
    def checksum(self) -> int:
        """A number that changes where the values do."""
        return crc32(self.x)


_NAMES = tuple(one.name for one in fields(Chunk))
_RANKS = {"weight": 1, "qid": 1, "label_bounds": 2}


def settled(given: Any, where: str) -> Chunk:
    """Return what a reader gave as a chunk whose columns have their types and fit each other.

    Args:
        given: A `Chunk`, a mapping with its names, or a tuple of x, label and weight.
        where: What the chunk is called.

    Raises:
        ValueError: It is none of these, or a column does not fit; the chunk is named.
    """
    try:
        raw = _named(given)
        x = np.ascontiguousarray(check_array("x", _dense(raw["x"]), ndim=2, dtype=np.float32))
        held: dict[str, Any] = {"x": x}
        for name in _NAMES[1:]:
            if raw.get(name) is not None:
                held[name] = _column(name, raw[name], len(x))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None
    return Chunk(**held)


def _named(given: Any) -> dict[str, Any]:
    if isinstance(given, Chunk):
        return {name: getattr(given, name) for name in _NAMES}
    if isinstance(given, Mapping):
        strange = [name for name in given if name not in _NAMES]
        if strange:
            raise unknown("column of a chunk", strange[0], _NAMES)
        if "x" not in given:
            raise ValueError("a chunk must have x.")
        return dict(given)
    if isinstance(given, tuple) and 1 <= len(given) <= 3:
        return dict(zip(_NAMES, given))
    raise ValueError(
        f"a chunk must be a tuple (x, label, weight), a dict or a Chunk. "
        f"Got {type(given).__name__}."
    )


def _dense(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x
    from scipy.sparse import issparse

    if not issparse(x):
        return x
    held = x.tocoo()
    dense = np.full(held.shape, np.nan, np.float32)
    dense[held.row, held.col] = held.data
    return dense


def _column(name: str, given: Any, rows: int) -> NDArray[Any]:
    dtype = np.int64 if name == "qid" else np.float32
    column = check_array(name, given, ndim=_RANKS.get(name, (1, 2)), dtype=dtype)
    if len(column) != rows:
        raise ValueError(f"{name} must have {rows} rows, as x has. Got {len(column)}.")
    return column[:, None] if column.ndim == 1 and name in ("label", "base_margin") else column

"""One column of a data frame as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """Values of a column.

    Attributes:
        values: (n,), float32; NaN is missing.
        kind: XGBoost's word: ``float``, ``int``, ``i`` for true and false, ``c`` for categories.
        words: What its whole numbers stand for; empty where for themselves.
    """

    values: Floats
    kind: str
    words: tuple[object, ...] = ()


def encode(series: "nw.Series[Any]", *, wanted: bool | None) -> Column:
    """Return a column as numbers.

    Args:
        series: The column.
        wanted: Whether it is categorical; its type decides where None.

    Raises:
        TypeError: It holds no numbers, or words although it is not categorical.
    """
    worded = _is_worded(series)
    if worded and wanted is False:
        raise TypeError(
            f"Column {series.name!r} holds {_type(series)}: make it categorical or numeric."
        )
    if worded:
        codes, words = _codes(series)
        return Column(values=_with_gaps(codes), kind="c", words=words)
    column = _numbers(series)
    return Column(values=column.values, kind="c") if wanted else column


def recode(
    series: "nw.Series[Any]",
    known: tuple[object, ...] | None,
    unknown: str,
    *,
    categorical: bool,
) -> Column:
    """Return a column as numbers that mean what they meant when a model was fitted.

    Args:
        series: The column.
        known: What the model's numbers stand for; None where the column is not categorical.
        unknown: ``error`` or ``missing``.
        categorical: Whether it was.

    Raises:
        TypeError: Words where the model was fitted on numbers.
        ValueError: A category that is not known.
    """
    if not categorical:
        return encode(series, wanted=False)
    if not _is_worded(series):
        numbers = _numbers(series)
        if not known:
            return Column(values=numbers.values, kind="c")
        # Values of a column that was categorical then and is plain numbers now.
        words, codes = np.unique(numbers.values, return_inverse=True)
        codes = np.where(np.isnan(numbers.values), -1, codes)
        own: Sequence[object] = words.tolist()
    else:
        codes, own = _codes(series)
        if not known:
            raise TypeError(
                f"Column {series.name!r} was whole numbers at fit. Got {_type(series)}."
            )
    return Column(values=_mapped(series.name, codes, own, known, unknown), kind="c", words=known)


def _mapped(
    name: str, codes: Codes, own: Sequence[object], known: tuple[object, ...], unknown: str
) -> Floats:
    place = {word: k for k, word in enumerate(known)}
    # One more at the end, where -1, a missing value, looks.
    table = np.array([place.get(word, -2) for word in own] + [-1], np.int64)
    found = table[codes]
    strange = np.flatnonzero(found == -2)
    if len(strange) and unknown == "error":
        row = int(strange[0])
        shown = ", ".join(map(repr, known[:5])) + (", ..." if len(known) > 5 else "")
        raise ValueError(
            f"Column {name!r} has a category that fitting did not see: {own[codes[row]]!r} in row"
            f" {row}. Known are {shown}."
        )
    return _with_gaps(found)


def _with_gaps(codes: Codes) -> Floats:
    return np.where(codes < 0, np.nan, codes).astype(np.float32)


def _type(series: "nw.Series[Any]") -> str:
    return "words" if series.dtype == nw.String else f"{series.dtype!s:.40}"


def _is_worded(series: "nw.Series[Any]") -> bool:
    return series.dtype in (nw.String, nw.Categorical, nw.Enum)


def _numbers(series: "nw.Series[Any]") -> Column:
    kind = series.dtype
    with np.errstate(over="ignore"):
        if kind.is_float():
            return Column(values=series.to_numpy().astype(np.float32), kind="float")
        if kind.is_integer() or kind == nw.Boolean:
            return Column(values=_whole(series), kind="i" if kind == nw.Boolean else "int")
        if kind == nw.Decimal:
            values = series.cast(nw.Float64).to_numpy()
            return Column(values=values.astype(np.float32), kind="float")
        if kind in (nw.Object, nw.Unknown):
            return Column(values=_objects(series), kind="float")
    raise TypeError(
        f"Column {series.name!r} holds {_type(series)}: trees take numbers, true and false, and"
        " categories."
    )


def _whole(series: "nw.Series[Any]") -> Floats:
    gaps = series.is_null()
    if not gaps.any():
        return series.to_numpy().astype(np.float32)
    zero = False if series.dtype == nw.Boolean else 0
    values = series.fill_null(zero).to_numpy().astype(np.float32)
    values[gaps.to_numpy().astype(np.bool_)] = np.nan
    return values


def _objects(series: "nw.Series[Any]") -> Floats:
    gaps = series.is_null().to_numpy().astype(np.bool_)
    values = np.full(len(gaps), np.nan, np.float32)
    for row in np.flatnonzero(~gaps):
        one = series[int(row)]
        if isinstance(one, str | bytes) or np.ndim(one):
            raise TypeError(
                f"Column {series.name!r} mixes kinds of values: {one!r:.40} in row {row} is no"
                " number."
            )
        try:
            values[row] = one
        except (TypeError, ValueError):
            raise TypeError(
                f"Column {series.name!r} holds objects: {one!r:.40} in row {row} is no number."
            ) from None
    return values


def _codes(series: "nw.Series[Any]") -> tuple[Codes, tuple[object, ...]]:
    """Return the place of each value among the column's categories, -1 where it is missing."""
    gaps = series.is_null().to_numpy().astype(np.bool_)
    if isinstance(series.dtype, nw.Enum):
        words: tuple[object, ...] = tuple(series.dtype.categories)
    elif series.dtype == nw.Categorical and series.implementation.is_pandas_like():
        words = tuple(series.cat.get_categories().to_list())
    else:
        held = series.cast(nw.String) if series.dtype == nw.Categorical else series
        words = tuple(sorted(held.drop_nulls().unique().to_list()))
        return _places(held.to_list(), words, gaps), words
    if series.implementation.is_pandas_like():
        return series.to_native().cat.codes.to_numpy().astype(np.int64), words
    return _places(series.to_list(), words, gaps), words


def _places(values: Sequence[object], words: Sequence[object], gaps: NDArray[np.bool_]) -> Codes:
    place = {word: k for k, word in enumerate(words)}
    codes = np.fromiter((place.get(v, -1) for v in values), np.int64, len(values))
    codes[gaps] = -1
    return codes

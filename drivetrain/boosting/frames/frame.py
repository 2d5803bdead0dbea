"""A data frame's columns as one table of numbers."""

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from drivetrain.boosting.frames.chosen import Chosen, chosen_columns
from drivetrain.boosting.frames.columns import Column, encode, recode
from drivetrain.boosting.frames.table import Columns, Table, with_gaps


def of_frame(
    data: Any,
    missing: float,
    categorical: Chosen,
    known: Columns | None,
    unknown: str,
) -> Table:
    """Return a data frame as a table; ``read_table`` says how."""
    try:
        frame: Any = nw.from_native(data, eager_only=True)
        names = tuple(str(name) for name in frame.columns)
    except nw.exceptions.DuplicateError as error:
        twice = " ".join(str(error).split())
        raise ValueError(f"data must not name a column twice. {twice}") from None
    chosen = None if known else chosen_columns(categorical, len(names), names)
    made: list[Column] = []
    for k, series in enumerate(frame.iter_columns()):
        if known is not None:
            place = _place(known, names, k)
            words = known.words(place) if known.is_category(place) else None
            made.append(recode(series, words, unknown, categorical=known.is_category(place)))
        else:
            made.append(encode(series, wanted=None if chosen is None else k in chosen))
    x = np.empty((len(frame), len(made)), np.float32)
    for k, column in enumerate(made):
        x[:, k] = column.values if column.kind == "c" else with_gaps(column.values, missing)
    return Table(x=x, columns=_columns(names, made, known), types=tuple(c.kind for c in made))


def _columns(names: tuple[str, ...], made: Sequence[Column], known: Columns | None) -> Columns:
    if known is not None:
        return Columns(names=names, categorical=known.categorical, categories=known.categories)
    mask = np.array([column.kind == "c" for column in made], np.bool_)
    if not mask.any():
        return Columns(names=names)
    words = tuple(column.words for column in made)
    return Columns(names=names, categorical=mask, categories=words if any(words) else ())


def _place(known: Columns, names: tuple[str, ...], k: int) -> int:
    """Return the model's column that column k of a table must be: its own place.

    Raises:
        ValueError: Another number of columns, or another name in that place.
    """
    width = len(known.names) or (0 if known.categorical is None else len(known.categorical))
    if width and len(names) != width:
        lacking = [name for name in known.names if name not in names]
        missing = f" {lacking[0]!r} is missing." if lacking else ""
        raise ValueError(f"data must have the model's {width} columns. Got {len(names)}.{missing}")
    if known.names and names != known.names:
        wrong = next(j for j, (a, b) in enumerate(zip(names, known.names)) if a != b)
        raise ValueError(
            f"feature_names must be the model's: {known.names[wrong]!r} in place {wrong}."
            f" Got {names[wrong]!r}."
        )
    return k

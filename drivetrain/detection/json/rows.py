"""One object of Python's into a row of the columns: the meaning that the kernels reproduce."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.schema import (
    ABSENT,
    GOOD,
    INTEGER,
    NUMBERS,
    REAL,
    TEXT,
    WRONG,
    Field,
)

LEAST, GREATEST = -(2**63), 2**63 - 1


class Wider(Exception):
    """Lists of a length that the columns have no room for yet."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.width = width


def store(columns: Columns, row: int, values: Mapping[str, Any]) -> None:
    """Write the members that the schema wants into the row, and how each was found.

    Raises:
        Wider: The first list of points, whose length the columns take from it.
    """
    form = 0
    for key, (position, wanted) in columns.schema.fields.items():
        value = values.get(key)
        found = ABSENT if value is None else _put(columns, row, wanted, value)
        form |= found << (2 * position)
    columns.forms[row] = form


def _put(columns: Columns, row: int, wanted: Field, value: Any) -> int:
    if wanted.kind == INTEGER:
        return _whole(columns, row, wanted, value)
    if wanted.kind == REAL:
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
            return _wrong(columns, row, wanted, f"must be a number. Got {_shown(value)}.")
        columns.reals[wanted.slot, row] = as_float(value)
        return GOOD
    if wanted.kind == NUMBERS:
        return _list(columns, row, wanted, value)
    return GOOD


def _whole(columns: Columns, row: int, wanted: Field, value: Any) -> int:
    if isinstance(value, str):
        columns.words[wanted.slot, row] = value
        return TEXT
    if isinstance(value, (bool, np.bool_)):
        value = int(value)
    if not isinstance(value, Real) or value != value // 1:
        return _wrong(columns, row, wanted, f"must be a whole number. Got {_shown(value)}.")
    whole = int(value)  # type: ignore[call-overload]
    if not LEAST <= whole <= GREATEST:
        return _wrong(columns, row, wanted, f"must fit 64 bits. Got {_shown(whole)}.")
    columns.ints[wanted.slot, row] = whole
    return GOOD


def _list(columns: Columns, row: int, wanted: Field, value: Any) -> int:
    target = columns.points if wanted.slot else columns.boxes
    if isinstance(value, np.ndarray):
        value = value.tolist()
    numbers = isinstance(value, (list, tuple)) and all(
        isinstance(x, Real) and not isinstance(x, (bool, np.bool_)) for x in value
    )
    if not numbers:
        return _wrong(columns, row, wanted, f"must be a list of numbers. Got {_shown(value)}.")
    if len(value) == 0:
        return ABSENT
    if wanted.slot and target.shape[1] == 0:
        raise Wider(len(value))
    if len(value) != target.shape[1]:
        words = f"must hold {target.shape[1]} numbers. Got {len(value)}."
        return _wrong(columns, row, wanted, words)
    target[row] = [as_float(x) for x in value]
    return GOOD


def as_float(value: Any) -> float:
    """Return the nearest float64; integers beyond its range are infinite.

    Example:
        >>> as_float(10**400), as_float(3)
        (inf, 3.0)
    """
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _wrong(columns: Columns, row: int, wanted: Field, words: str) -> int:
    columns.faults[row, wanted.key] = words
    return WRONG


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python does not print integers of thousands of digits.
        return f"an integer of {value.bit_length()} bits"
    return text if len(text) <= 40 else text[:37] + "..."

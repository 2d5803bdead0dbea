"""Rows that belong together: where each query's rows begin and end."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array

Floats = NDArray[np.float32]
Offsets = NDArray[np.int64]


def offsets_of(qid: ArrayLike) -> Offsets:
    """Return where each query's rows begin, from the query of each row, (queries + 1,).

    Args:
        qid: Whole numbers, (n,), that never fall.

    Raises:
        TypeError: Not numbers.
        ValueError: They fall somewhere, or are no whole numbers; the row is named.

    Example:
        >>> offsets_of([4, 4, 4, 9, 9]).tolist()
        [0, 3, 5]
    """
    numbers = check_array("qid", qid, ndim=1, dtype=np.int64)
    falls = np.flatnonzero(numbers[1:] < numbers[:-1])
    if len(falls):
        row = int(falls[0]) + 1
        raise ValueError(
            f"qid must not fall: sort the rows by query. "
            f"Got {numbers[row]} after {numbers[row - 1]} in row {row}."
        )
    starts = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
    ends = [len(numbers)] if len(numbers) else []
    return np.concatenate([[0], starts, ends]).astype(np.int64)


def check_offsets(given: ArrayLike, rows: int) -> Offsets:
    """Return offsets that rise from 0 to the number of rows.

    Raises:
        ValueError: They do not.
    """
    offsets = np.ascontiguousarray(check_array("group_offsets", given, ndim=1, dtype=np.int64))
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != rows or (np.diff(offsets) < 0).any():
        raise ValueError(f"group_offsets must rise from 0 to {rows}. Got {offsets.tolist()!r:.60}.")
    return offsets


def spread(weight: Floats, offsets: Offsets | None) -> Floats:
    """Return a weight for each row: those of queries are given to all their rows."""
    if offsets is None or len(weight) == offsets[-1] or len(weight) != len(offsets) - 1:
        return weight
    return np.repeat(weight, np.diff(offsets))


def query_of_row(offsets: Offsets) -> NDArray[np.int64]:
    """Return the number of each row's query, (n,)."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def offsets_after(offsets: Offsets, rows: NDArray[np.int64]) -> Offsets:
    """Return the offsets of some of the rows; queries of which none is left are gone.

    Raises:
        ValueError: The rows mix queries.
    """
    numbers = query_of_row(offsets)[rows]
    if (np.diff(numbers) < 0).any():
        raise ValueError("rows of queries must be taken in rising order.")
    return offsets_of(numbers)

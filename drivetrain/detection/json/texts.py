"""Text in a file, read where it is asked for."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.objects import end_of_value, value_at
from drivetrain.detection.json.schema import ABSENT, GOOD, TEXT
from drivetrain.detection.json.source import Source


class Texts(Sequence[str]):
    """Strings of a file, decoded when they are looked at; what is no string reads as empty.

    The part of the file that holds them is copied, so that the file may change or go.

    Args:
        source: The file.
        spans: Where each begins and ends, (n, 2); (-1, -1) where there is none.
    """

    def __init__(self, source: Source, spans: NDArray[np.int64]) -> None:
        there = spans[:, 1] > spans[:, 0]
        self._begin = int(spans[there, 0].min()) if there.any() else 0
        end = int(spans[there, 1].max()) if there.any() else 0
        self._copy = Source(source.name, bytes(source.buffer[self._begin : end]) or b" ")
        self._spans = np.where(there[:, None], spans - self._begin, 0)

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, which: int) -> str: ...
    @overload
    def __getitem__(self, which: slice) -> list[str]: ...
    def __getitem__(self, which: int | slice) -> str | list[str]:
        if isinstance(which, slice):
            return [self[i] for i in range(len(self))[which]]
        begin, end = self._spans[which].tolist()
        value = value_at(self._copy, begin, end) if end > begin else ""
        return value if isinstance(value, str) else ""


def spans_of(columns: Columns, key: str) -> NDArray[np.int64]:
    """Return where the values of a member are, (n, 2); (-1, -1) where it is absent."""
    _, wanted = columns.schema.fields[key]
    spans = columns.spans[wanted.slot]
    if not columns.any_found(key, ABSENT):
        return spans
    return np.where((columns.form(key) == GOOD)[:, None], spans, -1)


def text_ids(columns: Columns, key: str, source: Source) -> dict[int, str]:
    """Return the ids that are text, by row."""
    _, wanted = columns.schema.fields[key]
    found: dict[int, str] = {}
    if not columns.any_found(key, TEXT):
        return found
    read: dict[bytes, Any] = {}
    for row in np.flatnonzero(columns.form(key) == TEXT).tolist():
        word = columns.words.get((wanted.slot, row))
        if word is None:
            begin = int(columns.ints[wanted.slot, row])
            end = end_of_value(source, begin)
            raw = bytes(source.buffer[begin:end])
            if raw not in read:
                read[raw] = value_at(source, begin, end)
            word = read[raw]
        found[row] = word
    return found

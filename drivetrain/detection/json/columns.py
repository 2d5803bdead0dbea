"""The columns that a scan fills, a row an object."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.json.schema import Schema

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(kw_only=True, eq=False)
class Columns:
    """What was read of n objects; where a field is absent its cells hold anything.

    Attributes:
        schema: Which member is where.
        ints: Whole numbers, (slots, n); of a field that is text, the position of its quote.
        reals: Numbers, (slots, n).
        boxes: Lists of the first kind, (n, 4 or 5).
        points: Lists of the second kind, (n, their length).
        spans: Begin and end of values that are read later, (slots, n, 2).
        forms: How each field was found, two bits each, (n,).
        places: Position of each object in the file, (n,).
        words: Text of a field that Python read, by (slot, row).
        faults: What is wrong with a field, by (row, key).
    """

    schema: Schema
    ints: Ints
    reals: Floats
    boxes: Floats
    points: Floats
    spans: Ints
    forms: NDArray[np.int32]
    places: Ints
    words: dict[tuple[int, int], str] = field(default_factory=dict)
    faults: dict[tuple[int, str], str] = field(default_factory=dict)

    @classmethod
    def empty(cls, schema: Schema, rows: int, width: int = 0) -> "Columns":
        """Return columns of so many rows, of which none is filled.

        Memory that is never written is never taken from the machine, so rows may be a bound.
        """
        return cls(
            schema=schema,
            ints=np.empty((len(schema.integers), rows), np.int64),
            reals=np.empty((len(schema.reals), rows)),
            boxes=np.empty((rows, schema.box_width if schema.boxes else 0)),
            points=np.empty((rows, width)),
            spans=np.empty((len(schema.spans), rows, 2), np.int64),
            forms=np.zeros(rows, np.int32),
            places=np.empty(rows, np.int64),
        )

    def __len__(self) -> int:
        return len(self.forms)

    def form(self, key: str) -> NDArray[np.int32]:
        """Return how the member was found in each row."""
        position, _ = self.schema.fields[key]
        return (self.forms >> (2 * position)) & 3

    @cached_property
    def kinds(self) -> frozenset[int]:
        """The forms that occur; not to be asked for while rows are being filled."""
        if len(self.forms) and (self.forms == self.forms[0]).all():
            return frozenset([int(self.forms[0])])
        return frozenset(np.unique(self.forms).tolist())

    def any_found(self, key: str, *how: int) -> bool:
        """Return whether the member was found in one of these ways in any row."""
        position, _ = self.schema.fields[key]
        return any((kind >> (2 * position)) & 3 in how for kind in self.kinds)

    def move(self, source: slice, target: int) -> None:
        """Copy rows down to ``target``, over what stands there."""
        n = source.stop - source.start
        if n == 0 or source.start == target:
            return
        for rows in self._by_row():
            rows[target : target + n] = rows[source]

    def take(self, rows: Ints) -> "Columns":
        """Return copies of some rows."""
        moved = {row: i for i, row in enumerate(rows.tolist())} if self.words else {}
        return Columns(
            schema=self.schema,
            ints=self.ints[:, rows],
            reals=self.reals[:, rows],
            boxes=self.boxes[rows],
            points=self.points[rows],
            spans=self.spans[:, rows],
            forms=self.forms[rows],
            places=self.places[rows],
            words={(k, moved[row]): v for (k, row), v in self.words.items() if row in moved},
        )

    def head(self, n: int) -> "Columns":
        """Return the first n rows, of the same memory."""
        return Columns(
            schema=self.schema,
            ints=self.ints[:, :n],
            reals=self.reals[:, :n],
            boxes=self.boxes[:n],
            points=self.points[:n],
            spans=self.spans[:, :n],
            forms=self.forms[:n],
            places=self.places[:n],
            words=self.words,
            faults=self.faults,
        )

    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """Return the arrays in the order that the kernel takes them."""
        return tuple(
            value
            for one in fields(self)
            if isinstance(value := getattr(self, one.name), np.ndarray)
        )

    def _by_row(self) -> Iterator[NDArray[np.generic]]:
        yield from self.ints
        yield from self.reals
        yield from self.spans
        yield from (self.boxes, self.points, self.forms, self.places)

"""Templates: the text of an object without its values, and what to read in the gaps."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.schema import (
    CONSTANT,
    END,
    NUMBERS,
    SKIP,
    SPAN,
    WORDS,
    WRONG,
    Field,
)

MOST = 16
"""Templates kept an array; objects that fit none of so many are read by Python's json."""

POINTS = 1
"""The slot of the longer lists."""

_NUMBER = re.compile(rb"-?[0-9][0-9.eE+-]*")


class Operation(NamedTuple):
    """Text to be passed, what to read behind it, where to store it."""

    text: bytes
    what: int
    slot: int = 0
    which: int = 0


class Member(NamedTuple):
    """A member of an object: its key, and where its value begins and ends."""

    key: str
    begin: int
    end: int


@dataclass(frozen=True, eq=False)
class Templates:
    """The templates found so far; adding one makes new arrays, so that threads may share them."""

    known: tuple[tuple[Operation, ...], ...] = ()
    heads: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    starts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    program: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 7), np.int64))
    text: NDArray[np.uint64] = field(default_factory=lambda: np.empty((0, 2), np.uint64))

    def plus(self, operations: tuple[Operation, ...], form: int, before: int) -> "Templates":
        """Return these and one more, unless it is known or they are too many.

        Args:
            operations: The template.
            form: How its fields are found, as in a row's form.
            before: Bytes between the end of the last object and the brace of this one.
        """
        if operations in self.known or len(self.known) >= MOST:
            return self
        words = [_words(one.text) for one in operations]
        after = len(self.text) + np.cumsum([len(one) for one in words])
        first = np.concatenate([[len(self.text)], after[:-1]])
        lengths = [len(one.text) for one in operations]
        rest = [(one.what, one.slot, one.which) for one in operations]
        program = np.column_stack([first, after, lengths, np.array(rest), _runs(operations)])
        return Templates(
            known=(*self.known, operations),
            heads=np.concatenate([self.heads, [[form, before]]]),
            starts=np.append(self.starts, self.starts[-1] + len(operations)),
            program=np.concatenate([self.program, program]),
            text=np.concatenate([self.text, *words]),
        )


def _runs(operations: Sequence[Operation]) -> list[int]:
    """Return how many numbers of a list follow, each behind the same short text; 0 for none."""
    runs: list[int] = []
    behind: Operation | None = None
    for one in reversed(operations):
        fits = one.what == NUMBERS and one.slot == POINTS and 0 < len(one.text) <= 8
        same = runs and behind is not None and one[:3] == behind[:3]
        runs.append((runs[-1] + 1 if same else 1) if fits else 0)
        behind = one
    return runs[::-1]


def _words(text: bytes) -> NDArray[np.uint64]:
    padded = len(text) + -len(text) % 8
    read = [np.frombuffer(one.ljust(padded, b"\0"), "<u8") for one in (text, b"\xff" * len(text))]
    return np.column_stack(read).astype(np.uint64)


def operations(
    text: bytes, before: int, members: list[Member], values: Mapping[str, Any], columns: Columns
) -> Iterator[Operation]:
    """Yield the template of an object that has just been stored.

    Args:
        text: From the end of the last object to the end of this one.
        before: Position of its brace in the text.
        members: Its members in their order, positions in the text.
        values: The same as Python's json reads them.
        columns: Where they were stored.

    Raises:
        LookupError: The object holds what a template cannot: a wrong type, NaN, a key twice.
    """
    if len(values) != len(members):
        raise LookupError("a key that comes twice")
    done = 0
    for member in members:
        _, wanted = columns.schema.fields.get(member.key, (0, Field(member.key, SKIP, 0)))
        for begin, end, what, which in _reads(text, member, values[member.key], wanted):
            yield Operation(text[done:begin], what, wanted.slot, which)
            done = end
    yield Operation(text[done:], END)


def _reads(
    text: bytes, member: Member, value: Any, wanted: Field
) -> Iterator[tuple[int, int, int, int]]:
    """Yield begin, end, what and which of all that is read of one member."""
    if wanted.kind == SKIP or (wanted.kind == SPAN and value is not None):
        yield member.begin, member.end, wanted.kind, 0
    elif value is None:
        return
    elif wanted.kind == NUMBERS:
        if not all(_finite(x) for x in value):
            raise LookupError("NaN in a list")
        places = _NUMBER.finditer(text, member.begin, member.end)
        for which, place in enumerate(places):
            yield place.start(), place.end(), NUMBERS, which
    elif isinstance(value, bool):
        # Its letters are part of the text that follows.
        yield member.begin, member.begin, CONSTANT, int(value)
    elif isinstance(value, str):
        yield member.begin, member.end, WORDS, 0
    elif _finite(value):
        yield member.begin, member.end, wanted.kind, 0
    else:
        raise LookupError("not a number")


def _finite(value: Any) -> bool:
    return isinstance(value, int) or value - value == 0.0


def fit_for_a_template(form: int) -> bool:
    """Return whether no field of a row of this form is wrong.

    Example:
        >>> fit_for_a_template(0b0101), fit_for_a_template(0b1101)
        (True, False)
    """
    while form:
        if form & 3 == WRONG:
            return False
        form >>= 2
    return True

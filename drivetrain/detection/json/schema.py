"""Which members of an object are wanted, and in which column each is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

# What an operation reads: the kinds of fields, and what else a template may hold.
INTEGER, REAL, NUMBERS, SPAN, SKIP, WORDS, CONSTANT, END = range(8)

# How a field of a row was found: two bits each in the row's form.
ABSENT, GOOD, TEXT, WRONG = range(4)


class Field(NamedTuple):
    """A member that is read: its key, what it holds, and its place among those that hold alike."""

    key: str
    kind: int
    slot: int


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The members that are read of each object in an array.

    Attributes:
        entry: What one object is called in messages.
        integers: Keys of whole numbers (ids may be text).
        reals: Keys of numbers.
        boxes: Key of a list of ``box_width`` numbers, or empty.
        points: Key of a list of numbers of any length that all objects share, or empty.
        spans: Keys of values that are read later, from where they stand.
        box_width: Numbers in ``boxes``.

    Example:
        >>> schema = Schema(entry="detection", integers=("image_id",), reals=("score",))
        >>> schema.fields["score"]
        (1, Field(key='score', kind=1, slot=0))
    """

    entry: str
    integers: Sequence[str] = ()
    reals: Sequence[str] = ()
    boxes: str = ""
    points: str = ""
    spans: Sequence[str] = ()
    box_width: int = 4
    fields: dict[str, tuple[int, Field]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lists = [(key, slot) for slot, key in enumerate((self.boxes, self.points)) if key]
        every = [
            *(Field(key, INTEGER, slot) for slot, key in enumerate(self.integers)),
            *(Field(key, REAL, slot) for slot, key in enumerate(self.reals)),
            *(Field(key, NUMBERS, slot) for key, slot in lists),
            *(Field(key, SPAN, slot) for slot, key in enumerate(self.spans)),
        ]
        known = {one.key: (position, one) for position, one in enumerate(every)}
        object.__setattr__(self, "fields", known)

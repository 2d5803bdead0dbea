"""Entries of a COCO file that lack what they need: refused by index, id and byte position."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.findings import tell
from drivetrain.detection.issues import Issue, Issues
from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.schema import ABSENT, GOOD, TEXT, WRONG

Flags = NDArray[np.bool_]


def check_entries(
    columns: Columns, *, source: str, needed: Iterable[str], issues: Issues
) -> Columns:
    """Return the entries in which no member is wrong and no needed one is missing.

    Args:
        columns: The entries.
        source: Their file, for messages.
        needed: Keys that each must have.
        issues: Where findings are told.

    Raises:
        ValueError: An entry is not so, unless ``issues.lenient``, which drops it.
    """
    wrong = [(key, WRONG) for key in columns.schema.fields]
    bad = [
        _refuse(columns, key, source, form, issues)
        for key, form in (*wrong, *((key, ABSENT) for key in needed))
        if columns.any_found(key, form)
    ]
    return columns.take(np.flatnonzero(~np.logical_or.reduce(bad))) if bad else columns


def _refuse(columns: Columns, key: str, source: str, form: int, issues: Issues) -> Flags:
    bad = np.asarray(columns.form(key) == form)
    kind = f"{'bad' if form == WRONG else 'missing'}-{key.replace('_', '-')}"

    def issue_of(row: int) -> Issue:
        words = columns.faults.get((row, key), "is missing or null.")
        return entry_issue(columns, row, source, kind, f"{key} {words}")

    tell(issues, np.flatnonzero(bad), issue_of)
    return bad


def entry_issue(columns: Columns, row: int, source: str, kind: str, words: str) -> Issue:
    """Return the issue of one entry that is dropped for it, with its byte position."""
    place = int(columns.places[row])
    return Issue(
        kind=kind,
        source=source,
        what=f"{words} {columns.schema.entry} at byte {place}",
        done="dropped",
        entry=row,
        id=_id(columns, row),
        place=place,
    )


def _id(columns: Columns, row: int) -> int | None:
    if "id" not in columns.schema.fields or columns.form("id")[row] != GOOD:
        return None
    return int(columns.ints[columns.schema.fields["id"][1].slot, row])


def whole(columns: Columns, key: str, default: int) -> NDArray[np.int64]:
    """Return a member's whole numbers, the default where it is absent."""
    _, wanted = columns.schema.fields[key]
    values = columns.ints[wanted.slot]
    if all_good(columns, key):
        return values
    return np.where(columns.form(key) == GOOD, values, default)


def all_good(columns: Columns, key: str) -> bool:
    """Return whether every entry has the member."""
    return not columns.any_found(key, ABSENT, TEXT, WRONG)


def is_text(columns: Columns, key: str) -> bool:
    """Return whether a member is text in any entry."""
    return columns.any_found(key, TEXT)

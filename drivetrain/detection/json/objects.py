"""Objects that Python reads: the first of each kind, and all that no template fits."""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from drivetrain.detection.json._numba import DEPTH, skip
from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.failure import BrokenJson, broken
from drivetrain.detection.json.rows import store
from drivetrain.detection.json.schema import SPAN
from drivetrain.detection.json.source import Source
from drivetrain.detection.json.templates import (
    Member,
    Templates,
    fit_for_a_template,
    operations,
)

_KEY = re.compile(rb'[ \t\n\r,{]*("(?:[^"\\]|\\.)*")[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)


def end_of_value(source: Source, place: int) -> int:
    """Return where the value at ``place`` ends, whatever it is.

    Raises:
        BrokenJson: It is not JSON.
    """
    end, error, beyond_ascii = skip(source.data, place, np.empty(DEPTH, np.uint8))
    if error:
        raise broken(source, end, error)
    if beyond_ascii:
        check_utf8(source, place, end)
    return int(end)


def check_utf8(source: Source, begin: int, end: int) -> None:
    """Raise BrokenJson for the first byte between two positions that is not UTF-8."""
    try:
        with memoryview(source.buffer) as whole, whole[begin:end] as part:
            str(part, "utf8")
    except UnicodeDecodeError as error:
        place = begin + error.start
        raise BrokenJson(f"{source.name}: not UTF-8 at byte {place}: {error.reason}.") from None


def value_at(source: Source, begin: int, end: int) -> Any:
    """Return a value as Python's json reads it.

    Raises:
        BrokenJson: It is not JSON, not UTF-8, or holds an integer of more digits than Python reads.
    """
    try:
        return json.loads(bytes(source.buffer[begin:end]))
    except (ValueError, RecursionError) as error:
        raise BrokenJson(f"{source.name}: from byte {begin}: {error}") from None


def members(source: Source, begin: int, end: int) -> Iterator[Member]:
    """Yield the members of the object between two positions, of which the syntax is known."""
    place = begin
    while match := _KEY.match(source.buffer, place, end):
        place = end_of_value(source, match.end())
        yield Member(json.loads(match[1]), match.end(), place)


def read_object(
    source: Source, since: int, begin: int, columns: Columns, row: int, templates: Templates
) -> tuple[int, Templates]:
    """Read the object at ``begin`` into the row; return its end, and the templates with its own.

    Args:
        source: The file.
        since: Where the object before it ended.
        begin: Position of its brace.
        columns: Where to store it.
        row: In which row.
        templates: Those known.

    Raises:
        BrokenJson: It is not JSON.
        Wider: See ``rows.store``.
    """
    end = end_of_value(source, begin)
    values = value_at(source, begin, end)
    store(columns, row, values)
    columns.places[row] = begin
    held = list(members(source, begin, end))
    for member in held:
        _, wanted = columns.schema.fields.get(member.key, (0, None))
        if wanted and wanted.kind == SPAN:
            columns.spans[wanted.slot, row] = member.begin, member.end
    form = int(columns.forms[row])
    if not fit_for_a_template(form):
        return end, templates
    moved = [Member(one.key, one.begin - since, one.end - since) for one in held]
    text = bytes(source.buffer[since:end])
    if b"," not in text[: begin - since]:
        # The first of its list: a template of it would let objects follow without a comma.
        return end, templates
    try:
        found = tuple(operations(text, begin - since, moved, values, columns))
    except LookupError:
        return end, templates
    return end, templates.plus(found, form, begin - since)

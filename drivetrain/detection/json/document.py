"""The top of a COCO file: a list of objects, or an object of such lists."""

import json
from collections.abc import Mapping

from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.failure import END_OF_TEXT, OPENING, broken
from drivetrain.detection.json.objects import end_of_value
from drivetrain.detection.json.scan import scan_array
from drivetrain.detection.json.schema import Schema
from drivetrain.detection.json.source import Source


def read_sections(
    source: Source, wanted: Mapping[str, Schema], *, alone: str = "annotations", threads: int = 1
) -> dict[str, Columns]:
    """Return the wanted arrays of a COCO file as columns; those it lacks are not there.

    Args:
        source: The file: an object, of which the last of equal keys counts, or a list.
        wanted: Keys of the arrays, and what to read of their objects.
        alone: Which of them a file is that is only a list.
        threads: How many threads read; the result does not depend on it.

    Raises:
        BrokenJson: It is not JSON, or a wanted member is not a list of objects.

    Example:
        >>> source = Source("a.json", b'[{"id": 3}, {"id": 5}]')
        >>> wanted = {"annotations": Schema(entry="annotation", integers=("id",))}
        >>> read_sections(source, wanted)["annotations"].ints.tolist()
        [[3, 5]]
    """
    begin = source.begin
    opening = source.byte(begin)
    if opening == b"[":
        columns, end = scan_array(source, begin + 1, wanted[alone], threads=threads)
        found = {alone: columns}
    elif opening == b"{":
        found, end = _object(source, begin + 1, wanted, threads)
    else:
        raise broken(source, begin, OPENING)
    end = source.blank(end)
    if end < len(source.data):
        raise broken(source, end, END_OF_TEXT)
    return found


def _object(
    source: Source, place: int, wanted: Mapping[str, Schema], threads: int
) -> tuple[dict[str, Columns], int]:
    found: dict[str, Columns] = {}
    place = source.blank(place)
    if source.byte(place) == b"}":
        return found, place + 1
    while True:
        key, place = _key(source, place)
        if key not in wanted:
            place = end_of_value(source, place)
        elif source.byte(place) == b"[":
            found[key], place = scan_array(source, place + 1, wanted[key], threads=threads)
        else:
            raise broken(source, place, f"a list of objects in {key!r}")
        place = source.blank(place)
        if source.byte(place) == b"}":
            return found, place + 1
        if source.byte(place) != b",":
            raise broken(source, place, 2)
        place = source.blank(place + 1)


def _key(source: Source, place: int) -> tuple[str, int]:
    """Return a key, and where its value begins."""
    if source.byte(place) != b'"':
        raise broken(source, place, 3)
    end = end_of_value(source, place)
    key = json.loads(bytes(source.buffer[place:end]))
    colon = source.blank(end)
    if source.byte(colon) != b":":
        raise broken(source, colon, 4)
    return str(key), source.blank(colon + 1)

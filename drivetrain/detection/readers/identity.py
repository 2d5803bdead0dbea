"""Ids that are text: which number stands for each, in truths and in detections alike."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.findings import tell
from drivetrain.detection.issues import Issue, Issues
from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.schema import GOOD, TEXT
from drivetrain.detection.json.source import Source
from drivetrain.detection.json.texts import text_ids
from drivetrain.detection.readers.entries import entry_issue, is_text

Ids = NDArray[np.int64]


def words_of(source: Source, entries: Columns, key: str) -> list[str]:
    """Return the ids of a member in their order if any is text, else nothing."""
    return sorted(set(text_ids(entries, key, source).values()))


def numbered(
    columns: Columns, key: str, source: Source, words: Sequence[str], issues: Issues
) -> tuple[Ids, NDArray[np.bool_]]:
    """Return a member as numbers, and which entries are refused.

    Args:
        columns: The entries.
        key: The id.
        source: Their file.
        words: The ids where they are text, else empty.
        issues: Where findings are told.

    Raises:
        ValueError: Numbers among text, text among numbers, or a text that is none of the words.
    """
    _, wanted = columns.schema.fields[key]
    ids = columns.ints[wanted.slot]
    if not words and not is_text(columns, key):
        return ids, np.zeros(len(columns), np.bool_)
    rank = {word: i for i, word in enumerate(words)}
    ids = ids.copy()
    spelled = text_ids(columns, key, source)
    for row, word in spelled.items():
        ids[row] = rank.get(word, -1)
    mixed = columns.form(key) == (GOOD if words else TEXT)
    unknown = (columns.form(key) == TEXT) & (ids < 0) & ~mixed

    def mixed_issue(row: int) -> Issue:
        got = repr(spelled[row]) if row in spelled else str(ids[row])
        other = "text" if words else "a number"
        return entry_issue(
            columns, row, source.name, "mixed-ids", f"{key} is {got}, but others are {other}."
        )

    def unknown_issue(row: int) -> Issue:
        words = f"{key} {spelled[row]!r} is not in the truth."
        return entry_issue(columns, row, source.name, f"unknown-{key[:-3]}", words)

    tell(issues, np.flatnonzero(mixed), mixed_issue)
    tell(issues, np.flatnonzero(unknown), unknown_issue)
    return ids, mixed | unknown

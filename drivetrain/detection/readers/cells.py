"""Cells: the columns of a CSV or Parquet file, as words and as numbers."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.core.errors import require
from drivetrain.detection.annotations import Flags, Floats
from drivetrain.detection.issues import Issues
from drivetrain.detection.readers.lines import read_text, refuse_file, refuse_line, shown

_PIECE = 4096


@dataclass(kw_only=True, eq=False)
class Table:
    """Columns as they were read: words, or numbers with their missing ones.

    Attributes:
        head: Names of the columns, in their order.
        columns: Values of each, n: str, or arrays.
        lines: Line of each row in its file, n, or none.
        source: The file.
    """

    head: Sequence[str]
    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int]
    source: str

    def __len__(self) -> int:
        return len(self.columns[self.head[0]]) if self.head else 0

    def words(self, name: str) -> list[str]:
        """Return a column as words; what is missing is empty."""
        values = self.columns[name]
        if isinstance(values, np.ndarray):
            whole = values.dtype.kind in "iu"
            return [str(one) if whole else word_of(one) for one in values.tolist()]
        return [one.strip() for one in values]

    def numbers(self, name: str) -> tuple[Floats, Flags]:
        """Return a column as numbers, and which of its rows hold none."""
        values = self.columns[name]
        if isinstance(values, np.ndarray) and values.dtype.kind in "iufb":
            return values.astype(np.float64), np.zeros(len(values), np.bool_)
        try:
            if "_" not in "".join(values):
                parsed = np.fromiter(map(float, values), np.float64, len(values))
                return parsed, np.zeros(len(values), np.bool_)
        except (TypeError, ValueError):
            pass
        return _one_by_one([word_of(one) for one in values])


def read_table(path: Path, issues: Issues) -> Table:
    """Return the columns of a CSV or Parquet file.

    Raises:
        ValueError: Not such a file, no line of names, a name twice, a row of another length.
        MissingDependency: A Parquet file, and pyarrow is not installed.
    """
    with path.open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    return _read_parquet(path) if parquet else _read_csv(path, issues)


def word_of(value: Any) -> str:
    """Return a cell as a word; what is missing is empty."""
    return "" if value is None or value != value else str(value).strip()


def _one_by_one(words: Sequence[str]) -> tuple[Floats, Flags]:
    parsed = [_number(word) for word in words]
    bad = np.array([one is None for one in parsed], np.bool_)
    return np.array([0.0 if one is None else one for one in parsed]), bad


def _number(word: str) -> float | None:
    try:
        return None if "_" in word else float(word)
    except ValueError:
        return None


def _read_csv(path: Path, issues: Issues) -> Table:
    text = read_text(path, issues) or ""
    lines: Sequence[int]
    columns = _plain_columns(text)
    if columns:
        lines = range(2, len(columns[0]) + 1)
    else:
        rows, lines = _told_rows(text, path, issues)
        columns = [list(column) for column in zip(*rows)]
    head = [column[0].strip() for column in columns]
    _check_head(path, head)
    cells = {name: column[1:] for name, column in zip(head, columns)}
    return Table(head=head, columns=cells, lines=lines, source=str(path))


def _reader(text: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text), strict=True)


def _plain_columns(text: str) -> list[list[str]]:
    """Return all columns of a table without quotes, gaps or defects; nothing for any other."""
    if '"' in text:
        return []
    reader = _reader(text)
    columns: list[list[str]] = []
    try:
        # In pieces: half a million rows alive at once cost twice the time, most of it in the
        # garbage collector.
        while piece := list(islice(reader, _PIECE)):
            columns = columns or [[] for _ in piece[0]]
            if set(map(len, piece)) != {len(columns)} or not all(map(any, piece)):
                return []
            for column, values in zip(columns, zip(*piece)):
                column.extend(values)
    except csv.Error:
        return []
    return columns


def _told_rows(text: str, path: Path, issues: Issues) -> tuple[list[list[str]], list[int]]:
    """Return the rows that have as many cells as the first, and the lines of all but the first."""
    reader = _reader(text)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if not any(row):
                continue
            if rows and len(row) != len(rows[0]):
                what = f"must have {len(rows[0])} cells, as the first line. Got {shown(row)}"
                refuse_line(issues, path, reader.line_num, "bad-line", what)
                continue
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        what = f"is no CSV from line {reader.line_num} on: {error}"
        refuse_file(issues, path, "bad-csv", what, place=reader.line_num)
    return rows, lines[1:]


def delimiter(text: str) -> str:
    """Return what parts the cells of the first line: a comma, a semicolon or a tab."""
    first = text.lstrip().split("\n", 1)[0]
    return max((",", ";", "\t"), key=first.count)


def _check_head(path: Path, head: Sequence[str]) -> None:
    if not head:
        raise ValueError(f"{path} is empty: its first line must name the columns.")
    if len(set(head)) != len(head):
        twice = next(name for name in head if head.count(name) > 1)
        raise ValueError(f"{path} names the column {twice[:60]!r} twice.")


def _read_parquet(path: Path) -> Table:
    arrow = require("pyarrow", "drivetrain[parquet]")
    parquet = require("pyarrow.parquet", "drivetrain[parquet]")
    try:
        table = parquet.read_table(path, use_threads=False)
        columns = {name: _cells(arrow, table.column(name)) for name in table.column_names}
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no Parquet file: {' '.join(str(error).split())}") from None
    head = list(table.column_names)
    _check_head(path, head)
    return Table(head=head, columns=columns, lines=(), source=str(path))


def _cells(arrow: Any, column: Any) -> Any:
    """Return a column as numbers where it holds nothing else, else as words."""
    kind = column.type
    number = arrow.types.is_floating(kind) or arrow.types.is_integer(kind)
    if number and not column.null_count:
        return column.to_numpy()
    return ["" if one is None else _text(one) for one in column.to_pylist()]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

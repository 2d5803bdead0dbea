"""An array of objects into columns: in pieces, on threads, verified to meet."""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.json._numba import (
    BEYOND_ASCII,
    CURRENT,
    DEPTH,
    LIMIT,
    POSITION,
    ROW,
    ROWS,
    scan,
)
from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.failure import OBJECT, BrokenJson, broken
from drivetrain.detection.json.objects import check_utf8, read_object
from drivetrain.detection.json.powers import powers_of_five, powers_of_ten
from drivetrain.detection.json.rows import Wider
from drivetrain.detection.json.schema import Schema
from drivetrain.detection.json.source import Source
from drivetrain.detection.json.templates import Templates

_BRACE = ord("{")


@dataclass(kw_only=True)
class Piece:
    """A stretch of the array, and how far its scan came.

    Attributes:
        begin: Behind the opening bracket, or behind the object before.
        limit: Where to stop, behind the last object.
        first: Whether it begins behind the bracket.
        row: Its first row.
        rows: How many it may fill.
        end: Where its scan stopped.
        filled: How many rows it filled.
        closed: Whether it met the closing bracket; ``end`` is behind it.
        beyond_ascii: Whether strings that were passed hold more than ASCII.
        error: What stopped it.
    """

    begin: int
    limit: int
    first: bool
    row: int
    rows: int
    end: int = 0
    filled: int = 0
    closed: bool = False
    beyond_ascii: bool = False
    error: BrokenJson | Wider | None = None


@dataclass(eq=False)
class Scan:
    """One array on its way into columns.

    Attributes:
        source: The file.
        columns: Where the objects go.
        templates: Those found so far, by any thread.
    """

    source: Source
    columns: Columns
    templates: Templates = field(default_factory=Templates)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, piece: Piece) -> Piece:
        """Read a piece; an error is kept, since the piece may not be one at all."""
        try:
            self._run(piece)
        except (BrokenJson, Wider) as error:
            piece.error = error
        # What is needed again (masks, names) comes back from the file's cache.
        self.source.forget(piece.begin, piece.end)
        return piece

    def _run(self, piece: Piece) -> None:
        cursor = np.zeros(6, np.int64)
        cursor[POSITION], cursor[LIMIT] = piece.begin, piece.limit
        cursor[ROW], cursor[ROWS] = piece.row, piece.row + piece.rows
        first = piece.first
        while True:
            if not first:
                self._by_template(cursor)
            piece.end, piece.filled = int(cursor[POSITION]), int(cursor[ROW]) - piece.row
            piece.beyond_ascii = bool(cursor[BEYOND_ASCII])
            if piece.end >= piece.limit:
                return
            begin = self._next(piece, first)
            if piece.closed:
                return
            self._by_python(cursor, begin)
            first = False

    def _by_template(self, cursor: NDArray[np.int64]) -> None:
        known = self.templates
        if not known.known:
            return
        cursor[CURRENT] = min(int(cursor[CURRENT]), len(known.known) - 1)
        scan(
            self.source.data,
            cursor,
            known.starts,
            known.heads,
            known.program,
            known.text,
            *self.columns.arrays(),
            np.empty(DEPTH, np.uint8),
            powers_of_ten(),
            powers_of_five(),
        )

    def _next(self, piece: Piece, first: bool) -> int:
        """Return where the next object begins; close the piece where there is none."""
        source = self.source
        place = source.blank(piece.end)
        if source.byte(place) == b"]":
            piece.end, piece.closed = place + 1, True
            return place
        if not first:
            if source.byte(place) != b",":
                raise broken(source, place, 2)
            place = source.blank(place + 1)
        if source.byte(place) != b"{":
            raise broken(source, place, OBJECT)
        return place

    def _by_python(self, cursor: NDArray[np.int64], begin: int) -> None:
        since, row = int(cursor[POSITION]), int(cursor[ROW])
        known = self.templates
        end, grown = read_object(self.source, since, begin, self.columns, row, known)
        if grown is not known:
            with self._lock:
                # Another thread may have added its own meanwhile.
                one, (form, before) = grown.known[-1], grown.heads[-1].tolist()
                self.templates = self.templates.plus(one, form, before)
                if one in self.templates.known:
                    cursor[CURRENT] = self.templates.known.index(one)
        cursor[POSITION], cursor[ROW] = end, row + 1


def scan_array(
    source: Source, place: int, schema: Schema, *, threads: int = 1
) -> tuple[Columns, int]:
    """Read an array of objects.

    Args:
        source: The file.
        place: Behind the opening bracket.
        schema: What to read of each object.
        threads: How many pieces are read at once; the result does not depend on it.

    Returns:
        The columns, and the position behind the closing bracket.

    Raises:
        BrokenJson: The text is not an array of objects, with the position of the first byte that
            is wrong.
    """
    width = 0
    while True:
        try:
            return _scan_array(source, place, schema, width, threads)
        except Wider as wider:
            width = wider.width


def _scan_array(
    source: Source, place: int, schema: Schema, width: int, threads: int
) -> tuple[Columns, int]:
    cuts = source.cuts
    bounds = np.concatenate([[place], cuts[cuts > place], [len(source.data)]])
    pieces = _pieces(source, bounds)
    job = Scan(source, Columns.empty(schema, pieces[-1].row + pieces[-1].rows, width))
    met: list[Piece] = []
    pending = _in_order(job, pieces, threads)
    for piece in pending:
        if met and met[-1].end != piece.begin:
            # It began inside a string or a nested list: what is left is one piece. Those that
            # still run write to its rows, so they must end first.
            pending.close()
            piece = _rest(job, met[-1], pieces[-1].limit)
        met.append(piece)
        if piece.error or piece.closed:
            break
    pending.close()
    if met[-1].error:
        raise met[-1].error
    last = met[-1]
    if not last.closed:
        raise broken(source, last.end, 2)
    if any(piece.beyond_ascii for piece in met):
        check_utf8(source, place, last.end)
    return _close_ranks(job.columns, met), last.end


def _pieces(source: Source, bounds: NDArray[np.int64]) -> list[Piece]:
    """Return the pieces with room for one row an opening brace, which is at most too much."""
    pieces, row = [], 0
    for k, (begin, end) in enumerate(zip(bounds.tolist(), bounds[1:].tolist())):
        rows = int(np.count_nonzero(source.data[begin:end] == _BRACE))
        pieces.append(Piece(begin=begin, limit=end, first=k == 0, row=row, rows=rows))
        row += rows
    return pieces


def _in_order(job: Scan, pieces: list[Piece], threads: int) -> Generator[Piece, None, None]:
    # The first piece is read here: it compiles the kernels and finds the templates.
    yield job.run(pieces[0])
    if threads == 1 or len(pieces) < 3:
        yield from map(job.run, pieces[1:])
        return
    with ThreadPoolExecutor(threads) as pool:
        tasks = [pool.submit(job.run, piece) for piece in pieces[1:]]
        try:
            for task in tasks:
                yield task.result()
        finally:
            for task in tasks:
                task.cancel()


def _rest(job: Scan, last: Piece, limit: int) -> Piece:
    row = last.row + last.filled
    _keep(job.columns, lambda at: at if at < row else None)
    rows = len(job.columns) - row
    return job.run(Piece(begin=last.end, limit=limit, first=False, row=row, rows=rows))


def _close_ranks(columns: Columns, met: list[Piece]) -> Columns:
    """Move the rows of all pieces together."""
    filled = 0
    moved: dict[int, int] = {}
    noted = bool(columns.words or columns.faults)
    for piece in met:
        rows = range(piece.row, piece.row + piece.filled)
        columns.move(slice(rows.start, rows.stop), filled)
        if noted:
            moved.update(zip(rows, range(filled, filled + piece.filled)))
        filled += piece.filled
    _keep(columns, moved.get)
    return columns.head(filled)


def _keep(columns: Columns, moved: Callable[[int], int | None]) -> None:
    """Give what is noted beside the rows their new numbers; forget it where there is none."""
    words, faults = columns.words.items(), columns.faults.items()
    columns.words = {(k, to): v for (k, row), v in words if (to := moved(row)) is not None}
    columns.faults = {(to, k): v for (row, k), v in faults if (to := moved(row)) is not None}

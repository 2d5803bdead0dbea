"""Stochastic approximation from the shell: summarize a stream, check a gain."""

import csv
import math
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, TextIO

import tyro

from drivetrain.commands.shell.messages import EXIT_FINDING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.approximation import Moments, Quantiles

BLOCK_ROWS = 65536
MISSING = frozenset({"", "NA", "NaN", "nan", "null", "None"})
STATISTICS = ("count", "missing", "mean", "std", "skew", "kurtosis", "min", "max")


@dataclass(frozen=True, kw_only=True)
class Summarize:
    """Moments and quantiles of a CSV file's columns, in one pass and constant memory."""

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """CSV file with a header line; - for standard input."""
    columns: tuple[str, ...] = ()
    """Columns to summarize; those whose first block holds numbers where none is named."""
    quantiles: tuple[float, ...] = (0.01, 0.25, 0.5, 0.75, 0.99)
    """Probabilities in [0, 1], estimated by a t-digest."""
    delimiter: str = ","
    """One character."""

    def __post_init__(self) -> None:
        for q in self.quantiles:
            if not 0 <= q <= 1:
                raise ValueError(f"quantiles must be in [0, 1]. Got {q}.")
        if len(self.delimiter) != 1:
            raise ValueError(f"delimiter must be one character. Got {self.delimiter!r}.")

    def run(self) -> None:
        """Read the file block by block and print a line a statistic."""
        from drivetrain.approximation import Moments, Quantiles

        with _opened(self.file) as file:
            reader = csv.reader(file, delimiter=self.delimiter)
            header = next(reader, None)
            if not header:
                raise ValueError(f"{self.file} is empty: a header line was expected.")
            first = list(islice(reader, BLOCK_ROWS))
            places = self._places(header, first)
            streams = {name: (Moments(order=4), Quantiles(self.quantiles)) for name in places}
            missing = dict.fromkeys(places, 0)
            for start, rows in _blocks(reader, first):
                for name, place in places.items():
                    block = _numbers(rows, place, name, start)
                    present = block[block == block]
                    missing[name] += len(block) - len(present)
                    for stream in streams[name]:
                        stream.update(present)
        table = [self._cells(name, missing[name], *streams[name]) for name in places]
        labels = ["", *STATISTICS, *(f"q{q:g}" for q in self.quantiles)]
        for line in zip(labels, *table):
            print(f"{line[0]:<10}" + "".join(f"{cell:>16}" for cell in line[1:]))

    def _places(self, header: list[str], first: list[list[str]]) -> dict[str, int]:
        from drivetrain.core.errors import unknown

        for name in self.columns:
            if name not in header:
                raise unknown("column", name, header)
        wanted = self.columns or header
        for name in wanted:
            if header.count(name) > 1:
                raise ValueError(f"{self.file} has {header.count(name)} columns named {name!r}.")
        places = {name: header.index(name) for name in wanted}
        if not self.columns:
            places = {n: place for n, place in places.items() if _is_numeric(first, place)}
        if not places:
            raise ValueError(f"{self.file} has no column of numbers. Got {', '.join(header)}.")
        return places

    def _cells(
        self, name: str, missing: int, moments: "Moments", quantiles: "Quantiles"
    ) -> list[str]:
        values = {**dict.fromkeys(STATISTICS, math.nan), "missing": missing, "count": moments.count}
        if moments.count:
            with warnings.catch_warnings():
                # A column of one value, or that does not vary, has no skewness: the table says so.
                warnings.simplefilter("ignore", RuntimeWarning)
                values.update({name: getattr(moments, name) for name in STATISTICS[2:]})
        points = quantiles.values if moments.count else [math.nan] * len(self.quantiles)
        return [
            name,
            *(f"{values[each]:.6g}" for each in STATISTICS),
            *(f"{p:.6g}" for p in points),
        ]


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Say whether a gain a*log(k)^p / (k + A)^alpha fulfils Robbins and Monro's conditions."""

    a: float = 1.0
    """Scale."""
    alpha: float = 1.0
    """Exponent."""
    A: float = 0.0
    """Stability constant."""
    log_power: float = 0.0
    """Power of the logarithm."""
    slope: float | None = None
    """Slope of the function at its root, to tell the rate as well."""

    def run(self) -> int:
        """Print a sentence a condition; 1 where one is broken."""
        from drivetrain.approximation import Gain as Family

        family = Family(self.a, self.alpha, self.A, self.log_power)
        with warnings.catch_warnings():
            # The report says it in words already.
            warnings.simplefilter("ignore")
            report = family.check(slope=self.slope)
        print("\n".join(report.reasons))
        return 0 if report.ok else EXIT_FINDING


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    try:
        if name == "-":
            if sys.stdin is None:
                raise ValueError("file must be readable. Got -, but standard input is closed.")
            yield sys.stdin
            return
        # Spreadsheets begin their files with a byte-order mark, which is no part of the header.
        with open(name, encoding="utf-8-sig", newline="") as file:
            yield file
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{name} must be CSV in UTF-8. Got {error}.") from None


def _blocks(
    reader: Iterator[list[str]], first: list[list[str]]
) -> Iterator[tuple[int, list[list[str]]]]:
    """Yield blocks of rows with the line number of their first row."""
    start, rows = 2, first
    while rows:
        yield start, rows
        start += len(rows)
        rows = list(islice(reader, BLOCK_ROWS))


def _is_numeric(rows: list[list[str]], place: int) -> bool:
    present = [row[place] for row in rows if len(row) > place and row[place] not in MISSING]
    try:
        list(map(float, present))
    except ValueError:
        return False
    return bool(present)


def _numbers(rows: list[list[str]], place: int, name: str, start: int) -> "NDArray[np.float64]":
    import numpy as np

    cells = [row[place] if len(row) > place else "" for row in rows]
    try:
        return np.array([math.nan if cell in MISSING else float(cell) for cell in cells])
    except ValueError:
        for line, cell in enumerate(cells, start):
            if cell not in MISSING and not _is_numeric([[cell]], 0):
                raise ValueError(
                    f"column {name!r} must hold numbers. Got {cell!r} in line {line}."
                ) from None
        raise

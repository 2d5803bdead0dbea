"""Shows rows as a table, losses as plainly as wins."""

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from drivetrain.bench.harness.case import Row

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {
    "win": "green",
    "met": "green",
    "loss": "red",
    "missed": "red",
    "unequal": "red",
    "missing": "yellow",
    "noted": "",
}
COLUMNS = ("case", "who", "time", "spread", "rate", "ratio", "goal", "first call", "memory", "")


def render(rows: Iterable[Row]) -> "Table":
    """Return a rich table of rows; a rule between cases."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("case", "who", "") else "right")
    for _, group in groupby(rows, key=lambda row: (row.method, row.case)):
        for number, row in enumerate(group):
            table.add_row(*cells(row, first=number == 0), style=STYLES[row.outcome])
        table.add_section()
    return table


def cells(row: Row, *, first: bool) -> tuple[str, ...]:
    """Return a row as ten short texts, in the order of ``COLUMNS``."""
    label = f"{row.method}/{row.case}" if first else ""
    if row.value is not None:
        figure = quantity(row.value, row.unit)
        return label, row.contender, "", "", figure, "", _goal(row), "", "", _verdict(row)
    return (
        label,
        row.contender,
        seconds(row.seconds),
        _spread(row),
        quantity(row.rate, row.unit) if row.rate else "",
        f"{row.ratio:.2f}x" if row.ratio else "",
        _goal(row),
        seconds(row.cold_seconds),
        quantity(float(row.peak_bytes), "B") if row.peak_bytes is not None else "",
        _verdict(row),
    )


def tally(rows: Iterable[Row]) -> str:
    """Return one line that counts outcomes: ``12 won, 1 lost, 5 met, 0 missed, ...``."""
    counted: list[str] = [row.outcome for row in rows]
    words = {"win": "won", "loss": "lost", "met": "met", "missed": "missed"}
    parts = [f"{counted.count(name)} {word}" for name, word in words.items()]
    parts += [f"{counted.count(n)} {n}" for n in ("unequal", "missing") if n in counted]
    return ", ".join(parts)


def seconds(value: float | None) -> str:
    """Return a time with three digits and the unit that suits it."""
    if value is None:
        return ""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def quantity(value: float, unit: str) -> str:
    """Return an amount with three digits; bytes, rates and counts get their prefix."""
    if unit.split("/")[0] in ("B", "values", "steps", "parameters"):
        for prefix, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if abs(value) >= scale:
                return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value:.4g} {unit}".strip()


def _spread(row: Row) -> str:
    if row.spread is None or not row.seconds:
        return ""
    low, high = row.spread
    return f"±{50 * (high - low) / row.seconds:.0f} %"


def _goal(row: Row) -> str:
    parts = [f"{row.floor:.4g}" if row.floor is not None else ""]
    parts.append(f"aim {row.aim:.4g}" if row.aim is not None else "")
    return ", ".join(part for part in parts if part)


def _verdict(row: Row) -> str:
    mark = {"win": "win", "loss": "loss", "met": "met", "missed": "missed"}.get(row.outcome, "")
    if row.outcome == "unequal":
        mark = "answers differ"
    return " · ".join(part for part in (mark, row.words) if part)

"""The twelve methods in one Markdown table: what is built, beside whom, at what ratio."""

from collections.abc import Sequence

from drivetrain.bench.harness.case import Row
from drivetrain.core.rooms import is_built, method_names, summary

HEADER = ("method", "state", "import", "peer", "ratio", "goals met")


def markdown(rows: Sequence[Row]) -> str:
    """Return the table; figures come from stored rows, and a method without any shows none.

    The ratio is that of the method's first race that has a goal: the peer's seconds over ours.
    """
    lines = [_line(HEADER), _line(["---"] * len(HEADER))]
    lines += [_line(_cells(method, rows)) for method in method_names()]
    return "\n".join(lines) + "\n"


def _cells(method: str, rows: Sequence[Row]) -> list[str]:
    title = summary(method).partition(":")[0]
    if not is_built(method):
        return [title, "planned", "", "", "", ""]
    mine = [row for row in rows if row.method == method]
    races = [row for row in mine if row.ratio is not None and row.floor is not None]
    headline = ["", ""]
    if races:
        headline = [f"{races[0].contender}, {races[0].case}", f"{races[0].ratio:.2f}x"]
    return [title, "works", f"`drivetrain.{method}`", *headline, _goals(mine)]


def _goals(rows: Sequence[Row]) -> str:
    reached = [row for row in rows if row.outcome == "met" or _beat(row)]
    short = [row for row in rows if row.outcome == "missed" or _lost(row)]
    return f"{len(reached)} of {len(reached) + len(short)}" if reached or short else ""


def _beat(row: Row) -> bool:
    return row.outcome == "win" and row.floor is not None


def _lost(row: Row) -> bool:
    return row.outcome == "unequal" or (row.outcome == "loss" and row.floor is not None)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"

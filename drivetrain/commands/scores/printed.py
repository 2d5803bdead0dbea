"""Results as a person reads them in a terminal."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from drivetrain.detection.issues import Issues
    from drivetrain.detection.result import Result

LONGEST = 20


def print_results(results: "Mapping[str, Result]", *, classes: bool) -> None:
    """Print each style's numbers, and its classes where asked for."""
    for name, result in results.items():
        counted = (
            f"{len(result.found):,} detections, {len(result.truth):,} truths, "
            f"{len(result.image_ids):,} images, {len(result.category_ids):,} classes"
        )
        print(f"{name}, {result.task}: {counted}")
        _print_table(
            ("number", "value", "IoU", "area", "detections"),
            (_numbers_row(result, at) for at in range(len(result.numbers))),
        )
        if classes:
            _print_table(("class", "AP", "AP50", "AR", "truths", "detections"), _class_rows(result))


def print_issues(issues: "Issues") -> None:
    """Print the findings: how many of each kind, and the first of each in full."""
    if not len(issues):
        return
    first = {issue.kind: issue for issue in reversed(issues.found)}
    print(f"{len(issues):,} findings in the data")
    rows = [
        (kind, f"{count:,}", first[kind].done, str(first[kind]))
        for kind, count in issues.counts.items()
    ]
    _print_table(("kind", "times", "done", "the first"), rows[:LONGEST], words=("the first",))


def print_rows(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, words: Sequence[str] = ()
) -> None:
    """Print a table whose first column names the row and whose others are numbers, or words."""
    _print_table(header, rows, words=words)


def shown(value: float) -> str:
    """Return a number with four decimals, a dash where it is undefined.

    Example:
        >>> shown(0.5), shown(float("nan"))
        ('0.5000', '–')
    """
    return "–" if math.isnan(value) else f"{value:.4f}"


def _numbers_row(result: "Result", at: int) -> tuple[str, ...]:
    number = result.numbers[at]
    kept = "all" if number.cap is None else str(number.cap)
    area = {"r": "rare classes", "c": "common classes", "f": "frequent classes"}.get(
        number.frequency, number.area
    )
    return (
        number.key,
        shown(number.value),
        number.over,
        area,
        kept + (" an image" if number.per_image else ""),
    )


def _class_rows(result: "Result") -> Iterable[tuple[str, ...]]:
    for one in result.per_class():
        yield (
            one.name or str(one.id),
            *(shown(value) for value in (one.ap, one.ap50, one.ar)),
            f"{one.n_truths:,}",
            f"{one.n_detections:,}",
        )


def _print_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, words: Sequence[str] = ()
) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, name in enumerate(header):
        left = number == 0 or name in words
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for row in rows:
        # Names of classes may hold square brackets, which are no markup here.
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)

"""A result as text and as plain values: Markdown tables, and what JSON can hold."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from drivetrain.detection.summaries import ClassScore, Number

if TYPE_CHECKING:
    from drivetrain.detection.result import Result


def summary_table(numbers: Sequence[Number]) -> str:
    """Return the numbers as a Markdown table, each with what it is a mean of."""
    head = ("", "value", "IoU", "area", "detections")
    return markdown(head, (_summary_row(number) for number in numbers))


def class_table(classes: Sequence[ClassScore]) -> str:
    """Return the classes as a Markdown table."""
    head = ("class", "AP", "AP50", "AR", "truths", "detections")
    return markdown(
        head,
        (
            (
                one.name or str(one.id),
                shown(one.ap),
                shown(one.ap50),
                shown(one.ar),
                str(one.n_truths),
                str(one.n_detections),
            )
            for one in classes
        ),
    )


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, its columns padded so that it reads well as plain text.

    Example:
        >>> print(markdown(["class", "AP"], [["cat", ".5"]]))
        | class | AP |
        |-------|----|
        | cat   | .5 |
    """
    cells = [list(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    wide = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, wide)) + " |" for row in cells]
    rule = "|" + "|".join("-" * (w + 2) for w in wide) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def shown(value: float) -> str:
    """Return a number as tables show it: four decimals, a dash where it is undefined.

    Example:
        >>> shown(0.25), shown(float("nan"))
        ('.2500', '–')
    """
    if math.isnan(value):
        return "–"
    text = f"{value:.4f}"
    return text.removeprefix("0") if text.startswith("0") else text


def _summary_row(number: Number) -> tuple[str, str, str, str, str]:
    kept = "all" if number.cap is None else str(number.cap)
    if number.per_image:
        kept += " an image"
    groups = {"r": "rare classes", "c": "common classes", "f": "frequent classes"}
    area = groups.get(number.frequency, number.area)
    return number.key, shown(number.value), number.over, area, kept


def result_dict(result: "Result") -> dict[str, Any]:
    """Return a result as plain values, None where it is undefined."""
    issues = [asdict(issue) for issue in result.issues]
    return _plain(
        {
            "style": asdict(result.style),
            "task": result.task,
            "images": len(result.image_ids),
            "truths": len(result.truth),
            "detections": len(result.found),
            "summary": result.summary,
            "numbers": [asdict(number) for number in result.numbers],
            "classes": [asdict(one) for one in result.per_class()],
            "issues": {"counts": dict(result.issues.counts), "found": issues},
        }
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

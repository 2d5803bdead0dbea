"""The numbers that everyone quotes, style by style."""

import math
from collections.abc import Mapping

from drivetrain.detection.bootstrap import Interval
from drivetrain.detection.result import Result
from drivetrain.gallery.page.section import Figure, Table


def figures(
    results: Mapping[str, Result],
    others: Mapping[str, Result],
    differences: Mapping[str, Interval],
) -> list[Figure]:
    """Return a table a style, beside a second detector's numbers where there is one."""
    return [
        _figure(result, others.get(name), differences.get(name)) for name, result in results.items()
    ]


def _figure(result: Result, other: Result | None, difference: Interval | None) -> Figure:
    header: tuple[str, ...] = ("number", "value", "IoU", "area", "detections")
    if other is not None:
        header = ("number", "value", "the other", "difference", *header[2:])
    rows = []
    for at, number in enumerate(result.numbers):
        kept = "all" if number.cap is None else str(number.cap)
        kept += " an image" if number.per_image else ""
        cells = [number.key, shown(number.value)]
        if other is not None:
            theirs = other.numbers[at].value
            cells += [shown(theirs), shown(number.value - theirs, sign=True)]
        rows.append((*cells, number.over, number.frequency or number.area, kept))
    first = result.numbers[0]
    said = "is undefined" if math.isnan(first.value) else f"is {first.value:.4f}"
    return Figure(
        title=f"{result.style.name}: {first.key} {said}",
        caption="" if difference is None else _sureness(difference),
        table=Table(header=header, rows=tuple(rows), note=_why(result)),
    )


def _sureness(one: Interval) -> str:
    side = "above" if one.low > 0 else "below" if one.high < 0 else "around"
    return (
        f"Difference to the other detector {one.estimate:+.4f}; its {one.level:.0%} interval "
        f"{one.low:+.4f} to {one.high:+.4f} lies {side} 0: {len(one.replicates):,} resamples of "
        "the images, the same ones for both."
    )


def shown(value: float, *, sign: bool = False) -> str:
    """Return a number with six decimals, a dash where it is undefined."""
    return "–" if math.isnan(value) else f"{value:+.6f}" if sign else f"{value:.6f}"


def _why(result: Result) -> str:
    if not any(math.isnan(number.value) for number in result.numbers):
        return ""
    return "A dash: no truth of that kind is there to be found, so the number has no value."

"""Makes the report page of an evaluation: one self-contained file, no network, no script."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from drivetrain import __version__
from drivetrain.core.files import write_text
from drivetrain.detection.bootstrap import Interval
from drivetrain.detection.protocols import decompose
from drivetrain.detection.result import Result
from drivetrain.gallery.detection_report import (
    classes,
    confusions,
    curves,
    findings,
    gaps,
    headline,
    kinds,
    scenes,
)
from drivetrain.gallery.page.report import Part, render_report
from drivetrain.gallery.page.section import Figure


def write_report(
    results: Mapping[str, Result],
    out: str | os.PathLike[str],
    *,
    others: Mapping[str, Result] | None = None,
    differences: Mapping[str, Interval] | None = None,
    pictures: str | os.PathLike[str] | None = None,
) -> None:
    """Write the report of an evaluation as one self-contained HTML page.

    Args:
        results: Results of one or several styles on the same detections, by style name; the
            first one's classes, curves and mistakes are shown.
        out: The file. An older page there stays until the new one is whole.
        others: Results of a second detector, by the same styles.
        differences: Intervals of the first detector's number less the second's, by style.
        pictures: Folder of the image files, under the names that the truths give them.

    Raises:
        ValueError: No result.
        OSError: The file cannot be written.
    """
    if not results:
        raise ValueError("results must hold the result of a style. Got none.")
    folder = None if pictures is None else Path(pictures)
    parts = _parts(results, others or {}, differences or {}, folder)
    write_text(out, _rendered(parts, next(iter(results.values())), others or {}))


def _rendered(parts: Sequence[Part], first: Result, others: Mapping[str, Result]) -> str:
    compared = [f"Truths: {first.truth.source}", f"Detections: {first.found.source}"]
    compared += [f"The other detections: {one.found.source}" for one in list(others.values())[:1]]
    return render_report(
        parts,
        brand="drivetrain detection",
        title=f"{first.found.source}: {_headline(first)}",
        headline=_headline(first),
        lead=_lead(first),
        footer=("What was compared", [*compared, f"drivetrain {__version__}"]),
    )


def _parts(
    results: Mapping[str, Result],
    others: Mapping[str, Result],
    differences: Mapping[str, Interval],
    pictures: Path | None,
) -> list[Part]:
    first, *rest = results.values()
    made: dict[str, list[Figure | None]] = {
        "Numbers": [*headline.figures(results, others, differences)],
        "Precision and recall": [curves.figure(first)],
        "Classes": [classes.figure(first)],
        "Confusion": [confusions.figure(first)],
        "Kinds of errors": [kinds.figure(first)],
        "Gaps between protocols": [gaps.figure(decompose(first, each)) for each in rest],
        "Worst images": [scenes.figure(first, pictures)],
        "Data": [findings.figure(first.issues)],
    }
    return [
        Part(name=name, figures=[figure for figure in figures if figure is not None])
        for name, figures in made.items()
    ]


def _headline(result: Result) -> str:
    number = result.numbers[0]
    value = "undefined" if math.isnan(number.value) else f"{number.value:.4f}"
    return f"{number.key} {value}"


def _lead(result: Result) -> str:
    words = (
        f"{_counted(len(result.found), 'detection')} against "
        f"{_counted(len(result.truth), 'truth')} of "
        f"{_counted(len(result.category_ids), 'class')} in "
        f"{_counted(len(result.image_ids), 'image')}, judged by {result.style.name} rules, "
        f"task {result.task}."
    )
    if not len(result.truth):
        return words + " There are no truths: no number has a value."
    return words if len(result.found) else words + " Nothing was detected."


def _counted(number: int, what: str) -> str:
    if number == 1:
        return f"1 {what}"
    return f"{number:,} {what}{'es' if what.endswith('s') else 's'}"

"""Results as files: JSON for programs, a page for people."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain import __version__
from drivetrain.core.files import write_text

if TYPE_CHECKING:
    from drivetrain.detection.bootstrap import Interval
    from drivetrain.detection.protocols import Gap
    from drivetrain.detection.result import Result


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Everything that one run of the command found.

    Attributes:
        results: A result a style.
        others: The second detector's, by the same styles; empty without one.
        gaps: From the first style to each other.
        differences: Interval of the first detector's number less the second's, a style each.
    """

    results: "Mapping[str, Result]"
    others: "Mapping[str, Result]"
    gaps: "list[Gap]"
    differences: "Mapping[str, Interval]"


def write_json(path: Path, kept: Kept) -> None:
    """Write all numbers, classes and findings, null where a number is undefined.

    The file is written under another name and renamed, so it is never half there.
    """
    first = next(iter(kept.results.values()))
    held: dict[str, Any] = {
        "drivetrain": __version__,
        "truth": first.truth.source,
        "detections": first.found.source,
        "styles": {name: result.to_dict() for name, result in kept.results.items()},
        "gaps": [gap.to_dict() for gap in kept.gaps],
    }
    if kept.others:
        held["compared"] = {
            "detections": next(iter(kept.others.values())).found.source,
            "styles": {name: result.to_dict() for name, result in kept.others.items()},
            "differences": {name: _interval(one) for name, one in kept.differences.items()},
        }
    write_text(path, json.dumps(held, allow_nan=False, indent=1, ensure_ascii=False) + "\n")


def _interval(one: "Interval") -> dict[str, float | int | None]:
    numbers = {
        "estimate": one.estimate,
        "low": one.low,
        "high": one.high,
        "level": one.level,
        "share_above_zero": one.share_above_zero,
    }
    held: dict[str, float | int | None] = {
        name: value if math.isfinite(value) else None for name, value in numbers.items()
    }
    return {**held, "resamples": len(one.replicates)}


def write_report(path: Path, kept: Kept, *, pictures: Path | None) -> None:
    """Write the report page."""
    from drivetrain.gallery.detection_report.build import write_report as write

    write(
        kept.results,
        path,
        others=kept.others,
        differences=kept.differences,
        pictures=pictures,
    )

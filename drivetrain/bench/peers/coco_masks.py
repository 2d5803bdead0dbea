"""pycocotools.mask (C) as a contender: drawing, measuring and comparing run-length masks."""

from collections.abc import Callable, Sequence
from typing import Any

from drivetrain.core.errors import require

Written = Sequence[dict[str, Any]]
#: More masks in one call overflow pycocotools' area under numpy 2.
MOST = 255


def draw(polygons: list[list[float]], height: int, width: int) -> Callable[[], list[bytes]]:
    """Return a call that draws the polygons as compressed run lengths.

    Raises:
        MissingDependency: pycocotools is not installed.
    """
    mask: Any = require("pycocotools.mask", "drivetrain[peers]")
    return lambda: [one["counts"] for one in mask.frPyObjects(polygons, height, width)]


def measure(masks: Written) -> Callable[[], tuple[list[int], list[list[float]]]]:
    """Return a call that gives all areas and all boxes.

    Raises:
        MissingDependency: pycocotools is not installed.
    """
    mask: Any = require("pycocotools.mask", "drivetrain[peers]")
    parts = [list(masks[first : first + MOST]) for first in range(0, len(masks), MOST)]

    def run() -> tuple[list[int], list[list[float]]]:
        areas = [area for part in parts for area in mask.area(part).tolist()]
        return areas, [box for part in parts for box in mask.toBbox(part).tolist()]

    return run


def overlap(found: Written, truth: Written) -> Callable[[], list[list[float]]]:
    """Return a call that gives IoU of every pair.

    Raises:
        MissingDependency: pycocotools is not installed.
    """
    mask: Any = require("pycocotools.mask", "drivetrain[peers]")
    d, g, crowd = list(found), list(truth), [0] * len(truth)
    return lambda: mask.iou(d, g, crowd).tolist()

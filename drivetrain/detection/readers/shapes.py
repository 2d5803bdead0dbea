"""What the numbers of a YOLO line mean beyond a box: polygons, keypoints, rotated boxes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.detection.annotations import Floats
from drivetrain.detection.readers.told import Task

if TYPE_CHECKING:
    from drivetrain.detection.masks import Masks

Values = Sequence[Sequence[float]]

_EITHER = "cx cy w h, or the x y of three corners or more"
_WANTED = {
    "keypoints": "cx cy w h x1 y1 v1 ...",
    "rotated": "x1 y1 x2 y2 x3 y3 x4 y4",
}


@dataclass(kw_only=True, eq=False)
class Shapes:
    """Boxes in pixels, with the scores and further columns that their lines held."""

    boxes: Floats
    scores: Floats | None
    columns: dict[str, Any] = field(default_factory=dict)


def fault(values: Sequence[float], *, scored: bool, task: Task | None) -> str | None:
    """Return what a line should be, if its numbers after the class are none of a shape.

    Example:
        >>> fault([0.5, 0.5, 0.1], scored=False, task=None)
        'class cx cy w h, or the x y of three corners or more'
    """
    n = len(values) - scored
    polygon = n >= 6 and n % 2 == 0
    fits = {
        "keypoints": n > 4 and (n - 4) % 3 == 0,
        "rotated": n == 8,
    }.get(task or "", n == 4 or polygon)
    # Boxes that are no numbers are told later, with those of every other format.
    if fits and (n == 4 or all(math.isfinite(one) and abs(one) < 1e4 for one in values[:n])):
        return None
    return f"class {_WANTED.get(task or '', _EITHER)}{' confidence' * scored}"


def of_lines(values: Values, sizes: Floats, *, scored: bool, task: Task | None) -> Shapes:
    """Return the shapes of lines without fault.

    Args:
        values: The numbers of each line after the class; the confidence last, where scored.
        sizes: Height and width of each line's image in pixels, (n, 2).
        scored: Whether each line ends in a confidence.
        task: What was told. Unless that is keypoints or rotated boxes, four numbers are a box and
            more are a polygon, of which ``bbox`` takes the bounds and draws no mask.

    Raises:
        ValueError: Poses of different numbers of keypoints.
    """
    scores = np.array([line[-1] for line in values], np.float64) if scored else None
    lines = [line[:-1] for line in values] if scored else list(values)
    scale = sizes[:, ::-1]
    if task == "keypoints":
        return _poses(lines, scale, scores)
    if task == "rotated":
        return _rotated(lines, scale, scores)
    if any(len(line) != 4 for line in lines):
        return _polygons(lines, sizes, scores, drawn=task != "bbox")
    return Shapes(boxes=_boxes(np.array(lines).reshape(-1, 4), scale), scores=scores)


def _boxes(lines: Floats, scale: Floats) -> Floats:
    """Return x, y, width, height in pixels from centre and size in parts of the image."""
    width_height = lines[:, 2:] * scale
    return np.hstack([lines[:, :2] * scale - width_height / 2, width_height])


def _poses(lines: Values, scale: Floats, scores: Floats | None) -> Shapes:
    counts = {len(line) for line in lines}
    if len(counts) > 1:
        numbers = sorted((n - 4) // 3 for n in counts)
        raise ValueError(f"poses must have the same number of keypoints. Got {numbers}.")
    table = np.array(lines).reshape(len(lines), *(counts or {4}))
    points = table[:, 4:].reshape(len(lines), -1, 3).copy()
    points[:, :, :2] *= scale[:, None, :]
    columns = {"keypoints": points, "visible": (points[:, :, 2] > 0).sum(axis=1)}
    return Shapes(boxes=_boxes(table[:, :4], scale), scores=scores, columns=columns)


def _rotated(lines: Values, scale: Floats, scores: Floats | None) -> Shapes:
    corners = np.array(lines).reshape(-1, 4, 2) * scale[:, None, :]
    return Shapes(boxes=bounds(corners), scores=scores, columns={"rotated": rotated(corners)})


def rotated(corners: Floats) -> Floats:
    """Return centre, size and angle of the boxes with these corners, (n, 4, 2)."""
    from drivetrain.detection.overlap.rotated import rectangles

    return rectangles(corners) if len(corners) else np.empty((0, 5))


def bounds(corners: Floats) -> Floats:
    """Return x, y, width, height of the upright boxes around corners, (n, 4, 2).

    Example:
        >>> bounds(np.array([[[1.0, 2.0], [5.0, 2.0], [5.0, 9.0], [1.0, 9.0]]])).tolist()
        [[1.0, 2.0, 4.0, 7.0]]
    """
    low = corners.min(axis=1)
    return np.hstack([low, corners.max(axis=1) - low])


def _polygons(lines: Values, sizes: Floats, scores: Floats | None, *, drawn: bool) -> Shapes:
    """Return boxes around polygons, and their masks; a box is the polygon of its corners."""
    boxes, outlines = np.empty((len(lines), 4)), []
    for row, line in enumerate(lines):
        scale = sizes[row, ::-1]
        if len(line) == 4:
            boxes[row] = _boxes(np.array([line]), scale[None])[0]
            x, y, w, h = boxes[row]
            points = np.array([(x, y), (x, y + h), (x + w, y + h), (x + w, y)])
        else:
            points = np.array(line).reshape(-1, 2) * scale
            low = points.min(axis=0)
            boxes[row] = np.hstack([low, points.max(axis=0) - low])
        outlines.append(points.reshape(-1))
    shape = Shapes(boxes=boxes, scores=scores)
    if drawn:
        masks = _draw(outlines, sizes)
        shape.columns = {"masks": masks, "areas": masks.areas}
    return shape


def _draw(outlines: Sequence[Floats], sizes: Floats) -> "Masks":
    from drivetrain.detection.masks import Masks, from_polygons

    pairs = zip(outlines, sizes.astype(np.int64))
    return Masks.concatenate([from_polygons([outline], size) for outline, size in pairs])

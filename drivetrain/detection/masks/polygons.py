"""Masks drawn from polygons and boxes, the very pixels that COCO draws."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array
from drivetrain.detection.masks._numba import FARTHEST, draw
from drivetrain.detection.masks.columns import Masks, check_sizes, measured, offsets_of


def from_polygons(polygons: Sequence[ArrayLike], size: ArrayLike) -> Masks:
    """Return a mask a polygon; ``union`` makes one of the parts of an object.

    COCO walks the outline on a grid of fifths of a pixel; where it crosses the middle of a column,
    the row below the crossing begins or ends a run. The bits are those of that walk.

    Args:
        polygons: Corners x0, y0, x1, y1 ... of each, in pixels, three corners or more.
        size: Height and width of the picture.

    Raises:
        TypeError: Not numbers.
        ValueError: Fewer than three corners, half a corner, a coordinate that is not finite or
            beyond 2²⁷; the polygon is named.

    Example:
        >>> from_polygons([[1, 1, 3, 1, 3, 3, 1, 3]], (4, 4)).runs.tolist()
        [5, 2, 2, 2, 5]
    """
    shape = check_sizes(np.asarray(size).reshape(1, -1))
    corners = [_check_corners(i, one) for i, one in enumerate(polygons)]
    return _draw_all(corners, shape)


def from_boxes(boxes: ArrayLike, size: ArrayLike) -> Masks:
    """Return a mask a box, drawn as the polygon of its corners.

    Args:
        boxes: x, y, width, height in pixels, (n, 4).
        size: Height and width of the picture.

    Raises:
        TypeError: Not numbers.
        ValueError: Not (n, 4), or a corner that is not finite or beyond 2²⁷.

    Example:
        >>> from_boxes([[1, 1, 2, 2]], (4, 4)).runs.tolist()
        [5, 2, 2, 2, 5]
    """
    given = check_array("boxes", boxes)
    if given.ndim != 2 or given.shape[1] != 4:
        raise ValueError(f"boxes must be (n, 4). Got shape {given.shape}.")
    x0, y0, x1, y1 = given[:, 0], given[:, 1], given[:, 0] + given[:, 2], given[:, 1] + given[:, 3]
    around = np.stack([x0, y0, x0, y1, x1, y1, x1, y0], axis=1)
    shape = check_sizes(np.asarray(size).reshape(1, -1))
    return _draw_all([_check_corners(i, one) for i, one in enumerate(around)], shape)


def _check_corners(i: int, polygon: ArrayLike) -> NDArray[np.float64]:
    corners = check_array(f"polygon {i}", polygon, finite=True)
    if corners.ndim != 1 or len(corners) < 6 or len(corners) % 2:
        raise ValueError(
            f"polygon {i} must be x, y of three corners or more. Got {corners.size} numbers"
            f"{'' if corners.ndim == 1 else f' in an array of shape {corners.shape}'}."
        )
    if np.abs(corners).max() > FARTHEST:
        raise ValueError(
            f"polygon {i} must lie within 2**27 pixels. Got {np.abs(corners).max():g}."
        )
    return np.ascontiguousarray(corners)


def _draw_all(corners: list[NDArray[np.float64]], shape: NDArray[np.int32]) -> Masks:
    height, width = shape[0].tolist()
    parts = [draw(one, height, width) for one in corners]
    offsets = offsets_of(np.array([len(part) for part in parts], np.int64))
    runs = np.concatenate([np.empty(0, np.uint32), *parts])
    return measured(runs, offsets, np.repeat(shape, len(parts), axis=0))[0]

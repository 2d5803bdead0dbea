"""Rotated boxes in, overlaps and corners out."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.backend import choose
from drivetrain.core.checks import check_array
from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth
from drivetrain.detection.overlap.rotated import _numba, reference

_SIGNS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])


def iou(
    b_p: ArrayLike,
    b_g: ArrayLike,
    *,
    crowd: ArrayLike | None = None,
    backend: str | None = None,
) -> Floats:
    """Return IoU = area(B_p ∩ B_g) / area(B_p ∪ B_g) of every pair; the union is B_p for a crowd.

    Args:
        b_p: Centre x, y, width, height in pixels, angle in radians counter-clockwise, (D, 5).
            Seen with y downwards the turn is clockwise: what counts is that all boxes agree.
        b_g: The same, (G, 5).
        crowd: Which truths are crowds, (G,).
        backend: ``numba`` or ``reference``; the fastest here where None.

    Returns:
        (D, G); 0 where either box has no area.

    Raises:
        TypeError: Not numeric.
        ValueError: Another shape.

    Example:
        >>> square = [[0, 0, 2, 2, 0.0]]
        >>> iou(square, [[0, 0, 2, 2, np.pi / 4]]).round(6).tolist()
        [[0.707107]]
    """
    p, g = check_rotated("b_p", b_p), check_rotated("b_g", b_g)
    alone = np.zeros(len(g), np.bool_) if crowd is None else check_array("crowd", crowd)
    alone = np.asarray(alone, np.bool_)
    if alone.shape != (len(g),):
        raise ValueError(f"crowd must be of shape ({len(g)},). Got {alone.shape}.")
    if choose(backend, ("numba", "reference")) == "reference":
        return reference.iou(p, g, crowd=alone)
    d, t = (at.ravel().astype(np.int32) for at in np.indices((len(p), len(g))))
    out = np.empty(len(d))
    _numba.overlaps(p, g, d, t, alone[t], out)
    return out.reshape(len(p), len(g))


def pair_iou(
    truth: GroundTruth,
    found: Detections,
    detections: NDArray[np.int32],
    truths: NDArray[np.int32],
    crowd: Flags,
) -> Floats:
    """Return the overlap of detections with truths, pair by pair, (n,).

    Args:
        truth: Has ``rotated``.
        found: Has ``rotated``.
        detections: Position of each pair's detection, (n,).
        truths: Position of each pair's truth, (n,).
        crowd: Whether the union is the detection alone, (n,).

    Raises:
        ValueError: The columns have no rotated boxes.
    """
    out = np.empty(len(detections))
    _numba.overlaps(_rotated(found), _rotated(truth), detections, truths, crowd, out)
    return out


def _rotated(columns: GroundTruth | Detections) -> Floats:
    if columns.rotated is None:
        raise ValueError(f"{columns.source} has no rotated: this task compares them.")
    return columns.rotated


def corners(boxes: ArrayLike) -> Floats:
    """Return the corners of rotated boxes, DOTA's form, (n, 4, 2).

    Args:
        boxes: Centre x, y, width, height, angle in radians counter-clockwise, (n, 5).

    Example:
        >>> corners([[1, 1, 2, 2, 0.0]]).tolist()
        [[[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]]
    """
    rows = check_rotated("boxes", boxes)
    cos, sin = np.cos(rows[:, 4:]), np.sin(rows[:, 4:])
    a, b = _SIGNS[:, 0] * rows[:, 2:3] / 2, _SIGNS[:, 1] * rows[:, 3:4] / 2
    return np.stack((rows[:, 0:1] + a * cos - b * sin, rows[:, 1:2] + a * sin + b * cos), axis=-1)


def rectangles(points: ArrayLike) -> Floats:
    """Return the smallest rotated box around each four points, (n, 5).

    For the corners of a rectangle that is the rectangle: one side of the smallest box lies along
    a line through two of the points. The angle is in [0, π).

    Args:
        points: DOTA's four corners in any order, (n, 4, 2) or (n, 8).

    Raises:
        TypeError: Not numeric.
        ValueError: Another shape.

    Example:
        >>> rectangles([[0, 0, 4, 0, 4, 2, 0, 2]]).tolist()
        [[2.0, 1.0, 4.0, 2.0, 0.0]]

    References:
        H. Freeman, R. Shapira, "Determining the minimum-area encasing rectangle", 1975.
    """
    array = check_array("points", points, dtype=np.float64)
    if array.size % 8 or array.ndim < 2:
        raise ValueError(f"points must be of shape (n, 4, 2) or (n, 8). Got {array.shape}.")
    p = array.reshape(-1, 4, 2)
    first, second = np.triu_indices(4, 1)
    along = p[:, second] - p[:, first]
    length = np.linalg.norm(along, axis=-1, keepdims=True)
    unit = np.where(length > 0, along / np.where(length > 0, length, 1), [1.0, 0.0])
    across = np.stack((-unit[..., 1], unit[..., 0]), axis=-1)
    spans = [np.einsum("nki,npi->nkp", axis, p) for axis in (unit, across)]
    w, h = (span.max(axis=-1) - span.min(axis=-1) for span in spans)
    middle = [(span.max(axis=-1) + span.min(axis=-1)) / 2 for span in spans]
    best = np.argmin(w * h, axis=1)
    row: Any = (np.arange(len(p)), best)
    centre = middle[0][row][:, None] * unit[row] + middle[1][row][:, None] * across[row]
    angle = np.arctan2(unit[row][:, 1], unit[row][:, 0]) % np.pi
    return np.column_stack((centre, w[row], h[row], angle))


def check_rotated(name: str, value: ArrayLike) -> Floats:
    """Return rotated boxes as (n, 5) float64; an empty list is (0, 5).

    Raises:
        TypeError: Not numeric.
        ValueError: Another shape.
    """
    array = check_array(name, value, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 5))
    if array.ndim != 2 or array.shape[1] != 5:
        raise ValueError(f"{name} must be of shape (n, 5). Got {array.shape}.")
    return np.ascontiguousarray(array)

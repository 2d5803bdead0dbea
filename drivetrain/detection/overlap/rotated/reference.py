"""The overlap of two rotated boxes by definition: one clipped by the sides of the other."""

import math

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.detection.annotations import Floats

Points = list[tuple[float, float]]


def corners(box: ArrayLike) -> Points:
    """Return c + R(θ) (±w/2, ±h/2), counter-clockwise."""
    x, y, w, h, angle = np.asarray(box, np.float64).tolist()
    cos, sin = math.cos(angle), math.sin(angle)
    return [
        (x + a * w / 2 * cos - b * h / 2 * sin, y + a * w / 2 * sin + b * h / 2 * cos)
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]


def clip(polygon: Points, start: tuple[float, float], end: tuple[float, float]) -> Points:
    """Return the part of a convex polygon left of the line from ``start`` to ``end``."""
    side = [
        (end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0])
        for x, y in polygon
    ]
    out = []
    for i, (x, y) in enumerate(polygon):
        j = i - 1
        if (side[i] >= 0) != (side[j] >= 0):
            t = side[j] / (side[j] - side[i])
            px, py = polygon[j]
            out.append((px + t * (x - px), py + t * (y - py)))
        if side[i] >= 0:
            out.append((x, y))
    return out


def area(polygon: Points) -> float:
    """Return 1/2 Σ (x_i y_{i+1} - x_{i+1} y_i)."""
    pairs = zip(polygon, polygon[1:] + polygon[:1])
    return sum(x * v - u * y for (x, y), (u, v) in pairs) / 2


def iou(b_p: ArrayLike, b_g: ArrayLike, *, crowd: ArrayLike | None = None) -> Floats:
    """Return area(B_p ∩ B_g) / area(B_p ∪ B_g) of every pair; the union is B_p for a crowd.

    Args:
        b_p: Centre x, y, width, height, angle in radians counter-clockwise, (D, 5).
        b_g: The same, (G, 5).
        crowd: Which truths are crowds, (G,).

    Returns:
        (D, G); 0 where either box has no area.

    Example:
        >>> iou([[0, 0, 4, 2, 0.0]], [[0, 0, 2, 4, 0.0]]).round(4).tolist()
        [[0.3333]]
    """
    p, g = np.reshape(b_p, (-1, 5)).astype(float), np.reshape(b_g, (-1, 5)).astype(float)
    alone = np.zeros(len(g), np.bool_) if crowd is None else np.asarray(crowd, np.bool_)
    out = np.zeros((len(p), len(g)))
    for i, j in np.ndindex(*out.shape):
        own, other = p[i, 2] * p[i, 3], g[j, 2] * g[j, 3]
        if not (min(p[i, 2:4]) > 0 and min(g[j, 2:4]) > 0):
            continue
        # About the truth's centre, lest large coordinates cost digits.
        shape = corners(p[i] - [g[j, 0], g[j, 1], 0, 0, 0])
        window = corners(g[j] * [0, 0, 1, 1, 1])
        for start, end in zip(window, window[1:] + window[:1]):
            shape = clip(shape, start, end)
        shared = min(max(area(shape), 0.0), own, other)
        out[i, j] = shared / (own if alone[j] else own + other - shared)
    return out

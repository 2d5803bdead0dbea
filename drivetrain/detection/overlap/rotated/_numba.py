"""The kernel of rotated boxes' overlaps: pair after pair, without holding the interpreter."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(nogil=True, cache=True)
def overlaps(p: Array, q: Array, at_p: Array, at_q: Array, crowd: Array, out: Array) -> None:
    """Fill the overlap of boxes ``p[at_p[i]]`` and ``q[at_q[i]]``, as the reference has it."""
    signs = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
    # Each of four cuts adds at most one corner to the four of a box.
    ax, ay, bx, by = np.empty(9), np.empty(9), np.empty(9), np.empty(9)
    side, wx, wy = np.empty(9), np.empty(5), np.empty(5)
    for i in range(len(at_p)):
        box, other = p[at_p[i]], q[at_q[i]]
        out[i] = 0.0
        w, h, v, u = box[2], box[3], other[2], other[3]
        if not (w > 0 and h > 0 and v > 0 and u > 0):
            continue
        dx, dy = box[0] - other[0], box[1] - other[1]
        reach = math.sqrt(w * w + h * h) / 2 + math.sqrt(v * v + u * u) / 2
        # A hair more, as rounding may place corners that touch apart.
        if not dx * dx + dy * dy <= reach * reach * 1.000001:
            continue
        cos, sin = math.cos(box[4]), math.sin(box[4])
        cos_q, sin_q = math.cos(other[4]), math.sin(other[4])
        for c in range(4):
            a, b = signs[c]
            ax[c] = dx + a * w / 2 * cos - b * h / 2 * sin
            ay[c] = dy + a * w / 2 * sin + b * h / 2 * cos
            wx[c] = 0.0 + a * v / 2 * cos_q - b * u / 2 * sin_q
            wy[c] = 0.0 + a * v / 2 * sin_q + b * u / 2 * cos_q
        wx[4], wy[4] = wx[0], wy[0]
        n = 4
        for c in range(4):
            x0, y0, ex, ey = wx[c], wy[c], wx[c + 1] - wx[c], wy[c + 1] - wy[c]
            for k in range(n):
                side[k] = ex * (ay[k] - y0) - ey * (ax[k] - x0)
            m = 0
            for k in range(n):
                j = k - 1 if k else n - 1
                if (side[k] >= 0) != (side[j] >= 0):
                    t = side[j] / (side[j] - side[k])
                    bx[m], by[m] = ax[j] + t * (ax[k] - ax[j]), ay[j] + t * (ay[k] - ay[j])
                    m += 1
                if side[k] >= 0:
                    bx[m], by[m] = ax[k], ay[k]
                    m += 1
            ax, bx, ay, by = bx, ax, by, ay
            n = m
        total = 0.0
        for k in range(n):
            j = k + 1 if k + 1 < n else 0
            total += ax[k] * ay[j] - ax[j] * ay[k]
        own, theirs = w * h, v * u
        shared = min(max(total / 2, 0.0), own, theirs)
        out[i] = shared / (own if crowd[i] else own + theirs - shared)

"""What masks are, on pixels: M is a (height, width) array of booleans, read down its columns.

Nothing here is optimised; the kernels must equal it.
"""

from collections.abc import Sequence
from itertools import groupby, pairwise
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


def runs(m: Flags) -> list[int]:
    """Return run lengths of 0, of 1, of 0 ... down the columns; the first may be 0.

    Example:
        >>> runs(np.array([[1, 0], [1, 0]], bool)), runs(np.zeros((2, 2), bool))
        ([0, 2, 2], [4])
    """
    flat = m.T.ravel().tolist()
    lengths = [len(list(group)) for _, group in groupby(flat)]
    return [0, *lengths] if flat and flat[0] else lengths or [0]


def pixels(lengths: Sequence[int], height: int, width: int) -> Flags:
    """Return M of its runs.

    Example:
        >>> pixels([0, 2, 2], 2, 2).astype(int).tolist()
        [[1, 0], [1, 0]]
    """
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return flat.reshape(width, height).T


def area(m: Flags) -> int:
    """Return |M|."""
    return int(np.count_nonzero(m))


def box(m: Flags) -> list[int]:
    """Return x, y, width, height of the least box that holds M; zeros where M is empty."""
    y, x = np.nonzero(m)
    if not len(x):
        return [0, 0, 0, 0]
    return [int(v) for v in (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)]


def iou(m_p: Flags, m_g: Flags, crowd: bool = False) -> float:
    """Return |P ∩ G| / |P ∪ G|, of a crowd |P ∩ G| / |P|; 0 of different sizes."""
    if m_p.shape != m_g.shape or not (m_p & m_g).any():
        return 0.0
    return area(m_p & m_g) / area(m_p if crowd else m_p | m_g)


def compressed(lengths: Sequence[int]) -> bytes:
    """Return COCO's string of runs: differences two back, five bits a character, low bits first."""
    out = bytearray()
    for i, length in enumerate(lengths):
        x = length - lengths[i - 2] if i > 2 else length
        more = True
        while more:
            low, x = x & 31, x >> 5
            # Nothing follows once what is left repeats the sign, bit 4 of this character.
            more = x != (-1 if low & 16 else 0)
            out.append(48 + low + 32 * more)
    return bytes(out)


def polygon(corners: Sequence[float], height: int, width: int) -> list[int]:
    """Return the runs of a polygon as COCO draws it: a walk of its outline in fifths of a pixel.

    Where the walk crosses the middle of a column, rows from the upper of the two points on change
    between 0 and 1; the casts to int are C's, towards zero.
    """
    walk = [point for edge in _edges(corners) for point in _points(*edge)]
    ends = []
    for (u0, v0), (u1, v1) in pairwise(walk):
        x = (min(u0, u1) + 0.5) / 5 - 0.5
        if u0 == u1 or floor(x) != x or not 0 <= x <= width - 1:
            continue
        y = min(max((min(v0, v1) + 0.5) / 5 - 0.5, 0), height)
        ends.append(int(x) * height + ceil(y))
    return _without_empty(np.diff([0, *sorted(ends), height * width]).tolist())


def _edges(corners: Sequence[float]) -> list[tuple[int, int, int, int]]:
    x = [int(5 * v + 0.5) for v in corners[0::2]]
    y = [int(5 * v + 0.5) for v in corners[1::2]]
    return list(zip(x, y, [*x[1:], x[0]], [*y[1:], y[0]]))


def _points(x0: int, y0: int, x1: int, y1: int) -> list[tuple[int, int]]:
    dx, dy = abs(x1 - x0), abs(y1 - y0)
    if dx == dy == 0:
        return [(x0, y0)]
    flat = dx >= dy
    turned = x0 > x1 if flat else y0 > y1
    if turned:
        x0, y0, x1, y1 = x1, y1, x0, y0
    steps = range(max(dx, dy) + 1)
    if flat:
        slope = (y1 - y0) / dx
        line = [(x0 + t, int(y0 + slope * t + 0.5)) for t in steps]
    else:
        slope = (x1 - x0) / dy
        line = [(int(x0 + slope * t + 0.5), y0 + t) for t in steps]
    return line[::-1] if turned else line


def _without_empty(lengths: list[int]) -> list[int]:
    """Return runs of which none but the first is 0: neighbours of an empty one are one run."""
    out = [lengths[0]]
    rest = iter(lengths[1:])
    for length in rest:
        if length > 0:
            out.append(length)
        else:
            out[-1] += next(rest, 0)
    return out


def boundary(m: Flags, ratio: float = 0.02) -> Flags:
    """Return the pixels of M within d of a pixel outside it, d = max(1, round(ratio √(h² + w²))).

    Distance is the greater of the two coordinates' differences; outside the picture all is 0.
    """
    height, width = m.shape
    d = max(1, round(ratio * float(np.hypot(height, width))))
    around = np.pad(m, d)
    core = np.ones_like(m)
    for dy in range(2 * d + 1):
        for dx in range(2 * d + 1):
            core &= around[dy : dy + height, dx : dx + width]
    return m & ~core


def boundary_iou(m_p: Flags, m_g: Flags, crowd: bool = False, ratio: float = 0.02) -> float:
    """Return the lesser of the IoU of masks and of their boundaries; of a crowd that of masks.

    References:
        Cheng et al., Boundary IoU, CVPR 2021, section 5: "Boundary AP uses the minimum".
    """
    whole = iou(m_p, m_g, crowd)
    if crowd or m_p.shape != m_g.shape:
        return whole
    return min(whole, iou(boundary(m_p, ratio), boundary(m_g, ratio)))

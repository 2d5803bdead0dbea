"""The dynamic map of 256 codes, and the lines by which kernels find the nearest one.

A code's value is a decimal exponent and a linear fraction: seven decades from 1e-6 to 1, each with
twice as many fractions as the one below, so the relative error is small where a moment is large
and the range is wide. The signed map serves m, the unsigned one v.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

BLOCK = 256
MIN_SIZE = 4096
_DECADES = 7
# What lines() returns, for kernels, which want constants.
SIGNED_LINES = (
    1.1034482e06,
    0.8965515,
    222222.22,
    1.7777774,
    44444.445,
    3.5555549,
    8888.889,
    7.1111097,
    1777.7778,
    14.222219,
    355.55554,
    28.444439,
    71.111115,
    56.888878,
    142.2,
    -13.50009,
)
UNSIGNED_LINES = (
    2.0645161e06,
    1.8645157,
    444444.44,
    3.5555549,
    88888.89,
    7.1111097,
    17777.777,
    14.222219,
    3555.5557,
    28.444439,
    711.1111,
    56.888878,
    142.22223,
    113.777756,
    284.4,
    -27.700108,
)


@cache
def dynamic_map(signed: bool) -> NDArray[np.float32]:
    r"""Return the 256 values that codes stand for, ascending.

    .. math:: \pm 10^{i-6}\,(0.1 + 0.9\,(j + 1/2)\,/\,n_i), \quad j < n_i,\ 0 \le i \le 6

    with :math:`n_i = 2^i` for the signed map and :math:`2^{i+1}` for the unsigned one, and
    besides them 0 and 1.

    Args:
        signed: Whether negative values are among them.

    Returns:
        (256,) float32, read-only; to the last bit those of bitsandbytes.

    Example:
        >>> dynamic_map(True)[[0, 127, 255]].tolist()
        [-0.992968738079071, 0.0, 1.0]

    References:
        Dettmers, Lewis, Shleifer and Zettlemoyer, 8-bit Optimizers via Block-wise Quantization
        (2022), section 2 and appendix A.
    """
    positive: list[float] = []
    for i in range(_DECADES):
        borders = _linspace(2**i + 1 if signed else 2 ** (i + 1) + 1)
        means = (borders[:-1] + borders[1:]) / np.float32(2)
        positive += (np.float32(10.0 ** (i - _DECADES + 1)) * means).tolist()
    negative = [-value for value in positive] if signed else []
    values = np.array(sorted([*negative, 0.0, *positive, 1.0]), dtype=np.float32)
    values.flags.writeable = False
    return values


def _linspace(count: int) -> NDArray[np.float32]:
    # Two halves counted from either end, in float32, as torch.linspace does: the last bits of the
    # published codes come from it.
    low, high = np.float32(0.1), np.float32(1)
    step = (high - low) / np.float32(count - 1)
    index = np.arange(count)
    up = (low.astype(np.float64) + np.float64(step) * index).astype(np.float32)
    down = (high.astype(np.float64) - np.float64(step) * index[::-1]).astype(np.float32)
    return np.where(index < count // 2, up, down)


@cache
def lines(signed: bool) -> NDArray[np.float32]:
    """Return the eight lines (slope, intercept) of the kernels' search for the nearest code.

    On [0, 1], number the codes so that decade i begins at the power of two n_i. Within a decade
    the borders between cells are equally spaced, so a line maps them to whole numbers; the
    next decade's line is flatter and meets it at the decade's end, hence the lowest line is the
    right one. The last cell of a decade reaches 0.2 of a cell into the next: kernels treat the
    powers of two apart. The last line is a lower bound that lifts the cell of 1.

    Args:
        signed: Which map: the signed one's non-negative half, or the unsigned one.

    Returns:
        (16,) float32, read-only.
    """
    first = 1 if signed else 2
    values = dynamic_map(signed)[127 if signed else 0 :].astype(np.float64)
    borders = (values[:-1] + values[1:]) / 2
    table = []
    for i in range(_DECADES):
        cells = first << i
        table.append((10.0 ** (_DECADES - 1 - i) * cells / 0.9, cells * 8 / 9))
    # The cell of 0 ends elsewhere than a decade would begin: a steeper line through its border.
    if signed:
        slope = (2 - 1.2) / (1e-6 - borders[0])
        table[0] = (slope, 1.2 - slope * borders[0])
    else:
        slope = (3 - 2.2) / (borders[1] - borders[0])
        table[0] = (slope, 2.2 - slope * borders[0])
    slope = 142.2 * first
    table.append((slope, (first << _DECADES) + 0.2 - slope * borders[-1]))
    # Numbers half-way go to the lower code; so little below keeps float32 from lifting them, and
    # puts every point of bitsandbytes' grid on its own side with and without fused arithmetic.
    nudge = [2e-7 * (first << min(i, _DECADES - 1)) for i in range(len(table))]
    pairs = [(slope, level - less) for (slope, level), less in zip(table, nudge)]
    found = np.array(pairs, dtype=np.float32).reshape(-1)
    found.flags.writeable = False
    return found


@cache
def codebooks() -> NDArray[np.float32]:
    """Return both maps (2, 256), the signed one first."""
    return np.stack([dynamic_map(True), dynamic_map(False)])


def blocks(size: int) -> int:
    """Return how many blocks of 256 hold that many elements."""
    return -(-size // BLOCK)

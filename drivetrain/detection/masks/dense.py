"""Masks from arrays of pixels and back."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array
from drivetrain.detection.masks._numba import count_changes, encode, paint
from drivetrain.detection.masks.columns import Masks, measured, offsets_of


def from_dense(pixels: ArrayLike) -> Masks:
    """Return masks of pixels; whatever is not 0 is 1.

    Args:
        pixels: (n, height, width), booleans or numbers, one picture a mask.

    Raises:
        TypeError: Not numbers.
        ValueError: Not of rank 3.

    Example:
        >>> from_dense([[[0, 1], [0, 1]]]).runs.tolist()
        [2, 2]
    """
    given = np.asarray(pixels)
    bits = given if given.dtype == np.bool_ else check_array("pixels", given) != 0
    if bits.ndim != 3:
        raise ValueError(f"pixels must be (n, height, width). Got shape {bits.shape}.")
    n, height, width = bits.shape
    columns = np.ascontiguousarray(bits.transpose(0, 2, 1)).reshape(n, height * width)
    flat = columns.view(np.uint8)
    lengths = np.empty(n, np.int64)
    count_changes(flat, lengths)
    offsets = offsets_of(lengths)
    runs = np.empty(offsets[-1], np.uint32)
    encode(flat, offsets, runs)
    sizes = np.tile(np.array([height, width], np.int32), (n, 1))
    return measured(runs, offsets, sizes)[0]


def to_dense(masks: Masks, position: int = 0) -> NDArray[np.uint8]:
    """Return one mask as pixels of 0 and 1, (height, width), columns contiguous.

    Example:
        >>> to_dense(from_dense([[[0, 1], [0, 1]]])).tolist()
        [[0, 1], [0, 1]]
    """
    height, width = masks.sizes[position].tolist()
    pixels = np.zeros(height * width, np.uint8)
    paint(np.ascontiguousarray(masks.runs_of(position)), pixels)
    return pixels.reshape(width, height).T

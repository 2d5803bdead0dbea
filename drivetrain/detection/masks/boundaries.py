"""The boundary of a mask: those of its pixels that lie near its outline."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_real
from drivetrain.detection.masks._numba import outlines
from drivetrain.detection.masks.columns import Masks, Sizes, measured, offsets_of

RATIO = 0.02
"""Width of a boundary as a share of the picture's diagonal: the authors' choice for COCO."""


def depths(sizes: Sizes, ratio: float = RATIO) -> NDArray[np.int64]:
    """Return the width of boundaries in pixels: round(ratio √(h² + w²)), half to even, >= 1.

    Example:
        >>> depths(np.array([[480, 640], [5, 5]])).tolist()
        [16, 1]
    """
    # int32 would overflow in the squares.
    diagonal = np.sqrt((sizes.astype(np.float64) ** 2).sum(axis=1))
    return np.maximum(np.rint(ratio * diagonal), 1).astype(np.int64)


def boundaries(masks: Masks, *, ratio: float = RATIO) -> Masks:
    """Return the boundary of each mask: M minus M eroded by a square of side 2d + 1.

    d = max(1, round(ratio √(h² + w²))), and what lies outside the picture counts as 0, so a mask
    cut off by the picture's edge has a boundary there. The square is what the authors' code
    makes of d erosions by 3 x 3.

    Args:
        masks: n masks.
        ratio: d as a share of the picture's diagonal, > 0.

    Returns:
        n masks of the same sizes.

    Raises:
        TypeError: ratio is not a real number.
        ValueError: ratio is not positive.

    References:
        Cheng, Girshick, Dollár, Berg, Kirillov, Boundary IoU, CVPR 2021, section 4; the authors'
        boundary-iou-api, ``mask_to_boundary``.

    Example:
        >>> from drivetrain.detection.masks.dense import from_dense, to_dense
        >>> to_dense(boundaries(from_dense(np.ones((1, 3, 4))))).tolist()
        [[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]]
    """
    ratio = check_real("ratio", ratio, low=0, open_low=True)
    lengths = np.empty(len(masks), np.int64)
    flat = masks.unpacked()
    runs = outlines(
        flat.store,
        flat.places,
        np.ascontiguousarray(flat.sizes),
        np.ascontiguousarray(flat.boxes),
        depths(flat.sizes, ratio),
        lengths,
    )
    return measured(runs, offsets_of(lengths), masks.sizes)[0]

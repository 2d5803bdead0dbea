"""Some of the rows of truths or detections, in their order."""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from drivetrain.detection.annotations import Detections, Flags, GroundTruth

Columns = TypeVar("Columns", GroundTruth, Detections)

# The columns of a value an entry; the others are about the set, its images or its categories.
_OF_ENTRIES = (
    "ids",
    "images",
    "categories",
    "scores",
    "boxes",
    "areas",
    "crowd",
    "ignore",
    "group_of",
    "masks",
    "keypoints",
    "visible",
    "rotated",
    "places",
)


def select(columns: Columns, keep: Flags) -> Columns:
    """Return the annotations or detections where ``keep`` is true.

    Args:
        columns: n annotations or detections.
        keep: Which of them stay, (n,).

    Example:
        >>> found = Detections.from_arrays(
        ...     images=[1, 2], categories=[3, 3], scores=[0.9, 0.5], boxes=[[0, 0, 9, 9]] * 2
        ... )
        >>> select(found, np.array([False, True])).scores.tolist()
        [0.5]
    """
    if keep.all():
        return columns
    rows = np.flatnonzero(keep)
    given = {name: getattr(columns, name, None) for name in _OF_ENTRIES}
    chosen = {
        name: value.take(rows) if name == "masks" else value[rows]
        for name, value in given.items()
        if value is not None
    }
    return replace(columns, **chosen)

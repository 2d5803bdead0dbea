"""Some of the rows of truths or detections, in their order."""

from dataclasses import fields, replace
from typing import TypeVar

import numpy as np

from drivetrain.detection.annotations import Detections, Flags, GroundTruth

Columns = TypeVar("Columns", GroundTruth, Detections)

# Columns that count images, categories or the whole set, not annotations.
_OF_THE_SET = (
    "image_ids",
    "category_ids",
    "image_sizes",
    "image_names",
    "category_names",
    "federation",
    "source",
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
    chosen = {}
    for one in fields(columns):
        value = getattr(columns, one.name)
        if one.name in _OF_THE_SET or value is None:
            continue
        chosen[one.name] = value.take(rows) if one.name == "masks" else value[rows]
    return replace(columns, **chosen)

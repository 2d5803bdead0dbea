"""One segmentation as Python objects, any of COCO's forms: read with care, refused in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.detection.masks.columns import Masks, check_sizes
from drivetrain.detection.masks.overlap import union
from drivetrain.detection.masks.polygons import from_polygons
from drivetrain.detection.masks.strings import from_counts, from_strings


def read_object(segmentation: Any, size: ArrayLike | None = None) -> Masks:
    """Return one segmentation as one mask.

    Args:
        segmentation: A list of polygons, each x0, y0, x1, y1 ..., or a mapping of ``size`` to
            height and width and of ``counts`` to a list of runs or a compressed str or bytes.
        size: Height and width of the picture; None or (0, 0) where unknown.

    Raises:
        TypeError: None of COCO's forms.
        ValueError: The form is right, what it holds is not.

    Example:
        >>> read_object([[1, 1, 3, 1, 3, 3, 1, 3]], (4, 4)).runs.tolist()
        [5, 2, 2, 2, 5]
    """
    height, width = (0, 0) if size is None else np.asarray(size).tolist()
    if isinstance(segmentation, Mapping):
        return _read_runs(segmentation, (height, width))
    if isinstance(segmentation, Sequence) and not isinstance(segmentation, (str, bytes)):
        return _read_polygons(segmentation, (height, width))
    raise TypeError(
        "a segmentation must be a list of polygons or an object of size and counts. "
        f"Got {_brief(segmentation)}."
    )


def _read_polygons(polygons: Sequence[Any], size: tuple[int, int]) -> Masks:
    if not polygons:
        raise ValueError("its segmentation is an empty list: it must hold polygons")
    if size == (0, 0):
        raise ValueError("polygons need the height and width of their image, which are unknown")
    for polygon in polygons:
        if not isinstance(polygon, (Sequence, np.ndarray)) or isinstance(polygon, (str, bytes)):
            raise TypeError(
                f"polygons must be a list of lists of coordinates. Got {_brief(polygon)}."
            )
    return union(from_polygons(list(polygons), size))


def _read_runs(segmentation: Mapping[str, Any], size: tuple[int, int]) -> Masks:
    for key in ("size", "counts"):
        if key not in segmentation:
            raise ValueError(f"its segmentation has no {key!r}. Got {_brief(dict(segmentation))}.")
    stated = check_sizes([segmentation["size"]])
    if stated.shape != (1, 2):
        raise ValueError(f"size must be height and width. Got {_brief(segmentation['size'])}.")
    if size != (0, 0) and stated[0].tolist() != list(size):
        raise ValueError(
            f"its mask is of {stated[0, 0]} x {stated[0, 1]} pixels, its image of "
            f"{size[0]} x {size[1]}"
        )
    counts = segmentation["counts"]
    if isinstance(counts, (str, bytes)):
        return from_strings([counts], stated)
    if isinstance(counts, (Sequence, np.ndarray)):
        return from_counts([counts], stated)
    raise TypeError(f"counts must be a list, str or bytes. Got {_brief(counts)}.")


def _brief(value: Any, width: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= width else text[: width - 3] + "..."

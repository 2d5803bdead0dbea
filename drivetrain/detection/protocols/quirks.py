"""What other tools do to numbers before they judge them, to be compared with ``gap.decompose``."""

from dataclasses import replace

import numpy as np

from drivetrain.core.checks import check_integer
from drivetrain.detection.annotations import Detections, Floats
from drivetrain.detection.styles import STYLES

#: COCO's rules as pycocotools runs them: whoever finds truth id 0 counts as false.
PYCOCOTOOLS = replace(STYLES["coco"], name="pycocotools", zero_id_unmatched=True)


def rounded(
    found: Detections, *, scores: int | None = None, boxes: int | None = None
) -> Detections:
    """Return the detections as a tool writes them that rounds, such as Ultralytics' JSON (5, 3).

    Args:
        found: Detections.
        scores: Decimals of the scores; all where None.
        boxes: Decimals of the boxes; all where None.

    Raises:
        TypeError: Digits that are no integer.
        ValueError: Negative digits.

    Example:
        >>> found = Detections.from_arrays(
        ...     images=[1], categories=[1], scores=[0.12345], boxes=[[0.04, 0, 9.96, 9]]
        ... )
        >>> short = rounded(found, scores=3, boxes=1)
        >>> short.scores.tolist(), short.boxes.tolist()
        ([0.123], [[0.0, 0.0, 10.0, 9.0]])
    """
    return replace(
        found,
        scores=_rounded("scores", found.scores, scores),
        boxes=_rounded("boxes", found.boxes, boxes),
    )


def single_precision(found: Detections) -> Detections:
    """Return the detections as a detector holds them: scores and boxes in float32."""
    single = np.float32
    return replace(
        found,
        scores=found.scores.astype(single).astype(np.float64),
        boxes=found.boxes.astype(single).astype(np.float64),
    )


def _rounded(name: str, values: Floats, digits: int | None) -> Floats:
    if digits is None:
        return values
    return np.round(values, check_integer(name, digits, low=0))

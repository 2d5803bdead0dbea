"""The settings of an evaluation, under pycocotools' names, to be changed at will."""

from typing import Any

import numpy as np

from drivetrain.core.checks import check_choice
from drivetrain.detection.styles import COCO_RECALLS, COCO_SIGMAS, COCO_THRESHOLDS

# Upper end 1e5², both ends inclusive.
_RANGES: dict[str, list[float]] = {
    "all": [0**2, 1e5**2],
    "small": [0**2, 32**2],
    "medium": [32**2, 96**2],
    "large": [96**2, 1e5**2],
}


class Params:
    """What COCOeval compares, and by which rules.

    Attributes:
        imgIds: Images to count; COCOeval fills in all.
        catIds: Classes to count; COCOeval fills in all.
        iouThrs: Thresholds, (T,).
        recThrs: Recalls at which precision is tabled, (R,).
        maxDets: Detections kept an image and class.
        areaRng: Least and greatest area of each range, both inclusive.
        areaRngLbl: Name of each range.
        useCats: 1 to match within classes, 0 to pool them.
        iouType: ``segm``, ``bbox`` or ``keypoints``.
        useSegm: The old name of ``iouType``; None unless used.
        kpt_oks_sigmas: Spread of each keypoint, where the type is ``keypoints``.

    Args:
        iouType: ``segm``, ``bbox`` or ``keypoints``.

    Raises:
        ValueError: Another type.

    Example:
        >>> Params("keypoints").maxDets
        [20]
    """

    def __init__(self, iouType: str = "segm") -> None:
        self.iouType = check_choice("iouType", iouType, ("segm", "bbox", "keypoints"))
        self.imgIds: list[Any] = []
        self.catIds: list[Any] = []
        self.iouThrs = np.array(COCO_THRESHOLDS)
        self.recThrs = np.array(COCO_RECALLS)
        self.areaRngLbl = [name for name in _RANGES if name != "small" or iouType != "keypoints"]
        self.areaRng = [list(_RANGES[name]) for name in self.areaRngLbl]
        self.maxDets = [1, 10, 100]
        self.useCats = 1
        self.useSegm: int | None = None
        if iouType == "keypoints":
            self.maxDets = [20]
            self.kpt_oks_sigmas = np.array(COCO_SIGMAS)

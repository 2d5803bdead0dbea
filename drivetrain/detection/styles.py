"""The rules in which the protocols differ, one field a rule: switch them one by one."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from drivetrain.core.errors import unknown

Assignment = Literal["best-free", "best", "pairs"]
Interpolation = Literal["101-point", "11-point", "all-point", "trapezoid"]

#: ``np.linspace``, never ``arange``: eight of the ten would differ in their last bit.
COCO_THRESHOLDS = tuple(float(t) for t in np.linspace(0.5, 0.95, 10))
COCO_RECALLS = tuple(float(r) for r in np.linspace(0.0, 1.0, 101))
#: Spread of COCO's 17 keypoints of a person, from the nose to the right ankle.
_SPREADS = (
    *(0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72),
    *(0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89),
)
COCO_SIGMAS = tuple(float(s) for s in np.array(_SPREADS) / 10)
#: Both ends inclusive: an area of 1024 is small and medium.
COCO_AREAS = (
    ("all", 0.0, 1e10),
    ("small", 0.0, 1024.0),
    ("medium", 1024.0, 9216.0),
    ("large", 9216.0, 1e10),
)
EVERY_AREA = COCO_AREAS[:1]


@dataclass(frozen=True, kw_only=True)
class Style:
    """One protocol: what counts as found, and what area lies under the curve.

    Attributes:
        name: As printed.
        thresholds: IoU (OKS) thresholds, rising, at most 32.
        strict: A match needs IoU > threshold rather than >=.
        assignment: ``best-free``: each detection, by falling score, takes the best truth still
            free (COCO). ``best``: it takes the best truth, and is false if that is taken (VOC).
            ``pairs``: all pairs by falling IoU, made unique by detection, then by truth, as
            Ultralytics' code has it: ``best``, but of equal overlaps the later truth.
        interpolation: Which precision is averaged over which recalls.
        recalls: Recalls at which the tables hold precision, rising.
        grid: Recalls of ``11-point``: ``tenths`` is i/10, ``arange`` numpy's rounding of them,
            ``matlab`` that of its colon (VOC's devkit).
        areas: Name, least and greatest area of each range, both inclusive.
        max_detections: Detections kept an image and class, rising.
        max_per_image: Detections kept an image over all classes before that, or None (LVIS: 300).
        crowd: Crowd truths absorb detections and are not to be found; else they are plain truths.
        honour_ignore: Truths flagged ``ignore`` (VOC's difficult) are not to be found.
        per_class: Match within classes; else all classes are one.
        inclusive: Boxes hold their last pixel: 1 is added to widths and heights (VOC's devkit).
        federated: LVIS' rules for classes not verified in an image.
        hierarchy: Open Images: truths count for the ancestors of their class too.
        group_of: Open Images' group-of boxes: ``ignore`` what lies inside, count one (``once``),
            or treat as ``plain``.
        zero_id_unmatched: pycocotools' fault: a detection matched to truth id 0 counts as false.
    """

    name: str
    thresholds: tuple[float, ...] = (0.5,)
    strict: bool = False
    assignment: Assignment = "best-free"
    interpolation: Interpolation = "101-point"
    recalls: tuple[float, ...] = COCO_RECALLS
    grid: Literal["tenths", "arange", "matlab"] = "tenths"
    areas: tuple[tuple[str, float, float], ...] = EVERY_AREA
    max_detections: tuple[int, ...] = (100,)
    max_per_image: int | None = None
    crowd: bool = True
    honour_ignore: bool = False
    per_class: bool = True
    inclusive: bool = False
    federated: bool = False
    hierarchy: bool = False
    group_of: Literal["ignore", "once", "plain"] = "plain"
    zero_id_unmatched: bool = False


#: A cap that keeps every detection.
EVERY_DETECTION = 2**31 - 1

STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        Style(
            name="coco",
            thresholds=COCO_THRESHOLDS,
            areas=COCO_AREAS,
            max_detections=(1, 10, 100),
        ),
        Style(
            name="voc2007",
            assignment="best",
            interpolation="11-point",
            max_detections=(EVERY_DETECTION,),
            honour_ignore=True,
            crowd=False,
        ),
        Style(
            name="voc2010",
            assignment="best",
            interpolation="all-point",
            max_detections=(EVERY_DETECTION,),
            honour_ignore=True,
            crowd=False,
        ),
        Style(
            name="lvis",
            thresholds=COCO_THRESHOLDS,
            areas=COCO_AREAS,
            max_detections=(EVERY_DETECTION,),
            max_per_image=300,
            crowd=False,
            honour_ignore=True,
            federated=True,
        ),
        Style(
            name="openimages",
            assignment="best",
            interpolation="all-point",
            max_detections=(EVERY_DETECTION,),
            crowd=False,
            federated=True,
            hierarchy=True,
            group_of="ignore",
        ),
        Style(
            name="ultralytics",
            thresholds=COCO_THRESHOLDS,
            assignment="pairs",
            interpolation="trapezoid",
            max_detections=(EVERY_DETECTION,),
            max_per_image=300,
            crowd=False,
        ),
    )
}


def style_named(style: "str | Style") -> Style:
    """Return the style of that name; a Style is returned as it is.

    Raises:
        ValueError: No style has the name; the nearest one is named.

    Example:
        >>> style_named("voc2007").interpolation
        '11-point'
    """
    if isinstance(style, Style):
        return style
    if style not in STYLES:
        raise unknown("style", style, STYLES)
    return STYLES[style]


def for_task(style: "str | Style", task: str) -> Style:
    """Return a style as it is meant for a task.

    The style named ``coco`` has no small areas for keypoints and keeps 20 detections, as COCO
    does; a ``Style`` is taken as it is.

    Raises:
        ValueError: No style has the name.

    Example:
        >>> for_task("coco", "keypoints").max_detections
        (20,)
    """
    rules = style_named(style)
    if style != "coco" or task != "keypoints":
        return rules
    areas = tuple(area for area in COCO_AREAS if area[0] != "small")
    return replace(rules, areas=areas, max_detections=(20,))

"""The few numbers that everyone quotes, each with what it is a mean of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from drivetrain.detection.annotations import Flags, Floats, GroundTruth
from drivetrain.detection.curves import Tables
from drivetrain.detection.judgement import Judgement
from drivetrain.detection.styles import EVERY_DETECTION, Style

_SHORT = {"small": "s", "medium": "m", "large": "l"}
_QUOTED = (0.5, 0.75)


@dataclass(frozen=True, kw_only=True)
class Number:
    """One number of a summary.

    Attributes:
        key: As everyone calls it: ``AP``, ``AP50``, ``ARs``.
        value: The number; NaN where no truth was to be found.
        kind: ``AP`` or ``AR``.
        thresholds: First and last of the thresholds that it is a mean over.
        area: Name of the area range.
        cap: Detections kept an image and class, or an image (``per_image``); None for all.
        per_image: Whether the cap is over all classes of an image.
        frequency: LVIS' group of classes: ``r``, ``c``, ``f``, or empty for all classes.
    """

    key: str
    value: float
    kind: Literal["AP", "AR"]
    thresholds: tuple[float, float]
    area: str
    cap: int | None
    per_image: bool = False
    frequency: str = ""

    @property
    def over(self) -> str:
        """The thresholds in words: ``0.50:0.95`` or ``0.50``."""
        low, high = self.thresholds
        return f"{low:.2f}" if low == high else f"{low:.2f}:{high:.2f}"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Choice:
    """Which part of the tables a number is the mean of."""

    key: str
    kind: Literal["AP", "AR"]
    area: int
    cap: int
    t: int | None = None
    classes: Flags | None = None
    frequency: str = ""


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """What one class scored, over all sizes and at the style's largest cap.

    Attributes:
        id: The category's id.
        name: Its name; empty where unknown.
        ap: Average precision, the mean over the thresholds; NaN without truths to be found.
        ap50: The same at threshold .5 alone; NaN where the style has no such threshold.
        ar: Greatest recall, the mean over the thresholds.
        n_truths: Truths to be found.
        n_detections: Detections that were looked at.
    """

    id: int
    name: str
    ap: float
    ap50: float
    ar: float
    n_truths: int
    n_detections: int


def averaged(judgement: Judgement, style: Style) -> Floats:
    """Return what a mean precision is a mean of, (T, R or 1, K, A, M).

    COCO's samples in pycocotools' own layout; the area under the curve for other styles.
    """
    if style.interpolation == "101-point":
        return judgement.tables.precision
    return judgement.average_precision[:, None]


def summarise(judgement: Judgement, style: Style, task: str, truth: GroundTruth) -> list[Number]:
    """Return the numbers that a style quotes, in its order.

    COCO's twelve (ten of keypoints) are the means that pycocotools takes, in its order of
    addition, hence its bits. They use the largest cap on detections, whatever it is, where
    pycocotools insists on 100 for the first of them and gives -1 without it.

    Args:
        judgement: The curves, and the area under each.
        style: The rules.
        task: ``keypoints`` has numbers of its own.
        truth: Its federation, if any, says how frequent each class is.
    """
    choices = _choices(style, task, judgement.tables, truth)
    return [_number(choice, judgement, style) for choice in choices]


def score_classes(judgement: Judgement, style: Style, names: dict[int, str]) -> list[ClassScore]:
    """Return the score of each class.

    Args:
        judgement: The curves, and the area under each.
        style: The rules.
        names: Name of each class, by its id.
    """
    a = whole(style)
    block, recall = averaged(judgement, style)[..., a, -1], judgement.tables.recall[..., a, -1]
    half = [style.thresholds.index(0.5)] if 0.5 in style.thresholds else []
    n_truths, n_detections = judgement.events.n_truths[a], np.diff(judgement.events.starts)
    return [
        ClassScore(
            id=category,
            name=names.get(category, ""),
            ap=mean(block[:, :, k]),
            ap50=mean(block[half, :, k]),
            ar=mean(recall[:, k]),
            n_truths=int(n_truths[k]),
            n_detections=int(n_detections[k]),
        )
        for k, category in enumerate(judgement.tables.category_ids.tolist())
    ]


def mean(values: Floats) -> float:
    """Return the mean of what is defined; NaN where nothing is.

    The defined values are laid out in a row first, as pycocotools does: numpy adds pairwise, so
    that the layout decides the last bit.
    """
    known = values[~np.isnan(values)]
    return float(np.mean(known)) if known.size else float("nan")


def whole(style: Style) -> int:
    """Return which area range is that of all sizes: the one named ``all``, or the first."""
    names = [name for name, _, _ in style.areas]
    return names.index("all") if "all" in names else 0


def _choices(style: Style, task: str, tables: Tables, truth: GroundTruth) -> Iterator[_Choice]:
    every, last = whole(style), len(style.max_detections) - 1
    others = [a for a in range(len(style.areas)) if a != every]
    if len(style.thresholds) == 1 and not others:
        yield _Choice(key="mAP", kind="AP", area=every, cap=last)
        return
    kinds: tuple[Literal["AP", "AR"], ...] = ("AP", "AR")
    for kind in kinds if style.interpolation == "101-point" else kinds[:1]:
        if kind == "AP" or task == "keypoints":
            yield _Choice(key=kind, kind=kind, area=every, cap=last)
            for t in _QUOTED:
                if t in style.thresholds:
                    key, at = f"{kind}{round(100 * t)}", style.thresholds.index(t)
                    yield _Choice(key=key, kind=kind, area=every, cap=last, t=at)
        else:
            for m in range(last + 1):
                yield _Choice(key=f"AR{_cap_name(style, m)}", kind=kind, area=every, cap=m)
        for a in others:
            yield _Choice(key=f"{kind}{_area_name(style, a)}", kind=kind, area=a, cap=last)
        if kind == "AP" and truth.federation is not None and truth.federation.frequency:
            for letter, classes in _frequencies(tables, truth):
                key = f"AP{letter}"
                yield _Choice(
                    key=key, kind=kind, area=every, cap=last, classes=classes, frequency=letter
                )


def _frequencies(tables: Tables, truth: GroundTruth) -> Iterator[tuple[str, Flags]]:
    assert truth.federation is not None
    letters = dict(zip(truth.category_ids.tolist(), truth.federation.frequency))
    of = np.array([letters.get(one, "") for one in tables.category_ids.tolist()], np.str_)
    for letter in "rcf":
        yield letter, of == letter


def _number(choice: _Choice, judgement: Judgement, style: Style) -> Number:
    at = slice(None) if choice.t is None else slice(choice.t, choice.t + 1)
    classes = slice(None) if choice.classes is None else choice.classes
    if choice.kind == "AR":
        block = judgement.tables.recall[at][:, classes, choice.area, choice.cap]
    else:
        block = averaged(judgement, style)[at][:, :, classes, choice.area, choice.cap]
    cap, per_image = _cap(style, choice.cap)
    chosen = style.thresholds[at]
    return Number(
        key=choice.key,
        value=mean(block),
        kind=choice.kind,
        thresholds=(chosen[0], chosen[-1]),
        area=style.areas[choice.area][0],
        cap=cap,
        per_image=per_image,
        frequency=choice.frequency,
    )


def _cap(style: Style, m: int) -> tuple[int | None, bool]:
    """The cap that a number is under, and whether it is over all classes of an image."""
    if style.max_detections[m] < EVERY_DETECTION:
        return style.max_detections[m], False
    return style.max_per_image, style.max_per_image is not None


def _cap_name(style: Style, m: int) -> str:
    cap, _ = _cap(style, m)
    return "" if cap is None else str(cap)


def _area_name(style: Style, a: int) -> str:
    name = style.areas[a][0]
    return _SHORT.get(name, f"_{name}")

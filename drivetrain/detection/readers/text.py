"""Text of the Padilla and Cartucho kinds: a file an image, ``class [confidence] box`` a line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from drivetrain.detection.annotations import Detections, Floats, GroundTruth
from drivetrain.detection.issues import Issues
from drivetrain.detection.readers.lines import (
    label_files,
    numbers,
    read_lines,
    refuse_line,
    shown,
)
from drivetrain.detection.readers.rows import (
    Listing,
    Rows,
    corners_to_size,
    pixels_to_size,
    to_detections,
    to_truth,
)
from drivetrain.detection.readers.told import Told


def read_padilla_truth(path: Path, told: Told, issues: Issues) -> GroundTruth:
    """Return truths of lines ``class x y width height``, continuous coordinates in pixels.

    Args:
        path: A folder of text files, one an image, or one file.
        told: ``box_format`` where it is ``xyxy``; ``names``; ``images``.
        issues: Where findings are told.

    Raises:
        ValueError: A line that is no such box, unless lenient.

    References:
        Padilla et al., A Survey on Performance Metrics for Object-Detection Algorithms, 2020.
    """
    return _truth(path, told, issues, _PADILLA)


def read_padilla_detections(
    path: Path, truth: GroundTruth, told: Told, issues: Issues
) -> Detections:
    """Return detections of lines ``class confidence x y width height``, continuous coordinates."""
    return _detections(path, truth, told, issues, _PADILLA)


def read_cartucho_truth(path: Path, told: Told, issues: Issues) -> GroundTruth:
    """Return truths of lines ``class left top right bottom [difficult]``, pixels counted from 1.

    Boxes hold their last pixel, as VOC's do, which Cartucho's script adds 1 for.

    Args:
        path: A folder of text files, one an image, or one file.
        told: ``names``; ``images``.
        issues: Where findings are told.

    Raises:
        ValueError: A line that is no such box, unless lenient.

    References:
        J. Cartucho, mAP (mean Average Precision), github.com/Cartucho/mAP.
    """
    return _truth(path, told, issues, _CARTUCHO)


def read_cartucho_detections(
    path: Path, truth: GroundTruth, told: Told, issues: Issues
) -> Detections:
    """Return detections of lines ``class confidence left top right bottom``, pixels from 1."""
    return _detections(path, truth, told, issues, _CARTUCHO)


_PADILLA, _CARTUCHO = "x y width height", "left top right bottom"


def split_line(words: Sequence[str]) -> tuple[list[str], list[float], bool] | None:
    """Return a line's leading words, its last four numbers, and whether it is difficult.

    Example:
        >>> split_line(["traffic", "light", "1", "2", "3", "4", "difficult"])
        (['traffic', 'light'], [1.0, 2.0, 3.0, 4.0], True)
    """
    difficult = words[-1] == "difficult"
    plain = list(words[:-1] if difficult else words)
    box = numbers(plain[-4:]) if len(plain) > 4 else None
    return None if box is None else (plain[:-4], box, difficult)


@dataclass(slots=True)
class _Lines:
    images: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    # Flat: half a million short lists would keep the garbage collector busy.
    boxes: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    difficult: list[bool] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def _truth(path: Path, told: Told, issues: Issues, kind: str) -> GroundTruth:
    files = label_files(path)
    rows = _rows(_read(files, kind, issues, scored=False), kind, told, scored=False)
    return to_truth(rows, Listing(images=[one.stem for one in files]), told, issues, str(path))


def _detections(
    path: Path, truth: GroundTruth, told: Told, issues: Issues, kind: str
) -> Detections:
    lines = _read(label_files(path), kind, issues, scored=True)
    return to_detections(_rows(lines, kind, told, scored=True), truth, issues, str(path))


def _read(files: Sequence[Path], kind: str, issues: Issues, *, scored: bool) -> _Lines:
    read = _Lines()
    for file in files:
        for line, words in read_lines(file, issues):
            parts = split_line(words)
            score = numbers(parts[0][-1:]) if parts is not None and scored else None
            if parts is None or (scored and (len(parts[0]) < 2 or score is None)):
                lacks = parts is not None and len(parts[0]) == 1
                what = f"must be class{' confidence' * scored} {kind}. Got {shown(words)}"
                refuse_line(issues, file, line, "missing-score" if lacks else "bad-line", what)
                continue
            read.images.append(file.stem)
            read.classes.append(" ".join(parts[0][:-1] if scored else parts[0]))
            read.boxes += parts[1]
            read.difficult.append(parts[2])
            read.lines.append(line)
            read.files.append(str(file))
            if score is not None:
                read.scores.append(score[0])
    return read


def _rows(read: _Lines, kind: str, told: Told, *, scored: bool) -> Rows:
    return Rows(
        images=read.images,
        classes=read.classes,
        boxes=_boxes(np.array(read.boxes, np.float64).reshape(-1, 4), kind, told),
        scores=np.array(read.scores) if scored else None,
        lines=read.lines,
        files=read.files,
        columns={} if scored else {"ignore": np.array(read.difficult, np.bool_)},
    )


def _boxes(values: Floats, kind: str, told: Told) -> Floats:
    if kind == _CARTUCHO:
        return pixels_to_size(values)
    if told.box_format == "xyxy":
        return corners_to_size(values)
    if told.box_format == "cxcywh":
        return np.hstack([values[:, :2] - values[:, 2:] / 2, values[:, 2:]])
    return values

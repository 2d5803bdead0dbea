"""DOTA: rotated boxes by their four corners, a text file an image; detections a file a class."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drivetrain.detection.annotations import Detections, GroundTruth
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
    to_detections,
    to_truth,
)
from drivetrain.detection.readers.shapes import bounds, rotated
from drivetrain.detection.readers.told import Told
from drivetrain.detection.readers.voc import text_files

_RESULTS = re.compile(r"^Task\d+_(?P<name>.+)\.txt$", re.IGNORECASE)
# Corners beyond it are no pixels, and their squares would not be numbers.
_FARTHEST = 1e9


def read_ground_truth(path: Path, told: Told, issues: Issues) -> GroundTruth:
    """Return truths of lines ``x1 y1 x2 y2 x3 y3 x4 y4 class difficult``.

    Lines such as ``imagesource:GoogleEarth`` and ``gsd:0.14`` are passed over. The rotated box is
    the smallest around the corners; ``boxes`` holds the upright one; difficult is ``ignore``.

    Args:
        path: A folder of text files, one an image, or one file.
        told: ``names``; ``images``.
        issues: Where findings are told.

    Raises:
        ValueError: A line that is no such box, unless lenient.

    References:
        Xia et al., DOTA: A Large-scale Dataset for Object Detection in Aerial Images, CVPR 2018.
    """
    files = label_files(path)
    rows = _Corners()
    for file in files:
        for line, words in read_lines(file, issues):
            if is_heading(words):
                continue
            corners = corners_of(words[:8])
            if corners is None or len(words) not in (9, 10):
                what = f"must be x1 y1 ... x4 y4 class difficult. Got {shown(words)}"
                refuse_line(issues, file, line, "bad-line", what)
                continue
            rows.add(file.stem, words[8], corners, file, line)
            rows.difficult.append(words[9:] not in ([], ["0"]))
    listing = Listing(images=[one.stem for one in files])
    columns = {"ignore": np.array(rows.difficult, np.bool_)}
    return to_truth(rows.rows(columns), listing, told, issues, str(path))


def read_detections(path: Path, truth: GroundTruth, told: Told, issues: Issues) -> Detections:
    """Return detections of files ``Task1_CLASS.txt`` of lines ``image score x1 y1 ... x4 y4``.

    Args:
        path: The folder, or one such file.
        truth: Whose images and classes are meant.
        told: Nothing that is used here.
        issues: Where findings are told.

    Raises:
        ValueError: A line that is no scored box, an image or class that the truth lacks, unless
            lenient.
    """
    rows = _Corners()
    for file in text_files(path):
        name = result_class(file)
        for line, words in read_lines(file, issues) if name else ():
            corners, score = corners_of(words[2:]), numbers(words[1:2])
            if corners is None or not score or len(words) != 10:
                what = f"must be image score x1 y1 ... x4 y4. Got {shown(words)}"
                refuse_line(issues, file, line, "bad-line", what)
                continue
            rows.add(words[0], name or "", corners, file, line)
            rows.scores += score
    made = rows.rows({})
    made.scores = np.array(rows.scores, np.float64)
    return to_detections(made, truth, issues, str(path))


def result_class(file: Path) -> str | None:
    """Return the class that a file of detections is about, or None if it is none.

    Example:
        >>> result_class(Path("Task1_small-vehicle.txt"))
        'small-vehicle'
    """
    match = _RESULTS.match(file.name)
    return match.group("name") if match else None


def is_heading(words: Sequence[str]) -> bool:
    """Return whether a line says where the image came from, not what is in it."""
    return words[0].lower().startswith(("imagesource:", "gsd:"))


def corners_of(words: Sequence[str]) -> list[float] | None:
    """Return eight finite numbers of a plausible size, or None."""
    values = numbers(words)
    if values is None or len(values) != 8 or not all(abs(one) < _FARTHEST for one in values):
        return None
    return values


class _Corners:
    """Entries as they are read."""

    def __init__(self) -> None:
        self.images: list[str] = []
        self.classes: list[str] = []
        self.corners: list[list[float]] = []
        self.difficult: list[bool] = []
        self.scores: list[float] = []
        self.lines: list[int] = []
        self.files: list[str] = []

    def add(self, image: str, name: str, corners: list[float], file: Path, line: int) -> None:
        """Take one entry."""
        self.images.append(image)
        self.classes.append(name)
        self.corners.append(corners)
        self.lines.append(line)
        self.files.append(str(file))

    def rows(self, columns: dict[str, np.ndarray]) -> Rows:
        """Return the entries; the areas are those of the rotated boxes."""
        corners = np.array(self.corners, np.float64).reshape(-1, 4, 2)
        boxes = rotated(corners)
        return Rows(
            images=self.images,
            classes=self.classes,
            boxes=bounds(corners) if len(corners) else np.empty((0, 4)),
            lines=self.lines,
            files=self.files,
            columns=columns | {"rotated": boxes, "areas": boxes[:, 2] * boxes[:, 3]},
        )

"""YOLO: a folder of text files, one an image, of classes by number and boxes in parts of one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.issues import Issue, Issues
from drivetrain.detection.readers import shapes
from drivetrain.detection.readers.lines import (
    label_files,
    numbers,
    read_lines,
    refuse_line,
    shown,
)
from drivetrain.detection.readers.names import Names, listed, yaml_names
from drivetrain.detection.readers.rows import Listing, Rows, to_detections, to_truth
from drivetrain.detection.readers.sizes import (
    Sizes,
    by_stem,
    picture_size,
    pictures_in,
    told_sizes,
)
from drivetrain.detection.readers.told import Task, Told

_NAME_FILES = ("data.yaml", "dataset.yaml", "classes.txt", "obj.names", "classes.names")


def read_ground_truth(path: Path, told: Told, issues: Issues) -> GroundTruth:
    """Return the truths of a folder of YOLO labels: ``class cx cy w h`` in parts of the image.

    Class numbers are the category ids. A line of more numbers is a polygon, or what
    ``told.task`` says: keypoints, or the corners of a rotated box.

    Args:
        path: The folder of text files, or the data set's with ``labels`` and ``images`` in it.
        told: ``names``, else ``data.yaml`` or ``classes.txt`` there or one folder up; ``sizes``,
            else the pictures there or in the ``images`` beside ``labels``; ``images``; ``task``.
        issues: Where findings are told.

    Raises:
        ValueError: A line that is no box, an image of unknown size, unless lenient.
        MissingDependency: Sizes come from pictures, and Pillow is not installed.

    References:
        Jocher et al., Ultralytics YOLO, the documentation of its data set formats.
    """
    folder = labels_folder(path)
    labels = _read(label_files(folder), issues, scored=False, task=told.task)
    sizes = _Sizes(told, folder)
    rows = labels.rows(sizes, told, issues)
    names = class_names(folder, told)
    if names is None:
        highest = max((int(one) for one in rows.classes), default=-1)
        names = [str(one) for one in range(highest + 1)]
        what = f"no class names: told none, and there is none of {', '.join(_NAME_FILES)}"
        issues.note(Issue(kind="no-names", source=str(folder), what=what, done="repaired"))
    pictures = [] if told.images is not None else sizes.pictures()
    every = [*labels.names, *pictures]
    listing = Listing(
        images=every, classes=names, first_class=0, sizes={one: sizes.of(one) for one in every}
    )
    rows.classes = _named(rows.classes, names)
    return to_truth(rows, listing, told, issues, str(folder))


def read_detections(path: Path, truth: GroundTruth, told: Told, issues: Issues) -> Detections:
    """Return the detections of a folder of YOLO labels: ``class cx cy w h confidence``.

    Args:
        path: The folder of text files, one an image.
        truth: Whose images, sizes and classes are meant.
        told: ``names`` where the truth's classes are not numbered as YOLO's; ``sizes`` where the
            truth has none; ``task``.
        issues: Where findings are told.

    Raises:
        ValueError: A line that is no scored box, an image or class that the truth lacks, an
            image of unknown size, unless lenient.
    """
    folder = labels_folder(path)
    labels = _read(label_files(folder), issues, scored=True, task=told.task)
    rows = labels.rows(_Sizes(told, folder, truth), told, issues)
    rows.classes = _named(rows.classes, _names_for(truth, folder, told))
    return to_detections(rows, truth, issues, str(folder))


def labels_folder(path: Path) -> Path:
    """Return the folder of the text files: ``labels`` inside a data set's folder, or it itself."""
    inner = path / "labels"
    return inner if inner.is_dir() and not label_files(path) else path


def class_names(folder: Path, told: Told) -> list[str] | None:
    """Return the class names that are told or lie beside the labels; None where there are none."""
    if told.names is not None:
        return listed("names", told.names)
    for place in (folder, folder.parent):
        for name in _NAME_FILES:
            file = place / name
            if not file.is_file():
                continue
            text = file.read_text("utf-8-sig", errors="replace")
            names = yaml_names(text) if file.suffix == ".yaml" else text.split("\n")
            found = [one.strip() for one in names if one.strip()]
            if found:
                return listed(str(file), found)
    return None


def _names_for(truth: GroundTruth, folder: Path, told: Told) -> Sequence[str]:
    if told.names is not None:
        return listed("names", told.names)
    known = list(truth.category_names) or [str(one) for one in truth.category_ids]
    if truth.category_ids.tolist() == list(range(len(truth.category_ids))):
        return known
    names = class_names(folder, told)
    if names is None:
        raise ValueError(
            f"{folder}: YOLO's class numbers count from 0, and the truth's ids do not "
            f"({truth.category_ids[:5].tolist()}...): tell names=, in the order of the numbers, "
            "or put data.yaml or classes.txt there."
        )
    return names


def _named(numbered: Sequence[str], names: Sequence[str]) -> list[str]:
    # A number past the list stays a number, which no list of names holds: it will be refused.
    return [names[int(one)] if int(one) < len(names) else one for one in numbered]


class _Sizes:
    """Sizes of images, looked for only when they are asked for."""

    def __init__(self, told: Told, folder: Path, truth: GroundTruth | None = None) -> None:
        self.told: Sizes | None = None if told.sizes is None else told_sizes(told.sizes)
        self.loose: Sizes = {} if self.told is None else by_stem(self.told)
        self.truth = truth
        self.known = {} if truth is None else _sizes_of(truth)
        self.names = None if truth is None else Names.images(truth)
        self.files = {} if self.told is not None else _pictures_near(folder)

    def pictures(self) -> list[str]:
        """Return the names of the images whose pictures lie beside the labels, or that are told."""
        return [*self.files, *self.loose]

    def of(self, name: str) -> tuple[int, int]:
        """Return height and width of an image, or zeros where they are not known."""
        one = None if self.names is None else self.names.named(name)
        if one is not None and one in self.known:
            return self.known[one]
        if name not in self.loose and name in self.files:
            self.loose[name] = picture_size(self.files[name])
        return self.loose.get(name, (0, 0))


def _sizes_of(truth: GroundTruth) -> dict[int, tuple[int, int]]:
    if truth.image_sizes is None or not len(truth.image_sizes):
        return {}
    sizes = truth.image_sizes.tolist()
    return {one: (h, w) for one, (h, w) in zip(truth.image_ids.tolist(), sizes) if h and w}


def _pictures_near(folder: Path) -> dict[str, Path]:
    parts = ["images" if part == "labels" else part for part in folder.parts]
    beside = Path(*parts) if parts else folder
    for place in (folder, beside, folder / "images"):
        if place.is_dir() and (found := pictures_in(place)):
            return {one.stem: one for one in found}
    return {}


@dataclass(slots=True)
class _Labels:
    """The lines of a folder, parsed."""

    scored: bool
    names: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def rows(self, sizes: _Sizes, told: Told, issues: Issues) -> Rows:
        """Return the entries in pixels, without those of images of unknown size."""
        known = {name: sizes.of(name) for name in dict.fromkeys(self.images)}
        self._keep_sized(known, told, issues)
        size = np.array([known[name] for name in self.images], np.float64).reshape(-1, 2)
        shape = shapes.of_lines(self.values, size, scored=self.scored, task=told.task)
        return Rows(
            images=self.images,
            classes=self.classes,
            boxes=shape.boxes,
            scores=shape.scores,
            lines=self.lines,
            files=self.files,
            columns=shape.columns,
        )

    def _keep_sized(self, known: Sizes, told: Told, issues: Issues) -> None:
        lost = {name for name, size in known.items() if not all(size)}
        if not lost:
            return
        for image, file in dict(zip(self.images, self.files)).items():
            if image in lost:
                what = f"the size of image {image!r} is not known: tell sizes=, or give pictures"
                issues.refuse(
                    Issue(kind="unknown-size", source=file, what=what, done="dropped", id=image),
                    self.images.count(image),
                )
        keep = [image not in lost for image in self.images]
        for name in ("images", "classes", "values", "lines", "files"):
            old = getattr(self, name)
            setattr(self, name, [value for value, kept in zip(old, keep) if kept])


def _read(files: Sequence[Path], issues: Issues, *, scored: bool, task: Task | None) -> _Labels:
    labels = _Labels(scored=scored)
    for file in files:
        name = file.stem
        labels.names.append(name)
        for line, words in read_lines(file, issues):
            values = _values(file, line, words, scored, task, issues)
            if values is not None:
                labels.images.append(name)
                labels.classes.append(words[0])
                labels.values.append(values)
                labels.lines.append(line)
                labels.files.append(str(file))
    return labels


def _values(
    file: Path, line: int, words: list[str], scored: bool, task: Task | None, issues: Issues
) -> list[float] | None:
    values = numbers(words[1:])
    if values is None or not (words[0].isascii() and words[0].isdigit() and len(words[0]) < 10):
        what = f"must be a class number, then numbers. Got {shown(words)}"
        refuse_line(issues, file, line, "bad-line", what)
        return None
    if len(values) == 4 + scored and task not in ("keypoints", "rotated"):
        return values
    wrong = shapes.fault(values, scored=scored, task=task)
    if wrong is not None:
        # A box without its confidence is the usual reason.
        kind = "missing-score" if scored and len(values) == 4 else "bad-line"
        refuse_line(issues, file, line, kind, f"must be {wrong}. Got {shown(words)}")
        return None
    return values

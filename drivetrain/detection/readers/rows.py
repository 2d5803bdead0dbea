"""Entries under the names their files give them, made into columns under ids."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth, Ids
from drivetrain.detection.findings import tell
from drivetrain.detection.issues import Issue, Issues
from drivetrain.detection.readers.names import Names, codes_of, listed
from drivetrain.detection.readers.told import Told
from drivetrain.detection.selection import select

Sizes = Mapping[str, tuple[int, int]]
Place = tuple[str, int | None]


@dataclass(kw_only=True, eq=False)
class Rows:
    """n entries as their files name them.

    Attributes:
        images: Name of the image of each entry, n.
        classes: Name of the class of each entry, n.
        boxes: x, y, width, height, (n, 4).
        scores: Confidence of each entry, (n,), or None for truths.
        lines: Line of each entry in its file, n, or none.
        files: File of each entry, n, where there is more than one.
        columns: Further columns of n entries under the names of :class:`GroundTruth`.
    """

    images: Sequence[str]
    classes: Sequence[str]
    boxes: Floats
    scores: Floats | None = None
    lines: Sequence[int] = ()
    files: Sequence[str] = ()
    columns: dict[str, Any] = field(default_factory=dict)

    def place(self, row: int, source: str) -> Place:
        """Return the file and line of an entry, for messages."""
        file = self.files[row] if len(self.files) else source
        return file, self.lines[row] if len(self.lines) else None

    def of(self, kind: type[GroundTruth] | type[Detections]) -> dict[str, Any]:
        """Return the further columns that the kind has, and the lines."""
        known = {name for name in self.columns if name in kind.__dataclass_fields__}
        lines = {"places": np.asarray(self.lines, np.int64)} if len(self.lines) else {}
        return {name: self.columns[name] for name in known} | lines


@dataclass(kw_only=True, eq=False)
class Listing:
    """What exists whether or not an entry mentions it.

    Attributes:
        images: Names of images seen beside the entries: files without objects.
        classes: Class names in the order of their ids, or None: those that occur, sorted.
        first_class: Id of the first class.
        sizes: Height and width of images by name.
    """

    images: Iterable[str] = ()
    classes: Sequence[str] | None = None
    first_class: int = 1
    sizes: Sizes = field(default_factory=dict)


def to_truth(rows: Rows, listing: Listing, told: Told, issues: Issues, source: str) -> GroundTruth:
    """Return truths; images are numbered from 1 by sorted name, classes as listed or sorted.

    Raises:
        ValueError: An entry of an image or class that is not in a told list, unless lenient.
    """
    images = sorted(set(rows.images) | set(listing.images))
    if told.images is not None:
        images = sorted(listed("images", told.images))
    classes = listing.classes
    if classes is None:
        classes = sorted(set(rows.classes))
    if told.names is not None and listing.classes is None:
        classes = listed("names", told.names)
    image_ids = np.arange(1, len(images) + 1)
    category_ids = np.arange(len(classes)) + listing.first_class
    place = partial(rows.place, source=source)
    of = codes_of(Names("image", image_ids, images), rows.images, issues, place)
    kinds = codes_of(Names("category", category_ids, classes), rows.classes, issues, place)
    truth = GroundTruth.from_arrays(
        images=of,
        categories=kinds,
        boxes=rows.boxes,
        image_ids=image_ids,
        category_ids=category_ids,
        image_names=tuple(images),
        category_names=tuple(classes),
        image_sizes=_size_table(images, listing.sizes),
        source=source,
        **rows.of(GroundTruth),
    )
    return select(truth, _known(of) & _known(kinds))


def to_detections(rows: Rows, truth: GroundTruth, issues: Issues, source: str) -> Detections:
    """Return detections under the truth's ids.

    Raises:
        ValueError: An image or class that the truth lacks, or no score, unless lenient.
    """
    place = partial(rows.place, source=source)
    of = codes_of(Names.images(truth), rows.images, issues, place)
    kinds = codes_of(Names.categories(truth), rows.classes, issues, place)
    found = Detections.from_arrays(
        images=of,
        categories=kinds,
        scores=np.empty(0) if rows.scores is None else rows.scores,
        boxes=rows.boxes,
        source=source,
        **rows.of(Detections),
    )
    return select(found, _known(of) & _known(kinds))


def drop(rows: Rows, bad: Flags) -> Rows:
    """Return the rows that are not bad."""
    if not bad.any():
        return rows
    at = np.flatnonzero(~bad)

    def some(values: Sequence[Any]) -> list[Any]:
        return [values[row] for row in at.tolist()] if len(values) else []

    columns = {
        name: value.take(at) if name == "masks" else np.asarray(value)[at]
        for name, value in rows.columns.items()
    }
    return replace(
        rows,
        images=some(rows.images),
        classes=some(rows.classes),
        boxes=rows.boxes[at],
        scores=None if rows.scores is None else rows.scores[at],
        lines=some(rows.lines),
        files=some(rows.files),
        columns=columns,
    )


def refuse_rows(rows: Rows, bad: Flags, kind: str, what: str, issues: Issues, source: str) -> Rows:
    """Return the rows without the bad ones, each of which is told by its file and line.

    Raises:
        ValueError: A bad row, unless lenient.
    """

    def issue_of(row: int) -> Issue:
        file, line = rows.place(row, source)
        return Issue(kind=kind, source=file, what=what, done="dropped", entry=row, place=line)

    tell(issues, np.flatnonzero(bad), issue_of)
    return drop(rows, bad)


def as_boxes(values: Sequence[Sequence[float]]) -> Floats:
    """Return rows of four numbers as (n, 4), also of no rows."""
    return np.asarray(values, np.float64).reshape(-1, 4)


def corners_to_size(corners: Floats) -> Floats:
    """Return x, y, width, height from the two corners of continuous boxes, (n, 4)."""
    return np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])


def pixels_to_size(corners: Floats) -> Floats:
    """Return continuous x, y, width, height of boxes that name their first and last pixel.

    Pixels count from 1 and the last one belongs to the box, so x = xmin - 1 and
    width = xmax - xmin + 1: the overlap of two such boxes is the one of VOC's devkit.

    Args:
        corners: xmin, ymin, xmax, ymax, (n, 4).

    Example:
        >>> pixels_to_size(np.array([[1.0, 1.0, 10.0, 20.0]])).tolist()
        [[0.0, 0.0, 10.0, 20.0]]
    """
    return np.hstack([corners[:, :2] - 1, corners[:, 2:] - corners[:, :2] + 1])


def _known(codes: Ids) -> Flags:
    return codes != np.iinfo(np.int64).min


def _size_table(images: Sequence[str], sizes: Sizes) -> Ids:
    unknown = (0, 0)
    return np.array([sizes.get(name, unknown) for name in images], np.int64).reshape(-1, 2)

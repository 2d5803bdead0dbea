"""Pascal VOC: a folder of XML files, one an image, and the devkit's text files of detections."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.issues import Issue, Issues
from drivetrain.detection.readers.lines import (
    numbers,
    read_lines,
    refuse_file,
    refuse_line,
    shown,
)
from drivetrain.detection.readers.rows import (
    Listing,
    Rows,
    as_boxes,
    pixels_to_size,
    to_detections,
    to_truth,
)
from drivetrain.detection.readers.told import Told

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_RESULTS = re.compile(r"^(?:comp\d+_)?det_[^_]+_(?P<name>.+)\.txt$", re.IGNORECASE)


def read_ground_truth(path: Path, told: Told, issues: Issues) -> GroundTruth:
    """Return the truths of a folder of VOC annotations, or of one XML file.

    Boxes hold their first and last pixel, counted from 1: ``xmin .. xmax`` becomes
    x = xmin - 1, width = xmax - xmin + 1. Difficult objects are ``ignore``.

    Args:
        path: The folder; of a whole ``VOC2012`` folder its ``Annotations`` are read.
        told: ``names`` and ``images`` where the folder's own are not all.
        issues: Where findings are told.

    Raises:
        ValueError: A file that is no annotation, an object without name or box, unless lenient.

    References:
        Everingham et al., The Pascal Visual Object Classes (VOC) Challenge, IJCV 2010.
    """
    pages = _read_folder(path, issues, scored=False)
    return to_truth(
        pages.rows(), Listing(images=pages.names, sizes=pages.sizes), told, issues, str(path)
    )


def read_detections(path: Path, truth: GroundTruth, told: Told, issues: Issues) -> Detections:
    """Return detections: the devkit's ``comp4_det_test_CLASS.txt`` files, or scored XML files.

    A line of the text files is ``image score xmin ymin xmax ymax``; in an XML file each object
    has a ``score`` or ``confidence``.

    Args:
        path: The folder, or one such file.
        truth: Whose images and classes are meant.
        told: Nothing that is used here.
        issues: Where findings are told.

    Raises:
        ValueError: A line or object without score or box, an image or class that the truth
            lacks, unless lenient.
    """
    if any(result_class(file) for file in text_files(path)):
        return to_detections(_read_results(path, issues), truth, issues, str(path))
    return to_detections(_read_folder(path, issues, scored=True).rows(), truth, issues, str(path))


def result_class(file: Path) -> str | None:
    """Return the class that a devkit's file of detections is about, or None if it is none.

    Example:
        >>> result_class(Path("comp4_det_test_aeroplane.txt"))
        'aeroplane'
    """
    match = _RESULTS.match(file.name)
    return match.group("name") if match else None


def text_files(path: Path) -> list[Path]:
    """Return the ``.txt`` files of a folder by name, or the file itself."""
    return sorted(path.glob("*.txt")) if path.is_dir() else [path]


@dataclass(slots=True)
class _Pages:
    """What the files of a folder hold."""

    names: list[str] = field(default_factory=list)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    corners: list[list[float]] = field(default_factory=list)
    difficult: list[bool] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    scored: bool = False

    def rows(self) -> Rows:
        return Rows(
            images=self.images,
            classes=self.classes,
            boxes=pixels_to_size(as_boxes(self.corners)),
            scores=np.array(self.scores) if self.scored else None,
            files=self.files,
            columns={} if self.scored else {"ignore": np.array(self.difficult, np.bool_)},
        )


def _read_folder(path: Path, issues: Issues, *, scored: bool) -> _Pages:
    inner = path / "Annotations"
    folder = inner if inner.is_dir() else path
    files = sorted(folder.glob("*.xml")) if folder.is_dir() else [folder]
    pages = _Pages(scored=scored)
    for file in files:
        name = file.stem
        pages.names.append(name)
        root = parse_xml(file, issues)
        if root is None:
            continue
        size = _size(root)
        if size is not None:
            pages.sizes[name] = size
        for entry, thing in enumerate(root.findall("object")):
            _add(pages, name, thing, entry, file, issues)
    return pages


def _add(
    pages: _Pages,
    image: str,
    thing: ElementTree.Element,
    entry: int,
    file: Path,
    issues: Issues,
) -> None:
    name = (thing.findtext("name") or "").strip()
    box = thing.find("bndbox")
    corners = None if box is None else numbers([box.findtext(one) or "" for one in _CORNERS])
    score = numbers([thing.findtext("score") or thing.findtext("confidence") or ""])
    missing = (
        ("missing-class", "an object has no name")
        if not name
        else ("missing-box", f"object {name!r} has no bndbox of four numbers {_CORNERS}")
        if corners is None
        else ("missing-score", f"object {name!r} has no score or confidence that is a number")
        if pages.scored and score is None
        else None
    )
    if missing is not None or corners is None:
        kind, what = missing or ("", "")
        issues.refuse(
            Issue(kind=kind, source=str(file), what=what, done="dropped", entry=entry, id=image)
        )
        return
    pages.images.append(image)
    pages.classes.append(name)
    pages.corners.append(corners)
    pages.files.append(str(file))
    pages.difficult.append((thing.findtext("difficult") or "0").strip() not in ("0", "", "false"))
    if pages.scored and score is not None:
        pages.scores.append(score[0])


def parse_xml(file: Path, issues: Issues) -> ElementTree.Element | None:
    """Return the root of an annotation file, or None where it is dropped.

    A document type is refused: entities are declared there, and nothing else could make a small
    file grow or reach for another one.

    Raises:
        ValueError: Not well-formed, with a document type, or not an ``annotation``, unless lenient.
    """
    data = file.read_bytes()
    try:
        plain = data.decode("utf-16") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else None
    except UnicodeDecodeError:
        plain = None
    if b"<!DOCTYPE" in data or (plain is not None and "<!DOCTYPE" in plain):
        refuse_file(issues, file, "bad-xml", "has a <!DOCTYPE>, which an annotation never needs")
        return None
    if plain is None and b"\0" in data:
        refuse_file(issues, file, "bad-xml", "holds zero bytes: not XML")
        return None
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        refuse_file(issues, file, "bad-xml", f"is not well-formed XML: {error}")
        return None
    if root.tag != "annotation":
        refuse_file(issues, file, "bad-xml", f"must be an <annotation>. Got <{root.tag[:40]}>")
        return None
    return root


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    words = [root.findtext("size/height") or "", root.findtext("size/width") or ""]
    values = numbers(words)
    if values is None or not all(0 < value < 2**31 for value in values):
        return None
    return int(values[0]), int(values[1])


def _read_results(path: Path, issues: Issues) -> Rows:
    images: list[str] = []
    classes: list[str] = []
    # Flat: half a million short lists would keep the garbage collector busy.
    values: list[float] = []
    lines: list[int] = []
    files: list[str] = []
    for file, name, line, words in _result_lines(path, issues):
        five = numbers(words[1:]) if len(words) == 6 else None
        if five is None:
            what = f"must be image, score, xmin, ymin, xmax, ymax. Got {shown(words)}"
            refuse_line(issues, file, line, "bad-line", what)
            continue
        images.append(words[0])
        classes.append(name)
        values += five
        lines.append(line)
        files.append(str(file))
    table = np.array(values, np.float64).reshape(-1, 5)
    return Rows(
        images=images,
        classes=classes,
        boxes=pixels_to_size(table[:, 1:]),
        scores=table[:, 0].copy(),
        lines=lines,
        files=files,
    )


def _result_lines(path: Path, issues: Issues) -> Iterator[tuple[Path, str, int, list[str]]]:
    for file in text_files(path):
        name = result_class(file)
        if name is not None:
            for line, words in read_lines(file, issues):
                yield file, name, line, words

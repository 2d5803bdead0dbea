"""Pascal VOC: an XML file an image; detections in the devkit's text file a class."""

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from drivetrain.core.checks import check_finite
from drivetrain.detection.annotations import Detections, Floats, GroundTruth
from drivetrain.detection.issues import Issues
from drivetrain.detection.readers.names import stem
from drivetrain.detection.readers.rows import pixels_to_size
from drivetrain.detection.writers.folder import (
    atomic_folder,
    class_names,
    file_names,
    image_names,
)
from drivetrain.detection.writers.losses import note_rounding, note_unlisted, refuse_losses

_OBJECT = (
    "  <object>\n    <name>{}</name>\n    <pose>Unspecified</pose>\n"
    "    <truncated>0</truncated>\n    <difficult>{}</difficult>\n    <bndbox>\n"
    "      <xmin>{}</xmin>\n      <ymin>{}</ymin>\n      <xmax>{}</xmax>\n      <ymax>{}</ymax>\n"
    "    </bndbox>\n  </object>\n"
)


def write_ground_truth(truth: GroundTruth, path: Path, issues: Issues) -> None:
    """Write a folder of VOC annotations, one XML file an image, those without truths too.

    ``xmin`` = x + 1 and ``xmax`` = x + width: the devkit counts pixels from 1 and a box holds its
    last one. Where lenient, a crowd region is written as difficult.

    Raises:
        ValueError: Masks, keypoints, crowd regions or areas of their own, unless lenient; an
            image whose name is no file name.
        FileExistsError: The folder is there and not empty.
    """
    refuse_losses(truth, "VOC XML", ("ignore",), issues)
    check_finite("boxes", truth.boxes)
    corners = _corners(truth.boxes)
    note_rounding(truth, pixels_to_size(corners), "VOC XML", issues)
    note_unlisted(truth, "VOC XML", issues, images=False)
    objects = _objects(truth, corners)
    names = image_names(truth)
    files = file_names(names, "image")
    sizes = np.zeros((len(names), 2), np.int64) if truth.image_sizes is None else truth.image_sizes
    with atomic_folder(path) as folder:
        for one, name, file, (height, width) in zip(
            truth.image_ids.tolist(), names, files, sizes.tolist()
        ):
            text = _page(name, height, width, "".join(objects.get(one, [])))
            (folder / f"{file}.xml").write_text(text, "utf-8")


def write_detections(found: Detections, truth: GroundTruth, path: Path, issues: Issues) -> None:
    """Write a folder of ``comp4_det_test_CLASS.txt``: ``image score xmin ymin xmax ymax`` a line.

    Raises:
        ValueError: Masks or keypoints, unless lenient; a class that is no file name, an image
            with a blank in its name.
        FileExistsError: The folder is there and not empty.
    """
    refuse_losses(found, "VOC's text of detections", (), issues)
    corners = _corners(found.boxes)
    note_rounding(found, pixels_to_size(corners), "VOC's text of detections", issues)
    names = [stem(name) for name in image_names(truth)]
    for name in names:
        if not name or any(one.isspace() for one in name):
            raise ValueError(f"image {name!r} must have a name without blanks in VOC's text.")
    images = dict(zip(truth.image_ids.tolist(), names))
    ids = truth.category_ids.tolist()
    lines: dict[int, list[str]] = {one: [] for one in ids}
    rows = zip(
        found.images.tolist(), found.categories.tolist(), found.scores.tolist(), corners.tolist()
    )
    for image, category, score, box in rows:
        words = [images[image], repr(score), *map(number, box)]
        lines[category].append(" ".join(words) + "\n")
    files = file_names(class_names(truth), "class")
    with atomic_folder(path) as folder:
        for one, name in zip(ids, files):
            (folder / f"comp4_det_test_{name}.txt").write_text("".join(lines[one]), "utf-8")


def number(value: float) -> str:
    """Return a number that reads back as itself; whole ones without a point.

    Example:
        >>> number(12.0), number(0.1)
        ('12', '0.1')
    """
    whole = value.is_integer() and abs(value) < 2**53
    # A negative zero keeps its sign only with the point.
    return str(int(value)) if whole and (value or not np.signbit(value)) else repr(value)


def _corners(boxes: Floats) -> Floats:
    return np.hstack([boxes[:, :2] + 1, boxes[:, :2] + boxes[:, 2:]])


def _objects(truth: GroundTruth, corners: Floats) -> dict[int, list[str]]:
    names = dict(zip(truth.category_ids.tolist(), map(escape, class_names(truth))))
    ignored = (truth.ignore | truth.crowd).astype(int).tolist()
    listed: dict[int, list[str]] = {}
    rows = zip(truth.images.tolist(), truth.categories.tolist(), ignored, corners.tolist())
    for image, category, difficult, box in rows:
        text = _OBJECT.format(names[category], difficult, *map(number, box))
        listed.setdefault(image, []).append(text)
    return listed


def _page(name: str, height: int, width: int, objects: str) -> str:
    size = ""
    if height and width:
        size = (
            f"  <size>\n    <width>{width}</width>\n    <height>{height}</height>\n"
            "    <depth>3</depth>\n  </size>\n"
        )
    return (
        f"<annotation>\n  <filename>{escape(name)}</filename>\n{size}"
        f"  <segmented>0</segmented>\n{objects}</annotation>\n"
    )

"""YOLO: a text file an image, classes by number and boxes in parts of the image."""

from pathlib import Path

import numpy as np

from drivetrain.core.checks import check_finite
from drivetrain.detection.annotations import Detections, Floats, GroundTruth
from drivetrain.detection.issues import Issue, Issues
from drivetrain.detection.writers.folder import (
    atomic_folder,
    class_names,
    file_names,
    image_names,
)
from drivetrain.detection.writers.losses import refuse_losses


def write_ground_truth(truth: GroundTruth, path: Path, issues: Issues) -> None:
    """Write a folder of YOLO labels, those of images without truths empty, and ``classes.txt``.

    Classes are numbered from 0 in the order of their ids. With keypoints, each line goes on with
    x, y and visibility of each. ``sizes.csv`` holds the images' sizes, which the labels are
    parts of.

    Raises:
        ValueError: Masks, crowd or difficult truths, areas of their own, unless lenient; an image
            of unknown size or whose name is no file name.
        FileExistsError: The folder is there and not empty.
    """
    refuse_losses(truth, "YOLO text", ("keypoints",), issues)
    _write(truth, truth, path, issues)


def write_detections(found: Detections, truth: GroundTruth, path: Path, issues: Issues) -> None:
    """Write a folder of YOLO labels with the confidence last in each line, and ``classes.txt``.

    Raises:
        ValueError: Masks, unless lenient; an image of unknown size or whose name is no file name.
        FileExistsError: The folder is there and not empty.
    """
    refuse_losses(found, "YOLO text", ("keypoints",), issues)
    _write(found, truth, path, issues)


def _write(
    columns: GroundTruth | Detections, truth: GroundTruth, path: Path, issues: Issues
) -> None:
    check_finite("boxes", columns.boxes)
    names = image_names(truth)
    files = file_names(names, "image")
    numbers = _numbers(columns, _scales(columns, truth))
    lines: dict[int, list[str]] = {one: [] for one in truth.image_ids.tolist()}
    order = np.argsort(np.argsort(truth.category_ids))
    codes = dict(zip(truth.category_ids.tolist(), order.tolist()))
    rows = zip(columns.images.tolist(), columns.categories.tolist(), numbers)
    for image, category, values in rows:
        lines[image].append(" ".join([str(codes[category]), *map(repr, values)]) + "\n")
    text = "YOLO's parts of an image are rounded: boxes are read back to about 1e-16 of its size"
    issues.note(Issue(kind="rounded-box", source=columns.source, what=text, done="repaired"))
    classes = np.array(class_names(truth), object)[np.argsort(truth.category_ids)]
    with atomic_folder(path) as folder:
        for one, file in zip(lines, files):
            (folder / f"{file}.txt").write_text("".join(lines[one]), "utf-8")
        (folder / "classes.txt").write_text("".join(f"{one}\n" for one in classes), "utf-8")
        (folder / "sizes.csv").write_text(_size_table(truth, names), "utf-8")


def _scales(columns: GroundTruth | Detections, truth: GroundTruth) -> Floats:
    """Return width and height of each entry's image, (n, 2)."""
    sizes = truth.image_sizes
    if sizes is None or not len(sizes):
        sizes = np.zeros((len(truth.image_ids), 2), np.int64)
    for row in np.flatnonzero((sizes <= 0).any(axis=1) & np.isin(truth.image_ids, columns.images)):
        raise ValueError(
            f"{truth.source}: YOLO's boxes are parts of the image, and the size of image "
            f"{truth.image_ids[row]} ({image_names(truth)[row]!r}) is not known."
        )
    order = np.argsort(truth.image_ids)
    at = order[np.searchsorted(truth.image_ids, columns.images, sorter=order)]
    return sizes[at][:, ::-1].astype(np.float64)


def _numbers(columns: GroundTruth | Detections, scale: Floats) -> list[list[float]]:
    sizes = columns.boxes[:, 2:]
    parts = [(columns.boxes[:, :2] + sizes / 2) / scale, sizes / scale]
    if columns.keypoints is not None:
        points = columns.keypoints.copy()
        points[:, :, :2] /= scale[:, None, :]
        parts.append(points.reshape(len(points), -1))
    if isinstance(columns, Detections):
        parts.append(columns.scores[:, None])
    table: list[list[float]] = np.hstack(parts).tolist()
    return table


def _size_table(truth: GroundTruth, names: list[str]) -> str:
    sizes = [] if truth.image_sizes is None else truth.image_sizes.tolist()
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    rows = [f"{name},{h},{w}\n" for name, (h, w) in zip(quoted, sizes) if h and w]
    return "image,height,width\n" + "".join(rows)

"""Tables: a row an entry, as CSV and as Parquet, and Open Images' CSV."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.core.checks import check_finite
from drivetrain.core.errors import require
from drivetrain.core.files import atomic_write
from drivetrain.detection.annotations import Detections, Floats, GroundTruth, Ids
from drivetrain.detection.issues import Issues
from drivetrain.detection.writers.folder import class_names, image_names
from drivetrain.detection.writers.losses import note_rounding, note_unlisted, refuse_losses

Columns = dict[str, Sequence[Any]]


def write_ground_truth(truth: GroundTruth, path: Path, issues: Issues) -> None:
    """Write truths as CSV: image, class, x, y, w, h, difficult, crowd, area, id, image sizes.

    Images without truths have a row with nothing else in it.

    Raises:
        ValueError: Masks, keypoints or group-of boxes, unless lenient.
    """
    _write_csv(_truth_columns(truth, "CSV", issues), path)


def write_detections(found: Detections, truth: GroundTruth, path: Path, issues: Issues) -> None:
    """Write detections as CSV: image, class, x, y, w, h, score.

    Raises:
        ValueError: Masks or keypoints, unless lenient.
    """
    _write_csv(_found_columns(found, truth, "CSV", issues), path)


def write_parquet_truth(truth: GroundTruth, path: Path, issues: Issues) -> None:
    """Write truths as Parquet, of the columns that :func:`write_ground_truth` writes.

    Raises:
        ValueError: Masks, keypoints or group-of boxes, unless lenient.
        MissingDependency: pyarrow is not installed.
    """
    _write_parquet(_truth_columns(truth, "Parquet", issues), path)


def write_parquet_detections(
    found: Detections, truth: GroundTruth, path: Path, issues: Issues
) -> None:
    """Write detections as Parquet: image, class, x, y, w, h, score.

    Raises:
        ValueError: Masks or keypoints, unless lenient.
        MissingDependency: pyarrow is not installed.
    """
    _write_parquet(_found_columns(found, truth, "Parquet", issues), path)


def write_openimages_truth(truth: GroundTruth, path: Path, issues: Issues) -> None:
    """Write truths as Open Images has them: ImageID, LabelName, XMin, XMax, YMin, YMax, IsGroupOf.

    Boxes of images of known size become parts of them; images without truths are not listed.

    Raises:
        ValueError: Masks, keypoints, crowd or difficult truths, verified labels, areas of their
            own where sizes are known, unless lenient.
    """
    refuse_losses(truth, "Open Images' CSV", ("group_of",), issues)
    note_unlisted(truth, "Open Images' CSV", issues, images=True)
    table = _openimages(truth, truth, issues)
    group = np.zeros(len(truth), np.bool_) if truth.group_of is None else truth.group_of
    _write_csv(table | {"IsGroupOf": group.astype(int).tolist()}, path)


def write_openimages_detections(
    found: Detections, truth: GroundTruth, path: Path, issues: Issues
) -> None:
    """Write detections as ImageID, LabelName, XMin, XMax, YMin, YMax, Score.

    Raises:
        ValueError: Masks or keypoints, unless lenient.
    """
    refuse_losses(found, "Open Images' CSV", (), issues)
    _write_csv(_openimages(found, truth, issues) | {"Score": found.scores.tolist()}, path)


def _truth_columns(truth: GroundTruth, to: str, issues: Issues) -> Columns:
    refuse_losses(truth, to, ("ignore", "crowd", "areas"), issues)
    note_unlisted(truth, to, issues, images=False)
    check_finite("boxes", truth.boxes)
    table = _named(truth, truth) | _boxes(truth.boxes)
    table |= {
        "difficult": truth.ignore.astype(int).tolist(),
        "crowd": truth.crowd.astype(int).tolist(),
        "area": truth.areas.tolist(),
        "id": truth.ids.tolist(),
    }
    alone = np.flatnonzero(~np.isin(truth.image_ids, truth.images))
    at = np.concatenate([_at(truth.image_ids, truth.images), alone])
    names = image_names(truth)
    table = {name: [*values, *[None] * len(alone)] for name, values in table.items()}
    table["image"] = [names[row] for row in at.tolist()]
    sizes = truth.image_sizes
    if sizes is not None and len(sizes):
        pairs = [(h or None, w or None) for h, w in sizes[at].tolist()]
        table["image_height"] = [height for height, _ in pairs]
        table["image_width"] = [width for _, width in pairs]
    return table


def _found_columns(found: Detections, truth: GroundTruth, to: str, issues: Issues) -> Columns:
    refuse_losses(found, to, (), issues)
    scores = {"score": found.scores.tolist()}
    return _named(found, truth) | _boxes(found.boxes) | scores


def _named(columns: GroundTruth | Detections, truth: GroundTruth) -> Columns:
    images, classes = image_names(truth), class_names(truth)
    return {
        "image": [images[row] for row in _at(truth.image_ids, columns.images).tolist()],
        "class": [classes[row] for row in _at(truth.category_ids, columns.categories).tolist()],
    }


def _at(ids: Ids, values: Ids) -> Ids:
    """Return where each value is among the ids."""
    order = np.argsort(ids)
    return order[np.searchsorted(ids, values, sorter=order)]


def _boxes(boxes: Floats) -> Columns:
    return {name: boxes[:, i].tolist() for i, name in enumerate("xywh")}


def _openimages(columns: GroundTruth | Detections, truth: GroundTruth, issues: Issues) -> Columns:
    scale = np.ones((len(columns), 2))
    if truth.image_sizes is not None and len(truth.image_sizes):
        sizes = truth.image_sizes[_at(truth.image_ids, columns.images)][:, ::-1]
        scale = np.where(sizes > 0, sizes, 1).astype(np.float64)
    low = columns.boxes[:, :2] / scale
    high = (columns.boxes[:, :2] + columns.boxes[:, 2:]) / scale
    written = np.hstack([low * scale, (high - low) * scale])
    note_rounding(columns, written, "Open Images' CSV", issues)
    named = _named(columns, truth)
    return {
        "ImageID": named["image"],
        "LabelName": named["class"],
        "XMin": low[:, 0].tolist(),
        "XMax": high[:, 0].tolist(),
        "YMin": low[:, 1].tolist(),
        "YMax": high[:, 1].tolist(),
    }


def _write_csv(table: Columns, path: Path) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    # Floats are written by repr, the shortest digits that read back as the same number.
    writer.writerows(zip(*table.values()))
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def _write_parquet(table: Columns, path: Path) -> None:
    arrow = require("pyarrow", "drivetrain[parquet]")
    parquet = require("pyarrow.parquet", "drivetrain[parquet]")
    words = ("image", "class")
    whole = ("difficult", "crowd", "id", "image_height", "image_width")
    kinds = {
        name: arrow.string()
        if name in words
        else arrow.int64()
        if name in whole
        else arrow.float64()
        for name in table
    }
    arrays = [arrow.array(values, kinds[name]) for name, values in table.items()]
    with atomic_write(path) as file:
        parquet.write_table(arrow.Table.from_arrays(arrays, names=list(table)), file)

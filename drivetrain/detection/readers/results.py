"""COCO's results as detections."""

from typing import Any

import numpy as np

from drivetrain.detection.annotations import Detections, Floats, GroundTruth
from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.schema import GOOD, Schema
from drivetrain.detection.readers.entries import all_good, check_entries
from drivetrain.detection.readers.identity import numbered
from drivetrain.detection.readers.members import (
    MASKED,
    Flags,
    Job,
    enclosing,
    extents,
    kept,
    keypoints_of,
    masks_of,
    sizes_of,
)


def results(task: str) -> Schema:
    """Return what is read of a detection for a task."""
    return Schema(
        entry="detection",
        integers=("image_id", "category_id"),
        reals=("score",),
        boxes="bbox",
        points="keypoints" if task == "keypoints" else "",
        spans=("segmentation",),
        box_width=5 if task == "rotated" else 4,
    )


def is_placed(entries: Columns) -> bool:
    """Return whether detections have boxes or masks, from which boxes are made."""
    return entries.any_found("bbox", GOOD) or entries.any_found("segmentation", GOOD)


def found_of(job: Job, entries: Columns, truth: GroundTruth) -> Detections:
    """Return the detections of a list of results.

    As pycocotools has it, the first entry says what all are: results with boxes, whose areas are
    the boxes', else with masks, else with keypoints.

    Raises:
        ValueError: An entry lacks what it needs, unless lenient.
    """
    needed = ["image_id", "category_id", "score", _needed(job.task, entries)]
    source, issues = job.source, job.issues
    entries = check_entries(entries, source=source.name, needed=needed, issues=issues)
    of, strange = numbered(entries, "image_id", source, truth.image_words, issues)
    kinds, stranger = numbered(entries, "category_id", source, truth.category_words, issues)
    columns, refused = _measured(job, entries, of, truth, needed[-1])
    columns |= {"images": of, "categories": kinds, "places": entries.places}
    columns["scores"] = entries.reals[0]
    return Detections(**kept(columns, strange | stranger | refused), source=source.name)


def _needed(task: str, entries: Columns) -> str:
    if task in MASKED:
        return "segmentation"
    if task != "bbox":
        return "keypoints" if task == "keypoints" else "bbox"
    for key in ("bbox", "segmentation", "keypoints"):
        if key in entries.schema.fields and (entries.form(key)[:1] == GOOD).any():
            return key
    return "bbox"


def _measured(
    job: Job, entries: Columns, of: Any, truth: GroundTruth, needed: str
) -> tuple[dict[str, Any], Flags]:
    refused = np.zeros(len(entries), np.bool_)
    columns: dict[str, Any] = {"boxes": entries.boxes}
    if needed == "segmentation":
        sizes = truth.image_sizes
        known = np.zeros((len(truth.image_ids), 2), np.int64) if sizes is None else sizes
        masks, refused = masks_of(job, entries, sizes_of(of, truth.image_ids, known))
        columns["boxes"] = _boxes_or(entries, masks.boxes)
        if job.task in MASKED:
            columns["masks"] = masks
            if (entries.form("bbox")[:1] == GOOD).any():
                columns["areas"] = columns["boxes"][:, 2] * columns["boxes"][:, 3]
    elif needed == "keypoints":
        keypoints = keypoints_of(entries)
        columns["boxes"] = _boxes_or(entries, extents(keypoints))
        if job.task == "keypoints":
            columns["keypoints"] = keypoints
    elif job.task == "rotated":
        columns["rotated"], columns["boxes"] = entries.boxes, enclosing(entries.boxes)
    return columns, refused


def _boxes_or(entries: Columns, others: Floats) -> Floats:
    """Return the entries' own boxes, where they have some, else the others."""
    if not entries.any_found("bbox", GOOD):
        return others
    if all_good(entries, "bbox"):
        return entries.boxes
    return np.where((entries.form("bbox") == GOOD)[:, None], entries.boxes, others)

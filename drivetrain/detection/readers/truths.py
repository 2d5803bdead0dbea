"""COCO's images, annotations and categories as truths."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from drivetrain.detection.annotations import Floats, GroundTruth, Ids
from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.schema import GOOD, Schema
from drivetrain.detection.json.texts import Texts, spans_of
from drivetrain.detection.readers.entries import all_good, check_entries, whole
from drivetrain.detection.readers.federated import federation_of
from drivetrain.detection.readers.identity import numbered, words_of
from drivetrain.detection.readers.members import (
    MASKED,
    Job,
    enclosing,
    kept,
    keypoints_of,
    masks_of,
    sizes_of,
)

IMAGES = Schema(
    entry="image",
    integers=("id", "height", "width"),
    spans=("file_name", "neg_category_ids", "not_exhaustive_category_ids"),
)
CATEGORIES = Schema(entry="category", integers=("id",), spans=("name", "frequency"))


def annotations(task: str) -> Schema:
    """Return what is read of an annotation for a task."""
    posed = task == "keypoints"
    counts = ("num_keypoints",) if posed else ()
    return Schema(
        entry="annotation",
        integers=("id", "image_id", "category_id", "iscrowd", "ignore", *counts),
        reals=("area",),
        boxes="bbox",
        points="keypoints" if posed else "",
        spans=("segmentation",),
        box_width=5 if task == "rotated" else 4,
    )


def truth_of(job: Job, sections: dict[str, Columns]) -> GroundTruth:
    """Return the truths of a file's sections.

    Raises:
        ValueError: An entry lacks what it needs, unless lenient.
    """
    needed = ["image_id", "category_id", *_needed(job.task)]
    entries = _checked(job, sections["annotations"], needed)
    images, image_ids, image_words = _listed(job, sections.get("images"), IMAGES)
    classes, class_ids, class_words = _listed(job, sections.get("categories"), CATEGORIES)
    if images is None:
        image_words = words_of(job.source, entries, "image_id")
    if classes is None:
        class_words = words_of(job.source, entries, "category_id")
    of, strange = numbered(entries, "image_id", job.source, image_words, job.issues)
    kinds, stranger = numbered(entries, "category_id", job.source, class_words, job.issues)
    lost = strange | stranger
    if images is None:
        image_ids = _occurring(job, "images", of[~lost])
    if classes is None:
        class_ids = _occurring(job, "categories", kinds[~lost])
    sizes = _image_sizes(images, len(image_ids))
    columns, refused = _measured(job, entries, sizes_of(of, image_ids, sizes))
    columns |= {"images": of, "categories": kinds, "places": entries.places}
    federation = None
    if images is not None:
        federation = federation_of(job.source, images, image_ids, classes, class_words)
    return GroundTruth(
        **kept(columns, lost | refused),
        image_ids=image_ids,
        category_ids=class_ids,
        image_sizes=sizes,
        image_names=_names(job, images, "file_name"),
        category_names=list(_names(job, classes, "name")),
        image_words=image_words,
        category_words=class_words,
        federation=federation,
        source=job.source.name,
    )


def _needed(task: str) -> list[str]:
    return ["segmentation"] if task in MASKED else ["bbox"]


def _checked(job: Job, entries: Columns, needed: Sequence[str]) -> Columns:
    return check_entries(entries, source=job.source.name, needed=needed, issues=job.issues)


def _listed(
    job: Job, entries: Columns | None, schema: Schema
) -> tuple[Columns | None, Ids, list[str]]:
    """Return images or categories, their ids and the ids' text; of equal ids the last counts."""
    if entries is None:
        return None, np.empty(0, np.int64), []
    entries = _checked(job, entries, ["id"])
    words = words_of(job.source, entries, "id")
    ids, lost = numbered(entries, "id", job.source, words, job.issues)
    rows = np.flatnonzero(~lost)
    _, last = np.unique(ids[rows][::-1], return_index=True)
    if len(last) < len(rows):
        times = len(rows) - len(last)
        what = f"{times} of {len(rows)} entries repeat an id: the last of each is taken."
        job.note(f"duplicate-{schema.entry}-id", what, times)
        rows = rows[np.sort(len(rows) - 1 - last)]
    if len(rows) == len(entries):
        return entries, ids, words
    return entries.take(rows), ids[rows], words


def _occurring(job: Job, section: str, ids: Ids) -> Ids:
    found = np.unique(ids)
    what = f"the file lists no {section}: the {len(found)} that occur in annotations are taken."
    job.note(f"no-{section}", what, 1)
    return found


def _image_sizes(images: Columns | None, n: int) -> Ids:
    if images is None:
        return np.zeros((n, 2), np.int64)
    return np.column_stack([whole(images, "height", 0), whole(images, "width", 0)])


def _names(job: Job, entries: Columns | None, key: str) -> Sequence[str]:
    if entries is None or not entries.any_found(key, GOOD):
        return ()
    return Texts(job.source, spans_of(entries, key))


def _measured(job: Job, entries: Columns, sizes: Ids) -> tuple[dict[str, Any], Any]:
    """Return boxes, areas, flags, masks and keypoints, and which entries are refused."""
    refused = np.zeros(len(entries), np.bool_)
    columns: dict[str, Any] = {"boxes": entries.boxes}
    if job.task in MASKED:
        columns["masks"], refused = masks_of(job, entries, sizes)
        boxed = (entries.form("bbox") == GOOD)[:, None]
        columns["boxes"] = np.where(boxed, entries.boxes, columns["masks"].boxes)
    elif job.task == "keypoints":
        columns["keypoints"] = keypoints_of(entries)
        columns["visible"] = _visible(job, entries, columns["keypoints"])
    elif job.task == "rotated":
        columns["rotated"], columns["boxes"] = entries.boxes, enclosing(entries.boxes)
    columns["areas"] = _areas(job, entries, columns)
    columns["crowd"] = _crowd(job, entries) != 0
    columns["ignore"] = whole(entries, "ignore", 0) != 0
    columns["ids"] = _annotation_ids(job, entries)
    return columns, refused


def _areas(job: Job, entries: Columns, columns: dict[str, Any]) -> Floats:
    areas: Floats = entries.reals[0]
    if all_good(entries, "area"):
        return areas
    there = entries.form("area") == GOOD
    missing = int(np.count_nonzero(~there))
    box = entries.boxes if job.task == "rotated" else columns["boxes"]
    instead = box[:, 2] * box[:, 3]
    if "masks" in columns:
        instead = columns["masks"].areas
    job.note("missing-area", f"{missing} annotations have no area: their own is taken.", missing)
    return np.where(there, areas, instead)


def _crowd(job: Job, entries: Columns) -> Ids:
    if not all_good(entries, "iscrowd"):
        missing = int(np.count_nonzero(entries.form("iscrowd") != GOOD))
        what = f"{missing} annotations have no iscrowd: 0 is taken."
        job.note("missing-iscrowd", what, missing)
    return whole(entries, "iscrowd", 0)


def _visible(job: Job, entries: Columns, keypoints: Floats) -> Ids:
    there = entries.form("num_keypoints") == GOOD
    labelled = np.count_nonzero(keypoints[:, :, 2] > 0, axis=1)
    missing = int(np.count_nonzero(~there))
    if missing:
        what = f"{missing} annotations have no num_keypoints: those with v > 0 are counted."
        job.note("missing-num-keypoints", what, missing)
    slot = entries.schema.fields["num_keypoints"][1].slot
    return np.where(there, entries.ints[slot], labelled)


def _annotation_ids(job: Job, entries: Columns) -> Ids:
    words = words_of(job.source, entries, "id")
    if words:
        # Their text is nowhere compared: equal ones must be equal numbers, no more.
        ids, _ = numbered(entries, "id", job.source, words, job.issues)
        return ids + 1
    ids = entries.ints[0]
    if all_good(entries, "id"):
        return ids
    there = entries.form("id") == GOOD
    missing = int(np.count_nonzero(~there))
    job.note("missing-id", f"{missing} annotations have no id: free ones are taken.", missing)
    after = int(ids[there].max()) if there.any() else 0
    return np.where(there, ids, after + np.cumsum(~there))

"""COCO JSON, and LVIS' where labels are federated."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from drivetrain.core.checks import check_finite
from drivetrain.core.files import atomic_write
from drivetrain.detection.annotations import Detections, GroundTruth, Ids
from drivetrain.detection.issues import Issues
from drivetrain.detection.readers.names import spelled
from drivetrain.detection.writers.folder import class_names, image_names
from drivetrain.detection.writers.losses import refuse_losses

_HELD = ("masks", "keypoints", "crowd", "ignore", "areas", "federation")
# Entries that are put together before they are written.
_CHUNK = 4096


def write_ground_truth(truth: GroundTruth, path: Path, issues: Issues) -> None:
    """Write truths as COCO's ``images``, ``annotations`` and ``categories``.

    Masks are compressed run lengths; ``ignore`` is written where it is set; federated labels are
    written as LVIS has them.

    Raises:
        ValueError: Rotated or group-of boxes, unless lenient; numbers that JSON lacks (NaN).
    """
    refuse_losses(truth, "COCO JSON", _HELD, issues)
    check_finite("boxes", truth.boxes)
    check_finite("areas", truth.areas)
    head = {"images": _images(truth), "categories": _categories(truth)}
    with atomic_write(path) as file:
        file.write(json.dumps(head, separators=(",", ":"))[:-1].encode())
        file.write(b',"annotations":[')
        for piece in _pieces(_annotations(truth)):
            file.write(piece)
        file.write(b"]}\n")


def write_detections(found: Detections, truth: GroundTruth, path: Path, issues: Issues) -> None:
    """Write detections as COCO's list of results.

    Each has ``bbox`` and ``score``, and ``segmentation`` and ``keypoints`` where there are any.

    Raises:
        ValueError: Rotated boxes, unless lenient; numbers that JSON lacks (NaN, infinity).
    """
    refuse_losses(found, "COCO JSON", _HELD, issues)
    check_finite("boxes", found.boxes)
    check_finite("scores", found.scores)
    with atomic_write(path) as file:
        file.write(b"[")
        for piece in _pieces(_results(found, truth)):
            file.write(piece)
        file.write(b"]\n")


def _pieces(entries: Iterator[str]) -> Iterator[bytes]:
    first = True
    while chunk := [entry for _, entry in zip(range(_CHUNK), entries)]:
        yield (("" if first else ",\n") + ",\n".join(chunk)).encode()
        first = False


def _annotations(truth: GroundTruth) -> Iterator[str]:
    rows = zip(
        truth.ids.tolist(),
        *_ids(truth, truth),
        truth.boxes.tolist(),
        truth.areas.tolist(),
        truth.crowd.tolist(),
        truth.ignore.tolist(),
        _further(truth),
    )
    for one, image, category, box, area, crowd, ignore, more in rows:
        flag = ',"ignore":1' if ignore else ""
        yield (
            f'{{"id":{one},"image_id":{image},"category_id":{category},"bbox":{box},'
            f'"area":{area!r},"iscrowd":{int(crowd)}{flag}{more}}}'
        )


def _results(found: Detections, truth: GroundTruth) -> Iterator[str]:
    rows = zip(
        *_ids(found, truth),
        found.boxes.tolist(),
        found.scores.tolist(),
        _further(found),
    )
    for image, category, box, score, more in rows:
        yield (
            f'{{"image_id":{image},"category_id":{category},"bbox":{box},"score":{score!r}{more}}}'
        )


def _ids(
    columns: GroundTruth | Detections, truth: GroundTruth
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the image and category id of each entry as JSON: numbers, or the text they were."""
    images, categories = columns.images, columns.categories
    return _as_json(images, truth.image_words), _as_json(categories, truth.category_words)


def _as_json(ids: Ids, words: Sequence[str]) -> Sequence[Any]:
    quoted = [json.dumps(word) for word in words]
    return spelled(ids, quoted) if quoted else ids.tolist()


def _further(columns: GroundTruth | Detections) -> Iterator[str]:
    """Yield the mask and the keypoints of each entry as further members of its object."""
    strings = None
    if columns.masks is not None:
        from drivetrain.detection.masks import to_strings

        strings = to_strings(columns.masks)
    sizes = None if columns.masks is None else columns.masks.sizes.tolist()
    points = columns.keypoints
    visible = columns.visible if isinstance(columns, GroundTruth) else None
    for row in range(len(columns)):
        more = ""
        if strings is not None and sizes is not None:
            counts = json.dumps(strings[row].decode("ascii"))
            more += f',"segmentation":{{"size":{sizes[row]},"counts":{counts}}}'
        if points is not None:
            flat = json.dumps(points[row].reshape(-1).tolist(), allow_nan=False)
            more += f',"keypoints":{flat}'
        if visible is not None:
            more += f',"num_keypoints":{visible[row]}'
        yield more


def _images(truth: GroundTruth) -> list[dict[str, Any]]:
    ids = truth.image_ids.tolist()
    images: list[dict[str, Any]] = [
        {"id": one, "file_name": name} for one, name in zip(ids, image_names(truth))
    ]
    if truth.image_sizes is not None and len(truth.image_sizes):
        for image, (height, width) in zip(images, truth.image_sizes.tolist()):
            if height and width:
                image |= {"height": height, "width": width}
    if truth.federation is not None:
        negative = _by_image(truth.federation.negative, truth)
        partial = _by_image(truth.federation.not_exhaustive, truth)
        for image in images:
            image["neg_category_ids"] = negative.get(image["id"], [])
            image["not_exhaustive_category_ids"] = partial.get(image["id"], [])
    if truth.image_words:
        for image, word in zip(images, spelled(truth.image_ids, truth.image_words)):
            image["id"] = word
    return images


def _by_image(pairs: Ids, truth: GroundTruth) -> dict[int, list[int | str]]:
    words = dict(enumerate(truth.category_words))
    listed: dict[int, list[int | str]] = {}
    for image, category in pairs.tolist():
        listed.setdefault(image, []).append(words.get(category, category))
    return listed


def _categories(truth: GroundTruth) -> list[dict[str, Any]]:
    names = class_names(truth)
    categories: list[dict[str, Any]] = [
        {"id": one, "name": name} for one, name in zip(truth.category_ids.tolist(), names)
    ]
    if truth.federation is not None and truth.federation.frequency:
        for category, letter in zip(categories, truth.federation.frequency):
            category["frequency"] = letter
    if truth.category_words:
        for category, word in zip(categories, spelled(truth.category_ids, truth.category_words)):
            category["id"] = word
    return categories

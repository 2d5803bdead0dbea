"""What COCOeval compares: the chosen annotations and results as columns, by pycocotools' rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drivetrain.detection.annotations import Detections, Floats, GroundTruth, Ids
from drivetrain.detection.compat.coco import COCO, Entry
from drivetrain.detection.compat.params import Params
from drivetrain.detection.masks.columns import Masks
from drivetrain.detection.masks.objects import read_object
from drivetrain.detection.masks.strings import from_strings


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """Columns, and which of their images and classes are counted.

    Attributes:
        truth: The annotations.
        found: The results.
        found_ids: Id of each result, (n,).
        images: What the columns call each of ``imgIds``, rising, (I,).
        classes: What they call each of ``catIds``, rising, (K,); one where classes are pooled.
        task: ``bbox``, ``segm`` or ``keypoints``.
        sigmas: Spread of each keypoint, or None.
    """

    truth: GroundTruth
    found: Detections
    found_ids: Ids
    images: Ids
    classes: Ids
    task: str
    sigmas: Floats | None = None


def prepare(truth: COCO, found: COCO, params: Params) -> Prepared:
    """Return what these parameters choose of the annotations and results.

    Ids of images and classes become their ranks, so that texts and large numbers do as well.

    Raises:
        ValueError: An entry lacks what the comparison needs; it is named by its id.
    """
    scanned = _from_columns(truth, found, params)
    if scanned is not None:
        return scanned
    ranks = _Ranks(params)
    wanted = params.catIds if params.useCats else None
    anns, dets = (ranks.rows(data.chosen(params.imgIds, wanted)) for data in (truth, found))
    task = params.iouType
    sigmas = np.asarray(params.kpt_oks_sigmas, np.float64) if task == "keypoints" else None
    points = 0 if sigmas is None else len(sigmas)
    known = _truth_columns(anns, ranks, task, points)
    said = _found_columns(dets, ranks, task, points)
    if task == "segm":
        known = replace(known, masks=_masks(truth, anns, "annotation"))
        said = replace(said, masks=_masks(found, dets, "result"))
    prepared = Prepared(
        truth=known,
        found=said,
        found_ids=_numbers(dets, "id", "result").astype(np.int64),
        images=ranks.images,
        classes=ranks.classes,
        task=task,
        sigmas=sigmas,
    )
    _check_found_ids(prepared)
    return prepared if params.useCats or task != "keypoints" else _never_compared(prepared)


def _from_columns(truth: COCO, found: COCO, params: Params) -> Prepared | None:
    """Return the columns of files as they are, where no dictionary was ever asked for."""
    task = params.iouType
    images, classes = np.asarray(params.imgIds), np.asarray(params.catIds)
    plain = images.dtype.kind in "iu" and classes.dtype.kind in "iu" and bool(params.useCats)
    if not plain or truth.columns is None or found.columns is None:
        return None
    known, said = truth.columns_for(task), found.columns_for(task)
    if not isinstance(known, GroundTruth) or not isinstance(said, Detections):
        return None
    sigmas = np.asarray(params.kpt_oks_sigmas, np.float64) if task == "keypoints" else None
    for posed in (known.keypoints, said.keypoints):
        if sigmas is not None and (posed is None or posed.shape[1] != len(sigmas)):
            return None
    return Prepared(
        # Overwritten by iscrowd, whatever the file says: pycocotools' quirk.
        truth=replace(known, ignore=known.crowd),
        found=said,
        found_ids=np.arange(1, len(said) + 1),
        images=images.astype(np.int64),
        classes=classes.astype(np.int64),
        task=task,
        sigmas=sigmas,
    )


class _Ranks:
    """The place of each image and class among those that are counted."""

    def __init__(self, params: Params) -> None:
        self.pooled = not params.useCats
        self.image = {key: rank for rank, key in enumerate(params.imgIds)}
        self.category = {key: rank for rank, key in enumerate(params.catIds)}
        self.order = list(params.catIds)
        self.images = np.arange(len(self.image))
        self.classes = np.arange(1 if self.pooled else len(self.category))

    def rows(self, entries: list[Entry]) -> list[Entry]:
        """Return the entries that are counted, pooled classes one after the other."""
        if not self.pooled:
            return [
                e
                for e in entries
                if e["image_id"] in self.image and e["category_id"] in self.category
            ]
        by_class: dict[Any, list[Entry]] = {}
        for entry in entries:
            if entry["image_id"] in self.image:
                by_class.setdefault(entry["category_id"], []).append(entry)
        return [entry for category in self.order for entry in by_class.get(category, [])]

    def places(self, rows: Sequence[Entry]) -> tuple[Ids, Ids]:
        """Return the ranks of the entries' images and classes."""
        images = np.array([self.image[e["image_id"]] for e in rows], np.int64)
        if self.pooled:
            return images, np.zeros(len(rows), np.int64)
        return images, np.array([self.category[e["category_id"]] for e in rows], np.int64)


def _truth_columns(rows: list[Entry], ranks: _Ranks, task: str, points: int) -> GroundTruth:
    images, classes = ranks.places(rows)
    of = "annotation"
    crowd = _values(rows, "iscrowd", of)
    posed = task == "keypoints"
    return GroundTruth(
        image_ids=ranks.images,
        category_ids=ranks.classes,
        ids=_numbers(rows, "id", of).astype(np.int64),
        images=images,
        categories=classes,
        boxes=np.zeros((len(rows), 4)) if task == "segm" else _boxes(rows, of),
        areas=_numbers(rows, "area", of),
        crowd=np.array([int(flag) for flag in crowd], np.int64) != 0,
        # Overwritten by iscrowd, whatever the file says: pycocotools' quirk.
        ignore=np.array([bool(flag) for flag in crowd], np.bool_),
        keypoints=_keypoints(rows, of, points) if posed else None,
        visible=(_numbers(rows, "num_keypoints", of) != 0).astype(np.int64) if posed else None,
    )


def _found_columns(rows: list[Entry], ranks: _Ranks, task: str, points: int) -> Detections:
    images, classes = ranks.places(rows)
    of = "result"
    return Detections(
        images=images,
        categories=classes,
        scores=_numbers(rows, "score", of),
        boxes=_boxes(rows, of) if task == "bbox" else np.zeros((len(rows), 4)),
        areas=_numbers(rows, "area", of),
        keypoints=_keypoints(rows, of, points) if task == "keypoints" else None,
    )


def _values(rows: list[Entry], key: str, of: str) -> list[Any]:
    try:
        return [entry[key] for entry in rows]
    except KeyError:
        bad = next(entry for entry in rows if key not in entry)
        raise ValueError(f"{of} of id {bad.get('id')!r} has no {key!r}.") from None


def _numbers(rows: list[Entry], key: str, of: str) -> Floats:
    return _array(rows, key, of, ())


def _array(rows: list[Entry], key: str, of: str, shape: tuple[int, ...]) -> Floats:
    """Return the numbers of all rows, (n, *shape); the first row that has others is named."""
    values = _values(rows, key, of)
    if not rows:
        return np.empty((0, *shape))
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(())
    if array.shape == (len(rows), *shape):
        return array
    return np.array([_row(row, key, of, shape) for row in rows])


def _row(row: Entry, key: str, of: str, shape: tuple[int, ...]) -> Floats:
    wanted = f"{shape[0]} numbers" if shape else "a number"
    try:
        array = np.array(row[key], np.float64)
        if array.size == np.prod(shape, dtype=int):
            return array.reshape(shape)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{key} of {of} id {row.get('id')!r} must be {wanted}. Got {row[key]!r}.")


def _boxes(rows: list[Entry], of: str) -> Floats:
    return _array(rows, "bbox", of, (4,))


def _keypoints(rows: list[Entry], of: str, n: int) -> Floats:
    return _array(rows, "keypoints", of, (3 * n,)).reshape(-1, n, 3)


def _masks(data: COCO, rows: list[Entry], of: str) -> Masks:
    """Return the rows' masks: compressed ones at once, the others one by one."""
    given = _values(rows, "segmentation", of)
    texts = [i for i, one in enumerate(given) if _is_text(one)]
    others = sorted(set(range(len(given))) - set(texts))
    sizes = np.array([given[i]["size"] for i in texts], np.int64).reshape(-1, 2)
    parts = [from_strings([given[i]["counts"] for i in texts], sizes)]
    parts += [_mask(data, rows[i], of) for i in others]
    return Masks.concatenate(parts).take(np.argsort([*texts, *others]))


def _is_text(segmentation: Any) -> bool:
    return isinstance(segmentation, dict) and isinstance(segmentation["counts"], (str, bytes))


def _mask(data: COCO, row: Entry, of: str) -> Masks:
    segmentation = row["segmentation"]
    # A mask has the size it states, whatever its image's.
    size = None if isinstance(segmentation, dict) else data.size_of(row["image_id"])
    try:
        return read_object(segmentation, size)
    except (TypeError, ValueError) as error:
        raise ValueError(f"segmentation of {of} id {row.get('id')!r}: {error}") from None


def _check_found_ids(prepared: Prepared) -> None:
    if prepared.found_ids.size and prepared.found_ids.min() <= 0:
        bad = int(prepared.found_ids.min())
        raise ValueError(
            f"ids of results must be positive, as loadRes gives them. Got {bad}: pycocotools would "
            "hold what it matched to be free."
        )


def _never_compared(prepared: Prepared) -> Prepared:
    """pycocotools looks up pooled keypoints under a class that has none: nothing ever matches."""
    aside = prepared.truth.ignore | (prepared.truth.visible == 0)
    nowhere = replace(prepared.truth, boxes=np.zeros((len(aside), 4)), ignore=aside)
    return replace(prepared, truth=nowhere, task="bbox")

"""Results as pycocotools completes them: ids from 1, areas, boxes, and what it refuses."""

import copy
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

Entry = dict[str, Any]


class ResultsError(ValueError, AssertionError):
    """Results that do not belong to the data set; pycocotools raises an AssertionError."""


class EmptyResultsError(ValueError, IndexError):
    """No results at all; pycocotools raises an IndexError."""


def check(entries: Any, images: Collection[Any]) -> list[Entry]:
    """Return the results if they are a list with entries, on images of the data set.

    Raises:
        ResultsError: Not a list, or on an image that the data set does not have.
        EmptyResultsError: An empty list.
    """
    if type(entries) is not list:
        raise ResultsError(f"results must be a list of objects. Got {type(entries).__name__}.")
    known = set(images)
    for at, entry in enumerate(entries):
        if "image_id" not in entry:
            raise ResultsError(f"results entry {at} has no 'image_id'.")
        if entry["image_id"] not in known:
            raise unknown_image(at, entry["image_id"], len(known))
    if not entries:
        raise EmptyResultsError(
            "results are empty: pycocotools cannot load them (IndexError). "
            "drivetrain.detection.evaluate rates them AP 0."
        )
    return entries


def unknown_image(at: int, image: Any, n_images: int) -> ResultsError:
    """Return the error for a result on an image that the data set does not have."""
    return ResultsError(
        f"results entry {at} is of image id {image!r}, which is none of the {n_images} images of "
        "the data set: results do not correspond to it."
    )


def complete(entries: list[Entry]) -> None:
    """Give each result its id, area and what its kind lacks, in place, as pycocotools does.

    The first entry says of which kind all are: captions, boxes, masks or keypoints.

    Raises:
        ValueError: An entry is not of that kind.
    """
    first = entries[0]
    fill = None
    if "caption" in first:
        fill = _nothing
    elif "bbox" in first and list(first["bbox"]) != []:
        fill = _complete_box
    elif "segmentation" in first:
        fill = _complete_mask
    elif "keypoints" in first:
        fill = _complete_keypoints
    if fill is None:
        return
    for at, entry in enumerate(entries):
        try:
            fill(entry)
        except KeyError as error:
            raise ValueError(
                f"results entry {at} has no {error.args[0]!r}, which entry 0 has."
            ) from None
        entry["id"] = at + 1


def _nothing(entry: Entry) -> None:
    """A caption has no area."""


def _complete_box(entry: Entry) -> None:
    x, y, w, h = entry["bbox"][:4]
    if "segmentation" not in entry:
        entry["segmentation"] = [[x, y, x, y + h, x + w, y + h, x + w, y]]
    entry["area"] = w * h
    entry["iscrowd"] = 0


def _complete_mask(entry: Entry) -> None:
    from drivetrain.detection.compat import mask

    entry["area"] = mask.area(entry["segmentation"])
    if "bbox" not in entry:
        entry["bbox"] = mask.toBbox(entry["segmentation"])
    entry["iscrowd"] = 0


def _complete_keypoints(entry: Entry) -> None:
    points = entry["keypoints"]
    x, y = points[0::3], points[1::3]
    left, top = np.min(x), np.min(y)
    width, height = np.max(x) - left, np.max(y) - top
    entry["area"] = width * height
    entry["bbox"] = [left, top, width, height]


def dataset_of(entries: list[Entry], parent: Entry) -> Entry:
    """Return the data set of completed results: the parent's images and classes, and these."""
    dataset = {"info": copy.deepcopy(parent.get("info", {})), "images": list(parent["images"])}
    if "caption" in entries[0]:
        described = {entry["image_id"] for entry in entries}
        dataset["images"] = [image for image in parent["images"] if image["id"] in described]
    elif "categories" in parent:
        dataset["categories"] = copy.deepcopy(parent["categories"])
    return {**dataset, "annotations": entries}


def entries_of(data: NDArray[np.floating]) -> list[Entry]:
    """Return rows of image id, x, y, width, height, score, class id as entries.

    Raises:
        ResultsError: Not of shape (n, 7).
    """
    if data.ndim != 2 or data.shape[1] != 7:
        raise ResultsError(f"an array of results must be of shape (n, 7). Got {data.shape}.")
    return [
        {
            "image_id": int(row[0]),
            "bbox": [row[1], row[2], row[3], row[4]],
            "score": row[5],
            "category_id": int(row[6]),
        }
        for row in data
    ]


def run_length(segmentation: Any, height: int, width: int) -> Any:
    """Return polygons or a list of runs as a compressed mask; a compressed one as it is."""
    from drivetrain.detection.compat import mask

    if isinstance(segmentation, list):
        return mask.merge(mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return mask.frPyObjects(segmentation, height, width)
    return segmentation

"""A COCO file: scanned into columns at once, read into dictionaries when those are asked for."""

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.core.backend import choose
from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.compat.results import unknown_image
from drivetrain.detection.issues import Issues

#: Enough of a file of results to hold its first entry.
FIRST = 1 << 20


@dataclass(eq=False)
class Scanned:
    """A file, and its columns where they say all that pycocotools would say.

    Whatever is unusual in a file (texts for ids, a missing ``area``, a repeated image, an entry
    that a reader would refuse) leaves the columns None: the dictionaries then decide, as they do
    in pycocotools, and name what they cannot do.

    Attributes:
        path: Where the file lies.
        truth: The data set that results are on; None where the file is a data set.
        columns: Truths or detections, or None.
        task: For which they were read.
    """

    path: str
    truth: GroundTruth | None = None
    columns: GroundTruth | Detections | None = None
    task: str = "bbox"

    def load(self) -> Any:
        """Return what the file holds, as dictionaries and lists.

        Raises:
            ValueError: It is not JSON; the message names the file and the place.
        """
        with open(self.path, encoding="utf-8-sig") as file:
            try:
                return json.load(file)
            except ValueError as error:
                raise ValueError(f"{self.path}: {error}") from None

    def for_task(self, task: str) -> GroundTruth | Detections | None:
        """Return the columns with what a task compares, or None; another task is read anew."""
        if self.columns is not None and self.task != task:
            self.columns, self.task = _read(self.path, self.truth, task), task
        return self.columns


def scan_truth(path: str | os.PathLike[str]) -> Scanned:
    """Return a data set's file."""
    name = os.fspath(path)
    return Scanned(name, columns=_read(name, None, "bbox") if _by_kernels() else None)


def scan_results(path: str | os.PathLike[str], truth: GroundTruth | None) -> Scanned:
    """Return a file of results.

    Args:
        path: Where it lies.
        truth: Columns of the data set, or None where its dictionaries are the truth.

    Raises:
        ResultsError: An entry is on an image that the data set does not have.
    """
    name = os.fspath(path)
    task = _kind(name)
    if truth is None or task is None or not _by_kernels():
        return Scanned(name)
    found = _read(name, truth, task)
    if found is not None:
        strange = np.flatnonzero(~np.isin(found.images, truth.image_ids))
        if strange.size:
            at = int(strange[0])
            raise unknown_image(at, int(found.images[at]), len(truth.image_ids))
    return Scanned(name, truth, found, task)


def _by_kernels() -> bool:
    return choose(None, ("numba", "reference")) == "numba"


def _read(path: str, truth: GroundTruth | None, task: str) -> GroundTruth | Detections | None:
    from drivetrain.detection.readers.coco import read_detections, read_ground_truth

    issues = Issues()
    try:
        if truth is None:
            known = read_ground_truth(path, issues=issues, task=task)
            return known if not len(issues) and _plain(known) else None
        found = read_detections(path, truth, issues=issues, task=task)
    except ValueError:
        return None
    return found if not len(issues) and len(found) else None


def _plain(truth: GroundTruth) -> bool:
    """Whether ids are numbers, and those of annotations do not repeat."""
    numbers = not len(truth.image_words) and not len(truth.category_words)
    return numbers and len(np.unique(truth.ids)) == len(truth)


def _kind(path: str) -> str | None:
    """Return the task that results are for, which their first entry says; None if unusual."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        text = file.read(FIRST).lstrip()
    if not text.startswith("["):
        return None
    try:
        first, _ = json.JSONDecoder().raw_decode(text[1:].lstrip())
    except ValueError:
        return None
    if not isinstance(first, dict) or "caption" in first:
        return None
    kinds = {"bbox": "bbox", "segmentation": "segm", "keypoints": "keypoints"}
    return next((task for key, task in kinds.items() if first.get(key)), None)

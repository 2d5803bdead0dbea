"""Open Images' hierarchy: what is a dog is an animal too."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from drivetrain.detection.annotations import Detections, Federation, GroundTruth, Ids


def expanded(truth: GroundTruth) -> GroundTruth:
    """Return the truths, each repeated for every ancestor of its class.

    Classes verified as absent are absent with all their descendants. What is there keeps its
    order; the repetitions follow, and keep the ids of what they repeat.

    Args:
        truth: Truths whose federation names ``parents``; others are returned as they are.

    Example:
        >>> truth = GroundTruth.from_arrays(
        ...     images=[1], categories=[2], boxes=[[0, 0, 9, 9]], category_ids=[1, 2],
        ...     federation=Federation(parents=np.array([[2, 1]])),
        ... )
        >>> expanded(truth).categories.tolist()
        [2, 1]

    References:
        Open Images Challenge 2018; ``oid_hierarchical_labels_expansion.py`` of tensorflow/models.
    """
    if truth.federation is None or not len(truth.federation.parents):
        return truth
    parents = np.unique(truth.federation.parents, axis=0)
    rows, ancestors = _repeated(truth.categories, parents)
    negative = truth.federation.negative
    if len(negative):
        below, descendants = _repeated(negative[:, 1], parents[:, ::-1])
        more = np.stack((negative[below, 0], descendants), axis=1)
        negative = np.concatenate((negative, more))
    federation = replace(truth.federation, negative=negative)
    return replace(_taken(truth, rows, ancestors), federation=federation)


def expanded_detections(found: Detections, federation: Federation) -> Detections:
    """Return the detections, each repeated for every ancestor of its class.

    The protocol leaves this to the detector: do it where it says only the finest classes.
    """
    rows, ancestors = _repeated(found.categories, np.unique(federation.parents, axis=0))
    return _taken(found, rows, ancestors)


def _repeated(categories: Ids, relations: Ids) -> tuple[Ids, Ids]:
    """Return which rows repeat, and as what, row by row, for relations (id, id it becomes)."""
    relations = relations[np.lexsort((relations[:, 1], relations[:, 0]))]
    low = np.searchsorted(relations[:, 0], categories, side="left")
    high = np.searchsorted(relations[:, 0], categories, side="right")
    count = high - low
    rows = np.repeat(np.arange(len(categories)), count)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    return rows, relations[low[rows] + within, 1]


def _taken(columns: Any, rows: Ids, categories: Ids) -> Any:
    """Return the columns with the rows repeated at their end, as other categories."""
    n = len(columns)
    every = np.concatenate((np.arange(n), rows))
    per_row = {}
    for one in fields(columns):
        value = getattr(columns, one.name)
        if one.name in _PER_ROW and value is not None:
            per_row[one.name] = value.take(every) if one.name == "masks" else value[every]
    per_row["categories"] = np.concatenate((columns.categories, categories))
    return replace(columns, **per_row)


_PER_ROW = frozenset(
    [
        "ids",
        "images",
        "categories",
        "scores",
        "boxes",
        "areas",
        "crowd",
        "ignore",
        "group_of",
        "masks",
        "keypoints",
        "visible",
        "rotated",
        "places",
    ]
)

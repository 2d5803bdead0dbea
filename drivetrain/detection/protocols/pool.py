"""One set of overlapping pairs of a data set, found once, from which every protocol judges.

Shapes: D detections and G truths that are counted, P pairs, K classes, I images.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth, Ids


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Detections in the order in which they are judged, each with the truths it overlaps.

    Detections come by class, then image, then falling score (equal scores in the order of the
    file); truths of one class and image in the order of the file.

    Attributes:
        truth: What is there.
        found: What was said.
        task: ``bbox``, ``segm``, ``keypoints``, ``rotated`` or ``boundary``.
        images: Image ids that are counted, rising, (I,).
        categories: Class ids that are counted, rising, (K,).
        per_class: Whether pairs are of one class; else of one image.
        inclusive: Whether boxes hold their last pixel.
        minimum: Least overlap of a pair.
        order: Position in ``found`` of each detection, (D,).
        cells: Which class and image each detection is of: class · I + image, by rank, (D,).
        starts: Where each detection's pairs begin, (D + 1,).
        targets: Position in ``truth`` of each pair's truth, (P,).
        overlaps: Overlap of each pair, (P,): over the detection's own area where ``absorbing``.
        absorbing: Truths whose overlap is taken over the detection's area: crowds and group-of
            boxes, (len(truth),).
    """

    truth: GroundTruth
    found: Detections
    task: str
    images: Ids
    categories: Ids
    per_class: bool = True
    inclusive: bool = False
    minimum: float = 0.5
    order: NDArray[np.int32]
    cells: Ids
    starts: Ids
    targets: NDArray[np.int32]
    overlaps: Floats
    absorbing: Flags

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def scores(self) -> Floats:
        """Scores in the order of the pool, (D,)."""
        return self.found.scores[self.order]

    @cached_property
    def classes(self) -> Ids:
        """The classes that are kept apart, (K,): one, -1, where they are pooled."""
        return self.categories if self.per_class else np.array([-1])

    @cached_property
    def truth_images(self) -> Ids:
        """Rank of each truth's image, -1 where it is not counted, (len(truth),)."""
        return rank_of(self.truth.images, self.images)

    @cached_property
    def truth_classes(self) -> Ids:
        """Rank of each truth's class, 0 where they are pooled, -1 where it is not counted."""
        of = rank_of(self.truth.categories, self.categories)
        out = (of < 0) | (self.truth_images < 0)
        return np.where(out, -1, of if self.per_class else 0)

    @cached_property
    def detection_images(self) -> Ids:
        """Rank of each detection's image, (D,)."""
        return self.cells % max(len(self.images), 1)

    @cached_property
    def detection_classes(self) -> Ids:
        """Rank of each detection's own class among ``categories``, (D,)."""
        if self.per_class:
            return self.cells // max(len(self.images), 1)
        return rank_of(self.found.categories[self.order], self.categories)

    @cached_property
    def segments(self) -> Ids:
        """Where each class begins among the detections, (K + 1,)."""
        edges = np.arange(len(self.classes) + 1) * max(len(self.images), 1)
        return np.searchsorted(self.cells, edges).astype(np.int64)

    @cached_property
    def ranking(self) -> NDArray[np.int32]:
        """Detections of each class by falling score, equal ones by image, (D,)."""
        out = np.empty(len(self), np.int32)
        for low, high in zip(self.segments[:-1].tolist(), self.segments[1:].tolist()):
            out[low:high] = low + np.argsort(-self.scores[low:high], kind="stable")
        return out

    @cached_property
    def areas(self) -> Floats:
        """Area of each detection that decides its range, (D,)."""
        if self.found.areas is not None:
            return self.found.areas[self.order]
        if self.task == "segm" and self.found.masks is not None:
            return np.asarray(self.found.masks.areas(), np.float64)[self.order]
        boxes = self.found.boxes[self.order]
        return boxes[:, 2] * boxes[:, 3]

    def ranks(self, admitted: Flags) -> NDArray[np.int32]:
        """Return which in its class and image each admitted detection is, from 0, (D,)."""
        if not len(self):
            return np.empty(0, np.int32)
        first = np.flatnonzero(np.concatenate(([True], self.cells[1:] != self.cells[:-1])))
        before = np.cumsum(admitted) - admitted
        size = np.diff(np.append(first, len(self)))
        rank = before - np.repeat(before[first], size)
        return np.where(admitted, rank, np.iinfo(np.int32).max).astype(np.int32)


def rank_of(ids: Ids, known: Ids) -> Ids:
    """Return where each id stands among the rising ``known`` ones, -1 where it does not."""
    if not len(known):
        return np.full(len(ids), -1, np.int64)
    at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[at] == ids, at, -1).astype(np.int64)


def absorbing_truths(truth: GroundTruth) -> Flags:
    """Return the truths that any rule may let absorb detections: crowds and group-of boxes."""
    return truth.crowd if truth.group_of is None else truth.crowd | truth.group_of


def by_cell(
    columns: GroundTruth | Detections, images: Ids, categories: Ids, *, per_class: bool
) -> tuple[Ids, NDArray[np.int32]]:
    """Return the cell of each counted row, rising, and the rows: by class, then score, then file.

    Args:
        columns: Truths, or detections, which come by falling score inside a cell.
        images: Image ids that are counted, rising.
        categories: Class ids that are counted, rising.
        per_class: Whether a cell is of one class and image; else of one image.
    """
    of = rank_of(columns.images, images)
    kind = rank_of(columns.categories, categories)
    rows = np.flatnonzero((of >= 0) & (kind >= 0))
    cells = of[rows] + (kind[rows] * len(images) if per_class else 0)
    keys = [kind[rows]]
    if isinstance(columns, Detections):
        keys.append(-columns.scores[rows])
    order = np.lexsort((*keys, cells))
    return cells[order], rows[order].astype(np.int32)


def counted(ids: ArrayLike | None, known: Ids) -> Ids:
    """Return the ids that are counted, rising: all known ones where None."""
    return np.unique(known if ids is None else np.asarray(ids)).astype(np.int64)

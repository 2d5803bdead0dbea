"""One set of overlapping pairs of a data set, found once, from which every protocol judges.

Shapes: D detections and G truths that are counted, P pairs, K classes, I images.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_choice, check_real
from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth, Ids
from drivetrain.detection.matching._numba import sort_falling
from drivetrain.detection.matching.candidates import TASKS, Candidates, find_candidates
from drivetrain.detection.matching.index import Index, scratch
from drivetrain.detection.matching.threads import run_jobs, thread_count
from drivetrain.detection.styles import Style

# Ids below this are counted in a table.
_DENSE = 1 << 24


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Detections in the order in which they are judged, each with the truths it overlaps.

    Attributes:
        truth: What is there.
        found: What was said.
        task: ``bbox``, ``segm``, ``keypoints``, ``rotated`` or ``boundary``.
        index: The order of detections and truths; rows below are its positions.
        categories: Class ids that are counted, rising, also where classes are pooled, (K,).
        inclusive: Whether boxes hold their last pixel.
        minimum: Least overlap of a pair.
        starts: Where each detection's pairs begin, (D + 1,).
        targets: The truth of each pair, (P,).
        overlaps: Overlap of each pair, (P,): over the detection's own area where ``absorbing``.
        absorbing: Truths whose overlap is taken over the detection's area: crowds and group-of
            boxes, (G,).
        threads: Threads to work with; all usable cores where None.
    """

    truth: GroundTruth
    found: Detections
    task: str
    index: Index
    categories: Ids
    inclusive: bool = False
    minimum: float = 0.5
    starts: Ids
    targets: NDArray[np.int32]
    overlaps: Floats
    absorbing: Flags
    threads: int | None = None

    @classmethod
    def of(
        cls,
        truth: GroundTruth,
        found: Detections,
        index: Index,
        candidates: Candidates,
        **more: Any,
    ) -> "Pool":
        """Return the pool of pairs found already, with crowds and group-of boxes absorbing.

        Args:
            truth: What is there.
            found: What was said.
            index: Their order.
            candidates: Their pairs, without a cap.
            more: ``task``, ``categories``, ``inclusive`` and ``threads`` of the class.
        """
        starts = np.zeros(len(index.detections) + 1, np.int64)
        starts[candidates.touched + 1] = np.diff(candidates.first)
        return cls(
            truth=truth,
            found=found,
            index=index,
            minimum=candidates.minimum,
            starts=np.cumsum(starts),
            targets=candidates.truths,
            overlaps=candidates.overlaps,
            absorbing=absorbing_truths(truth)[index.truths],
            **more,
        )

    def __len__(self) -> int:
        return len(self.index.detections)

    @property
    def classes(self) -> Ids:
        """The classes that are kept apart, (K,): one, -1, where they are pooled."""
        return self.index.category_ids

    @cached_property
    def group_sizes(self) -> Ids:
        """Number of detections of each class and image that hold anything, (N,)."""
        return np.diff(self.index.first_detection).astype(np.int64)

    @cached_property
    def truth_classes(self) -> Ids:
        """Rank of each truth's class among ``classes``, (G,)."""
        return np.repeat(self.index.classes, np.diff(self.index.first_truth)).astype(np.int64)

    @cached_property
    def truth_images(self) -> Ids:
        """Rank of each truth's image, (G,)."""
        return np.repeat(self.index.images, np.diff(self.index.first_truth)).astype(np.int64)

    @cached_property
    def detection_images(self) -> Ids:
        """Rank of each detection's image, (D,)."""
        return np.repeat(self.index.images, self.group_sizes).astype(np.int64)

    @cached_property
    def detection_labels(self) -> Ids:
        """Rank of each detection's own class among ``categories``, (D,)."""
        return rank_of(self.found.categories[self.index.detections], self.categories)

    @cached_property
    def truth_labels(self) -> Ids:
        """Rank of each truth's own class among ``categories``, (G,)."""
        return rank_of(self.truth.categories[self.index.truths], self.categories)

    @cached_property
    def segments(self) -> Ids:
        """Where each class begins among the detections, (K + 1,)."""
        return self.index.first_detection[self.index.first_group].astype(np.int64)

    @cached_property
    def ranking(self) -> NDArray[np.int32]:
        """Detections of each class by falling score, equal ones by image, (D,)."""
        out, scores = np.arange(len(self)), self.index.scores.copy()

        def sort(low: int, high: int) -> None:
            sort_falling(scores[low:high], out[low:high], scratch(high - low))

        run_jobs(sort, pairwise(self.segments.tolist()), thread_count(self.threads))
        return out.astype(np.int32)

    @cached_property
    def areas(self) -> Floats:
        """Area of each detection that decides its range, in the order of its file."""
        if self.found.areas is not None:
            return self.found.areas
        if self.task in ("segm", "boundary") and self.found.masks is not None:
            return np.asarray(self.found.masks.areas, np.float64)
        if self.task == "rotated" and self.found.rotated is not None:
            return self.found.rotated[:, 2] * self.found.rotated[:, 3]
        return self.found.boxes[:, 2] * self.found.boxes[:, 3]

    @cached_property
    def most_in_image(self) -> int:
        """The most detections of one image that is counted, of classes that are not, too."""
        of = self.found.images
        if len(of) and of.min() >= 0 and of.max() < _DENSE:
            sizes = np.bincount(of)
            return int(
                sizes[self.index.image_ids[self.index.image_ids < len(sizes)]].max(initial=0)
            )
        of = rank_of(of, self.index.image_ids)
        return int(np.bincount(of[of >= 0], minlength=1).max())

    @cached_property
    def plain_ranks(self) -> NDArray[np.int32]:
        """Which in its class and image each detection is, from 0, (D,)."""
        first = self.index.first_detection[:-1]
        return np.arange(len(self), dtype=np.int32) - np.repeat(first, self.group_sizes)

    def ranks(self, admitted: Flags | None) -> NDArray[np.int32]:
        """Return which in its class and image each admitted detection is, from 0, (D,)."""
        if admitted is None:
            return self.plain_ranks
        before = np.concatenate(([0], np.cumsum(admitted)))
        first = before[self.index.first_detection[:-1]]
        rank = before[:-1] - np.repeat(first, self.group_sizes)
        return np.where(admitted, rank, np.iinfo(np.int32).max).astype(np.int32)


def gather(
    truth: GroundTruth,
    found: Detections,
    task: str = "bbox",
    *,
    minimum: float = 0.5,
    inclusive: bool = False,
    per_class: bool = True,
    threads: int | None = None,
    **limits: Any,
) -> Pool:
    """Return all pairs that overlap by at least ``minimum``.

    Args:
        truth: What is there.
        found: What was said.
        task: ``bbox``, ``segm``, ``keypoints``, ``rotated`` or ``boundary``.
        minimum: Least overlap that any rule will ask about, in (0, 1].
        inclusive: Boxes hold their last pixel: 1 is added to widths and heights.
        per_class: Pair within classes; else within images.
        threads: All usable cores where None; the result does not depend on it.
        limits: ``images`` and ``categories`` to count, all of the truth's where None; ``sigmas``
            of the keypoints, COCO's where None.

    Raises:
        ValueError: An unknown task or a minimum out of range.

    Example:
        >>> from drivetrain.detection.examples import survey_data
        >>> len(gather(*survey_data(), minimum=0.3).overlaps)
        6
    """
    check_choice("task", task, TASKS)
    check_real("minimum", minimum, low=0, high=1, open_low=True)
    chosen = limits.get("categories")
    categories = np.unique(truth.category_ids if chosen is None else chosen).astype(np.int64)
    index = Index.build(
        truth,
        found,
        images=limits.get("images"),
        categories=categories,
        per_class=per_class,
        threads=threads,
    )
    widest = replace(truth, crowd=absorbing_truths(truth))
    style = Style(name="", crowd=True, inclusive=inclusive)
    how: Any = {"sigmas": limits.get("sigmas"), "threads": threads}
    pairs = find_candidates(index, widest, found, task, minimum, style=style, **how)
    return Pool.of(
        truth,
        found,
        index,
        pairs,
        task=task,
        categories=categories,
        inclusive=inclusive,
        threads=threads,
    )


def rank_of(ids: Ids, known: Ids) -> Ids:
    """Return where each id stands among the rising ``known`` ones, -1 where it does not."""
    if not len(known):
        return np.full(len(ids), -1, np.int64)
    at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[at] == ids, at, -1).astype(np.int64)


def absorbing_truths(truth: GroundTruth) -> Flags:
    """Return the truths that any rule may let absorb detections: crowds and group-of boxes."""
    return truth.crowd if truth.group_of is None else truth.crowd | truth.group_of

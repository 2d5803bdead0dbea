"""Truths and detections judged by the backend that was chosen: the tables, and who found whom.

Shapes: T thresholds, K classes, A area ranges, M caps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth, Ids
from drivetrain.detection.curves import Tables
from drivetrain.detection.events import Events, by_definition
from drivetrain.detection.problem import average_precisions, pose, tables
from drivetrain.detection.styles import EVERY_DETECTION, Style

if TYPE_CHECKING:
    from drivetrain.detection.matching import Candidates, Index, Matches
    from drivetrain.detection.protocols import Pools, Verdict

BACKENDS = ("numba", "reference")


class Limits(TypedDict, total=False):
    """What is counted: ids of images and of classes, and the spread of each keypoint."""

    images: Ids | None
    categories: Ids | None
    sigmas: Floats | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """What a style says of a data set, and on request how it came to that.

    Attributes:
        tables: The curves at the style's recalls.
        find_areas: Computes ``average_precision``.
        find_events: Computes ``events``.
        find_verdict: Computes ``verdict``.
    """

    tables: Tables
    find_areas: Callable[[], Floats]
    find_events: Callable[[], Events]
    find_verdict: Callable[[], "Verdict"]

    @cached_property
    def average_precision(self) -> Floats:
        """Area under each curve as the style means it, (T, K, A, M)."""
        return self.find_areas()

    @cached_property
    def verdict(self) -> "Verdict":
        """All pairs that overlap, and which of them the style took."""
        return self.find_verdict()

    @cached_property
    def events(self) -> Events:
        """Every detection that was judged, class by class by falling score."""
        return self.find_events()


def judge(
    truth: GroundTruth,
    found: Detections,
    styles: Sequence[Style],
    task: str,
    *,
    backend: str,
    limits: Limits,
    threads: int | None = None,
) -> dict[str, Judgement]:
    """Return the judgement of each style, by its name.

    Raises:
        ValueError: The backend has no definition of a style or task.
    """
    if backend == "reference":
        return {one.name: _by_definition(truth, found, one, task, limits) for one in styles}
    kernels = Kernels(
        truth,
        found,
        task,
        least=min(min(style.thresholds) for style in styles),
        cap=styles[0].max_detections[-1] if len(styles) == 1 else None,
        limits=limits,
        threads=threads,
    )
    # COCO's first: what they find serves the others.
    judged = {one.name: kernels.judge(one) for one in sorted(styles, key=kernels.is_general)}
    return {style.name: judged[style.name] for style in styles}


class Kernels:
    """COCO's kernels where a style is COCO's but for its numbers; the general ones for others.

    One order and one set of overlapping pairs serve all styles that ask for the same.

    Args:
        truth: What is there.
        found: What was said.
        task: What is compared.
        least: Least threshold of any style.
        cap: Detections of a class and image that any style looks at; None for all.
        limits: What is counted.
        threads: Threads to use.
    """

    def __init__(
        self,
        truth: GroundTruth,
        found: Detections,
        task: str,
        *,
        least: float,
        cap: int | None,
        limits: Limits,
        threads: int | None,
    ) -> None:
        self.truth, self.found, self.task = truth, found, task
        self.least, self.cap, self.limits, self.threads = least, cap, limits, threads
        self._indices: dict[bool, Index] = {}
        self._candidates: dict[tuple[bool, bool, bool], Candidates] = {}
        self._lent: set[tuple[bool, bool, bool]] = set()

    @cached_property
    def pools(self) -> "Pools":
        """The general ones: imported where a style asks for them, for a quick start elsewhere."""
        from drivetrain.detection.protocols import Pools

        return Pools(
            self.truth,
            self.found,
            self.task,
            minimum=self.least,
            threads=self.threads,
            **self.limits,
        )

    def judge(self, style: Style) -> Judgement:
        """Return the judgement of a style."""
        if self.is_general(style):
            self._lend(style)
            return _of_verdict(self.pools.judge(style))
        from drivetrain.detection.matching import match
        from drivetrain.detection.precision import accumulate

        index, pairs = self._index(style), self._pairs(style)
        matches = match(
            index, pairs, self.truth, self.found, style, task=self.task, threads=self.threads
        )
        curves = accumulate(index, matches, style, threads=self.threads)
        return Judgement(
            tables=curves,
            find_areas=partial(_means, curves),
            find_events=partial(events_of_matches, index, matches, style),
            find_verdict=lambda: self.pools.judge(style),
        )

    def is_general(self, style: Style) -> bool:
        """Whether the data ask for any of a style's rules that COCO's kernels do not know."""
        truth = self.truth
        if style.assignment != "best-free" or style.interpolation != "101-point":
            return True
        if style.group_of != "plain" and truth.group_of is not None:
            return True
        if (style.federated or style.hierarchy) and truth.federation is not None:
            return True
        if not style.crowd and self.task != "bbox" and truth.crowd.any():
            return True  # The overlaps with crowds are known, and others dear.
        return style.max_per_image is not None and self._most(style) > style.max_per_image

    def _most(self, style: Style) -> int:
        """The most detections of an image; without bound where some are of classes not counted."""
        index = self._index(style)
        if len(index.detections) < len(self.found):
            return EVERY_DETECTION
        sizes = np.bincount(index.images, np.diff(index.first_detection))
        return int(sizes.max(initial=0))

    def _index(self, style: Style) -> "Index":
        from drivetrain.detection.matching import Index

        if style.per_class not in self._indices:
            self._indices[style.per_class] = Index.build(
                self.truth,
                self.found,
                images=self.limits.get("images"),
                categories=self.limits.get("categories"),
                per_class=style.per_class,
                threads=self.threads,
            )
        return self._indices[style.per_class]

    def _pairs(self, style: Style) -> "Candidates":
        from drivetrain.detection.matching import find_candidates

        crowd = style.crowd or not self.truth.crowd.any()
        key = (style.per_class, style.inclusive, crowd)
        if key not in self._candidates:
            sigmas = self.limits.get("sigmas")
            self._candidates[key] = find_candidates(
                self._index(style),
                self.truth,
                self.found,
                self.task,
                self.least,
                style=replace(style, crowd=crowd),
                cap=self.cap,
                sigmas=None if sigmas is None else sigmas.tolist(),
                threads=self.threads,
            )
        return self._candidates[key]

    def _lend(self, style: Style) -> None:
        """Let the general ones have the pairs that are known."""
        from drivetrain.detection.protocols import Pool

        truth = self.truth
        key = (style.per_class, style.inclusive, True)
        known = self._candidates.get(key)
        expands = style.hierarchy and truth.federation is not None
        if known is None or self.cap is not None or truth.group_of is not None or expands:
            return
        if key in self._lent:
            return
        self._lent.add(key)
        index, chosen = self._index(style), self.limits.get("categories")
        every = np.unique(truth.category_ids if chosen is None else chosen)
        self.pools.keep(
            Pool.of(
                truth,
                self.found,
                index,
                known,
                task=self.task,
                categories=index.category_ids if style.per_class else every,
                inclusive=style.inclusive,
                threads=self.threads,
            )
        )


def _means(curves: Tables) -> Floats:
    # Numpy adds what lies side by side pairwise: so the definitions do.
    return np.mean(np.ascontiguousarray(np.moveaxis(curves.precision, 1, -1)), axis=-1)


def events_of_matches(index: "Index", matches: "Matches", style: Style) -> Events:
    """Return the events of COCO's own matching."""
    groups = np.repeat(np.arange(len(index.classes)), np.diff(index.first_detection))
    ranks = np.arange(len(groups)) - index.first_detection[groups]
    classes = index.classes[groups]
    kept = np.flatnonzero(ranks < style.max_detections[-1])
    order = kept[np.lexsort((-index.scores[kept], classes[kept]))]
    of_truths = np.repeat(np.arange(len(index.classes)), np.diff(index.first_truth))
    return Events(
        image_ids=index.image_ids,
        category_ids=index.category_ids,
        starts=np.searchsorted(classes[kept], np.arange(len(index.category_ids) + 1)),
        rows=index.detections[order],
        images=index.images[groups[order]],
        ranks=ranks[order].astype(np.int32),
        scores=index.scores[order],
        correct=matches.found[:, order],
        ignored=matches.ignored[:, order],
        truth_rows=index.truths,
        truth_images=index.images[of_truths],
        truth_classes=index.classes[of_truths],
        truth_ignored=_unpacked(matches.truth_ignored, style),
    )


def _by_definition(
    truth: GroundTruth, found: Detections, style: Style, task: str, limits: Limits
) -> Judgement:
    return Judgement(
        tables=tables(truth, found, style, task, **limits),
        find_areas=partial(average_precisions, truth, found, style, task, **limits),
        find_events=lambda: by_definition(pose(truth, found, style, task, **limits)),
        find_verdict=partial(_find_verdict, truth, found, style, task, limits),
    )


def _find_verdict(
    truth: GroundTruth, found: Detections, style: Style, task: str, limits: Limits
) -> "Verdict":
    from drivetrain.detection.protocols import judge_all

    return judge_all(truth, found, [style], task, **limits)[style.name]


def _of_verdict(verdict: "Verdict") -> Judgement:
    return Judgement(
        tables=verdict.tables,
        find_areas=lambda: verdict.ap,
        find_events=partial(events_of, verdict),
        find_verdict=lambda: verdict,
    )


def events_of(verdict: "Verdict") -> Events:
    """Return a verdict's events: its detections that are looked at, by falling score."""
    pool, outcome = verdict.pool, verdict.outcome
    index, rank, cap = pool.index, outcome.ruling.rank, verdict.style.max_detections[-1]
    order = pool.ranking[rank[pool.ranking] < cap]
    groups = np.searchsorted(index.first_detection, order, side="right") - 1
    of_truths = np.repeat(np.arange(len(index.classes)), np.diff(index.first_truth))
    aside = outcome.ruling.aside
    edges = index.first_detection[index.first_group]
    return Events(
        image_ids=index.image_ids,
        category_ids=pool.classes,
        starts=np.searchsorted(np.sort(order), edges),
        rows=index.detections[order],
        images=index.images[groups],
        ranks=rank[order],
        scores=index.scores[order],
        correct=outcome.found[:, order],
        ignored=outcome.ignored[:, order],
        truth_rows=index.truths,
        truth_images=index.images[of_truths],
        truth_classes=index.classes[of_truths],
        truth_ignored=_unpacked(aside, verdict.style),
    )


def _unpacked(words: NDArray[np.unsignedinteger], style: Style) -> Flags:
    """Bit a of each word as row a, (A, n)."""
    ranges = np.arange(len(style.areas), dtype=words.dtype)
    return (words >> ranges[:, None]) & words.dtype.type(1) != 0

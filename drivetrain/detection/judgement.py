"""Truths and detections judged by the backend that was chosen: the tables, and who found whom.

Shapes: T thresholds, K classes, A area ranges, M caps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth, Ids
from drivetrain.detection.curves import Tables
from drivetrain.detection.events import Events, by_definition
from drivetrain.detection.problem import average_precisions, pose, tables
from drivetrain.detection.styles import Style

if TYPE_CHECKING:
    from drivetrain.detection.matching import Index, Matches
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
        average_precision: Area under each curve as the style means it, (T, K, A, M).
        find_events: Computes ``events``.
        find_verdict: Computes ``verdict``.
    """

    tables: Tables
    average_precision: Floats
    find_events: Callable[[], Events]
    find_verdict: Callable[[], "Verdict"]

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
    from drivetrain.detection.protocols import Pools

    least = min(min(style.thresholds) for style in styles)
    pools = Pools(truth, found, task, minimum=least, threads=threads, **limits)
    return {
        style.name: _by_kernels(pools, style, limits, threads)
        if len(styles) == 1 and _plain(style, truth)
        else _of_verdict(pools.judge(style))
        for style in styles
    }


def _plain(style: Style, truth: GroundTruth) -> bool:
    """Whether a style is COCO's but for its numbers, on truths without anybody else's rules."""
    return (
        style.assignment == "best-free"
        and style.interpolation == "101-point"
        and style.max_per_image is None
        and (style.group_of == "plain" or truth.group_of is None)
        and not ((style.federated or style.hierarchy) and truth.federation is not None)
    )


def _by_kernels(pools: "Pools", style: Style, limits: Limits, threads: int | None) -> Judgement:
    from drivetrain.detection.matching import Index, find_candidates, match
    from drivetrain.detection.precision import accumulate

    truth, found, task = pools.truth, pools.found, pools.task
    chosen = {"images": limits.get("images"), "categories": limits.get("categories")}
    sigmas = limits.get("sigmas")
    index = Index.build(truth, found, per_class=style.per_class, threads=threads, **chosen)
    candidates = find_candidates(
        index,
        truth,
        found,
        task,
        min(style.thresholds),
        style=style,
        cap=style.max_detections[-1],
        sigmas=None if sigmas is None else sigmas.tolist(),
        threads=threads,
    )
    matches = match(index, candidates, truth, found, style, task=task, threads=threads)
    curves = accumulate(index, matches, style, threads=threads)
    return Judgement(
        tables=curves,
        average_precision=np.mean(curves.precision, axis=1),
        find_events=partial(events_of_matches, index, matches, style),
        find_verdict=partial(pools.judge, style),
    )


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
        average_precision=average_precisions(truth, found, style, task, **limits),
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
        average_precision=verdict.ap,
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

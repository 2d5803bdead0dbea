"""Pairs across classes: each detection with the truths that count in its image, of any class.

Shapes: D detections of the class-by-class pool, G truths of it, n pairs.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Flags, Floats, Ids
from drivetrain.detection.protocols.gap import Judged
from drivetrain.detection.protocols.judge import Pools
from drivetrain.detection.protocols.outcome import Outcome
from drivetrain.detection.protocols.pool import Pool, gather
from drivetrain.detection.protocols.rules import rule
from drivetrain.detection.styles import Style


@dataclass(frozen=True, kw_only=True, eq=False)
class Crossing:
    """Who found whom at one threshold, and whom else each detection overlaps.

    Rows are those of ``pool``; ``labels`` of detections and truths are ranks of classes, all 0
    where the style pools classes.

    Attributes:
        style: The style, at one threshold, range and cap.
        pool: Pairs within classes.
        outcome: Who found whom.
        hit: True positives, (D,).
        void: Detections that count for nothing, (D,).
        taken: Truths that were found, (G,).
        wanted: Truths to be found, (G,).
        labels: Class of each detection, (D,).
        truth_labels: Class of each truth, (G,).
        detections: Detection of each pair across classes, rising, (n,).
        truths: Truth of each pair, (n,).
        overlaps: Overlap of each pair, falling within a detection, (n,).
    """

    style: Style
    pool: Pool
    outcome: Outcome
    hit: Flags
    void: Flags
    taken: Flags
    wanted: Flags
    labels: Ids
    truth_labels: Ids
    detections: Ids
    truths: Ids
    overlaps: Floats

    def best(self, kept: Flags) -> tuple[Ids, Floats]:
        """Return the truth of each detection's best pair among those kept, and its overlap.

        Returns:
            -1 and 0 for detections without any, (D,) each.
        """
        at = np.flatnonzero(kept)
        first = at[np.concatenate(([True], np.diff(self.detections[at]) > 0))] if len(at) else at
        truth, overlap = np.full(len(self.pool), -1), np.zeros(len(self.pool))
        truth[self.detections[first]] = self.truths[first]
        overlap[self.detections[first]] = self.overlaps[first]
        return truth, overlap


def cross(result: Judged, *, threshold: float, least: float) -> Crossing:
    """Return who found whom at ``threshold``, and all pairs across classes from ``least`` on.

    Args:
        result: A result: has ``truth``, ``found``, ``style`` and ``task``.
        threshold: Overlap at which a truth is found.
        least: Least overlap of a pair across classes, at most ``threshold``.
    """
    style = replace(
        result.style,
        thresholds=(threshold,),
        areas=result.style.areas[:1],
        max_detections=result.style.max_detections[-1:],
    )
    limits: dict[str, Any] = {
        **getattr(result, "limits", {}),
        "threads": getattr(result, "threads", None),
    }
    pools = Pools(result.truth, result.found, result.task, minimum=threshold, **limits)
    pool, outcome = pools.pool(style), pools.outcome(style)
    one = np.uint32(1)
    labels, truth_labels = pool.detection_labels, pool.truth_labels
    if not style.per_class:
        labels, truth_labels = np.zeros_like(labels), np.zeros_like(truth_labels)
    crossing = Crossing(
        style=style,
        pool=pool,
        outcome=outcome,
        hit=outcome.found[0] & one != 0,
        void=outcome.ignored[0] & one != 0,
        taken=outcome.taken[0] & one != 0,
        wanted=outcome.ruling.aside & 1 == 0,
        labels=labels,
        truth_labels=truth_labels,
        **_pairs(pool, style, least, limits),
    )
    return crossing


def _pairs(pool: Pool, style: Style, least: float, limits: dict[str, Any]) -> dict[str, Any]:
    """Return the pairs across classes in the rows of ``pool``, over the union of both."""
    wide = gather(
        pool.truth,
        pool.found,
        pool.task,
        minimum=least,
        inclusive=style.inclusive,
        per_class=False,
        **limits,
    )
    overlaps = rule(wide, replace(style, per_class=False)).overlaps
    d = np.repeat(np.arange(len(wide)), np.diff(wide.starts))
    detections = _moved(wide.index.detections, pool.index.detections, len(pool.found))[d]
    truths = _moved(wide.index.truths, pool.index.truths, len(pool.truth))[wide.targets]
    kept = overlaps >= least
    order = np.lexsort((truths[kept], -overlaps[kept], detections[kept]))
    return {
        "detections": detections[kept][order],
        "truths": truths[kept][order],
        "overlaps": overlaps[kept][order],
    }


def _moved(old: NDArray[np.int32], new: NDArray[np.int32], n: int) -> Ids:
    """Return where each row of one order stands in another order of the same rows."""
    at = np.empty(n, np.int64)
    at[new] = np.arange(len(new))
    return at[old]

"""COCO's matching: each detection, by falling score, takes the best truth still free."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth
from drivetrain.detection.matching import _numba as kernels
from drivetrain.detection.matching.candidates import Candidates, check_options
from drivetrain.detection.matching.index import Index, Positions
from drivetrain.detection.matching.threads import PARTS, run_jobs, split, thread_count
from drivetrain.detection.styles import Style

Bits = NDArray[np.uint32]
#: Detections whose areas are looked at together, in the caches.
BLOCK = 1 << 15
#: Thresholds are bits of a word; area ranges and the number of the cap share one.
MOST = {"thresholds": 32, "areas": 24, "max_detections": 255}


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """What became of each detection, one bit a threshold: E touched detections, A ranges.

    Detections that no truth overlaps enough have no entry: they are false, or, where their area
    lies outside the range, count for nothing.

    Attributes:
        touched: Positions in ``Index.detections`` that had any candidate, rising, (E,).
        found_bits: Thresholds at which it is a true positive, (A, E).
        ignored_bits: Thresholds at which it found a truth that does not count, (A, E).
        inside: One bit a range: the detection's area lies in it; in the order of the FILE, (n,).
        truth_ignored: One bit a range: the truth need not be found; ``Index.truths``' order, (G,).
        detections: ``Index.detections``, (D,).
        thresholds: T.
        matched: Position in ``Index.truths`` of whom it found, or -1, (A, T, E), or None.
    """

    touched: Positions
    found_bits: Bits
    ignored_bits: Bits
    inside: Bits
    truth_ignored: Bits
    detections: Positions
    thresholds: int
    matched: Positions | None = None

    @cached_property
    def found(self) -> Bits:
        """Thresholds at which each detection is a true positive, (A, D), one bit each."""
        out = np.zeros((len(self.found_bits), len(self.detections)), np.uint32)
        out[:, self.touched] = self.found_bits
        return out

    @cached_property
    def ignored(self) -> Bits:
        """Thresholds at which each detection counts for nothing, (A, D), one bit each."""
        every = np.uint32((1 << self.thresholds) - 1)
        ranges = np.arange(len(self.found_bits), dtype=np.uint32)[:, None]
        outside = (self.inside[self.detections] >> ranges) & np.uint32(1) == 0
        out = np.where(outside, every & ~self.found, np.uint32(0))
        out[:, self.touched] |= self.ignored_bits
        return out


class Matching(TypedDict, total=False):
    """Options of ``match``.

    Attributes:
        keep_truths: Keep the truth that each detection found; no where absent.
        threads: All usable cores where None; the result does not depend on it.
    """

    keep_truths: bool
    threads: int | None


def match(
    index: Index,
    candidates: Candidates,
    truth: GroundTruth,
    found: Detections,
    style: Style,
    *,
    task: str = "bbox",
    **how: Unpack[Matching],
) -> Matches:
    """Return who found whom at each threshold, in each range of areas.

    Args:
        index: Groups of ``truth`` and ``found``.
        candidates: Their pairs, with overlaps down to the least threshold.
        truth: What is there.
        found: What was detected.
        style: Thresholds, areas, cap and the rules on crowds and ignored truths.
        task: Decides whose area counts: the mask's for ``segm`` and ``boundary``.
        how: ``keep_truths`` and ``threads`` of ``Matching``.

    Raises:
        TypeError: Another option than these.
        ValueError: More thresholds, ranges or caps than ``MOST``, or a threshold below the
            candidates' least overlap.
    """
    check_options(how, Matching)
    _check(candidates, style)
    candidates = candidates.capped(index, style.max_detections[-1])
    ranges = np.array([(low, high) for _, low, high in style.areas], np.float64)
    truths = _truths(index, truth, style, ranges, task)
    n, shape = len(candidates.touched), (len(ranges), len(style.thresholds))
    # Beside each other lie the ranges of one detection, not the detections of one range.
    found_bits, ignored_bits = (np.empty((n, len(ranges)), np.int32) for _ in range(2))
    keep = how.get("keep_truths", False)
    matched = np.full((*shape, n) if keep else (0, 0, 0), -1, np.int32)
    out = found_bits.reshape(-1), ignored_bits.reshape(-1), matched
    most = int(np.diff(candidates.first).max(initial=0))
    pairs = candidates.first, candidates.truths, candidates.overlaps
    rule = np.array(style.thresholds, np.float64), style.strict, len(ranges)
    n_threads = thread_count(how.get("threads"))
    jobs = [
        (*part, pairs, (*rule, np.empty(most, np.int64)), truths, out)
        for part in pairwise(_bounds(index, candidates, n_threads).tolist())
    ]
    run_jobs(kernels.match_detections, jobs, n_threads)
    return Matches(
        touched=candidates.touched,
        found_bits=found_bits.view(np.uint32).T,
        ignored_bits=ignored_bits.view(np.uint32).T,
        inside=_inside(found, task, ranges, n_threads),
        truth_ignored=truths[0].view(np.uint32),
        detections=index.detections,
        thresholds=shape[1],
        matched=matched if keep else None,
    )


def _check(candidates: Candidates, style: Style) -> None:
    for name, most in MOST.items():
        many = len(getattr(style, name))
        if not 1 <= many <= most:
            raise ValueError(f"style must have 1 to {most} {name}. Got {many}.")
    if min(*style.thresholds, 1 - 1e-10) < candidates.minimum:
        raise ValueError(
            f"thresholds must be >= {candidates.minimum}, the candidates' least overlap. "
            f"Got {min(style.thresholds)}."
        )


def _inside(found: Detections, task: str, ranges: Floats, threads: int) -> Bits:
    """Return the ranges in which the area of each detection lies, one bit each."""
    bits = np.empty(len(found), np.uint32)

    def write(low: int, high: int) -> None:
        if found.areas is not None:
            areas = found.areas[low:high]
        elif task in ("segm", "boundary") and found.masks is not None:
            areas = found.masks.areas[low:high].astype(np.float64)
        else:
            areas = found.boxes[low:high, 2] * found.boxes[low:high, 3]
        kernels.range_bits(areas, ranges, bits[low:high].view(np.int32))

    run_jobs(write, pairwise(range(0, len(found) + BLOCK, BLOCK)), threads)
    return bits


def _truths(
    index: Index, truth: GroundTruth, style: Style, ranges: Floats, task: str
) -> tuple[NDArray[np.int32], Flags, Flags, NDArray[np.int32]]:
    """Return, in the index's order: ranges that ignore a truth, crowds, credit, and a blank."""
    at = index.truths
    ignored = _ignored(index, truth, style, ranges, task).view(np.int32)
    crowd = truth.crowd[at] if style.crowd else np.zeros(len(at), np.bool_)
    credit = truth.ids[at] != 0 if style.zero_id_unmatched else np.ones(len(at), np.bool_)
    return ignored, crowd, credit, np.zeros(len(at) * len(ranges), np.int32)


def _ignored(index: Index, truth: GroundTruth, style: Style, ranges: Floats, task: str) -> Bits:
    """Return the ranges in which each truth need not be found, one bit each, (G,)."""
    at = index.truths
    bits = np.empty(len(at), np.uint32)
    kernels.range_bits(truth.areas[at], ranges, bits.view(np.int32))
    never: Flags = np.zeros(len(at), np.bool_)
    if style.crowd:
        never |= truth.crowd[at]
    if style.honour_ignore:
        never |= truth.ignore[at]
    if task == "keypoints":
        never |= _labelled(truth)[at] == 0
    return np.where(never, ~np.uint32(0), ~bits)


def _labelled(truth: GroundTruth) -> NDArray[np.int64]:
    if truth.visible is not None or truth.keypoints is None:
        return np.ones(len(truth), np.int64) if truth.visible is None else truth.visible
    return np.count_nonzero(truth.keypoints[..., 2] > 0, axis=1)


def _bounds(index: Index, candidates: Candidates, threads: int) -> NDArray[np.int64]:
    """Return parts of the touched detections that share no group."""
    groups = split(np.diff(index.first_detection), threads * PARTS)
    return np.searchsorted(candidates.touched, index.first_detection[groups])

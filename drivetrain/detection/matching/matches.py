"""COCO's matching: each detection, by falling score, takes the best truth still free."""

from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth
from drivetrain.detection.matching import _numba as kernels
from drivetrain.detection.matching.candidates import Candidates
from drivetrain.detection.matching.index import Index, Positions
from drivetrain.detection.matching.threads import PARTS, run_jobs, split, thread_count
from drivetrain.detection.styles import Style

Bits = NDArray[np.uint32]
#: Detections whose areas are looked at together, in the caches.
BLOCK = 1 << 15
#: One bit each: thresholds in a word, area ranges in what the tables leave of one.
MOST = {"thresholds": 32, "areas": 24}


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


def match(
    index: Index,
    candidates: Candidates,
    truth: GroundTruth,
    found: Detections,
    style: Style,
    *,
    task: str = "bbox",
    keep_truths: bool = False,
    threads: int | None = None,
) -> Matches:
    """Return who found whom at each threshold, in each range of areas.

    Args:
        index: Groups of ``truth`` and ``found``.
        candidates: Their pairs, with overlaps down to the least threshold.
        truth: What is there.
        found: What was detected.
        style: Thresholds, areas, cap and the rules on crowds and ignored truths.
        task: Decides whose area counts: the mask's for ``segm`` and ``boundary``.
        keep_truths: Keep the truth that each detection found.
        threads: All usable cores where None; the result does not depend on it.

    Raises:
        ValueError: More than 32 thresholds or 24 ranges, or one below the candidates' least.
    """
    if min(*style.thresholds, 1 - 1e-10) < candidates.minimum:
        raise ValueError(
            f"thresholds must be >= {candidates.minimum}, the candidates' least overlap. "
            f"Got {min(style.thresholds)}."
        )
    candidates = candidates.capped(index, style.max_detections[-1])
    for name, values in (("thresholds", style.thresholds), ("areas", style.areas)):
        if not 1 <= len(values) <= MOST[name]:
            raise ValueError(f"{name} must be 1 to {MOST[name]}. Got {len(values)}.")
    ranges = np.array([(low, high) for _, low, high in style.areas], np.float64)
    n_threads = thread_count(threads)
    inside = np.empty(len(found), np.uint32)
    bits_of = partial(_inside, found, task, ranges, inside)
    run_jobs(bits_of, pairwise(range(0, len(found) + BLOCK, BLOCK)), n_threads)
    ignored = _ignored(index, truth, style, ranges, task)
    n, count = len(candidates.touched), len(style.thresholds)
    # Beside each other lie the ranges of one detection, not the detections of one range.
    found_bits, ignored_bits = (np.empty((n, len(ranges)), np.int32) for _ in range(2))
    matched = np.full((len(ranges), count, n) if keep_truths else (0, 0, 0), -1, np.int32)
    crowd = truth.crowd[index.truths] if style.crowd else np.zeros(len(ignored), np.bool_)
    credit = np.ones(len(ignored), np.bool_)
    if style.zero_id_unmatched:
        credit = truth.ids[index.truths] != 0
    taken = np.zeros(len(ignored) * len(ranges), np.int32)
    most = int(np.diff(candidates.first).max(initial=0))
    thresholds = np.array(style.thresholds, np.float64)
    shared = (
        (ignored.view(np.int32), crowd, credit, taken),
        (found_bits.reshape(-1), ignored_bits.reshape(-1), matched),
    )
    jobs = [
        (
            low,
            high,
            (candidates.first, candidates.truths, candidates.overlaps),
            (thresholds, style.strict, len(ranges), np.empty(most, np.int64)),
            *shared,
        )
        for low, high in pairwise(_bounds(index, candidates, n_threads).tolist())
    ]
    run_jobs(kernels.match_detections, jobs, n_threads)
    return Matches(
        touched=candidates.touched,
        found_bits=found_bits.view(np.uint32).T,
        ignored_bits=ignored_bits.view(np.uint32).T,
        inside=inside,
        truth_ignored=ignored,
        detections=index.detections,
        thresholds=count,
        matched=matched if keep_truths else None,
    )


def _inside(found: Detections, task: str, ranges: Floats, bits: Bits, low: int, high: int) -> None:
    """Write the ranges in which the areas of the detections low..high-1 lie."""
    if found.areas is not None:
        areas = found.areas[low:high]
    elif task in ("segm", "boundary") and found.masks is not None:
        areas = found.masks.areas[low:high].astype(np.float64)
    else:
        areas = found.boxes[low:high, 2] * found.boxes[low:high, 3]
    kernels.range_bits(areas, ranges, bits[low:high].view(np.int32))


def _ignored(
    index: Index, truth: GroundTruth, style: Style, ranges: NDArray[Any], task: str
) -> Bits:
    """Return the ranges in which each truth need not be found, one bit each, (G,)."""
    at = index.truths
    bits = np.empty(len(at), np.uint32)
    kernels.range_bits(truth.areas[at], ranges, bits.view(np.int32))
    never: Flags = np.zeros(len(at), np.bool_)
    if style.crowd:
        never |= truth.crowd[at]
    if style.honour_ignore:
        never |= truth.ignore[at]
    if task == "keypoints" and truth.visible is not None:
        never |= truth.visible[at] == 0
    return np.where(never, ~np.uint32(0), ~bits)


def _bounds(index: Index, candidates: Candidates, threads: int) -> NDArray[np.int64]:
    """Return parts of the touched detections that share no group."""
    groups = split(np.diff(index.first_detection), threads * PARTS)
    return np.searchsorted(candidates.touched, index.first_detection[groups])

"""Who found whom by a style's rules, and where the true positives stand.

Shapes: D detections, G truths, T thresholds, K classes, A area ranges.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_integer
from drivetrain.detection.annotations import Ids
from drivetrain.detection.matching.threads import run_jobs, split, thread_count
from drivetrain.detection.protocols import _numba
from drivetrain.detection.protocols.pool import Pool
from drivetrain.detection.protocols.rules import Ruling, rule
from drivetrain.detection.styles import Style

Bits = NDArray[np.uint32]
_RULES = {"best-free": _numba.FREE, "best": _numba.BEST, "pairs": _numba.PAIRS}


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What became of every detection and truth of a pool; bit t of a word is threshold t.

    Attributes:
        ruling: The rules, applied to the rows.
        found: Where a detection is a true positive, (A, D).
        ignored: Where it counts for nothing, (A, D).
        taken: Where a truth was found, (A, G).
    """

    ruling: Ruling
    found: Bits
    ignored: Bits
    taken: Bits


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """The true positives of each class and threshold, by falling score.

    Those of class k at threshold t begin at ``bases[k] + t · room[k]``.

    Attributes:
        stands: Number of detections that count up to and with each true positive.
        at: Which detection of the pool each is.
        totals: Number of true positives and of detections that count, (T, K, 2).
        bases: See above, (K,).
        room: See above, (K,).
        to_find: Truths to be found, (K,).
        first: First detection of each class, -1 where there is none, (K,).
    """

    stands: NDArray[np.int32]
    at: NDArray[np.int32]
    totals: NDArray[np.int32]
    bases: Ids
    room: Ids
    to_find: Ids
    first: Ids


def assign(pool: Pool, style: Style) -> Outcome:
    """Return who found whom by a style's rules.

    Raises:
        ValueError: More than 32 thresholds or area ranges: a word has that many bits.
    """
    for name, values in (("thresholds", style.thresholds), ("areas", style.areas)):
        check_integer(f"number of {name}", len(values), low=1, high=32)
    ruling = rule(pool, style)
    n_areas = len(style.areas)
    found = np.empty((n_areas, len(pool)), np.uint32)
    ignored = np.empty((n_areas, len(pool)), np.uint32)
    taken = np.zeros((n_areas, len(pool.index.truths)), np.uint32)
    shared = (
        (pool.starts, pool.targets, ruling.overlaps),
        (ruling.admitted, ruling.excused),
        (ruling.aside, ruling.crowd, ruling.bunch, ruling.zero, taken),
        (_RULES[style.assignment], style.strict, np.array(style.thresholds)),
        found,
        ignored,
    )
    threads = thread_count(pool.threads)
    # Whole groups in each part: a truth is taken by detections of its own group only.
    edges = pool.index.first_detection[split(pool.group_sizes, threads)]
    jobs = [(low, high, *shared) for low, high in zip(edges[:-1].tolist(), edges[1:].tolist())]
    run_jobs(_numba.assign, jobs, threads)
    return Outcome(ruling=ruling, found=found, ignored=ignored, taken=taken)


def walk(pool: Pool, outcome: Outcome, style: Style, area: int, cap: int) -> Events:
    """Return the true positives of one area range, of at most ``cap`` detections a cell."""
    n_thresholds, n_classes = len(style.thresholds), len(pool.classes)
    room = np.bincount(pool.truth_classes, minlength=n_classes)
    bases = np.concatenate(([0], np.cumsum(room[:-1]))) * n_thresholds
    stands = np.empty(n_thresholds * int(room.sum()), np.int32)
    at = np.empty_like(stands)
    totals = np.zeros((n_thresholds, n_classes, 2), np.int32)
    words = packed(outcome.found[area], outcome.ignored[area])
    if cap < style.max_detections[-1]:
        words[outcome.ruling.rank >= cap] = np.uint64((1 << n_thresholds) - 1) << np.uint64(32)
    shared = (pool.segments, pool.ranking, words, (bases, room), (stands, at, totals))
    threads = thread_count(pool.threads)
    edges = split(np.diff(pool.segments) + 1, threads).tolist()
    jobs = [(low, high, *shared) for low, high in pairwise(edges)]
    run_jobs(_numba.walk, jobs, threads)
    return Events(
        stands=stands,
        at=at,
        totals=totals,
        bases=bases,
        room=room,
        to_find=outcome.ruling.to_find[:, area].copy(),
        first=_first(pool, outcome.ruling, cap),
    )


def packed(found: Bits, ignored: Bits) -> NDArray[np.uint64]:
    """Return both in one word a detection: found below, ignored in the upper half, (D,)."""
    return (ignored.astype(np.uint64) << np.uint64(32)) | found


def _first(pool: Pool, ruling: Ruling, cap: int) -> Ids:
    """Return the surest detection of each class that is looked at, ignored or not."""
    out = np.full(len(pool.classes), -1, np.int64)
    for k, (low, high) in enumerate(pairwise(pool.segments.tolist())):
        # Nearly always it is the very first.
        for at in range(low, high, 64):
            looked = ruling.rank[pool.ranking[at : min(at + 64, high)]] < cap
            if looked.any():
                out[k] = pool.ranking[at + np.argmax(looked)]
                break
    return out

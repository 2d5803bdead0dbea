"""Precision, recall and scores of every class from matches."""

from typing import Any

import numpy as np

from drivetrain.detection.annotations import Flags, Floats, Ids
from drivetrain.detection.curves import Tables
from drivetrain.detection.matching import _numba as matching_kernels
from drivetrain.detection.matching.index import Index, scratch
from drivetrain.detection.matching.matches import Matches
from drivetrain.detection.matching.threads import run_jobs, thread_count
from drivetrain.detection.precision import _numba as kernels
from drivetrain.detection.styles import Style


def accumulate(
    index: Index, matches: Matches, style: Style, *, threads: int | None = None
) -> Tables:
    """Return the curves of all classes, ranges and caps, sampled at the style's recalls.

    tp / (tp + fp) over detections by falling score; max over what follows; at recall r the first
    with tp / wanted >= r.

    Args:
        index: Groups of truths and detections.
        matches: What became of each detection.
        style: Recalls and caps; thresholds and ranges are those of ``matches``.
        threads: All usable cores where None; the result does not depend on it.

    References:
        COCO's evaluation code, ``accumulate``.
    """
    n_classes, n_ranges = len(index.category_ids), len(matches.found_bits)
    shape = (matches.thresholds, n_classes, n_ranges, len(style.max_detections))
    sampled = (shape[0], len(style.recalls), *shape[1:])
    precision, scores, recall = np.empty(sampled), np.empty(sampled), np.empty(shape)
    ends = index.first_detection[index.first_group].astype(np.int64)
    first_touched = np.searchsorted(matches.touched, ends)
    ranking = _Ranking(index, matches, np.array(style.max_detections, np.int64))
    recalls = np.array(style.recalls, np.float64)
    hits = matches.found_bits.ravel("F"), matches.ignored_bits.ravel("F")
    found, ignored = (bits.view(np.int32) for bits in hits)
    some: Flags = np.asarray((matches.found_bits | matches.ignored_bits).any(axis=0))
    rule = shape[3], matches.thresholds, n_ranges, n_classes
    tables = precision.reshape(-1), recall.reshape(-1), scores.reshape(-1)

    def fill(classes: Ids) -> None:
        room = _room(int(np.diff(first_touched)[classes].max(initial=0)), n_ranges * shape[3])
        for k in classes.tolist():
            low, high = first_touched[k], first_touched[k + 1]
            part = slice(low * n_ranges, high * n_ranges)
            ranked = ranking.of_class(k, low, some[low:high])
            wanted, needed = ranking.to_be_found(k, n_ranges, recalls)
            kernels.fill_class(
                k, (found[part], ignored[part]), ranked, wanted, needed, rule, tables, room
            )

    n_threads = thread_count(threads)
    run_jobs(fill, [(classes,) for classes in _dealt(np.diff(ends), n_threads)], n_threads)
    return Tables(
        precision=precision,
        recall=recall,
        scores=scores,
        image_ids=index.image_ids,
        category_ids=index.category_ids,
    )


class _Ranking:
    """What the kernel is told of a class, made by numpy so that there is less to compile."""

    def __init__(self, index: Index, matches: Matches, caps: Ids) -> None:
        self.index, self.matches = index, matches
        self.ends = index.first_detection.astype(np.int64)
        most = int(np.diff(self.ends).max(initial=0))
        # The first cap that lets in the detection at each place of its group, as in a word.
        self.cap = np.searchsorted(caps, np.arange(most), side="right") << 24
        self.most = int(caps[-1])
        self.refused = len(caps) << 24

    def of_class(self, k: int, first_touched: int, some: Flags) -> tuple[Floats, Ids]:
        """Return scores and words of a class's detections by falling score, stably."""
        first, last = self.index.first_group[k], self.index.first_group[k + 1]
        ends = self.ends[first : last + 1]
        begin, end = ends[0], ends[-1]
        place = np.arange(begin, end) - np.repeat(ends[:-1], np.diff(ends))
        words = self.cap[place]
        kept = words < self.refused if len(self.cap) > self.most else None
        words |= self.matches.inside[self.index.detections[begin:end]]
        touched = self.matches.touched[first_touched : first_touched + len(some)][some]
        words[touched - begin] |= np.flatnonzero(some) + 1 << 32
        scores = self.index.scores[begin:end]
        scores, words = (scores.copy(), words) if kept is None else (scores[kept], words[kept])
        matching_kernels.sort_falling(np.array([0, len(words)]), scores, words, scratch(len(words)))
        return scores, words

    def to_be_found(self, k: int, n_ranges: int, recalls: Floats) -> tuple[Ids, Ids]:
        """Return truths to be found in each range, and how many of them each recall needs."""
        first, last = self.index.first_group[k], self.index.first_group[k + 1]
        truths = slice(self.index.first_truth[first], self.index.first_truth[last])
        ignored = self.matches.truth_ignored[truths]
        needed = np.empty((n_ranges, len(recalls)), np.int64)
        wanted = np.empty(n_ranges, np.int64)
        for a in range(n_ranges):
            wants = int(np.count_nonzero(~ignored & np.uint32(1 << a)))
            wanted[a] = wants
            # The least tp > 0 with tp / wants >= r.
            needed[a] = np.searchsorted(np.arange(1, wants + 1) / max(wants, 1), recalls) + 1
        needed[:, recalls <= 0] = 0
        return wanted, needed.reshape(-1)


def _dealt(weights: Ids, threads: int) -> list[Ids]:
    """Return all classes in hands: heavy ones alone and first, light ones dealt in turn."""
    falling = np.argsort(-weights, kind="stable")
    alone = min(4 * threads, len(falling)) if threads > 1 else 0
    hands = [falling[i : i + 1] for i in range(alone)]
    rest = falling[alone:]
    n = min(4 * threads, len(rest))
    # Copied, as the kernel would be compiled once more for strides.
    return hands + [rest[i::n].copy() for i in range(n)]


def _room(n_touched: int, rows: int) -> tuple[Any, ...]:
    """Return the kernel's memory; pages that are never written cost nothing."""
    return (
        np.empty(4 * rows * n_touched, np.int32),
        np.empty(n_touched + 1),
        np.empty(n_touched + 1, np.int32),
        *np.empty((3, rows), np.int64),
    )

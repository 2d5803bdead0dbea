"""Precision, recall and scores of every class from matches."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Ids
from drivetrain.detection.curves import Tables
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
    ends = index.first_detection[index.first_group]
    first_touched = np.searchsorted(matches.touched, ends)
    recalls, caps = np.array(style.recalls, np.float64), np.array(style.max_detections, np.int64)
    job = (
        (index.first_group, index.groups, index.detections, index.scores),
        (matches.touched, first_touched, *_words(matches)),
        (recalls, caps, matches.thresholds, n_ranges, n_classes),
        (precision.reshape(-1), recall.reshape(-1), scores.reshape(-1)),
    )
    sizes = np.diff(ends), np.diff(first_touched)
    n_threads = thread_count(threads)
    room = partial(_room, sizes, (n_ranges, shape[3], sampled[1]))
    jobs = [(classes, *job, room(classes)) for classes in _dealt(sizes[0], n_threads)]
    run_jobs(kernels.fill_classes, jobs, n_threads)
    return Tables(
        precision=precision,
        recall=recall,
        scores=scores,
        image_ids=index.image_ids,
        category_ids=index.category_ids,
    )


def _words(matches: Matches) -> tuple[NDArray[np.int32], ...]:
    """Return the bits as signed integers, which Numba mixes with its own."""
    flat = (matches.found_bits.ravel("F"), matches.ignored_bits.ravel("F"))
    return tuple(bits.view(np.int32) for bits in (*flat, matches.inside, matches.truth_ignored))


def _dealt(weights: Ids, threads: int) -> list[Ids]:
    """Return all classes in hands: heavy ones alone and first, light ones dealt in turn."""
    falling = np.argsort(-weights, kind="stable")
    alone = min(4 * threads, len(falling)) if threads > 1 else 0
    hands = [falling[i : i + 1] for i in range(alone)]
    rest = falling[alone:]
    n = min(4 * threads, len(rest))
    # Copied, as the kernel would be compiled once more for strides.
    return hands + [rest[i::n].copy() for i in range(n)]


def _room(sizes: tuple[Ids, Ids], shape: tuple[int, int, int], classes: Ids) -> tuple[Any, ...]:
    """Return the kernel's memory; pages that are never written cost nothing."""
    n_found, n_touched = (int(size[classes].max(initial=0)) for size in sizes)
    n_ranges, n_caps, n_recalls = shape
    rows = n_ranges * n_caps
    return (
        np.empty(n_found),
        np.empty(n_found, np.int64),
        scratch(n_found),
        np.empty(4 * rows * n_touched, np.int32),
        np.empty(n_touched + 1),
        np.empty(n_touched + 1, np.int32),
        np.empty(n_ranges * n_recalls, np.int32),
        tuple(np.empty((4, rows), np.int64)),
    )

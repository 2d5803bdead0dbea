"""Precision, recall and scores of every class from matches."""

import numpy as np

from drivetrain.detection.curves import Tables
from drivetrain.detection.matching.index import Index
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
    per_class = np.diff(index.first_detection[index.first_group])
    n_threads = thread_count(threads)
    job = (
        (
            index.first_group,
            index.first_detection,
            index.first_truth,
            index.detections,
            index.scores,
        ),
        (
            matches.touched,
            np.searchsorted(matches.touched, index.first_detection[index.first_group]),
            matches.found_bits,
            matches.ignored_bits,
            matches.inside,
            matches.truth_ignored,
        ),
        (
            np.array(style.recalls, np.float64),
            np.minimum(style.max_detections, 2**31 - 1).astype(np.int64),
            matches.thresholds,
        ),
        (precision, recall, scores),
    )
    jobs = [(classes, *job) for classes in _dealt(per_class, n_threads)]
    run_jobs(kernels.fill_classes, jobs, n_threads)
    return Tables(
        precision=precision,
        recall=recall,
        scores=scores,
        image_ids=index.image_ids,
        category_ids=index.category_ids,
    )


def _dealt(weights: np.ndarray, threads: int) -> list[np.ndarray]:
    """Return all classes in hands: heavy ones alone and first, light ones dealt in turn."""
    falling = np.argsort(-weights, kind="stable")
    alone = min(4 * threads, len(falling)) if threads > 1 else 0
    hands = [falling[i : i + 1] for i in range(alone)]
    rest = falling[alone:]
    n = min(4 * threads, len(rest))
    return hands + [rest[i::n] for i in range(n)]

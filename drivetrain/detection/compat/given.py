"""Tables from what a script put into ``evalImgs``, counted as pycocotools counts them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.compat.params import Params

Floats = NDArray[np.float64]
Matched = dict[str, Any]


def tables_of(
    matched: Sequence[Matched | None], p: Params, evaluated: Params
) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and scores of given matches, -1 where nothing is to be found.

    Args:
        matched: pycocotools' ``evalImgs``: by class, then area range, then image.
        p: The parameters asked for.
        evaluated: Those that the matches are of.

    Raises:
        ValueError: There are fewer matches than classes, ranges and images.
    """
    classes = _places(p.catIds, evaluated.catIds if evaluated.useCats else [-1])
    ranges = _places(map(tuple, p.areaRng), map(tuple, evaluated.areaRng))
    images = _places(p.imgIds, evaluated.imgIds)
    caps = [cap for cap in p.maxDets if cap in set(evaluated.maxDets)]
    n_ranges, n_images = len(evaluated.areaRng), len(evaluated.imgIds)
    if classes and ranges and images:
        needed = (classes[-1] * n_ranges + ranges[-1]) * n_images + images[-1] + 1
        if len(matched) < needed:
            raise ValueError(
                f"evalImgs must hold an entry a class, area range and image, {needed} or more. "
                f"Got {len(matched)}."
            )
    shape = (len(p.iouThrs), len(p.recThrs), len(p.catIds), len(p.areaRng), len(p.maxDets))
    precision, scores = -np.ones(shape), -np.ones(shape)
    recall = -np.ones((shape[0], *shape[2:]))
    for k, class_at in enumerate(classes):
        for a, range_at in enumerate(ranges):
            first = (class_at * n_ranges + range_at) * n_images
            entries = [one for i in images if (one := matched[first + i]) is not None]
            for m, cap in enumerate(caps):
                at = np.s_[:, :, k, a, m]
                _fill(entries, cap, p.recThrs, (precision[at], recall[:, k, a, m], scores[at]))
    return precision, recall, scores


def _places(asked: Any, evaluated: Any) -> list[int]:
    known = set(evaluated)
    return [n for n, value in enumerate(asked) if value in known]


def _fill(
    entries: list[Matched], cap: int, recalls: Any, tables: tuple[Floats, Floats, Floats]
) -> None:
    """Write one class, range and cap into its tables (T, R), (T,) and (T, R)."""
    precision, recall, scores = tables
    if not entries:
        return
    truths = np.concatenate([one["gtIgnore"] for one in entries])
    wanted = np.count_nonzero(truths == 0)
    if not wanted:
        return
    score = np.concatenate([one["dtScores"][:cap] for one in entries])
    order = np.argsort(-score, kind="stable")
    score = score[order]
    hit, ignored = (
        np.concatenate([np.asarray(one[key])[:, :cap] for one in entries], axis=1)[:, order] != 0
        for key in ("dtMatches", "dtIgnore")
    )
    right = np.cumsum(hit & ~ignored, axis=1).astype(np.float64)
    wrong = np.cumsum(~hit & ~ignored, axis=1).astype(np.float64)
    for t, (tp, fp) in enumerate(zip(right, wrong, strict=True)):
        found = tp / wanted
        envelope = np.maximum.accumulate((tp / (fp + tp + np.spacing(1)))[::-1])[::-1]
        recall[t] = found[-1] if len(found) else 0
        at = np.searchsorted(found, recalls, side="left")
        reached = at < len(found)
        precision[t], scores[t] = 0, 0
        precision[t, reached], scores[t, reached] = envelope[at[reached]], score[at[reached]]

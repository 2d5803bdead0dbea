"""What a style makes of a pool: who is admitted, who is set aside, which overlap counts.

Shapes: D detections, G truths, A area ranges.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth, Ids
from drivetrain.detection.protocols.pool import Pool, rank_of
from drivetrain.detection.styles import Style

Words = NDArray[np.uint32]
_EVERY = np.uint32(0xFFFFFFFF)
_BUNCH = {"plain": 0, "ignore": 1, "once": 2}
# A table of images x classes is looked up where it is at most this long, else searched.
_TABLE = 1 << 26


@dataclass(frozen=True, kw_only=True, eq=False)
class Ruling:
    """A style's rules, applied to a pool's rows; bit a of a word is area range a.

    Attributes:
        admitted: Detections that are looked at, (D,).
        rank: Which in its class and image each is, (D,).
        excused: Unmatched detections that count for nothing, words, (D,).
        aside: Truths that need not be found, words, (G,).
        crowd: Truths that are never used up, (G,).
        bunch: 0 plain, 1 absorbing, 2 to be found once, (G,).
        zero: Truths whose finder counts as false, (G,).
        overlaps: Overlap of each pair, (P,).
        to_find: Number of truths to be found, (K, A).
    """

    admitted: Flags
    rank: NDArray[np.int32]
    excused: Words
    aside: Words
    crowd: Flags
    bunch: NDArray[np.uint8]
    zero: Flags
    overlaps: Floats
    to_find: Ids


def rule(pool: Pool, style: Style) -> Ruling:
    """Return what a style makes of the rows of a pool."""
    truth, at = pool.truth, pool.index.truths
    crowd = truth.crowd[at] & style.crowd
    bunch = np.zeros(len(at), np.uint8)
    if truth.group_of is not None:
        bunch[truth.group_of[at] & ~crowd] = _BUNCH[style.group_of]
    aside = _outside(truth.areas[at], style)
    aside[crowd | (bunch == _BUNCH["ignore"]) | _excluded(pool, style)] = _EVERY
    rank = pool.ranks(_admitted(pool, style))
    outside = _outside(pool.areas, style)
    excused = outside[pool.index.detections] if outside.any() else np.zeros(len(pool), np.uint32)
    incomplete = _incomplete(pool, style)
    if incomplete is not None:
        excused[incomplete] = _EVERY
    return Ruling(
        admitted=rank < style.max_detections[-1],
        rank=rank,
        excused=excused,
        aside=aside,
        crowd=crowd,
        bunch=bunch,
        zero=(truth.ids[at] == 0) & style.zero_id_unmatched,
        overlaps=_overlaps(pool, crowd | (bunch > 0)),
        to_find=_to_find(pool, aside, len(style.areas)),
    )


def _outside(areas: Floats, style: Style) -> Words:
    """Return in which ranges each area does not lie; both ends belong to a range."""
    out = np.zeros(len(areas), np.uint32)
    for a, (_, low, high) in enumerate(style.areas):
        out |= ((areas < low) | (areas > high)).astype(np.uint32) << np.uint32(a)
    return out


def _excluded(pool: Pool, style: Style) -> Flags:
    truth, at = pool.truth, pool.index.truths
    out = truth.ignore[at] & style.honour_ignore
    if pool.task != "keypoints":
        return out
    if truth.visible is not None:
        return out | (truth.visible[at] == 0)
    assert truth.keypoints is not None  # the pairs were found by them
    return out | ~np.any(truth.keypoints[at, :, 2] > 0, axis=1)


def _to_find(pool: Pool, aside: Words, n_areas: int) -> Ids:
    out = np.empty((len(pool.classes), n_areas), np.int64)
    for a in range(n_areas):
        wanted = pool.truth_classes[(aside >> a) & 1 == 0]
        out[:, a] = np.bincount(wanted, minlength=len(pool.classes))
    return out


def _admitted(pool: Pool, style: Style) -> Flags | None:
    """Return the detections that are looked at, before any cap a class; all where None."""
    out = None
    if style.max_per_image is not None:
        out = _best_of_image(pool, style.max_per_image)
    if style.federated and pool.truth.federation is not None:
        present = np.stack((pool.truth.images, pool.truth.categories), axis=1)
        verified = _among(pool, np.concatenate((present, pool.truth.federation.negative)))
        out = verified if out is None else out & verified
    return out


def _best_of_image(pool: Pool, cap: int) -> Flags | None:
    """Return the ``cap`` best of each image over all classes, whether they count or not."""
    if pool.most_in_image <= cap:
        return None
    of = rank_of(pool.found.images, pool.index.image_ids)
    sizes = np.bincount(of[of >= 0], minlength=len(pool.index.image_ids))
    late = np.zeros(len(pool.found), np.bool_)
    rows = np.flatnonzero((of >= 0) & (sizes[of] > cap))
    rows = rows[np.lexsort((-pool.found.scores[rows], of[rows]))]
    of = of[rows]
    first = np.searchsorted(of, of)
    late[rows[np.arange(len(rows)) - first >= cap]] = True
    return ~late[pool.index.detections]


def _incomplete(pool: Pool, style: Style) -> Flags | None:
    """Return the detections of classes that were not labelled exhaustively in their image."""
    if not style.federated or pool.truth.federation is None:
        return None
    return _among(pool, pool.truth.federation.not_exhaustive)


def _among(pool: Pool, pairs: Ids) -> Flags:
    """Return which detections are of one of the pairs (image id, class id)."""
    width = len(pool.index.image_ids)
    of = rank_of(pairs[:, 0], pool.index.image_ids)
    kind = rank_of(pairs[:, 1], pool.categories)
    known = (kind * width + of)[(of >= 0) & (kind >= 0)]
    own = pool.detection_labels * width + pool.detection_images
    if width * len(pool.categories) > _TABLE:
        return np.isin(own, known)
    table = np.zeros(width * len(pool.categories), np.bool_)
    table[known] = True
    return table[own]


def _overlaps(pool: Pool, absorbing: Flags) -> Floats:
    """Return the pairs' overlaps, taken over the union where a truth does not absorb here."""
    plain = pool.absorbing & ~absorbing
    if pool.task == "keypoints" or not plain.any():
        return pool.overlaps
    pairs = np.flatnonzero(plain[pool.targets])
    if not len(pairs):
        return pool.overlaps
    out = pool.overlaps.copy()
    d = np.searchsorted(pool.starts, pairs, side="right") - 1
    out[pairs] = _over_union(pool)(pool.index.detections[d], pool.index.truths[pool.targets[pairs]])
    return out


def _over_union(pool: Pool) -> Callable[[NDArray[np.int32], NDArray[np.int32]], Floats]:
    """Return the function of detections and truths that gives the overlap over their union."""
    if pool.task == "bbox":
        return lambda d, g: box_overlaps(
            pool.found.boxes[d], pool.truth.boxes[g], inclusive=pool.inclusive
        )
    measure = pair_overlaps(pool.task, pool.truth, pool.found)
    return lambda d, g: measure(d, g, np.zeros(len(d), np.bool_))


def pair_overlaps(task: str, truth: GroundTruth, found: Detections) -> Callable[..., Floats]:
    """Return the overlap of detections with truths, pair by pair, and whether they absorb."""
    if task == "rotated":
        from drivetrain.detection.overlap.rotated import pair_iou

        return partial(pair_iou, truth, found)
    from drivetrain.detection.masks import overlap

    measure = overlap.pair_iou if task == "segm" else overlap.pair_boundary_iou
    return partial(measure, truth, found)


def box_overlaps(p: Floats, q: Floats, *, inclusive: bool = False) -> Floats:
    """Return the IoU of box after box, (n,): the arithmetic of ``reference.iou``, row by row."""
    one = float(inclusive)
    w = np.fmin(p[:, 2] + p[:, 0], q[:, 2] + q[:, 0]) - np.fmax(p[:, 0], q[:, 0]) + one
    h = np.fmin(p[:, 3] + p[:, 1], q[:, 3] + q[:, 1]) - np.fmax(p[:, 1], q[:, 1]) + one
    area_p, area_q = ((b[:, 2] + one) * (b[:, 3] + one) for b in (p, q))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((w <= 0) | (h <= 0), 0.0, w * h / (area_p + area_q - w * h))

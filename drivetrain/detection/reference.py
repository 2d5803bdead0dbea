"""The definitions, in the article's order: counting, the curve, overlap, matching, the area.

Symbols: B_p and B_g a predicted and a true box, α the threshold, TP, FP, FN the counts,
P precision, R recall; D detections, G truths. ``problem`` applies them to a whole data set.
Float64 numpy, never optimised: every other implementation must equal it. Where COCO has a
rule (its order of additions included), the bits are pycocotools'.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.detection.annotations import Flags, Floats, Ids
from drivetrain.detection.styles import COCO_RECALLS, COCO_SIGMAS, Style, style_named

# Counting.


def precision(tp: ArrayLike, fp: ArrayLike) -> Floats:
    """Return P = TP / (TP + FP): which share of what was said is true."""
    return np.divide(tp, np.maximum(np.add(tp, fp), np.finfo(float).eps))


def recall(tp: ArrayLike, fn: ArrayLike) -> Floats:
    """Return R = TP / (TP + FN): which share of what is there was found."""
    return np.divide(tp, np.add(tp, fn))


def curve(flags: ArrayLike, n_truths: int) -> tuple[Floats, Floats]:
    """Return recall and precision after each detection, by falling score.

    Args:
        flags: Whether each detection is a true positive, (D,), by falling score; equal scores
            in the order of the file.
        n_truths: TP + FN, the number of truths to be found.

    Example:
        >>> R, P = curve([True, False, True], 4)
        >>> R.tolist(), P.round(4).tolist()
        ([0.25, 0.25, 0.5], [1.0, 0.5, 0.6667])
    """
    true = np.asarray(flags, np.bool_)
    tp, fp = np.cumsum(true), np.cumsum(~true)
    return recall(tp, n_truths - tp), precision(tp, fp)


# Overlap.


def iou(
    b_p: ArrayLike, b_g: ArrayLike, *, crowd: ArrayLike | None = None, inclusive: bool = False
) -> Floats:
    """Return IoU = area(B_p ∩ B_g) / area(B_p ∪ B_g) of every pair; the union is B_p for a crowd.

    Args:
        b_p: x, y, width, height, (D, 4).
        b_g: x, y, width, height, (G, 4).
        crowd: Which truths are crowds, (G,).
        inclusive: Boxes hold their last pixel (VOC): 1 is added to widths and heights.

    Returns:
        (D, G).

    Example:
        >>> iou([[0, 0, 10, 10]], [[5, 0, 10, 10]], crowd=[True]).tolist()
        [[0.5]]
    """
    p, g = np.reshape(b_p, (-1, 1, 4)), np.reshape(b_g, (1, -1, 4))
    one = float(inclusive)
    # C's fmin and fmax, by which COCO computes, pass over a NaN; np.minimum would not.
    w = np.fmin(p[..., 2] + p[..., 0], g[..., 2] + g[..., 0]) - np.fmax(p[..., 0], g[..., 0]) + one
    h = np.fmin(p[..., 3] + p[..., 1], g[..., 3] + g[..., 1]) - np.fmax(p[..., 1], g[..., 1]) + one
    area_p = (p[..., 2] + one) * (p[..., 3] + one)
    area_g = (g[..., 2] + one) * (g[..., 3] + one)
    intersection = w * h
    alone = np.zeros(g.shape[1], np.bool_) if crowd is None else np.asarray(crowd, np.bool_)
    union = np.where(alone, area_p, area_p + area_g - intersection)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((w <= 0) | (h <= 0), 0.0, intersection / union)


def mask_iou(
    m_p: Sequence[Flags], m_g: Sequence[Flags], *, crowd: ArrayLike | None = None
) -> Floats:
    """Return the IoU of every pair of masks, in pixels; masks of different sizes share none.

    Args:
        m_p: Flat boolean masks, D of them.
        m_g: Flat boolean masks, G of them.
        crowd: Which truths are crowds, (G,).
    """
    alone = np.zeros(len(m_g), np.bool_) if crowd is None else np.asarray(crowd, np.bool_)
    out = np.zeros((len(m_p), len(m_g)))
    for d, p in enumerate(m_p):
        for j, g in enumerate(m_g):
            intersection = np.count_nonzero(p & g) if p.shape == g.shape else 0
            if intersection:
                union = np.count_nonzero(p if alone[j] else p | g)
                out[d, j] = intersection / union
    return out


def oks(
    k_p: Floats, k_g: Floats, boxes: Floats, areas: Floats, sigmas: ArrayLike = COCO_SIGMAS
) -> Floats:
    """Return object keypoint similarity of every pair.

    OKS = mean over labelled keypoints of exp(-e), e = d² / (2σ)² / (area + ε) / 2.
    A truth without labelled keypoints measures d to its box, doubled about its centre.

    Args:
        k_p: x, y, any of the predicted keypoints, (D, P, 3).
        k_g: x, y, visibility of the true ones, (G, P, 3).
        boxes: Boxes of the truths, (G, 4).
        areas: Areas of the truths, (G,).
        sigmas: Spread of each keypoint, (P,).

    Returns:
        (D, G).
    """
    variance = (np.asarray(sigmas, np.float64) * 2) ** 2
    out = np.zeros((len(k_p), len(k_g)))
    for j, (g, (x, y, w, h), area) in enumerate(zip(k_g, boxes, areas)):
        seen = g[:, 2] > 0
        for i, p in enumerate(k_p):
            if seen.any():
                dx, dy = p[:, 0] - g[:, 0], p[:, 1] - g[:, 1]
            else:
                dx = _beyond(p[:, 0], x - w, x + w * 2)
                dy = _beyond(p[:, 1], y - h, y + h * 2)
            e = (dx**2 + dy**2) / variance / (area + np.spacing(1)) / 2
            e = e[seen] if seen.any() else e
            out[i, j] = np.sum(np.exp(-e)) / len(e)
    return out


def _beyond(at: Floats, low: float, high: float) -> Floats:
    return np.maximum(0.0, low - at) + np.maximum(0.0, at - high)


# Matching. Both take the overlaps (D, G), detections by falling score, and return for each
# detection the truth it found, or -1.


def match_voc(overlap: Floats, ignored: Flags, alpha: float, *, strict: bool = False) -> Ids:
    """VOC: each detection means the truth it overlaps most; the second on a truth is false."""
    found, taken = np.full(len(overlap), -1), np.zeros(len(ignored), np.bool_)
    for d, row in enumerate(overlap):
        g = int(np.argmax(row)) if len(row) else -1
        if g < 0 or not (row[g] > alpha if strict else row[g] >= alpha):
            continue
        if ignored[g] or not taken[g]:
            found[d], taken[g] = g, True
    return found


def match_coco(
    overlap: Floats, ignored: Flags, crowd: Flags, alpha: float, *, strict: bool = False
) -> Ids:
    """COCO: each detection takes the best truth still free; of equal overlaps the later one.

    Truths that count come before ignored ones; a crowd is never used up.
    """
    found, taken = np.full(len(overlap), -1), np.zeros(len(ignored), np.bool_)
    order = np.argsort(ignored, kind="stable")
    for d, row in enumerate(overlap):
        best = min(alpha, 1 - 1e-10)
        for g in order:
            if taken[g] and not crowd[g]:
                continue
            if found[d] >= 0 and not ignored[found[d]] and ignored[g]:
                break
            if row[g] < best or (strict and row[g] <= alpha):
                continue
            best, found[d] = row[g], g
        if found[d] >= 0:
            taken[found[d]] = True
    return found


# The area under the curve.

_STEPS = 0.1 * np.arange(6)
GRIDS = {
    "tenths": np.arange(11) / 10,
    "arange": np.arange(0.0, 1.1, 0.1),
    "matlab": np.concatenate([_STEPS, 1 - _STEPS[4::-1]]),
}


def ap_11_point(R: ArrayLike, P: ArrayLike, *, grid: str = "tenths") -> float:
    """VOC 2007: AP = 1/11 Σ max {P(R) : R >= r}, r = 0, .1, ..., 1.

    The grids differ in their roundings of .3, .6 and .7, so AP does where R is exactly k/10:
    ``tenths`` is i/10, ``arange`` numpy's, ``matlab`` the devkit's 0:.1:1, filled from both ends.
    """
    recalls = GRIDS[grid]
    R, P = np.asarray(R), np.asarray(P)
    return float(sum(np.max(P[r <= R], initial=0.0) for r in recalls) / 11)


def ap_all_point(R: ArrayLike, P: ArrayLike) -> float:
    """VOC 2010: AP = Σ (R_n - R_{n-1}) max {P(R) : R >= R_n}."""
    R = np.concatenate(([0.0], R, [1.0]))
    P = np.concatenate(([0.0], P, [0.0]))
    P = np.maximum.accumulate(P[::-1])[::-1]
    step = np.flatnonzero(R[1:] != R[:-1])
    return float(np.sum((R[step + 1] - R[step]) * P[step + 1]))


def ap_101_point(R: ArrayLike, P: ArrayLike, recalls: Sequence[float] = COCO_RECALLS) -> float:
    """COCO: the mean over r = 0, .01, ..., 1 of max {P(R) : R >= r}."""
    return float(np.mean(sample(np.asarray(R), np.asarray(P), recalls)[0]))


def ap_trapezoid(R: ArrayLike, P: ArrayLike) -> float:
    """Ultralytics: the trapezoids under the best precision beyond, at r = 0, .01, ..., 1."""
    R = np.concatenate(([0.0], R, [1.0]))
    P = np.concatenate(([1.0], P, [0.0]))
    at = np.linspace(0, 1, 101)
    return float(np.trapezoid(np.interp(at, R, np.maximum.accumulate(P[::-1])[::-1]), at))


def sample(R: Floats, P: Floats, recalls: Sequence[float]) -> tuple[Floats, Ids]:
    """Return max {P(R) : R >= r} for each r, 0 beyond the last; and where, len(R) for nowhere."""
    best = np.maximum.accumulate(P[::-1])[::-1]
    where = np.searchsorted(R, recalls, side="left")
    reached = where < len(R)
    # As pycocotools: the first recall out of reach ends the walk, also where recalls do not rise.
    reached[np.argmin(reached) if not reached.all() else len(reached) :] = False
    out = np.zeros(len(where))
    out[reached] = best[where[reached]]
    return out, np.where(reached, where, len(R))


def average_precision(R: ArrayLike, P: ArrayLike, style: str | Style) -> float:
    """Return the area that a style means."""
    rule = style_named(style)
    if rule.interpolation == "11-point":
        return ap_11_point(R, P, grid=rule.grid)
    if rule.interpolation == "all-point":
        return ap_all_point(R, P)
    if rule.interpolation == "trapezoid":
        return ap_trapezoid(R, P)
    return ap_101_point(R, P, rule.recalls)

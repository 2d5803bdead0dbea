"""How much masks share: IoU of all pairs or of given pairs, union, intersection."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array
from drivetrain.detection.masks import _numba
from drivetrain.detection.masks.boundaries import RATIO, boundaries
from drivetrain.detection.masks.columns import Masks, check_unchanged, measured

if TYPE_CHECKING:
    from drivetrain.detection.annotations import Detections, Flags, GroundTruth

Floats = NDArray[np.float64]
Positions = NDArray[np.integer]


def iou(found: Masks, truth: Masks, *, crowd: ArrayLike | None = None) -> Floats:
    """Return IoU of every pair: |D ∩ G| / |D ∪ G|, of a crowd |D ∩ G| / |D|.

    Args:
        found: D masks.
        truth: G masks.
        crowd: Which truths are crowds, (G,); none where None.

    Returns:
        (D, G); 0 where the pictures are of different sizes.

    Raises:
        TypeError: crowd is not flags.
        ValueError: crowd is not (G,).

    Example:
        >>> from drivetrain.detection.masks.dense import from_dense
        >>> iou(from_dense([[[1, 1]]]), from_dense([[[0, 1]]])).tolist()
        [[0.5]]
    """
    flags = np.zeros(len(truth), np.bool_)
    if crowd is not None:
        flags = check_array("crowd", crowd, ndim=1, dtype=np.int64) != 0
    if len(flags) != len(truth):
        raise ValueError(f"crowd must be ({len(truth)},). Got ({len(flags)},).")
    d, g = np.indices((len(found), len(truth)), np.int32).reshape(2, -1)
    return overlaps(found, truth, d, g, flags[g]).reshape(len(found), len(truth))


def overlaps(
    found: Masks,
    truth: Masks,
    d: Positions,
    g: Positions,
    crowd: "Flags",
    *,
    minimum: float = 0.0,
) -> Floats:
    """Return IoU of the pairs (d[p], g[p]); 0 where it is provably below ``minimum``, (p,).

    Runs without the interpreter's lock, so several threads may call it at once.
    """
    out = np.empty(len(d))
    pairs = (
        np.ascontiguousarray(d, np.int32),
        np.ascontiguousarray(g, np.int32),
        np.ascontiguousarray(crowd, np.bool_),
    )
    p, q = found, truth.unpacked()
    arguments: tuple[Any, ...] = (
        *(p.text, p.store, p.packed, p.places, p.sizes, p.areas, p.boxes),
        *(q.store, q.places, q.sizes, q.areas, q.boxes),
        *pairs,
        float(minimum),
        out,
    )
    check_unchanged(_numba.pair_overlaps(*arguments))
    return out


def pair_iou(
    truth: "GroundTruth",
    found: "Detections",
    d: Positions,
    g: Positions,
    crowd: "Flags",
    *,
    minimum: float = 0.0,
) -> Floats:
    """Return mask IoU of pairs of detections and truths.

    Args:
        truth: Truths with masks.
        found: Detections with masks.
        d: Positions of the detections, (p,); fastest where equal ones follow each other.
        g: Positions of the truths, (p,).
        crowd: Which of these truths absorb detections, (p,).
        minimum: Pairs that provably stay below it give 0.

    Raises:
        ValueError: One side has no masks.
    """
    p, q = _masks_of(truth, found)
    return overlaps(p, q, d, g, crowd, minimum=minimum)


def pair_boundary_iou(
    truth: "GroundTruth",
    found: "Detections",
    d: Positions,
    g: Positions,
    crowd: "Flags",
    *,
    minimum: float = 0.0,
    ratio: float = RATIO,
) -> Floats:
    """Return boundary IoU of pairs: the lesser of the masks' IoU and of their boundaries'.

    A crowd's is its mask IoU, as in the authors' evaluation.

    Args:
        truth: Truths with masks.
        found: Detections with masks.
        d: Positions of the detections, (p,).
        g: Positions of the truths, (p,).
        crowd: Which of these truths absorb detections, (p,).
        minimum: Pairs that provably stay below it give 0.
        ratio: Width of a boundary as a share of the picture's diagonal.

    Raises:
        ValueError: One side has no masks.

    References:
        Cheng, Girshick, Dollár, Berg, Kirillov, Boundary IoU, CVPR 2021, section 5.
    """
    p, q = _masks_of(truth, found)
    out = overlaps(p, q, d, g, crowd, minimum=minimum)
    # Only where the masks overlap enough does the boundary decide, so few boundaries are made.
    open_ = np.flatnonzero((out > 0) & (out >= minimum) & ~crowd)
    d_used, d_at = np.unique(d[open_], return_inverse=True)
    g_used, g_at = np.unique(g[open_], return_inverse=True)
    edges = overlaps(
        boundaries(p.take(d_used), ratio=ratio),
        boundaries(q.take(g_used), ratio=ratio),
        d_at,
        g_at,
        crowd[open_],
    )
    out[open_] = np.minimum(out[open_], edges)
    return out


def _masks_of(truth: "GroundTruth", found: "Detections") -> tuple[Masks, Masks]:
    for columns in (truth, found):
        if columns.masks is None:
            raise ValueError(f"{columns.source} has no masks, which segm and boundary compare.")
    assert found.masks is not None and truth.masks is not None
    return found.masks, truth.masks


def union(masks: Masks, *, intersect: bool = False) -> Masks:
    """Return one mask: what any of the masks holds, or what all hold.

    Args:
        masks: Masks of one size, at least one.
        intersect: The intersection instead.

    Raises:
        ValueError: No masks, or masks of different sizes.

    Example:
        >>> from drivetrain.detection.masks.dense import from_dense
        >>> union(from_dense([[[1, 0, 0]], [[0, 0, 1]]])).runs.tolist()
        [0, 1, 1, 1]
    """
    if not len(masks):
        raise ValueError("There must be one mask or more to merge. Got none.")
    if (masks.sizes != masks.sizes[0]).any():
        raise ValueError(
            f"Masks to merge must be of one size. Got {np.unique(masks.sizes, axis=0).tolist()}."
        )
    runs = np.ascontiguousarray(masks.runs_of(0))
    for i in range(1, len(masks)):
        runs = _numba.merge(runs, np.ascontiguousarray(masks.runs_of(i)), intersect)
    return measured(runs, np.array([0, len(runs)], np.int64), masks.sizes[:1])[0]

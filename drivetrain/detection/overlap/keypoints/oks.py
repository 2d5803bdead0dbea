"""Object keypoint similarity of pairs of a found pose and a true one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth
from drivetrain.detection.overlap.keypoints import _numba as kernels
from drivetrain.detection.styles import COCO_SIGMAS

Positions = NDArray[np.int32]


def pair_oks(
    truth: GroundTruth,
    found: Detections,
    sigmas: Sequence[float] | None,
    d: Positions,
    g: Positions,
    crowd: Flags,
    *,
    minimum: float = 0.0,
) -> Floats:
    """Return OKS = mean over labelled keypoints of exp(-e), e = d² / (2σ)² / (area + ε) / 2.

    A truth without labelled keypoints measures d to its box, doubled about its centre, over all
    of them. Exponentials and sums are numpy's own, in pycocotools' shapes: their last bit
    depends on the processor, and ours must be theirs on each.

    Args:
        truth: Truths with keypoints.
        found: Detections with as many keypoints.
        sigmas: Spread of each keypoint; COCO's seventeen where None.
        d: Positions of the detections, (p,).
        g: Positions of the truths, (p,).
        crowd: Not read: keypoints know no crowd overlap.
        minimum: Pairs that provably stay below it give 0.

    Returns:
        (p,).

    Raises:
        ValueError: A side has no keypoints, or not as many as there are sigmas.

    References:
        Ronchi and Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation",
        ICCV 2017; COCO's ``computeOks``.
    """
    poses, points = _keypoints(truth, found)
    spread = np.asarray(COCO_SIGMAS if sigmas is None else sigmas, np.float64)
    for name, array in (("truths", points), ("detections", poses)):
        if len(array) and array.shape[1] != len(spread):
            raise ValueError(
                f"sigmas must have one entry a keypoint: {name} have {array.shape[1]} keypoints. "
                f"Got {len(spread)} sigmas."
            )
    variances = (spread * 2) ** 2
    many = np.empty(len(d), np.int32)
    terms = np.empty(len(d) * len(spread))
    n = kernels.exponents(
        (d, g),
        poses,
        (points, truth.boxes, truth.areas + np.spacing(1), np.count_nonzero(points[..., 2] > 0, 1)),
        (np.stack([variances, 1 / variances]), minimum, len(spread)),
        many,
        terms,
    )
    return _means(many, terms[:n])


def _keypoints(truth: GroundTruth, found: Detections) -> tuple[Floats, Floats]:
    if truth.keypoints is None or found.keypoints is None:
        which = "ground truth" if truth.keypoints is None else "detections"
        raise ValueError(f"task 'keypoints' needs keypoints. The {which} hold none.")
    return found.keypoints, truth.keypoints


def _means(many: NDArray[Any], terms: Floats) -> Floats:
    """Return the mean of exp of each run of terms; 0 for an empty one.

    Runs of one length are rows of a matrix: numpy adds a row as it adds a vector.
    """
    np.exp(terms, out=terms)
    first = np.cumsum(many) - many
    out = np.zeros(len(many))
    for length in np.unique(many[many > 0]).tolist():
        rows = np.flatnonzero(many == length)
        matrix = terms[first[rows][:, None] + np.arange(length)]
        out[rows] = np.sum(matrix, axis=1) / length
    return out

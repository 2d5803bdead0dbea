"""What a detector of digits says of scenes, before it becomes columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Found:
    """Boxes with a class and a score; n of them, scene by scene.

    Attributes:
        scene: Which picture, (n,).
        labels: The digit, (n,).
        scores: In [0, 1], (n,).
        boxes: x, y, width, height in pixels, (n, 4).
    """

    scene: Ints
    labels: Ints
    scores: Floats
    boxes: Floats


def joined(parts: list[Found]) -> Found:
    """Return all parts, one after the other."""
    return Found(
        scene=np.concatenate([part.scene for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        boxes=np.concatenate([part.boxes for part in parts]),
    )


def overlap(boxes: Floats, others: Floats) -> Floats:
    """Return the IoU of boxes x, y, width, height: (n, 4) and (m, 4) to (n, m)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(
        boxes[:, None, :2] + boxes[:, None, 2:], others[None, :, :2] + others[None, :, 2:]
    )
    shared = np.maximum(high - low, 0).prod(2)
    union = boxes[:, None, 2:].prod(2) + others[None, :, 2:].prod(2) - shared
    return shared / np.maximum(union, 1e-9)


def suppressed(found: Found, limit: float) -> Found:
    """Return one scene's detections without those that overlap a surer one of their class."""
    order = np.argsort(-found.scores, kind="stable")
    boxes, labels = found.boxes[order], found.labels[order]
    clash = (overlap(boxes, boxes) > limit) & (labels[:, None] == labels[None])
    kept: list[int] = []
    for place in range(len(order)):
        if not clash[place, kept].any():
            kept.append(place)
    best = order[kept]
    return Found(
        scene=found.scene[best],
        labels=found.labels[best],
        scores=found.scores[best],
        boxes=found.boxes[best],
    )

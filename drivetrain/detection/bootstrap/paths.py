"""What a replicate walks over: only detections that are not false are stops.

Shapes: D detections, G truths to be found, I images, T thresholds, K classes, S stops.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Flags, Floats, Ids
from drivetrain.detection.events import Events
from drivetrain.detection.styles import Style
from drivetrain.detection.summaries import whole

#: The area under the curve, as the kernel knows it.
SAMPLED, STAIRS, LINES = 0, 1, 2
_AREAS = {"101-point": SAMPLED, "11-point": SAMPLED, "all-point": STAIRS, "trapezoid": LINES}


@dataclass(frozen=True, kw_only=True, eq=False)
class Paths:
    """A result's events over all sizes, laid out so that weights of images can be put on them.

    At threshold t the stops of class k are ``offsets[t, k]`` to ``offsets[t, k + 1]``: true
    positives, and detections that count for nothing. All between them are false.

    Attributes:
        starts: Where each class begins among the detections, (K + 1,).
        images: Rank of each detection's image, (D,).
        offsets: See above, (T, K + 1).
        stops: Which detection of its class each stop is, (S,).
        stop_images: Rank of its image, (S,).
        hits: Stops that are true positives, (S,).
        truth_starts: Where each class begins among the truths, (K + 1,).
        truth_images: Rank of each truth's image, (G,).
        area: ``SAMPLED``, ``STAIRS`` or ``LINES``.
        recalls: Where ``SAMPLED`` and ``LINES`` look, (R,).
        spacing: What COCO adds to the number of detections, 2.2e-16, or 0.
    """

    starts: Ids
    images: NDArray[np.int32]
    offsets: Ids
    stops: NDArray[np.int32]
    stop_images: NDArray[np.int32]
    hits: Flags
    truth_starts: Ids
    truth_images: NDArray[np.int32]
    area: int
    recalls: Floats
    spacing: float

    @property
    def shape(self) -> tuple[int, int]:
        """Number of thresholds and of classes."""
        return self.offsets.shape[0], self.offsets.shape[1] - 1


def lay(events: Events, style: Style) -> Paths:
    """Return the paths of a result's events, over all sizes and under the largest cap."""
    a, K = whole(style), len(events.category_ids)
    stops, offsets = [], [0]
    either = events.correct[a] | events.ignored[a]
    parts = np.empty((len(style.thresholds), K + 1), np.int64)
    for t in range(len(style.thresholds)):
        at = np.flatnonzero(either >> np.uint32(t) & np.uint32(1))
        parts[t] = np.searchsorted(at, events.starts) + offsets[-1]
        offsets.append(offsets[-1] + len(at))
        stops.append(at)
    thresholds = np.repeat(np.arange(len(stops), dtype=np.uint32), np.diff(offsets))
    flat = np.concatenate(stops)
    classes = np.searchsorted(events.starts, flat, side="right") - 1
    wanted = np.flatnonzero(~events.truth_ignored[a])
    wanted = wanted[np.argsort(events.truth_classes[wanted], kind="stable")]
    return Paths(
        starts=events.starts.astype(np.int64),
        images=np.ascontiguousarray(events.images, np.int32),
        offsets=parts,
        stops=(flat - events.starts[classes]).astype(np.int32),
        stop_images=np.ascontiguousarray(events.images[flat], np.int32),
        hits=events.correct[a][flat] >> thresholds & np.uint32(1) != 0,
        truth_starts=np.searchsorted(events.truth_classes[wanted], np.arange(K + 1)),
        truth_images=np.ascontiguousarray(events.truth_images[wanted], np.int32),
        area=_AREAS[style.interpolation],
        recalls=recalls_of(style),
        spacing=float(np.spacing(1)) if style.interpolation == "101-point" else 0.0,
    )


def recalls_of(style: Style) -> Floats:
    """Return the recalls at which a style's area looks."""
    if style.interpolation == "11-point":
        from drivetrain.detection.protocols.interpolation import GRIDS

        return GRIDS[style.grid]
    return np.linspace(0, 1, 101) if style.interpolation == "trapezoid" else np.array(style.recalls)

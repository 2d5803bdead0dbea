"""A replicate by its definition: every row repeated as often as its image was drawn."""

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.detection.annotations import Flags, Floats
from drivetrain.detection.events import Events
from drivetrain.detection.reference import average_precision, curve, sample
from drivetrain.detection.styles import Style
from drivetrain.detection.summaries import whole


def replicate(events: Events, weights: ArrayLike, style: Style) -> Floats:
    """Return the average precision of each threshold and class, (T, K); NaN without truths.

    Args:
        events: Who was right, by falling score.
        weights: How often each image was drawn, (I,).
        style: Says which area is meant.
    """
    w = np.asarray(weights, np.int64)
    a, T, K = whole(style), len(style.thresholds), len(events.category_ids)
    out = np.full((T, K), np.nan)
    for t, k in np.ndindex(T, K):
        wanted = (events.truth_classes == k) & ~events.truth_ignored[a]
        n_truths = int(w[events.truth_images[wanted]].sum())
        if n_truths == 0:
            continue
        own = slice(*events.starts[k : k + 2])
        counts = events.ignored[a, own] >> np.uint32(t) & np.uint32(1) == 0
        often = w[events.images[own][counts]]
        hits = events.correct[a, own][counts] >> np.uint32(t) & np.uint32(1) != 0
        out[t, k] = _area(np.repeat(hits, often), n_truths, style)
    return out


def _area(flags: Flags, n_truths: int, style: Style) -> float:
    if style.interpolation != "101-point":
        return average_precision(*curve(flags, n_truths), style) if len(flags) else 0.0
    tp, fp = np.cumsum(flags).astype(np.float64), np.cumsum(~flags).astype(np.float64)
    return float(np.mean(sample(tp / n_truths, tp / (fp + tp + np.spacing(1)), style.recalls)[0]))

"""The areas under the curves of a style, and the curves sampled at its recalls.

Shapes: T thresholds, R recalls, K classes, A area ranges, M caps.
"""

import numpy as np

from drivetrain.detection.annotations import Floats
from drivetrain.detection.protocols import _numba
from drivetrain.detection.protocols.outcome import Events
from drivetrain.detection.styles import Style

TENTHS = np.arange(11) / 10
#: What each ``Style.grid`` makes of 0, .1, ..., 1: numpy's step by step products put a bit more
#: on .3, .6 and .7; MATLAB's colon counts the second half back from 1 and so only on .3.
GRIDS = {
    "tenths": TENTHS,
    "arange": np.arange(0.0, 1.1, 0.1),
    "matlab": np.concatenate((0.1 * np.arange(6), 1 - 0.1 * np.arange(4, -1, -1))),
}
_HUNDREDTHS = np.linspace(0, 1, 101)


def sampled(
    events: Events, recalls: Floats, scores: Floats, spacing: float
) -> tuple[Floats, Floats]:
    """Return the best precision at each recall or beyond and the score there, (T, K, R).

    P = TP / (TP + FP + spacing); NaN where a class has no truth to be found.

    Args:
        events: The true positives.
        recalls: Rising, (R,).
        scores: Of the pool's detections.
        spacing: COCO's 2.2e-16, or 0.
    """
    shape = (*events.totals.shape[:2], len(recalls))
    precision, at_score = np.full(shape, np.nan), np.full(shape, np.nan)
    _numba.sample(
        (events.bases, events.room),
        (events.stands, events.at, events.totals),
        events.to_find,
        events.first,
        recalls,
        spacing,
        scores,
        (precision, at_score),
    )
    return precision, at_score


def average_precision(events: Events, style: Style, scores: Floats) -> Floats:
    """Return the area under each curve as the style means it, (T, K); NaN without truths."""
    if style.interpolation == "all-point":
        return _all_point(events)
    if style.interpolation == "trapezoid":
        return _trapezoid(events)
    if style.interpolation == "11-point":
        precision, _ = sampled(events, GRIDS[style.grid], scores, 0.0)
        # In this order, one after another, as the definition is written.
        return sum(np.moveaxis(precision, -1, 0), np.zeros(precision.shape[:2])) / 11
    precision, _ = sampled(events, np.array(style.recalls), scores, float(np.spacing(1)))
    return np.mean(precision, axis=-1)


def _all_point(events: Events) -> Floats:
    """AP = Σ (R_n - R_{n-1}) max {P(R) : R >= R_n}."""
    n_thresholds, n_classes = events.totals.shape[:2]
    out = np.full((n_thresholds, n_classes), np.nan)
    for t, k in np.ndindex(n_thresholds, n_classes):
        if not events.to_find[k]:
            continue
        b, n = events.bases[k] + t * events.room[k], events.totals[t, k, 0]
        count = np.arange(1, n + 1)
        P = np.maximum.accumulate((count / events.stands[b : b + n])[::-1])[::-1]
        R = np.concatenate(([0.0], count / events.to_find[k]))
        area = (R[1:] - R[:-1]) * P
        # The last step, to a recall of 1 that was not reached, has no height but is a term of
        # the sum, whose order of additions depends on their number.
        out[t, k] = np.sum(area if R[-1] == 1 else np.append(area, 0.0))
    return out


def _trapezoid(events: Events) -> Floats:
    values = np.zeros((*events.totals.shape[:2], len(_HUNDREDTHS)))
    _numba.slopes(
        (events.bases, events.room),
        events.stands,
        events.totals,
        events.to_find,
        _HUNDREDTHS,
        values,
    )
    return np.where(events.to_find > 0, np.trapezoid(values, _HUNDREDTHS, axis=-1), np.nan)

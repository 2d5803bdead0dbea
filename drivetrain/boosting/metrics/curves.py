"""Areas under curves of ranked predictions: ROC, precision and recall."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Area = Callable[[Floats, Floats, Floats | None], tuple[float, float]]


def _steps(p: Floats, y: Floats, weight: Floats | None) -> tuple[Doubles, Doubles]:
    """Return false and true positives above each distinct prediction, from none to all."""
    order = np.argsort(-p, kind="stable")
    w = np.ones(len(p)) if weight is None else weight[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    label = y[order].astype(np.float64)
    fp, tp = np.cumsum((1 - label) * w)[ends], np.cumsum(label * w)[ends]
    return np.append(0.0, fp), np.append(0.0, tp)


def roc_area(p: Floats, y: Floats, weight: Floats | None = None) -> tuple[float, float]:
    """Return the area under the ROC curve, NaN with one class only, and the weight of the ones.

    Args:
        p: Predictions, (n,).
        y: Labels, 0 to 1, (n,).
        weight: (n,).
    """
    fp, tp = _steps(p, y, weight)
    if fp[-1] <= 0 or tp[-1] <= 0:
        return float("nan"), float(tp[-1])
    area = np.sum(np.diff(fp) * (tp[1:] + tp[:-1])) / 2
    return float(min(area / (fp[-1] * tp[-1]), 1.0)), float(tp[-1])


def precision_area(p: Floats, y: Floats, weight: Floats | None = None) -> tuple[float, float]:
    """Return the area under the curve of precision by recall, NaN with one class only, and 1.

    Between two thresholds the counts are interpolated, not the precision.

    References:
        Keilwagen, Grosse, Grau: Area under precision-recall curves for weighted and unweighted
        data, PLOS ONE 9 (2014).
    """
    fp, tp = _steps(p, y, weight)
    if fp[-1] <= 0 or tp[-1] <= 0:
        return float("nan"), 1.0
    rise = np.diff(tp)
    up = rise > 0
    h = np.divide(np.diff(fp), rise, out=np.zeros(len(rise)), where=up)[up]
    r0, r1 = tp[:-1][up] / tp[-1], tp[1:][up] / tp[-1]
    a, b = h + 1, (fp[:-1][up] - h * tp[:-1][up]) / tp[-1]
    # ∫ r / (a r + b) dr.
    curved = b != 0
    bent = np.zeros(len(b))
    bent[curved] = (
        b
        / a
        * (
            np.log(a * r1 + b, where=curved, out=np.zeros(len(b)))
            - np.log(a * r0 + b, where=curved, out=np.zeros(len(b)))
        )
    )[curved]
    return float(min(np.sum((r1 - r0 - bent) / a), 1.0)), 1.0


def auc(prediction: Floats, data: Dataset) -> float:
    """Return the area under the ROC curve; NaN where only one class is there.

    Of several classes each against the rest, averaged by their weight; of several labels, of
    queries, their mean.
    """
    if data.group_offsets is not None:
        return _of_queries(prediction, data, _pairs_in_order)
    return _area(prediction, data, roc_area)


def aucpr(prediction: Floats, data: Dataset) -> float:
    """Return the area under the curve of precision by recall; NaN where only one class is there."""
    if data.group_offsets is not None:
        return _of_queries(prediction, data, lambda p, y: precision_area(p, y)[0])
    return _area(prediction, data, precision_area)


def _area(prediction: Floats, data: Dataset, area: Area) -> float:
    wide = prediction.reshape(len(data), -1)
    labels = data.labels
    if wide.shape[1] == labels.shape[1]:
        areas = [area(p, y, data.weight)[0] for p, y in zip(wide.T, labels.T)]
        return float(np.mean(areas))
    if labels.shape[1] != 1:
        raise ValueError(f"auc wants a prediction a label. Got {wide.shape}, {labels.shape}.")
    classes = [labels[:, 0] == k for k in range(wide.shape[1])]
    pairs = [area(p, y, data.weight) for p, y in zip(wide.T, classes)]
    value, share = np.array(pairs).T
    return float(np.sum(value * share) / share.sum())


def _of_queries(
    prediction: Floats, data: Dataset, area: Callable[[Floats, Floats], float]
) -> float:
    """Return the mean area of the queries that have one; NaN where none has."""
    assert data.group_offsets is not None
    p, y, ends = prediction.reshape(-1), data.target, data.group_offsets
    areas = np.array([area(p[a:b], y[a:b]) for a, b in pairwise(ends)])
    known = areas[~np.isnan(areas)]
    return float(known.mean()) if len(known) else float("nan")


def _pairs_in_order(p: Floats, y: Floats) -> float:
    """Return the share of pairs that are in order; NaN with fewer than three rows.

    Pairs of equal labels count as well, in the order of the rows: XGBoost's convention.
    """
    if len(p) < 3:
        return float("nan")
    ranked = p[np.argsort(-y, kind="stable")]
    upper = np.triu_indices(len(p), 1)
    return float(np.mean(np.sign(ranked[:, None] - ranked)[upper]) / 2 + 0.5)

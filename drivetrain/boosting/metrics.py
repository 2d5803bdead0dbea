"""Metrics that training is watched by, under XGBoost's names."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.core.errors import unknown

Floats = NDArray[np.float32]
Metric = Callable[[Floats, Dataset], float]


def _mean(loss: NDArray[np.float64], data: Dataset) -> float:
    per_row = loss.reshape(len(data), -1).mean(axis=1)
    return float(np.average(per_row, weights=data.weight))


def _square(prediction: Floats, data: Dataset) -> NDArray[np.float64]:
    off = prediction.reshape(data.labels.shape).astype(np.float64) - data.labels
    return np.square(off)


def rmse(prediction: Floats, data: Dataset) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(_mean(_square(prediction, data), data)))


def mae(prediction: Floats, data: Dataset) -> float:
    """Return the mean absolute error."""
    return _mean(np.sqrt(_square(prediction, data)), data)


def logloss(prediction: Floats, data: Dataset) -> float:
    """Return the mean of -log of the probability given to the label."""
    p = np.clip(prediction.reshape(data.labels.shape).astype(float), 1e-16, 1 - 1e-16)
    y = data.labels
    return _mean(-(y * np.log(p) + (1 - y) * np.log1p(-p)), data)


def error(prediction: Floats, data: Dataset) -> float:
    """Return the share of rows on the wrong side of one half."""
    wrong = (prediction.reshape(data.labels.shape) > 0.5) != (data.labels > 0.5)
    return _mean(wrong.astype(float), data)


def mlogloss(prediction: Floats, data: Dataset) -> float:
    """Return the mean of -log of the probability given to the label's class."""
    own = prediction[np.arange(len(data)), data.target.astype(np.int64)].astype(float)
    return _mean(-np.log(np.maximum(own, 1e-16)), data)


def merror(prediction: Floats, data: Dataset) -> float:
    """Return the share of rows given another class than their own."""
    chosen = prediction if prediction.ndim == 1 else prediction.argmax(axis=1)
    return _mean((chosen != data.target).astype(float), data)


def auc(prediction: Floats, data: Dataset) -> float:
    """Return the area under the ROC curve; NaN where only one class is there."""
    from sklearn.metrics import roc_auc_score

    if len(np.unique(data.target)) < 2:
        return float("nan")
    return float(roc_auc_score(data.target, prediction.reshape(-1), sample_weight=data.weight))


METRICS: dict[str, Metric] = {
    metric.__name__: metric for metric in (rmse, mae, logloss, error, mlogloss, merror, auc)
}

#: Metrics of which more is better.
RISING = frozenset({"auc", "aucpr", "ndcg", "map", "pre"})


def metric_named(name: str) -> Metric:
    """Return the metric of that name.

    Raises:
        ValueError: There is none; the nearest is named.
    """
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]

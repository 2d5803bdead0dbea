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


def poisson_nloglik(prediction: Floats, data: Dataset) -> float:
    """Return the mean negative log-likelihood of Poisson counts."""
    from scipy.special import gammaln

    rate = np.maximum(prediction.reshape(data.labels.shape).astype(np.float64), 1e-16)
    y = data.labels.astype(np.float64)
    return _mean(gammaln(y + 1) + rate - np.log(rate) * y, data)


def gamma_nloglik(prediction: Floats, data: Dataset) -> float:
    """Return the mean negative log-likelihood of the gamma law of shape 1, as XGBoost's."""
    rate = np.maximum(prediction.reshape(data.labels.shape).astype(np.float64), 1e-6)
    return _mean(data.labels / rate + np.log(rate), data)


def gamma_deviance(prediction: Floats, data: Dataset) -> float:
    """Return the mean deviance of the gamma law: 2 (log(p/y) + y/p - 1)."""
    rate = np.maximum(prediction.reshape(data.labels.shape).astype(np.float64), 1e-6)
    y = np.maximum(data.labels.astype(np.float64), 1e-6)
    return 2 * _mean(np.log(rate / y) + y / rate - 1, data)


METRICS: dict[str, Metric] = {
    metric.__name__.replace("_", "-"): metric
    for metric in (
        rmse,
        mae,
        logloss,
        error,
        mlogloss,
        merror,
        auc,
        poisson_nloglik,
        gamma_nloglik,
        gamma_deviance,
    )
}


def _tweedie(given: tuple[float, ...]) -> Metric:
    a, b = 1 - given[0], 2 - given[0]

    def metric(prediction: Floats, data: Dataset) -> float:
        rate = np.maximum(prediction.reshape(data.labels.shape).astype(np.float64), 1e-16)
        return _mean(rate**b / b - data.labels * rate**a / a, data)

    return metric


def _pinball(given: tuple[float, ...]) -> Metric:
    alpha = np.array(given)

    def metric(prediction: Floats, data: Dataset) -> float:
        off = data.labels - prediction.reshape(len(data), -1).astype(np.float64)
        return _mean(np.maximum(alpha * off, (alpha - 1) * off), data)

    return metric


def _expectile(given: tuple[float, ...]) -> Metric:
    alpha = np.array(given)

    def metric(prediction: Floats, data: Dataset) -> float:
        off = prediction.reshape(len(data), -1).astype(np.float64) - data.labels
        return _mean(np.where(off > 0, 1 - alpha, alpha) * np.square(off), data)

    return metric


def _pseudo_huber(given: tuple[float, ...]) -> Metric:
    slope = given[0]

    def metric(prediction: Floats, data: Dataset) -> float:
        loss = np.sqrt(1 + _square(prediction, data) / slope**2) - 1
        return slope**2 * _mean(loss, data)

    return metric


#: Metrics with numbers after an @.
PARAMETRIC: dict[str, Callable[[tuple[float, ...]], Metric]] = {
    "tweedie-nloglik": _tweedie,
    "quantile": _pinball,
    "expectile": _expectile,
    "mphe": _pseudo_huber,
}

#: Metrics of which more is better.
RISING = frozenset({"auc", "aucpr", "ndcg", "map", "pre"})


def metric_named(name: str) -> Metric:
    """Return the metric of that name.

    Raises:
        ValueError: There is none; the nearest is named.
    """
    stem, _, given = name.partition("@")
    if stem in PARAMETRIC and given:
        try:
            return PARAMETRIC[stem](tuple(float(part) for part in given.split(",")))
        except ValueError:
            raise ValueError(f"metric {stem!r} wants numbers after the @. Got {name!r}.") from None
    if name not in METRICS:
        raise unknown("metric", name, [*METRICS, *(f"{one}@..." for one in PARAMETRIC)])
    return METRICS[name]

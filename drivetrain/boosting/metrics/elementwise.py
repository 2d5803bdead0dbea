"""Means of a loss of each row: of numbers, counts, probabilities, classes."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.objective import refuse_labels

Floats = NDArray[np.float32]
Metric = Callable[[Floats, Dataset], float]


def columns(prediction: Floats, data: Dataset) -> NDArray[np.float64]:
    """Return the predictions in the labels' shape, float64.

    Raises:
        ValueError: They are of another number than the labels.
    """
    if prediction.size != data.labels.size:
        raise ValueError(
            f"This metric wants a prediction a label: {data.labels.shape}. Got {prediction.shape}."
        )
    return prediction.reshape(data.labels.shape).astype(np.float64)


def _mean(loss: NDArray[np.float64], data: Dataset) -> float:
    per_row = loss.reshape(len(data), -1).mean(axis=1)
    return float(np.average(per_row, weights=data.weight))


def _square(prediction: Floats, data: Dataset) -> NDArray[np.float64]:
    off = columns(prediction, data) - data.labels
    return np.square(off)


def rmse(prediction: Floats, data: Dataset) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(_mean(_square(prediction, data), data)))


def mae(prediction: Floats, data: Dataset) -> float:
    """Return the mean absolute error."""
    return _mean(np.sqrt(_square(prediction, data)), data)


def rmsle(prediction: Floats, data: Dataset) -> float:
    """Return the root of the mean squared difference of log(1 + value)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.log1p(columns(prediction, data)) - np.log1p(data.labels.astype(np.float64))
    return float(np.sqrt(_mean(np.square(off), data)))


def mape(prediction: Floats, data: Dataset) -> float:
    """Return the mean absolute error as a share of the label; infinite where a label is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return _mean(np.abs((data.labels - columns(prediction, data)) / data.labels), data)


def logloss(prediction: Floats, data: Dataset) -> float:
    """Return the mean of -log of the probability given to the label, at least 1e-16."""
    p, y = columns(prediction, data), data.labels.astype(np.float64)
    own, other = np.log(np.maximum(p, 1e-16)), np.log(np.maximum(1 - p, 1e-16))
    return _mean(-y * own - (1 - y) * other, data)


def error(threshold: float = 0.5) -> Metric:
    """Return the metric of the share of rows on the wrong side of a threshold."""

    def metric(prediction: Floats, data: Dataset) -> float:
        # Compared as float32, as XGBoost does.
        above = columns(prediction, data) > np.float32(threshold)
        return _mean(np.where(above, 1.0 - data.labels, data.labels), data)

    return metric


def mlogloss(prediction: Floats, data: Dataset) -> float:
    """Return the mean of -log of the probability given to the label's class."""
    own = prediction[np.arange(len(data)), _classes(prediction, data)].astype(float)
    return _mean(-np.log(np.maximum(own, 1e-16)), data)


def _classes(prediction: Floats, data: Dataset) -> NDArray[np.int64]:
    """Return the labels as the numbers of columns.

    Raises:
        ValueError: One is no column of the predictions; it is named.
    """
    if prediction.ndim != 2:
        raise ValueError(f"This metric wants a prediction a class. Got {prediction.shape}.")
    y = data.labels
    wrong = ~((y >= 0) & (y < prediction.shape[1]) & (y == np.floor(y)))
    refuse_labels(data, wrong, f"a whole number from 0 to {prediction.shape[1] - 1}")
    return data.target.astype(np.int64)


def merror(prediction: Floats, data: Dataset) -> float:
    """Return the share of rows given another class than their own."""
    chosen = prediction if prediction.ndim == 1 else prediction.argmax(axis=1)
    return _mean((chosen != data.target).astype(float), data)


def poisson_nloglik(prediction: Floats, data: Dataset) -> float:
    """Return the mean negative log-likelihood of Poisson counts."""
    from scipy.special import gammaln

    rate = np.maximum(columns(prediction, data), 1e-16)
    y = data.labels.astype(np.float64)
    return _mean(gammaln(y + 1) + rate - np.log(rate) * y, data)


def gamma_nloglik(prediction: Floats, data: Dataset) -> float:
    """Return the mean negative log-likelihood of the gamma law of shape 1, as XGBoost's."""
    rate = np.maximum(columns(prediction, data), 1e-6)
    return _mean(data.labels / rate + np.log(rate), data)


def gamma_deviance(prediction: Floats, data: Dataset) -> float:
    """Return the mean deviance of the gamma law: 2 (log(p/y) + y/p - 1)."""
    rate, y = columns(prediction, data) + 1e-6, data.labels.astype(np.float64) + 1e-6
    return 2 * _mean(np.log(rate / y) + y / rate - 1, data)


def tweedie(given: tuple[float, ...]) -> Metric:
    """Return the metric of the mean negative log-likelihood of a Tweedie law, by its power."""
    a, b = 1 - given[0], 2 - given[0]

    def metric(prediction: Floats, data: Dataset) -> float:
        rate = np.maximum(columns(prediction, data), 1e-16)
        return _mean(rate**b / b - data.labels * rate**a / a, data)

    return metric


def pinball(given: tuple[float, ...]) -> Metric:
    """Return the metric of the mean pinball loss of the quantiles."""
    alpha = np.array(given)

    def metric(prediction: Floats, data: Dataset) -> float:
        off = data.labels - prediction.reshape(len(data), -1).astype(np.float64)
        return _mean(np.maximum(alpha * off, (alpha - 1) * off), data)

    return metric


def expectile(given: tuple[float, ...]) -> Metric:
    """Return the metric of the mean asymmetric squared error of the expectiles."""
    alpha = np.array(given)

    def metric(prediction: Floats, data: Dataset) -> float:
        off = prediction.reshape(len(data), -1).astype(np.float64) - data.labels
        return _mean(np.where(off > 0, 1 - alpha, alpha) * np.square(off), data)

    return metric


def pseudo_huber(given: tuple[float, ...]) -> Metric:
    """Return the metric of the mean pseudo-Huber loss of that slope."""
    slope = given[0]

    def metric(prediction: Floats, data: Dataset) -> float:
        loss = np.sqrt(1 + _square(prediction, data) / slope**2) - 1
        return slope**2 * _mean(loss, data)

    return metric

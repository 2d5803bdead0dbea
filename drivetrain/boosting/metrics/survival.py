"""Metrics of survival."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.metrics.elementwise import Metric
from drivetrain.boosting.objectives.survival.aft import AcceleratedFailure, bounds_of, interval
from drivetrain.boosting.objectives.survival.cox import at_risk

Floats = NDArray[np.float32]


def cox_nloglik(prediction: Floats, data: Dataset) -> float:
    """Return the mean of -log(hazard / risk) of the events; NaN without any."""
    rows = at_risk(data.target)
    hazard = prediction.reshape(-1).astype(np.float64)[rows.order]
    with np.errstate(divide="ignore"):
        loss = np.log(rows.risks(hazard)) - np.log(hazard)
    return float(loss[rows.event].mean()) if rows.event.any() else float("nan")


def aft_nloglik(objective: AcceleratedFailure) -> Metric:
    """Return the metric of the mean of -log likelihood, at most -log 1e-12 a row.

    It reads margins, log times.
    """

    def metric(margin: Floats, data: Dataset) -> float:
        low, high = bounds_of(data)
        sigma = float(np.float32(objective.scale))
        value, *_ = interval(objective.law, sigma, margin.reshape(-1).astype(np.float64), low, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(low == high, value / (sigma * low), value)
        return float(np.average(-np.log(np.maximum(value, 1e-12)), weights=data.weight))

    return metric


def interval_regression_accuracy(margin: Floats, data: Dataset) -> float:
    """Return the share of rows whose predicted time, exp of the margin, lies in the bounds."""
    low, high = bounds_of(data)
    time = np.exp(margin.reshape(-1).astype(np.float64))
    return float(np.average((time >= low) & (time <= high), weights=data.weight))

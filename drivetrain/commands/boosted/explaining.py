"""Shapley values of trees and of lines, and how strongly pairs of features act together."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.tables import Model
from drivetrain.trees.shap.explainer import Explainer

Doubles = NDArray[np.float64]
#: Numbers of pairs held at a time.
ROOM = 1 << 24


def values_of(model: Model, x: NDArray[np.float32], threads: int) -> Doubles:
    """Return the Shapley values, (n, groups, F + 1); the last is the base."""
    if isinstance(model, LinearBooster):
        return np.asarray(model.contributions(x), np.float64)
    base = model.objective.to_margin(model.base_score)
    return Explainer(model.scaled, threads=threads).values(x, base)


def interactions(model: Model, x: NDArray[np.float32], threads: int) -> Doubles:
    """Return the mean absolute interaction of each pair of features, (F, F).

    Raises:
        ValueError: A linear model, in which no features act together.
    """
    if isinstance(model, LinearBooster):
        raise ValueError("interactions: in a linear model no features act together.")
    base = model.objective.to_margin(model.base_score)
    explainer = Explainer(model.scaled, threads=threads)
    features, groups = model.n_features, len(base)
    step = max(1, ROOM // ((features + 1) ** 2 * groups))
    total = np.zeros((features, features))
    for begin in range(0, len(x), step):
        part = explainer.interactions(np.ascontiguousarray(x[begin : begin + step]), base)
        total += np.abs(part[:, :, :-1, :-1]).sum(axis=(0, 1))
    return total / (len(x) * groups)

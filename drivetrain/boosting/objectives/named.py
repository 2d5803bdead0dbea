"""Objectives by XGBoost's names."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from drivetrain.boosting.objectives.counts import Gamma, Poisson, Tweedie
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.robust import (
    AbsoluteError,
    Expectiles,
    PseudoHuber,
    Quantiles,
)
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.core.errors import unknown


def _numbers(given: Mapping[str, Any], name: str) -> tuple[float, ...]:
    """Return one number or several; XGBoost's files hold them as text: ``[0.1,0.9]``."""
    value = given[name]
    if isinstance(value, str):
        value = [float(part) for part in value.strip("[]()").split(",")]
    return tuple(float(one) for one in np.atleast_1d(value))


_BUILDERS: dict[str, Callable[[Mapping[str, Any]], Objective]] = {
    "reg:squarederror": lambda given: SquaredError(),
    "binary:logistic": lambda given: Logistic(float(given.get("scale_pos_weight", 1))),
    "reg:logistic": lambda given: Logistic(
        float(given.get("scale_pos_weight", 1)), name="reg:logistic", metric="rmse"
    ),
    "count:poisson": lambda given: Poisson(float(given.get("max_delta_step") or 0.7)),
    "reg:gamma": lambda given: Gamma(),
    "reg:tweedie": lambda given: Tweedie(float(given.get("tweedie_variance_power", 1.5))),
    "reg:absoluteerror": lambda given: AbsoluteError(),
    "reg:quantileerror": lambda given: Quantiles(_numbers(given, "quantile_alpha")),
    "reg:expectileerror": lambda given: Expectiles(_numbers(given, "expectile_alpha")),
    "reg:pseudohubererror": lambda given: PseudoHuber(float(given.get("huber_slope", 1))),
    "multi:softprob": lambda given: Softmax(int(given["num_class"])),
    "multi:softmax": lambda given: Softmax(int(given["num_class"]), name="multi:softmax"),
}


def objective_named(name: str, given: Mapping[str, Any]) -> Objective:
    """Return the objective of that name.

    Args:
        name: XGBoost's name.
        given: Parameters; those the objective knows are read (``scale_pos_weight``,
            ``num_class``).

    Raises:
        ValueError: There is none of that name, or it lacks a parameter.
    """
    if name not in _BUILDERS:
        raise unknown("objective", name, _BUILDERS)
    try:
        return _BUILDERS[name](given)
    except KeyError as missing:
        raise ValueError(f"objective {name!r} needs the parameter {missing}.") from None

"""Objectives by XGBoost's names."""

from collections.abc import Callable, Mapping
from typing import Any

from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.core.errors import unknown

_BUILDERS: dict[str, Callable[[Mapping[str, Any]], Objective]] = {
    "reg:squarederror": lambda given: SquaredError(),
    "binary:logistic": lambda given: Logistic(float(given.get("scale_pos_weight", 1))),
    "reg:logistic": lambda given: Logistic(
        float(given.get("scale_pos_weight", 1)), name="reg:logistic", metric="rmse"
    ),
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

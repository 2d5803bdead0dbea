"""What is evaluated after a round, and the line that says so."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.compat.matrix import DMatrix
from drivetrain.boosting.metrics import metric_named
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.stages import evaluated

Floats = NDArray[np.float32]
#: Takes predictions and the rows; returns a name and a value, or several.
CustomMetric = Callable[[Any, DMatrix], Any]


def evaluate(
    objective: Objective, metrics: Sequence[Any], margin: Floats, rows: DMatrix
) -> list[tuple[str, float]]:
    """Return the value of each metric on some rows, by its name.

    Args:
        objective: Turns margins into what metrics are given.
        metrics: Names.
        margin: Of the rows, (n, groups).
        rows: Labels and weights.
    """
    given = evaluated(objective, margin)
    return [(name, float(metric_named(name, objective)(given, rows.data))) for name in metrics]


def evaluate_theirs(metric: CustomMetric, given: Floats, rows: DMatrix) -> list[tuple[str, float]]:
    """Return what a script's own metric returns, as a list.

    Raises:
        TypeError: Neither a pair of a name and a number, nor several.
    """
    told = metric(given, rows)
    pairs = told if isinstance(told, list) else [told]
    try:
        return [(str(name), float(value)) for name, value in pairs]
    except (TypeError, ValueError):
        raise TypeError(
            f"custom_metric must return a name and a number. Got {told!r:.60}."
        ) from None


def line(number: int, scores: Sequence[tuple[str, float]]) -> str:
    """Return a line as XGBoost's ``eval_set`` returns it.

    Example:
        >>> line(3, [("train-rmse", 0.5)])
        '[3]\\ttrain-rmse:0.5'
    """
    return "\t".join([f"[{number}]", *(f"{name}:{value:.17g}" for name, value in scores)])

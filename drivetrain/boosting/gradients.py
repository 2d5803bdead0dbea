"""Derivatives of an objective, checked: it may be anybody's, and kernels trust what they get."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.objective import Gradient, Objective
from drivetrain.boosting.objectives.stages import Stage


def check_start(data: Dataset, objective: Objective, *, features: int, groups: int) -> None:
    """Raise a ValueError unless a model can be continued.

    Args:
        data: What it goes on with.
        objective: What is minimized now.
        features: Features of the model.
        groups: Outputs of the model.
    """
    if data.n_features != features:
        raise ValueError(f"x must have the model's {features} features. Got {data.n_features}.")
    wanted = objective.groups(data)
    if wanted != groups:
        raise ValueError(
            f"start must have {wanted} outputs, as {objective.name} has. Got a model of {groups}."
        )


def checked_gradients(
    stage: Stage, margin: NDArray[np.float32], number: int
) -> tuple[Gradient, Gradient]:
    """Return g, (n, groups), and h, (n, groups) or (1, 1), float32 or float64, in C order.

    Args:
        stage: What is minimized, on the rows of training.
        margin: Where, (n, groups).
        number: Of the round.

    Raises:
        ValueError: Of another shape, NaN, or a negative h; the round is named.
    """
    g, h = (_settled(v) for v in stage.gradients(margin, number))
    where = f"{stage.objective.name} in round {number}"
    if g.shape != margin.shape or h.shape not in (g.shape, (1, 1)):
        raise ValueError(
            f"{where} must give g and h of shape {margin.shape}. Got {g.shape} and {h.shape}."
        )
    if not (np.isfinite(g).all() and np.isfinite(h).all() and (h >= 0).all()):
        raise ValueError(f"{where} must give finite g, and finite h >= 0.")
    return g, h


def _settled(given: Gradient) -> Gradient:
    kind = np.float64 if given.dtype == np.float64 else np.float32
    return np.ascontiguousarray(given, kind)

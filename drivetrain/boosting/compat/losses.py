"""Losses that a script differentiates itself, round by round."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.compat.matrix import DMatrix
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.objective import Gradient, Objective

Floats = NDArray[np.float32]
#: Takes margins and the rows; returns g and h.
Slopes = Callable[[Any, DMatrix], tuple[Any, Any]]


@dataclass
class Theirs:
    """A loss whose gradients a script returns; its predictions are another objective's.

    Attributes:
        base: Turns margins into predictions, and names the metric.
        rows: What the script is given.
        slopes: The script's function, which may change between rounds.
    """

    base: Objective
    rows: DMatrix
    slopes: Slopes

    @property
    def name(self) -> str:
        """What messages call it."""
        return "obj"

    @property
    def metric(self) -> str:
        """The base's."""
        return self.base.metric

    def groups(self, data: Dataset) -> int:
        """Return the base's number of margins a row."""
        return self.base.groups(data)

    def check(self, data: Dataset) -> None:
        """Do nothing: what labels may be is the script's affair."""

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return what the script returns for the margins, as columns.

        Raises:
            TypeError: Not two arrays.
        """
        shown = margin[:, 0] if margin.shape[1] == 1 else margin
        pair = self.slopes(shown.copy(), self.rows)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"obj must return grad and hess. Got {type(pair).__name__}.")
        g, h = (_columns(one, margin.shape) for one in pair)
        # XGBoost takes a negative h as it takes 0: nothing is learned of the row.
        return g, np.maximum(h, np.float32(0))

    def start(self, data: Dataset) -> Floats:
        """Return 0.5 for each output, as XGBoost starts."""
        return np.full(self.groups(data), 0.5, np.float32)

    def to_margin(self, score: Floats) -> Floats:
        """Return the base's margins."""
        return self.base.to_margin(score)

    def predict(self, margin: Floats) -> Floats:
        """Return the base's predictions."""
        return self.base.predict(margin)


def _columns(given: Any, shape: tuple[int, ...]) -> Floats:
    array = np.asarray(given, np.float32)
    return array.reshape(shape) if array.size == shape[0] * shape[1] else array.reshape(-1, 1)

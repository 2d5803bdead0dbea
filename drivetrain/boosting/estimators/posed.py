"""A classifier's own loss: its derivatives, with the predictions of the usual one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.objective import Gradient, Objective

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Posed:
    """A loss whose margins mean what another objective's do.

    Attributes:
        base: Turns margins into probabilities, and names the metric; files hold it.
        loss: Is minimized.
    """

    base: Objective
    loss: Objective

    @property
    def name(self) -> str:
        """The loss's."""
        return self.loss.name

    @property
    def metric(self) -> str:
        """The base's."""
        return self.base.metric

    def groups(self, data: Dataset) -> int:
        """Return the base's number of margins a row."""
        return self.base.groups(data)

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where the base would."""
        self.base.check(data)

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return the loss's derivatives."""
        return self.loss.gradients(margin, data)

    def start(self, data: Dataset) -> Floats:
        """Return 0.5 for each output, as XGBoost starts."""
        return np.full(self.groups(data), 0.5, np.float32)

    def to_margin(self, score: Floats) -> Floats:
        """Return the base's margins."""
        return self.base.to_margin(score)

    def predict(self, margin: Floats) -> Floats:
        """Return the base's predictions."""
        return self.base.predict(margin)

"""An objective at work on one data set: what it keeps between rounds, what metrics see of it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.objective import Gradient, Objective

Floats = NDArray[np.float32]


class Stage(Protocol):
    """An objective on one data set, round after round."""

    @property
    def objective(self) -> Objective:
        """The objective, with what it has learned of the data so far."""
        ...

    def gradients(self, margin: Floats, number: int) -> tuple[Gradient, Gradient]:
        """Return g and h at the margins, as `Objective.gradients`.

        Args:
            margin: Margins, (n, groups).
            number: The round, from 0; continued training counts on.
        """
        ...


@runtime_checkable
class Staged(Protocol):
    """An objective that keeps something between rounds."""

    def stage(self, data: Dataset, *, threads: int = 1) -> Stage:
        """Return the objective at work on the data."""
        ...


@runtime_checkable
class Learning(Protocol):
    """An objective that has learned something of its own from the rounds so far."""

    def continued(self, before: Objective) -> Objective:
        """Return the objective with what ``before`` has learned, if that is the same loss."""
        ...


def continued(objective: Objective, before: Objective) -> Objective:
    """Return the objective as it goes on from a model's.

    Args:
        objective: What is to be minimized.
        before: The objective of the model that is continued.
    """
    return objective.continued(before) if isinstance(objective, Learning) else objective


@runtime_checkable
class Evaluated(Protocol):
    """An objective whose metrics look at something else than its predictions."""

    def evaluated(self, margin: Floats) -> Floats:
        """Return what metrics are given, (n, groups) or (n,)."""
        ...


@dataclass(frozen=True)
class Plain:
    """An objective whose gradients follow from margins and data alone."""

    objective: Objective
    data: Dataset

    def gradients(self, margin: Floats, number: int) -> tuple[Gradient, Gradient]:
        """Return the objective's gradients, whatever the round."""
        return self.objective.gradients(margin, self.data)


def stage_of(objective: Objective, data: Dataset, *, threads: int = 1) -> Stage:
    """Return the objective at work on the data.

    Args:
        objective: Any.
        data: The rows of training.
        threads: Threads it may use; its gradients do not depend on them.
    """
    if isinstance(objective, Staged):
        return objective.stage(data, threads=threads)
    return Plain(objective, data)


def evaluated(objective: Objective, margin: Floats) -> Floats:
    """Return what metrics are given of these margins: the predictions, for most objectives."""
    if isinstance(objective, Evaluated):
        return objective.evaluated(margin)
    return objective.predict(margin)

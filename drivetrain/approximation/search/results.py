"""What a search returns."""

from dataclasses import dataclass

import numpy as np

from drivetrain.approximation.search.averages import Kind
from drivetrain.approximation.search.regions import Array, Point


class Trace:
    """The iterates of a run, and what was observed at them."""

    def __init__(self, x0: Point) -> None:
        self._path: list[Point] = [x0]
        self._observations: list[Point] = []

    def add(self, x: Point, observation: Point) -> None:
        """Take in one step: the new iterate, and what was observed at the old one."""
        self._path.append(x)
        self._observations.append(observation)

    def arrays(self) -> tuple[Array, Array]:
        """Return the path (steps + 1, ...) and the observations (steps, ...)."""
        path = np.array(self._path, dtype=np.float64)
        observations = np.array(self._observations, dtype=np.float64)
        return path, observations.reshape(-1, *path.shape[1:])


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """Where a search came to.

    Attributes:
        x: The answer: the average where one was wanted, else the last iterate.
        last: The last iterate.
        averaged: The average, or None.
        steps: Steps done in all.
        truncations: Chen's truncations.
        average: Kind of the average.
        left_out: Steps before the average begins.
        path: (steps + 1, ...) iterates from x0 on, or None.
        observations: (steps, ...) what was observed at ``path[:-1]``, less the target, or None.
    """

    x: Point
    last: Point
    averaged: Point | None
    steps: int
    truncations: int
    average: Kind
    left_out: int
    path: Array | None
    observations: Array | None

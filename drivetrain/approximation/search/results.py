"""What a search returns: the answer, its path and its uncertainty."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.approximation.search.averages import Kind
from drivetrain.approximation.search.regions import Array, Point
from drivetrain.core.checks import check_array, check_choice

if TYPE_CHECKING:
    from drivetrain.approximation.inference.estimate import Estimate, Interval


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

    def estimate(
        self,
        method: str = "random_scaling",
        *,
        hessian: ArrayLike | None = None,
        exponent: float | None = None,
    ) -> "Estimate":
        r"""Return the averaged iterates with their uncertainty.

        ``"plug_in"`` is $H^{-1} \hat S H^{-T} / n$ with $\hat S$ the mean outer product of the
        residuals of the observations, which are regressed on the path. The path settles, so that
        the slope of that regression is known only to about $\sqrt{2 / (b Σ a_k)}$ of itself: give
        ``hessian`` where it is known.

        Args:
            method: ``"random_scaling"``, ``"batch_means"`` or ``"plug_in"``.
            hessian: The slope matrix at the root, (p, p) or a number, for ``"plug_in"``.
            exponent: The gain's exponent; with it batch means use increasing batches.

        Raises:
            ValueError: There is no plain average, or no path.
        """
        # Inference brings scipy, which takes longer to import than most searches to run.
        from drivetrain.approximation.inference.intervals import path_estimate

        check_choice("method", method, ("random_scaling", "batch_means", "plug_in"))
        path, observations = self._averaged_path()
        if method != "plug_in":
            return path_estimate(path[1:], method, start=path[0], exponent=exponent)
        return _plug_in(path, observations, hessian)

    def ci(
        self,
        level: float = 0.95,
        method: str = "random_scaling",
        *,
        hessian: ArrayLike | None = None,
        exponent: float | None = None,
    ) -> "Interval":
        """Return a confidence interval for each coordinate of the root: see ``estimate``."""
        return self.estimate(method, hessian=hessian, exponent=exponent).interval(level)

    def _averaged_path(self) -> tuple[Array, Array]:
        if self.average not in ("polyak", "tail", "suffix"):
            raise ValueError(
                "Intervals are for plain averages: pass average='polyak', 'tail' or 'suffix'. "
                f"Got {self.average!r}."
            )
        if self.path is None or self.observations is None or len(self.path) != self.steps + 1:
            raise ValueError("Intervals need the path of the whole run: pass keep_path=True.")
        path = self.path.reshape(len(self.path), -1)[self.left_out :]
        observations = self.observations.reshape(len(self.path) - 1, -1)[self.left_out :]
        return path, observations


def _plug_in(path: Array, observations: Array, hessian: ArrayLike | None) -> "Estimate":
    from drivetrain.approximation.inference.estimate import Estimate
    from drivetrain.approximation.inference.pivots import NormalPivot
    from drivetrain.approximation.inference.plug_in import sandwich

    n, p = observations.shape
    if n < p + 2:
        raise ValueError(f"The plug-in needs at least p + 2 = {p + 2} averaged steps. Got {n}.")
    value = path[1:].mean(axis=0)
    # Centred on the average: the intercept is what remains of g there, and the fit is stable.
    regressors = np.column_stack((np.ones(n), path[:-1] - value))
    fitted = np.linalg.lstsq(regressors, observations, rcond=None)[0]
    residuals = observations - regressors @ fitted
    slope = fitted[1:].T
    if hessian is not None:
        slope = check_array("hessian", hessian, finite=True)
        if slope.size != p * p:
            raise ValueError(f"hessian must be ({p}, {p}). Got shape {slope.shape}.")
        slope = slope.reshape(p, p)
    covariance = sandwich(slope, residuals.T @ residuals / n) / n
    return Estimate(value, covariance, NormalPivot(), "plug_in", n)

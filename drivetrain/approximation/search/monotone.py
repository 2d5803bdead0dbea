"""Tells from the first steps of a search whether the function increases."""

import numpy as np

from drivetrain.approximation.search.regions import Point

STEPS = 20  # enough for the t-test below to see a clear slope, few enough to start anew


class Direction:
    """Collects the first points and observations; then judges the slope between them."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.observations: list[Point] = []

    @property
    def waiting(self) -> bool:
        """Whether more pairs are wanted."""
        return len(self.points) < STEPS

    def add(self, x: Point, y: Point) -> None:
        """Take in one point and what was observed there."""
        self.points.append(x)
        self.observations.append(y)

    def decreasing(self) -> bool:
        """Tell whether the slope is negative beyond three standard errors.

        In several dimensions the slope is that of <w - mean, y - mean>, which is positive for
        every monotone g. At the root itself observations are noise, so the test stays silent.
        """
        if len(self.points) < 3:
            return False
        n = len(self.points)
        w = np.asarray(self.points, dtype=np.float64).reshape(n, -1)
        y = np.asarray(self.observations, dtype=np.float64).reshape(n, -1)
        if not np.all(np.isfinite(y)):
            return False
        # A run away spans hundreds of orders of magnitude: scaled, its squares do not overflow.
        w = w / max(float(np.max(np.abs(w))), np.finfo(float).tiny)
        y = y / max(float(np.max(np.abs(y))), np.finfo(float).tiny)
        w, y = w - w.mean(axis=0), y - y.mean(axis=0)
        ww, yy, wy = float(np.sum(w * w)), float(np.sum(y * y)), float(np.sum(w * y))
        if ww == 0.0 or yy == 0.0:
            return False
        r = wy / np.sqrt(ww * yy)
        degrees = w.size - 2 * w.shape[1]
        return bool(r < 0.0 and r * r * degrees > 9.0 * (1.0 - r * r))

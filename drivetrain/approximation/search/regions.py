"""Regions that keep a search from running away: projection and Chen's expanding truncations."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array, check_real

Array = NDArray[np.float64]
Point = float | Array
Projection = Callable[[Point], Point]


@dataclass(frozen=True)
class Box:
    """The box [low, high], onto which a point is projected coordinate by coordinate.

    Args:
        low: Least values, a number or an array that broadcasts with the point.
        high: Greatest values, >= low.

    Raises:
        ValueError: low > high somewhere, or NaN.

    Example:
        >>> Box(-3.0, 3.0)(5.0)
        3.0
    """

    low: ArrayLike
    high: ArrayLike

    def __post_init__(self) -> None:
        low, high = check_array("low", self.low), check_array("high", self.high)
        try:
            ordered = bool(np.all(low <= high))
        except ValueError:
            raise ValueError(
                f"Box needs low and high alike. Got {low.shape} and {high.shape}."
            ) from None
        if not ordered:
            raise ValueError(f"Box needs low <= high everywhere. Got low {low}, high {high}.")

    def __call__(self, x: Point) -> Point:
        """Return the nearest point of the box.

        Raises:
            ValueError: The box has another shape than the point.
        """
        try:
            clipped = np.clip(x, self.low, self.high)
        except ValueError:
            clipped = None
        if clipped is None or clipped.shape != np.shape(x):
            bounds = np.broadcast_shapes(np.shape(self.low), np.shape(self.high))
            raise ValueError(f"Box must fit points of shape {np.shape(x)}. Got bounds {bounds}.")
        return clipped if isinstance(x, np.ndarray) else float(clipped)


@dataclass(frozen=True)
class Truncation:
    r"""Chen's expanding truncations: start anew, in a larger ball, whenever the ball is left.

    $$\text{if } \|w_k - a_k \tilde g_k\| > M_\sigma:\quad w_{k+1} = w_1,\ \sigma \gets \sigma + 1,
    \qquad M_\sigma = M_0 c^\sigma$$

    Convergence then needs no bound on the growth of g, because only finitely many truncations
    happen; k, and so the gain, goes on.

    Args:
        radius: M_0 > 0.
        growth: c > 1.

    References:
        Chen and Zhu, Stochastic approximation procedures with randomly varying truncations,
        Scientia Sinica A 29 (1986).
    """

    radius: float = 2.0
    growth: float = 2.0

    def __post_init__(self) -> None:
        check_real("radius", self.radius, low=0.0, open_low=True)
        check_real("growth", self.growth, low=1.0, open_low=True)

    def bound(self, truncations: int) -> float:
        """Return M_σ after σ truncations; infinite once it exceeds what a float holds."""
        try:
            return self.radius * self.growth**truncations
        except OverflowError:
            return float("inf")


def norm(x: Point) -> float:
    """Return |x| or the Euclidean norm; infinite if a coordinate is."""
    if isinstance(x, np.ndarray):
        flat = x.ravel()
        return math.sqrt(flat.dot(flat))  # overflows to infinity without a word
    return abs(x)

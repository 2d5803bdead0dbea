"""Quantiles by recursion: Robbins and Monro's, and P². Cheap, and blind to the data's order."""

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.streams.quantiles import _numba as kernels
from drivetrain.approximation.streams.quantiles.engine import Array, Engine, not_mergeable
from drivetrain.core.checks import check_real

# Standard errors that chance does not reach, and a correlation too weak to move a quantile.
_NO_ACCIDENT = 8.0
_NO_MATTER = 0.005


class RobbinsMonro(Engine):
    r"""The root of P(x <= θ) - q, one step a value, averaged over at least the last half.

    $$θ \leftarrow θ - a_k (1\{x_k \le θ\} - q), \qquad a_k = g_0 ŝ_k k^{-3/4}$$

    All levels share ŝ, the running standard deviation. A tie counts as below (``<=``), so on
    discrete data θ settles between two values rather than on one.

    Args:
        q: Levels, sorted.
        gain: The scale g0.

    References:
        Robbins, Monro, "A stochastic approximation method" (1951), section 5; Polyak, Juditsky,
        "Acceleration of stochastic approximation by averaging" (1992).
    """

    __slots__ = ("current", "earlier", "gain", "q", "state", "theta")
    block: ClassVar[int] = 1024
    mergeable: ClassVar[bool] = False

    def __init__(self, q: Array, gain: float = 2.0) -> None:
        self.q = q
        self.gain = check_real("gain", gain, low=0, open_low=True)
        self.theta, self.current, self.earlier = (np.zeros(len(q)) for _ in range(3))
        self.state = np.zeros(7)

    @property
    def count(self) -> int:
        """Number of values taken in."""
        return int(self.state[0])

    @property
    def drift(self) -> float:
        """Correlation of the values with time where it is no accident, else zero."""
        k, m2, trend = self.state[0], self.state[5], self.state[6]
        if k < 100 or m2 <= 0:
            return 0.0
        # Σ(k - k̄)² = k(k² - 1)/12. Of data in random order the correlation is N(0, 1/k).
        r = float(trend / np.sqrt(k * (k * k - 1.0) / 12.0 * m2))
        return r if abs(r) > max(_NO_ACCIDENT / np.sqrt(k), _NO_MATTER) else 0.0

    def absorb(self, x: Array) -> None:
        """Take one step a value.

        Raises:
            ValueError: The values are so large that their squares overflow; none is taken in.
        """
        theta, current, earlier = self.theta.copy(), self.current.copy(), self.earlier.copy()
        state = self.state.copy()
        kernels.robbins_monro(x, self.q, theta, current, earlier, state, self.gain)
        if not np.isfinite(state[5]):
            raise ValueError(
                "x must spread less than 1e154, or its squares overflow: rescale it, or use "
                "'tdigest' or 'kll'."
            )
        self.theta, self.current, self.earlier, self.state = theta, current, earlier, state

    def quantiles(self, q: Array) -> Array:
        """Return the averaged iterates, rearranged to be nondecreasing."""
        k, start, span, shift = self.state[:4]
        return np.sort(shift + (self.current + self.earlier) / (k - start + 1.0 + span))

    def merge(self, other: "RobbinsMonro") -> NoReturn:
        """Refuse: the iterate depends on the order of its data."""
        raise not_mergeable("rm")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return iterates, their sums and the running scale."""
        return {
            "theta": self.theta.copy(),
            "current": self.current.copy(),
            "earlier": self.earlier.copy(),
            "scale": self.state.copy(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set what ``arrays`` returned."""
        self.theta, self.current = state["theta"].copy(), state["current"].copy()
        self.earlier, self.state = state["earlier"].copy(), state["scale"].copy()


class PSquare(Engine):
    """Five markers a level, moved along a parabola through their neighbours.

    Args:
        q: Levels, sorted.

    References:
        Jain, Chlamtac, "The P² algorithm for dynamic calculation of quantiles and histograms
        without storing observations" (1985).
    """

    __slots__ = ("heights", "places", "q", "seen", "trend")
    block: ClassVar[int] = 1024
    mergeable: ClassVar[bool] = False

    def __init__(self, q: Array) -> None:
        self.q = q
        self.heights, self.places = np.zeros((len(q), 5)), np.zeros((len(q), 5))
        self.seen = 0
        # The recursion with no level keeps just the scale and the drift.
        self.trend = RobbinsMonro(np.empty(0))

    @property
    def count(self) -> int:
        """Number of values taken in."""
        return self.seen

    @property
    def drift(self) -> float:
        """Correlation of the values with time where it is no accident, else zero."""
        return self.trend.drift

    def absorb(self, x: Array) -> None:
        """Move the markers, one value at a time."""
        self.trend.absorb(x)
        self.seen = kernels.p_square(x, self.q, self.heights, self.places, self.seen)

    def quantiles(self, q: Array) -> Array:
        """Return the middle markers, rearranged to be nondecreasing."""
        if self.seen < 5:
            return np.quantile(self.heights[0, : self.seen], q)
        return np.sort(self.heights[:, 2])

    def merge(self, other: "PSquare") -> NoReturn:
        """Refuse: the markers depend on the order of their data."""
        raise not_mergeable("p2")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the markers and the drift."""
        return {
            "heights": self.heights.copy(),
            "places": self.places.copy(),
            "seen": np.array([self.seen]),
            "drift": self.trend.state.copy(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set what ``arrays`` returned."""
        self.heights, self.places = state["heights"].copy(), state["places"].copy()
        self.seen, self.trend.state = int(state["seen"][0]), state["drift"].copy()

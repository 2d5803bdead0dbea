"""Means and moments that forget: each new value takes the share alpha."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.streams import _numba as kernels
from drivetrain.approximation.streams.observations import (
    POLICIES,
    Pending,
    admit,
    as_observations,
    draw,
    pieces,
    warn_no_answer,
)
from drivetrain.approximation.streams.statistic import Statistic, required
from drivetrain.core.checks import check_choice, check_integer, check_real

_BLOCK = kernels.BLOCK


class EWMoments(Statistic):
    r"""Exponentially weighted central moments up to order 4.

    The past, of share 1 - α, and the new value, of share α, merge as two samples would (Chan):

    $$d = x - m, \qquad m \leftarrow m + α d, \qquad v \leftarrow (1 - α)(v + α d^2)$$

    alike for orders 3 and 4. The first value starts the mean with all the weight. No E[x²] is
    ever taken, so nothing cancels far from zero.

    Args:
        alpha: Share of a new value, in (0, 1].
        order: Highest moment kept, 1 to 4.
        nan_policy: ``raise``, ``omit`` or ``propagate`` for NaN and infinities.

    Raises:
        ValueError: A setting outside its range.

    Example:
        >>> stream = EWMoments(0.5).update([1.0, 3.0])
        >>> stream.mean, stream.var
        (2.0, 1.0)

    References:
        West, "Updating mean and variance estimates" (1979); Pébay (2008), eq. 2.1.
    """

    __slots__ = ("_pending", "_state", "_waiting", "_weights", "alpha", "nan_policy", "order")

    def __init__(self, alpha: float, order: int = 2, *, nan_policy: str = "raise") -> None:
        self.alpha = check_real("alpha", alpha, low=0, high=1, open_low=True)
        self.order = check_integer("order", order, low=1, high=4)
        self.nan_policy = check_choice("nan_policy", nan_policy, POLICIES)
        self._state = np.zeros(len(kernels.ROW))
        self._weights = _weights(self.alpha)
        self._pending = Pending()
        self._waiting = self._pending.values

    def update(self, x: Any) -> Self:
        """Take one observation or many, in their order.

        Args:
            x: A number, a 1-d array of any stride and real dtype, a CPU tensor, or an iterator
                of such blocks. A generator of floats costs least: they are drawn up to 1024 at
                a time.

        Returns:
            The stream itself.

        Raises:
            TypeError: Not real numbers.
            ValueError: A NaN or infinity under ``raise``. Nothing is kept then.
        """
        if x.__class__ is float and x - x == 0.0:
            waiting = self._waiting
            waiting.append(x)
            if len(waiting) == _BLOCK:
                self._state = self._settled()
                del waiting[:]
            return self
        if isinstance(x, Iterator):
            draw(x, self.update)
            return self
        return self._update_array(as_observations(x, ndim=(0, 1)))

    def get(self) -> dict[str, float]:
        """Return the statistics by name: mean, and those that ``order`` allows."""
        names = ("mean", "var", "skew", "kurtosis")[: self.order]
        return {name: getattr(self, name) for name in names}

    @property
    def count(self) -> int:
        """Number of observations."""
        return int(self._state[kernels.COUNT]) + len(self._waiting)

    @property
    def mean(self) -> float:
        """Mean; NaN with a warning for an empty stream."""
        state = self._settled()
        if not state[kernels.COUNT]:
            warn_no_answer("mean of an empty stream is NaN: update it first.")
            return float("nan")
        return float(state[kernels.SHIFT] + state[kernels.MEAN])

    @property
    def var(self) -> float:
        """Variance about the mean, weights summing to one; NaN with a warning if empty."""
        return self._moment("var", 2)

    @property
    def std(self) -> float:
        """Square root of the variance."""
        return float(np.sqrt(self._moment("std", 2)))

    @property
    def skew(self) -> float:
        """Third central moment over var^(3/2); NaN with a warning where var is 0."""
        third, spread = self._moment("skew", 3), self._spread("skew")
        return third / spread / spread**0.5

    @property
    def kurtosis(self) -> float:
        """Fourth central moment over var², less 3; NaN with a warning where var is 0."""
        fourth, spread = self._moment("kurtosis", 4), self._spread("kurtosis")
        return fourth / spread / spread - 3.0

    def state_dict(self) -> dict[str, Any]:
        """Return settings, the moments, and the values that wait for a full block."""
        settings = {"alpha": self.alpha, "order": self.order, "nan_policy": self.nan_policy}
        return {**settings, "row": self._state.copy(), "pending": self._pending.peek()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the stream whose ``state_dict`` this is; it continues to the bit.

        Raises:
            CheckpointError: An entry is missing.
        """
        alpha, order, policy, row, pending = required(
            state, "alpha", "order", "nan_policy", "row", "pending"
        )
        stream = cls(alpha, order, nan_policy=policy)
        stream._state[:] = row
        stream._pending.replace(pending)
        return stream

    def _update_array(self, values: NDArray[Any]) -> Self:
        single = values.ndim == 0
        values = admit(values.reshape(-1), self.nan_policy, self.count if single else 0)
        for _, piece in pieces(values):
            runs, rest = self._pending.split(piece)
            for run in runs:
                self._absorb(run, self._state)
            self._pending.replace(rest)
        return self

    def _absorb(self, values: NDArray[np.float64], state: NDArray[np.float64]) -> None:
        kernels.absorb_decaying(values, self._weights, state, 1.0 - self.alpha, self.order)

    def _settled(self) -> NDArray[np.float64]:
        """Return the state with what waits in it; the stream itself does not change."""
        state = self._state.copy()
        if self._waiting:
            self._absorb(self._pending.peek(), state)
        return state

    def _moment(self, name: str, order: int) -> float:
        if self.order < order:
            raise ValueError(f"{name} needs order >= {order}. Got order={self.order}.")
        state = self._settled()
        if not state[kernels.COUNT]:
            warn_no_answer(f"{name} of an empty stream is NaN: update it first.")
            return float("nan")
        return float(state[kernels.MEAN + order - 1] / state[kernels.WEIGHT])

    def _spread(self, name: str) -> float:
        spread = self._moment(name, 2)
        if spread == 0.0:
            warn_no_answer(f"{name} is NaN: the values do not vary.")
        return spread or float("nan")


def _weights(alpha: float) -> NDArray[np.float64]:
    """Return alpha (1 - alpha)^age for a block, the oldest first."""
    return np.asarray(alpha * (1.0 - alpha) ** np.arange(_BLOCK - 1, -1, -1.0))


class EWMean(Statistic):
    r"""The exponentially weighted mean, whose reading costs nothing.

    $$m \leftarrow m + α (x - m)$$

    It starts at the first value: Robbins and Monro's recursion with a constant gain, which
    follows a moving target and never settles.

    Args:
        alpha: Share of a new value, in (0, 1].
        nan_policy: ``raise``, ``omit`` or ``propagate`` for NaN and infinities.

    Raises:
        ValueError: A setting outside its range.

    Example:
        >>> EWMean(0.5).update([1.0, 3.0]).update(4.0).mean
        3.0

    References:
        Zhao, Mathematical Foundations of Reinforcement Learning (2025), section 6.2.
    """

    __slots__ = ("_mean", "_weights", "alpha", "nan_policy")

    def __init__(self, alpha: float, *, nan_policy: str = "raise") -> None:
        self.alpha = check_real("alpha", alpha, low=0, high=1, open_low=True)
        self.nan_policy = check_choice("nan_policy", nan_policy, POLICIES)
        self._mean: float | None = None
        self._weights: NDArray[np.float64] | None = None  # made for the first array

    def update(self, x: Any) -> Self:
        """Take one observation or many, in their order; see ``EWMoments.update``.

        Raises:
            TypeError: Not real numbers.
            ValueError: A NaN or infinity under ``raise``. Nothing is kept then.
        """
        mean = self._mean
        if x.__class__ is float and mean is not None and x - x == 0.0:
            self._mean = mean + self.alpha * (x - mean)
            return self
        if isinstance(x, Iterator):
            draw(x, self.update)
            return self
        values = admit(as_observations(x, ndim=(0, 1)).reshape(-1), self.nan_policy)
        state = np.zeros(len(kernels.ROW))
        if mean is not None:
            state[[kernels.COUNT, kernels.WEIGHT]] = 1.0
            state[kernels.SHIFT] = mean
        if self._weights is None:
            self._weights = _weights(self.alpha)
        for _, piece in pieces(values):
            kernels.absorb_decaying(piece, self._weights, state, 1.0 - self.alpha, 1)
        if state[kernels.COUNT]:
            self._mean = float(state[kernels.SHIFT] + state[kernels.MEAN])
        return self

    def get(self) -> float:
        """Return the mean."""
        return self.mean

    @property
    def mean(self) -> float:
        """Mean; NaN with a warning for an empty stream."""
        if self._mean is None:
            warn_no_answer("mean of an empty stream is NaN: update it first.")
            return float("nan")
        return self._mean

    def state_dict(self) -> dict[str, Any]:
        """Return settings and the mean, an array of none or one."""
        mean = np.array([] if self._mean is None else [self._mean])
        return {"alpha": self.alpha, "nan_policy": self.nan_policy, "mean": mean}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the stream whose ``state_dict`` this is; it continues to the bit.

        Raises:
            CheckpointError: An entry is missing.
        """
        alpha, policy, mean = required(state, "alpha", "nan_policy", "mean")
        stream = cls(alpha, nan_policy=policy)
        stream._mean = float(mean[0]) if len(mean) else None
        return stream

"""The incremental mean: the article's first stochastic approximation."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.gains import Gain, Schedule, as_schedule
from drivetrain.approximation.streams._numba import BLOCK
from drivetrain.approximation.streams.averages import _numba as kernels
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
from drivetrain.core.checks import check_choice, check_integer


class Mean(Statistic):
    r"""The running mean of numbers or vectors, with gain 1/k or any other.

    $$w_{k+1} = w_k - a_k (w_k - x_k), \qquad k = 1, 2, \dots$$

    With $a_k = 1/k$ this is the sample mean. It is then kept as a sum with its rounding errors
    and divided when read, so every reading is within one unit in the last place of the exact
    mean, however long the stream.

    Args:
        gain: None for 1/k; else a ``Gain``, a constant, or a callable k -> a_k.
        shape: Shape of one observation; () for numbers.
        nan_policy: ``raise``, ``omit`` or ``propagate`` for NaN and infinities.

    Raises:
        ValueError: A setting outside its range.

    Example:
        >>> Mean().update([1.0, 2.0]).update(6.0).mean
        3.0
        >>> Mean(gain=lambda k: 0.5, shape=2).update([[2.0, 4.0], [4.0, 0.0]]).mean
        array([2.5, 1. ])

    References:
        Zhao, Mathematical Foundations of Reinforcement Learning (2025), eq. 6.4; Neumaier,
        "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen" (1974).
    """

    __slots__ = (
        "_carry",
        "_gain",
        "_pending",
        "_seen",
        "_total",
        "_waiting",
        "nan_policy",
        "shape",
    )

    def __init__(
        self,
        gain: Gain | Schedule | float | None = None,
        *,
        shape: int | tuple[int, ...] = (),
        nan_policy: str = "raise",
    ) -> None:
        self._gain = None if gain is None else as_schedule(gain)
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        self.shape = tuple(check_integer("shape", size, low=1) for size in sizes)
        self.nan_policy = check_choice("nan_policy", nan_policy, POLICIES)
        size = int(np.prod(self.shape))
        # The sum and its carry; or, with a gain, the mean itself and nothing.
        self._total, self._carry = np.zeros(size), np.zeros(size)
        self._seen = 0
        self._pending = Pending()
        self._waiting: Any = self._pending.values if self.shape == () else _Refusal(self.shape)

    def update(self, x: Any) -> Self:
        """Take one observation of ``shape``, many as (n, *shape), or an iterator of such.

        Args:
            x: Numbers, arrays of any strides and real dtype, CPU tensors. A generator of floats
                costs least: they are drawn up to 1024 at a time.

        Returns:
            The stream itself.

        Raises:
            TypeError: Not real numbers.
            ValueError: Wrong shape; a NaN or infinity under ``raise``. Nothing is kept then.
        """
        if x.__class__ is float and x - x == 0.0:
            waiting = self._waiting
            waiting.append(x)
            if len(waiting) == BLOCK:
                self._settle()
            return self
        if isinstance(x, Iterator):
            if self.shape:
                for block in x:
                    self.update(block)
            else:
                draw(x, self.update)
            return self
        rank = len(self.shape)
        values = as_observations(x, ndim=(rank, rank + 1))
        if values.shape[values.ndim - rank :] != self.shape:
            raise _wrong_shape(values.shape, self.shape)
        return self._update_array(values)

    def merge(self, other: "Mean") -> Self:
        """Take in all that another mean has seen.

        Raises:
            TypeError: Not a Mean.
            ValueError: Another shape, or a gain: such a mean depends on the order of its data.
        """
        if not isinstance(other, Mean):
            raise TypeError(f"other must be a Mean. Got {type(other).__name__}.")
        if other.shape != self.shape:
            raise ValueError(f"other must have shape {self.shape}. Got {other.shape}.")
        if self._gain or other._gain:
            raise ValueError("merge needs gain=None: with another gain the order of data matters.")
        self._settle()
        other._settle()
        self._add(other._total[None])
        self._carry += other._carry
        self._seen += other._seen
        return self

    def get(self) -> Any:
        """Return the mean."""
        return self.mean

    @property
    def count(self) -> int:
        """Number of observations."""
        return self._seen + (len(self._pending.values) if not self.shape else 0)

    @property
    def mean(self) -> Any:
        """The mean, of ``shape``; NaN with a warning if nothing came or the sum overflows."""
        self._settle()
        if not self._seen:
            warn_no_answer("mean of an empty stream is NaN: update it first.")
            value = np.full(self._total.shape, np.nan)
        elif self._gain:
            value = self._total.copy()
        else:
            value = (self._total + self._carry) / self._seen
            if self.nan_policy != "propagate" and not np.isfinite(value).all():
                warn_no_answer("mean is NaN: the sum overflows. Moments(1) keeps no sum.")
        return value.reshape(self.shape) if self.shape else float(value[0])

    def state_dict(self) -> dict[str, Any]:
        """Return the settings without the gain, the count, the sum and its carry."""
        self._settle()
        settings = {"shape": list(self.shape), "nan_policy": self.nan_policy}
        arrays = {"total": self._total.copy(), "carry": self._carry.copy()}
        return {**settings, "gained": self._gain is not None, "count": self._seen, **arrays}

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], gain: Gain | Schedule | float | None = None
    ) -> Self:
        """Return the mean whose ``state_dict`` this is; a gain, being code, is given again.

        Raises:
            CheckpointError: An entry is missing.
            ValueError: A gain was used and none is given, or the other way round.
        """
        shape, policy, gained, count, total, carry = required(
            state, "shape", "nan_policy", "gained", "count", "total", "carry"
        )
        if gained != (gain is not None):
            wanted = "the gain of the saved stream" if gained else "None, as in the saved stream"
            raise ValueError(f"gain must be {wanted}. Got {gain}.")
        stream = cls(gain, shape=tuple(shape), nan_policy=policy)
        stream._total[:], stream._carry[:], stream._seen = total, carry, int(count)
        return stream

    def _update_array(self, values: NDArray[Any]) -> Self:
        self._settle()
        single = values.ndim == len(self.shape)
        values = admit(
            values[None] if single else values, self.nan_policy, self.count if single else 0
        )
        for _, piece in pieces(values):
            self._take(piece.reshape(len(piece), len(self._total)))
        return self

    def _settle(self) -> None:
        if self._waiting:
            values = self._pending.peek()
            self._pending.replace(values[:0])
            self._take(values[:, None])

    def _take(self, rows: NDArray[np.float64]) -> None:
        if self._gain is None:
            self._add(rows)
        else:
            first = self._seen + 1
            gains = np.array([self._gain(k) for k in range(first, first + len(rows))])
            kernels.gained_mean(rows, gains, self._total)
        self._seen += len(rows)

    def _add(self, rows: NDArray[np.float64]) -> None:
        kernels.compensated_sum(rows, self._total, self._carry)


class _Refusal:
    """Stands where single numbers would wait, in a stream of vectors."""

    __slots__ = ("shape",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def append(self, value: float) -> None:
        raise _wrong_shape((), self.shape)

    def __len__(self) -> int:
        return 0


def _wrong_shape(got: tuple[int, ...], shape: tuple[int, ...]) -> ValueError:
    many = ", ".join(("n", *map(str, shape))) + ("," if not shape else "")
    return ValueError(f"x must have shape {shape} or ({many}). Got {got}.")

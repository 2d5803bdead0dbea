"""Mean, variance, skewness, kurtosis and extremes of a stream, in one pass and O(1) memory."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.streams import _numba as kernels
from drivetrain.approximation.streams.observations import (
    POLICIES,
    Pending,
    as_observations,
    as_weights,
    draw,
    not_finite,
    pieces,
    warn_no_answer,
)
from drivetrain.approximation.streams.statistic import Statistic, required
from drivetrain.core.checks import check_choice, check_integer, check_real

_NO_WEIGHTS = np.empty(0)
_BLOCK = kernels.BLOCK


class Moments(Statistic):
    r"""Central moments of a stream up to order 4, weighted and mergeable.

    Blocks of 1024 values are summed about the running mean and merged (Chan): with sizes n, k,
    t = n + k and difference of means d,

    $$M_2 \leftarrow M_2 + q + d^2 \frac{nk}{t}, \qquad m \leftarrow m + d \frac{k}{t},$$

    alike for orders 3 and 4. The mean is kept relative to the first value, so no digit is lost
    far from zero. A scalar stream takes numbers and 1-d arrays; one of p columns takes (n, p).

    Args:
        order: Highest moment kept, 1 to 4.
        ddof: What the variance divides by is the sum of weights less this.
        nan_policy: ``raise``, ``omit`` or ``propagate`` for NaN and infinities.

    Raises:
        ValueError: A setting outside its range.

    Example:
        >>> stream = Moments(order=4).update([1.0, 2.0, 3.0]).update(4.0)
        >>> stream.mean, round(stream.var, 4), stream.max
        (2.5, 1.6667, 4.0)
        >>> stream.merge(Moments(order=4).update([5.0])).count
        5

    References:
        Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample
        variances" (1979); Pébay, "Formulas for robust, one-pass parallel computation of
        covariances and arbitrary-order statistical moments" (2008), eq. 2.1.
    """

    __slots__ = ("_columns", "_pending", "_state", "_waiting", "ddof", "nan_policy", "order")
    _SETTINGS: ClassVar[tuple[str, ...]] = ("order", "ddof", "nan_policy")

    def __init__(self, order: int = 2, *, ddof: float = 1, nan_policy: str = "raise") -> None:
        self.order = check_integer("order", order, low=1, high=4)
        self.ddof = check_real("ddof", ddof, low=0)
        self.nan_policy = check_choice("nan_policy", nan_policy, POLICIES)
        self._columns: int | None = None
        self._state: NDArray[np.float64] = np.zeros(len(kernels.ROW))
        self._pending = Pending()
        # The list that single numbers go to; a stream of columns puts a refusal in its place.
        self._waiting: Any = self._pending.values

    def update(self, x: Any, weights: Any = None) -> Self:
        """Take one observation or many.

        Args:
            x: A number, an array (n,) or (n, p) of any strides and real dtype, a CPU tensor, or
                an iterator of such blocks. A generator of floats costs least: they are drawn up
                to 1024 at a time.
            weights: How often each observation counts: a number >= 0 or (n,). Zero is as if the
                observation were absent. Not with iterators.

        Returns:
            The stream itself.

        Raises:
            TypeError: Not real numbers.
            ValueError: Wrong shape; a NaN or infinity under ``raise``; a negative weight. The
                stream is then as it was before.
        """
        if x.__class__ is float and weights is None and x - x == 0.0:
            waiting = self._waiting
            waiting.append(x)
            if len(waiting) == _BLOCK:
                self._absorb_pending()
            return self
        if isinstance(x, Iterator):
            return self._update_blocks(x, weights)
        return self._update_array(x, weights)

    def merge(self, other: "Moments") -> Self:
        """Take in all that another stream has seen.

        Raises:
            TypeError: Not a Moments.
            ValueError: Another order or number of columns.
        """
        if not isinstance(other, Moments):
            raise TypeError(f"other must be a Moments. Got {type(other).__name__}.")
        if other.order != self.order:
            raise ValueError(f"other must be of order {self.order}. Got order {other.order}.")
        theirs = other._settled()
        if not np.any(theirs[..., kernels.COUNT]):
            return self
        if self._empty and self._columns != other._columns:
            self._open_columns(other._columns or 0)
        if self._columns != other._columns:
            raise ValueError(f"other must hold {self._kind}. Got {other._kind}.")
        for mine, row in zip(self._state.reshape(-1, 10), theirs.reshape(-1, 10)):
            kernels.merge_rows(mine, row)
        return self

    def get(self) -> dict[str, Any]:
        """Return the statistics by name: count, mean, and those that ``order`` allows."""
        names = ("mean", "var", "skew", "kurtosis")[: self.order]
        return {"count": self.count, **{name: getattr(self, name) for name in names}}

    @property
    def count(self) -> Any:
        """Number of observations with a positive weight; (p,) for columns."""
        count = self._settled()[..., kernels.COUNT]
        return int(count) if count.ndim == 0 else count.astype(np.int64)

    @property
    def weight(self) -> Any:
        """Sum of the weights; (p,) for columns."""
        return _plain(self._settled()[..., kernels.WEIGHT])

    @property
    def weight_squared(self) -> Any:
        """Sum of the squared weights; weight² / weight_squared is the effective count."""
        return _plain(self._settled()[..., kernels.WEIGHT2])

    @property
    def mean(self) -> Any:
        """Mean; NaN with a warning for an empty stream."""
        state = self._settled()
        if not np.all(state[..., kernels.WEIGHT] > 0):
            warn_no_answer("mean of an empty stream is NaN: update it first.")
        value = state[..., kernels.SHIFT] + state[..., kernels.MEAN]
        return _plain(np.where(state[..., kernels.WEIGHT] > 0, value, np.nan))

    @property
    def var(self) -> Any:
        """Variance M2 / (weight - ddof); NaN with a warning where that is not positive."""
        self._needs("var", 2)
        state = self._settled()
        return _plain(self._variance(state))

    @property
    def std(self) -> Any:
        """Square root of the variance."""
        self._needs("std", 2)
        return _plain(np.sqrt(self._variance(self._settled())))

    @property
    def skew(self) -> Any:
        r"""Skewness $\sqrt{n} M_3 / M_2^{3/2}$; NaN with a warning where M2 = 0."""
        self._needs("skew", 3)
        state = self._settled()
        n, m2, m3 = (state[..., i] for i in (kernels.WEIGHT, kernels.M2, kernels.M3))
        spread = self._spread("skew", m2)
        return _plain(np.sqrt(n) * m3 / spread / np.sqrt(spread))

    @property
    def kurtosis(self) -> Any:
        r"""Excess kurtosis $n M_4 / M_2^2 - 3$; NaN with a warning where M2 = 0."""
        self._needs("kurtosis", 4)
        state = self._settled()
        n, m2, m4 = (state[..., i] for i in (kernels.WEIGHT, kernels.M2, kernels.M4))
        spread = self._spread("kurtosis", m2)
        return _plain(n * (m4 / spread) / spread - 3.0)

    @property
    def min(self) -> Any:
        """Least value; NaN with a warning for an empty stream."""
        return self._extreme("min", kernels.LOW)

    @property
    def max(self) -> Any:
        """Greatest value; NaN with a warning for an empty stream."""
        return self._extreme("max", kernels.HIGH)

    def state_dict(self) -> dict[str, Any]:
        """Return settings, the summary rows and the values that wait for a full block."""
        settings = {name: getattr(self, name) for name in self._SETTINGS}
        arrays = {"rows": self._state.copy(), "pending": self._pending.peek()}
        return {**settings, "columns": self._columns, **arrays}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the stream whose ``state_dict`` this is; it continues to the bit.

        Raises:
            CheckpointError: An entry is missing.
        """
        order, ddof, policy, columns, rows, pending = required(
            state, *cls._SETTINGS, "columns", "rows", "pending"
        )
        stream = cls(order, ddof=ddof, nan_policy=policy)
        if columns is not None:
            stream._open_columns(columns)
        stream._state[...] = rows
        stream._pending.replace(pending)
        return stream

    def _update_blocks(self, blocks: Iterator[Any], weights: Any) -> Self:
        if weights is not None:
            raise ValueError("weights must be None for an iterator of blocks: update each block.")
        draw(blocks, self.update)
        return self

    def _update_array(self, x: Any, weights: Any) -> Self:
        values = as_observations(x, ndim=(0, 1, 2))
        single = values.ndim == 0
        if values.ndim < 2:
            values = values.reshape(-1)
        if values.ndim == 2 and self._columns is None:
            if not self._empty:
                raise ValueError(f"x must be a number or 1-d. Got shape {values.shape}.")
            # Checked before anything is kept, so a refused first block fixes no width.
            return self._first_columns(values, weights)
        if (values.shape[1] if values.ndim == 2 else None) != self._columns:
            raise _wrong_columns(values.shape, self._columns or 0)
        if weights is not None:
            self._absorb_weighted(values, as_weights(weights, len(values)), single)
        elif self._columns is None:
            self._absorb_scalars(values, single)
        else:
            self._state = self._absorbed(self._state, values, _NO_WEIGHTS)
        return self

    def _first_columns(self, values: NDArray[Any], weights: Any) -> Self:
        fresh = type(self)(self.order, ddof=self.ddof, nan_policy=self.nan_policy)
        fresh._open_columns(values.shape[1])
        fresh._update_array(values, weights)
        self._open_columns(values.shape[1])
        self._state = fresh._state
        return self

    def _absorb_scalars(self, values: NDArray[Any], single: bool) -> None:
        if single and np.isfinite(values[0]):
            self.update(float(values[0]))
            return
        if single and self.nan_policy == "raise":
            raise not_finite(float(values[0]), self.count)
        runs, rest = self._pending.split(values)
        # What waits must be admitted too: a refusal later could not say where it stood.
        rest = self._admitted(rest, len(values) - len(rest))
        state = self._state
        held = len(self._pending.values)
        position = 0
        for run in runs:
            state = self._absorbed(state, run, _NO_WEIGHTS, position - (0 if position else held))
            position = len(run) - held
        self._state = state
        self._pending.replace(rest)

    def _admitted(self, rest: NDArray[Any], position: int) -> NDArray[Any]:
        finite = np.isfinite(rest)
        if finite.all():
            return rest
        if self.nan_policy == "raise":
            first = int(np.argmin(finite))
            raise not_finite(float(rest[first]), position + first)
        return rest[finite] if self.nan_policy == "omit" else rest

    def _absorb_weighted(
        self, values: NDArray[Any], weights: NDArray[np.float64], single: bool
    ) -> None:
        position = self.count if single and self._columns is None else 0
        self._state = self._absorbed(self._state, values, weights, position)

    def _absorbed(
        self,
        state: NDArray[np.float64],
        values: NDArray[Any],
        weights: NDArray[np.float64],
        position: int = 0,
    ) -> NDArray[np.float64]:
        """Return a new state with the values in it, or raise and leave the old one alone."""
        state = state.copy()
        policy = POLICIES.index(self.nan_policy)
        scalar = values.ndim == 1
        kernel = kernels.absorb_moments if scalar else kernels.absorb_columns
        for start, piece in pieces(values, float32=scalar):
            bad = kernel(piece, weights[start : start + len(piece)], state, self.order, policy)
            if bad >= 0 and scalar:
                raise not_finite(piece[bad], position + start + bad)
            if bad >= 0:
                row, column = divmod(bad, values.shape[1])
                raise not_finite(piece[row, column], (start + row, column))
        return state

    def _absorb_pending(self) -> None:
        values = self._pending.peek()
        self._state = self._absorbed(self._state, values, _NO_WEIGHTS)
        self._pending.replace(values[:0])

    def _settled(self) -> NDArray[np.float64]:
        """Return the state with what waits in it; the stream itself does not change."""
        if not self._pending.values:
            return self._state
        return self._absorbed(self._state, self._pending.peek(), _NO_WEIGHTS)

    def _open_columns(self, columns: int) -> None:
        self._columns = check_integer("columns", columns, low=1)
        self._state = np.zeros((columns, len(kernels.ROW)))
        self._waiting = _Refusal(columns)

    @property
    def _empty(self) -> bool:
        return not self._pending.values and not np.any(self._state[..., kernels.COUNT])

    @property
    def _kind(self) -> str:
        return "scalars" if self._columns is None else f"{self._columns} columns"

    def _needs(self, name: str, order: int) -> None:
        if self.order < order:
            raise ValueError(f"{name} needs order >= {order}. Got Moments(order={self.order}).")

    def _variance(self, state: NDArray[np.float64]) -> NDArray[np.float64]:
        left = state[..., kernels.WEIGHT] - self.ddof
        if not np.all(left > 0):
            warn_no_answer(
                f"variance is NaN: it needs a weight above ddof={self.ddof:g}. "
                f"Got {state[..., kernels.WEIGHT].min():g}."
            )
        return state[..., kernels.M2] / np.where(left > 0, left, np.nan)

    def _spread(self, name: str, m2: NDArray[np.float64]) -> NDArray[np.float64]:
        if np.any(m2 == 0):
            warn_no_answer(f"{name} is NaN: the values do not vary.")
        return np.where(m2 == 0, np.nan, m2)

    def _extreme(self, name: str, index: int) -> Any:
        state = self._settled()
        seen = state[..., kernels.COUNT] > 0
        if not np.all(seen):
            warn_no_answer(f"{name} of an empty stream is NaN: update it first.")
        return _plain(np.where(seen, state[..., index], np.nan))


class _Refusal:
    """Stands where single numbers would wait, in a stream that takes rows."""

    __slots__ = ("columns",)

    def __init__(self, columns: int) -> None:
        self.columns = columns

    def append(self, value: float) -> NoReturn:
        raise _wrong_columns((), self.columns)

    def __len__(self) -> int:
        return 0


def _wrong_columns(shape: tuple[int, ...], columns: int) -> ValueError:
    wanted = f"of shape (n, {columns})" if columns else "a number or 1-d"
    return ValueError(f"x must be {wanted}. Got shape {shape}.")


def _plain(value: NDArray[np.float64]) -> Any:
    return float(value) if value.ndim == 0 else value

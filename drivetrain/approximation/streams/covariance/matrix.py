"""Covariance matrix of a stream of rows, weighted and mergeable."""

from array import array
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.streams.covariance import _numba as kernels
from drivetrain.approximation.streams.observations import (
    POLICIES,
    as_observations,
    as_weights,
    not_finite,
    pieces,
    warn_no_answer,
)
from drivetrain.approximation.streams.statistic import Statistic, required
from drivetrain.core.checks import check_choice, check_integer, check_real

_ROWS = 1024


class Covariance(Statistic):
    r"""Mean vector and covariance matrix of a stream of rows.

    Blocks of rows are summed about the running mean and merged: with weights n, k, t = n + k and
    difference of means d,

    $$C \leftarrow C + Q + d d^T \frac{nk}{t}, \qquad m \leftarrow m + d \frac{k}{t}$$

    Up to eight columns the sums run at the speed the rows are read from memory.

    Args:
        columns: Number of columns; None to take the first update's.
        ddof: What the covariance divides by is the sum of weights less this.
        nan_policy: ``raise``, ``omit`` (drops the row) or ``propagate``.

    Raises:
        ValueError: A setting outside its range.

    Example:
        >>> stream = Covariance().update([[1.0, 2.0], [3.0, 6.0]]).update((2.0, 4.0))
        >>> stream.cov
        array([[1., 2.],
               [2., 4.]])

    References:
        Chan, Golub, LeVeque (1979); Pébay (2008), eq. 3.1.
    """

    __slots__ = (
        "_comoment",
        "_mean",
        "_shift",
        "_totals",
        "_waiting",
        "columns",
        "ddof",
        "nan_policy",
    )

    def __init__(
        self, columns: int | None = None, *, ddof: float = 1, nan_policy: str = "raise"
    ) -> None:
        self.ddof = check_real("ddof", ddof, low=0)
        self.nan_policy = check_choice("nan_policy", nan_policy, POLICIES)
        self._totals = np.zeros(3)
        self._waiting = array("d")
        self._open(None if columns is None else check_integer("columns", columns, low=1))

    def update(self, x: Any, weights: Any = None) -> Self:
        """Take one row or many.

        Args:
            x: A row (p,), rows (n, p) of any strides and real dtype, a CPU tensor, or an
                iterator of such blocks. A row is quickest as a tuple.
            weights: A number >= 0 or (n,); zero is as if the row were absent.

        Returns:
            The stream itself.

        Raises:
            TypeError: Not real numbers.
            ValueError: Wrong shape; a NaN or infinity under ``raise``; a negative weight.
                Nothing is kept then.
        """
        if x.__class__ is tuple and len(x) == self.columns and weights is None:
            try:
                total = sum(x)
                if total - total == 0.0:
                    self._waiting.extend(x)
                    if len(self._waiting) >= _ROWS:
                        self._flush()
                    return self
            except TypeError:
                raise TypeError(f"x must hold real numbers. Got {x!r}.") from None
        if isinstance(x, Iterator):
            if weights is not None:
                raise ValueError("weights must be None for an iterator: update each block.")
            for block in x:
                self.update(block)
            return self
        return self._update_array(as_observations(x, ndim=(1, 2)), weights)

    def merge(self, other: "Covariance") -> Self:
        """Take in all that another stream has seen.

        Raises:
            TypeError: Not a Covariance.
            ValueError: Another number of columns.
        """
        if not isinstance(other, Covariance):
            raise TypeError(f"other must be a Covariance. Got {type(other).__name__}.")
        self._flush()
        other._flush()
        if not other._totals[0]:
            return self
        if self.columns is None:
            self._open(other.columns)
        if self.columns != other.columns:
            raise ValueError(f"other must have {self.columns} columns. Got {other.columns}.")
        if not self._totals[0]:
            self._shift[:] = other._shift
        count = self._totals[0] + other._totals[0]
        gap = (other._shift - self._shift) + other._mean
        self._merge_sums(other._totals[1], gap, other._comoment)
        self._totals[0] = count
        self._totals[2] += other._totals[2]
        return self

    def get(self) -> Any:
        """Return the covariance matrix."""
        return self.cov

    @property
    def count(self) -> int:
        """Number of rows with a positive weight."""
        return int(self._totals[0]) + (len(self._waiting) // self.columns if self.columns else 0)

    @property
    def weight(self) -> float:
        """Sum of the weights."""
        self._flush()
        return float(self._totals[1])

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the rows (p,); NaN with a warning for an empty stream."""
        self._flush()
        if not self._totals[0]:
            warn_no_answer("mean of an empty stream is NaN: update it first.")
            return np.full(self.columns or 0, np.nan)
        return self._shift + self._mean

    @property
    def cov(self) -> NDArray[np.float64]:
        """Covariance C / (weight - ddof) (p, p); NaN with a warning where that is not positive."""
        self._flush()
        left = self._totals[1] - self.ddof
        if not left > 0:
            warn_no_answer(
                f"covariance is NaN: it needs a weight above ddof={self.ddof:g}. "
                f"Got {self._totals[1]:g}."
            )
            return np.full_like(self._comoment, np.nan)
        return self._comoment / left

    @property
    def corr(self) -> NDArray[np.float64]:
        """Correlations (p, p); NaN with a warning for a column that does not vary."""
        cov = self.cov
        spread = np.sqrt(np.diagonal(cov))
        if np.any(spread == 0):
            warn_no_answer("correlation is NaN: a column does not vary.")
        with np.errstate(invalid="ignore"):
            corr = cov / spread[:, None] / spread
        return np.clip(corr, -1.0, 1.0)

    def state_dict(self) -> dict[str, Any]:
        """Return settings, totals, mean, comoment and the rows that wait."""
        arrays = {
            "totals": self._totals.copy(),
            "shift": self._shift.copy(),
            "mean": self._mean.copy(),
            "comoment": self._comoment.copy(),
            "pending": np.array(self._waiting),
        }
        return {"columns": self.columns, "ddof": self.ddof, "nan_policy": self.nan_policy, **arrays}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the stream whose ``state_dict`` this is; it continues to the bit.

        Raises:
            CheckpointError: An entry is missing.
        """
        columns, ddof, policy, totals, shift, mean, comoment, pending = required(
            state,
            *("columns", "ddof", "nan_policy"),
            *("totals", "shift", "mean", "comoment", "pending"),
        )
        stream = cls(columns, ddof=ddof, nan_policy=policy)
        stream._totals[:], stream._shift[:], stream._mean[:] = totals, shift, mean
        stream._comoment[:] = comoment
        stream._waiting.frombytes(np.asarray(pending, dtype=np.float64).tobytes())
        return stream

    def _open(self, columns: int | None) -> None:
        self.columns = columns
        p = columns or 0
        self._shift: NDArray[np.float64] = np.zeros(p)
        self._mean: NDArray[np.float64] = np.zeros(p)
        self._comoment: NDArray[np.float64] = np.zeros((p, p))

    def _update_array(self, values: NDArray[Any], weights: Any) -> Self:
        single = values.ndim == 1
        values = values[None] if single else values
        if values.shape[1] == 0 or self.columns not in (None, values.shape[1]):
            raise ValueError(
                f"x must be of shape (n, {self.columns or 'p'}) or a row. Got {values.shape}."
            )
        w = None if weights is None else as_weights(weights, len(values))
        if self.columns is None:
            self._open(values.shape[1])
        self._flush()
        before = (self._totals, self._shift, self._mean, self._comoment)
        self._totals, self._shift, self._mean, self._comoment = (a.copy() for a in before)
        try:
            for start, piece in pieces(values):
                part = None if w is None else w[start : start + len(piece)]
                self._absorb(piece, part, start)
        except ValueError:
            self._totals, self._shift, self._mean, self._comoment = before
            raise
        return self

    def _flush(self) -> None:
        if self._waiting:
            rows = np.array(self._waiting).reshape(-1, self.columns or 1)
            del self._waiting[:]
            self._absorb(rows, None, 0)

    def _absorb(
        self, rows: NDArray[np.float64], weights: NDArray[np.float64] | None, position: int
    ) -> None:
        start, step = 0, max(1, kernels.VALUES // rows.shape[1])
        while start < len(rows):
            if weights is None and rows.shape[1] <= kernels.WIDEST:
                bad = kernels.absorb_rows(
                    rows[start:], self._totals, self._shift, self._mean, self._comoment
                )
                if bad < 0:
                    return
                start += bad
            block = rows[start : start + step]
            if self.nan_policy == "raise" and not np.isfinite(block).all():
                row, column = (int(i) for i in np.argwhere(~np.isfinite(block))[0])
                raise not_finite(float(block[row, column]), (position + start + row, column))
            part = None if weights is None else weights[start : start + step]
            self._absorb_block(block, part)
            start += step

    def _absorb_block(self, x: NDArray[np.float64], w: NDArray[np.float64] | None) -> None:
        """Merge one block of any width, weighted or not, finite or not, by matrix products."""
        w = np.ones(len(x)) if w is None else w
        kept = w > 0
        if self.nan_policy == "omit":
            kept &= np.isfinite(x).all(axis=1)
        if not kept.all():
            x, w = x[kept], w[kept]
        if not len(x):
            return
        if not self._totals[0]:
            self._shift = np.where(np.isfinite(x[0]), x[0], 0.0)
        k = float(w.sum())
        with np.errstate(invalid="ignore", over="ignore"):
            base = self._shift + self._mean
            centre = base + w @ (x - base) / k
            d = x - centre
            s = w @ d / k
            c = (d * w[:, None]).T @ d - k * np.outer(s, s)
            self._merge_sums(k, (centre - self._shift) + s, c)
        self._totals += (len(x), 0.0, float(w @ w))

    def _merge_sums(
        self, k: float, mean: NDArray[np.float64], comoment: NDArray[np.float64]
    ) -> None:
        n = self._totals[1]
        d = mean - self._mean
        self._comoment += comoment + np.outer(d, d) * (n * (k / (n + k)))
        self._mean = self._mean + d * (k / (n + k))
        self._totals[1] = n + k

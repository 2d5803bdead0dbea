"""Quantiles of a stream by the method one names."""

import copy
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.streams.observations import (
    POLICIES,
    Pending,
    admit,
    as_observations,
    pieces,
    warn_no_answer,
)
from drivetrain.approximation.streams.quantiles.engine import Engine
from drivetrain.approximation.streams.quantiles.kll import KLL
from drivetrain.approximation.streams.quantiles.recursions import PSquare, RobbinsMonro
from drivetrain.approximation.streams.quantiles.tdigest import TDigest
from drivetrain.approximation.streams.statistic import Statistic, required
from drivetrain.core.checks import check_array, check_choice

METHODS = ("tdigest", "kll", "rm", "p2")


class TrendWarning(UserWarning):
    """The data are not in random order, and the method needs them to be."""


class Quantiles(Statistic):
    """Quantiles of a stream in bounded memory, monotone in the level, batch equal to loop.

    | method | memory | any order | any level | merges |
    |---|---|---|---|---|
    | ``tdigest`` | 70 kB | yes | yes | yes |
    | ``kll`` | 30 kB | yes, with a bound | yes | yes |
    | ``rm`` | 100 B | no | no | no |
    | ``p2`` | 500 B | no | no | no |

    Args:
        q: Level or levels in [0, 1].
        method: See the table.
        resolution: t-digest's compression (default 6000) or KLL's k (default 800).
        gain: Scale g0 of Robbins and Monro's gain.
        random_state: Seed of KLL's coins.
        nan_policy: ``raise``, ``omit`` or ``propagate`` for NaN and infinities.

    Raises:
        ValueError: A setting outside its range.

    Example:
        >>> stream = Quantiles([0.5, 0.9]).update(range(1, 102))
        >>> stream.values
        array([51., 91.])
        >>> stream.quantile(0.25)
        26.0
        >>> stream.merge(Quantiles([0.5, 0.9]).update([1e9])).count
        102

    References:
        Dunning, Ertl (2019); Karnin, Lang, Liberty (2016); Robbins, Monro (1951); Jain,
        Chlamtac (1985): see the engines.
    """

    __slots__ = (
        "_engine",
        "_pending",
        "_settings",
        "_spoiled",
        "_view",
        "_waiting",
        "method",
        "nan_policy",
        "q",
    )

    def __init__(
        self,
        q: ArrayLike,
        method: str = "tdigest",
        *,
        resolution: int | None = None,
        gain: float = 2.0,
        random_state: int = 0,
        nan_policy: str = "raise",
    ) -> None:
        self.q = check_array("q", q, ndim=(0, 1), finite=True).copy()
        if self.q.size == 0 or self.q.min() < 0 or self.q.max() > 1:
            raise ValueError(f"q must hold levels in [0, 1]. Got {self.q.tolist()}.")
        self.method = check_choice("method", method, METHODS)
        self.nan_policy = check_choice("nan_policy", nan_policy, POLICIES)
        self._settings = {"resolution": resolution, "gain": gain, "random_state": random_state}
        self._engine = self._make_engine(resolution, gain, random_state)
        self._pending = Pending(self._engine.block)
        self._waiting = self._pending.values
        self._spoiled = 0
        # What was last read, and for which count: reading changes nothing in the stream.
        self._view: tuple[int, Engine] | None = None

    def update(self, x: Any) -> Self:
        """Take one observation or many.

        Args:
            x: A number, an array of any strides and real dtype (read in C order), a CPU tensor,
                or an iterator of such blocks.

        Returns:
            The stream itself.

        Raises:
            TypeError: Not real numbers.
            ValueError: A NaN or infinity under ``raise``. Nothing is kept then.
        """
        if x.__class__ is float and x - x == 0.0:
            waiting = self._waiting
            waiting.append(x)
            if len(waiting) == self._pending.size:
                self._flush()
            return self
        if isinstance(x, Iterator):
            for block in x:
                self.update(block)
            return self
        return self._update_array(as_observations(x, ndim=(0, 1)))

    def merge(self, other: "Quantiles") -> Self:
        """Take in all that another stream has seen; the same two give the same bits.

        Raises:
            TypeError: Not a Quantiles.
            ValueError: Another method, or one that cannot merge.
        """
        if not isinstance(other, Quantiles):
            raise TypeError(f"other must be a Quantiles. Got {type(other).__name__}.")
        if other.method != self.method:
            raise ValueError(f"other must use method={self.method!r}. Got {other.method!r}.")
        self._engine = copy.deepcopy(self._settled())
        self._engine.merge(other._settled())
        self._spoiled += other._spoiled
        del self._waiting[:]
        self._view = None
        return self

    def get(self) -> Any:
        """Return the quantiles at the levels asked for."""
        return self.values

    @property
    def count(self) -> int:
        """Number of observations."""
        return self._engine.count + len(self._waiting) + self._spoiled

    @property
    def values(self) -> Any:
        """Quantiles at ``q``, of its shape; NaN with a warning for an empty stream."""
        return self._read(self.q)

    def quantile(self, q: ArrayLike) -> Any:
        """Return quantiles at any levels.

        Raises:
            ValueError: A level outside [0, 1]; or the method follows fixed levels only.
        """
        levels = check_array("q", q, ndim=(0, 1), finite=True)
        if levels.size and (levels.min() < 0 or levels.max() > 1):
            raise ValueError(f"q must hold levels in [0, 1]. Got {levels.tolist()}.")
        if not self._engine.mergeable and not np.all(np.isin(levels, self.q)):
            raise ValueError(
                f"method={self.method!r} follows q={self.q.tolist()} only. Use 'tdigest' or 'kll'."
            )
        return self._read(levels)

    def state_dict(self) -> dict[str, Any]:
        """Return settings, the engine's arrays, and the values that wait for a full block."""
        settings = {"method": self.method, "nan_policy": self.nan_policy, **self._settings}
        arrays = {"q": self.q.copy(), "pending": self._pending.peek(), **self._engine.arrays()}
        return {**settings, "spoiled": self._spoiled, **arrays}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the stream whose ``state_dict`` this is; it continues to the bit.

        Raises:
            CheckpointError: An entry is missing.
        """
        names = ("q", "method", "resolution", "gain", "random_state", "nan_policy")
        q, method, resolution, gain, seed, policy = required(state, *names)
        stream = cls(
            q, method, resolution=resolution, gain=gain, random_state=seed, nan_policy=policy
        )
        pending, spoiled, *_ = required(state, "pending", "spoiled", *stream._engine.arrays())
        stream._pending.replace(pending)
        stream._engine.restore(state)
        stream._spoiled = int(spoiled)
        return stream

    def _make_engine(self, resolution: int | None, gain: float, random_state: int) -> Engine:
        if self.method == "tdigest":
            return TDigest() if resolution is None else TDigest(resolution)
        if self.method == "kll":
            return KLL(seed=random_state) if resolution is None else KLL(resolution, random_state)
        if resolution is not None:
            raise ValueError(f"resolution must be None for {self.method!r}. Got {resolution}.")
        levels = np.sort(self.q.reshape(-1))
        return RobbinsMonro(levels, gain) if self.method == "rm" else PSquare(levels)

    def _update_array(self, values: NDArray[Any]) -> Self:
        single = values.ndim == 0
        values = admit(values.reshape(-1), self.nan_policy, self.count if single else 0)
        if self.nan_policy == "propagate":
            finite = np.isfinite(values)
            self._spoiled += int(np.count_nonzero(~finite))
            values = values[finite] if not finite.all() else values
        for _, piece in pieces(values):
            runs, rest = self._pending.split(piece)
            for run in runs:
                self._engine.absorb(run)
            self._pending.replace(rest)
        return self

    def _flush(self) -> None:
        self._engine.absorb(self._pending.peek())
        del self._waiting[:]

    def _settled(self) -> Engine:
        if not self._waiting:
            return self._engine
        if not self._engine.mergeable:
            # Value by value, so doing now what would be done later changes no bit.
            self._flush()
            return self._engine
        if self._view is None or self._view[0] != self.count:
            engine = copy.deepcopy(self._engine)
            engine.absorb(self._pending.peek())
            self._view = (self.count, engine)
        return self._view[1]

    def _read(self, q: NDArray[np.float64]) -> Any:
        engine = self._settled()
        levels = q.reshape(-1)
        if not engine.count:
            warn_no_answer("quantiles of an empty stream are NaN: update it first.")
        if not engine.count or self._spoiled:
            answer = np.full(levels.shape, np.nan)
        else:
            self._warn_of_trend(engine)
            answer = self._at(engine, levels)
        return answer.reshape(q.shape) if q.ndim else float(answer[0])

    def _at(self, engine: Engine, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        if engine.mergeable:
            order = np.argsort(levels, kind="stable")
            answer = np.empty(len(levels))
            answer[order] = np.maximum.accumulate(engine.quantiles(levels[order]))
            return answer
        own = np.sort(self.q.reshape(-1))
        return engine.quantiles(own)[np.searchsorted(own, levels)]

    def _warn_of_trend(self, engine: Engine) -> None:
        if isinstance(engine, (RobbinsMonro, PSquare)) and engine.drift:
            warnings.warn(
                f"the data drift (correlation with time {engine.drift:+.3f}), so "
                f"method={self.method!r} may be far off: use 'tdigest' or 'kll'.",
                TrendWarning,
                stacklevel=4,
            )

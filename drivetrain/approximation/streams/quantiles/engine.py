"""What a quantile method must do, and the reading of quantiles from weighted points."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Engine(ABC):
    """A summary of finite values from which quantiles are read.

    Attributes:
        block: Values are best given this many at a time; a stream holds back fewer.
        mergeable: Whether two summaries of parts make one of the whole. One that is not takes
            its values strictly one after the other, and follows fixed levels.
    """

    __slots__ = ()
    block: ClassVar[int]
    mergeable: ClassVar[bool]

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of values taken in."""

    @abstractmethod
    def absorb(self, x: Array) -> None:
        """Take in contiguous finite values."""

    @abstractmethod
    def quantiles(self, q: Array) -> Array:
        """Return the quantiles at sorted levels, nondecreasing; the summary is not empty."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Take in another summary of the same kind."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that has been learnt."""

    @abstractmethod
    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set what ``arrays`` returned."""


def not_mergeable(method: str) -> ValueError:
    """Return the error that names the methods which can merge."""
    return ValueError(
        f"method={method!r} cannot merge: it depends on the order of its data. "
        "Use 'tdigest' or 'kll'."
    )


def interpolate(values: Array, weights: Array, ends: tuple[float, float], q: Array) -> Array:
    """Return quantiles of weighted points, linear between their middles, monotone in q.

    A point of weight w stands for w values about it, so its own place is the middle of theirs.
    With weights of one this is numpy's default definition.

    Args:
        values: Sorted points.
        weights: Their weights.
        ends: Least and greatest value ever seen.
        q: Levels in [0, 1].
    """
    total = float(weights.sum())
    middles = np.cumsum(weights) - 0.5 * weights
    places = np.concatenate([[0.5], middles, [total - 0.5]])
    points = np.concatenate([[ends[0]], values, [ends[1]]])
    wanted = np.clip(q * (total - 1.0) + 0.5, 0.5, total - 0.5)
    right = np.clip(np.searchsorted(places, wanted, side="left"), 1, len(places) - 1)
    left = right - 1
    gap = places[right] - places[left]
    t = np.where(gap > 0, (wanted - places[left]) / np.where(gap > 0, gap, 1.0), 1.0)
    # Halved, because the difference of two floats may be no float; t grows with q, so every
    # rounding below is monotone, and the clip keeps a segment from passing into the next.
    low, half = points[left], 0.5 * points[right] - 0.5 * points[left]
    return np.minimum(low + t * half + t * half, points[right])

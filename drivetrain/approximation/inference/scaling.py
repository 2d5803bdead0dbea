"""Random scaling: intervals from the wandering of the running mean."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.inference.estimate import Estimate, Interval
from drivetrain.approximation.inference.paths import as_block, as_point, nothing_yet, unknown_matrix
from drivetrain.approximation.inference.pivots import RandomScalingPivot

Array = NDArray[np.float64]


class RandomScaling:
    r"""Polyak-Ruppert average with random-scaling intervals, O(p²) memory.

    $$\hat V_n = n^{-2} \sum_{s \le n} s^2 (\bar\beta_s - \bar\beta_n)(\bar\beta_s -
    \bar\beta_n)^T, \qquad \bar\beta_{n,j} \pm q \sqrt{\hat V_{n,jj} / n}$$

    It needs neither Hessian nor gradients and holds under Markov noise, too. The sums are kept
    about the current mean, so that an offset of the path costs no digits.

    Args:
        start: The point the path starts from, (p,) or a number; the path is kept relative to it.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> steps = RandomScaling(0.0).update(rng.standard_normal(2000))
        >>> bool(steps.interval(0.95).contains(0.0)[0])
        True

    References:
        Lee, Liao, Seo and Shin, Fast and robust online inference with stochastic gradient descent
        via random scaling, AAAI 2022.
    """

    def __init__(self, start: ArrayLike) -> None:
        from drivetrain.approximation.inference._numba import PADDED

        self.start = as_point("start", start)
        p = len(self.start)
        self.n = 0
        self._anchor, self._sums, self._moment = self.start.copy(), np.zeros(p), np.zeros(p)
        self._columns, self._scaling = np.zeros((p, PADDED)), np.zeros((p, p))

    def update(self, path: ArrayLike) -> "RandomScaling":
        """Take in iterates β_k: one point (p,) or a block (m, p); m numbers where p = 1.

        Raises:
            ValueError: Not p coordinates, or not finite.
        """
        from drivetrain.approximation.inference._numba import push_scaling

        block = as_block("path", path, len(self.start))
        self.n = int(
            push_scaling(
                block,
                self.n,
                self._columns,
                self._anchor,
                self._sums,
                self._scaling,
                self._moment,
            )
        )
        return self

    def estimate(self) -> Estimate:
        """Return β̄_n with V̂_n/n; the matrix is NaN before the second step."""
        p, n = len(self.start), self.n
        if n == 0:
            return nothing_yet(p, RandomScalingPivot(), "random_scaling")
        value, scaling = self._closed()
        if n == 1:
            scaling = unknown_matrix(p)  # V̂_1 = 0 would pass for certainty
        return Estimate(value, scaling / float(n) ** 3, RandomScalingPivot(), "random_scaling", n)

    def covariance(self) -> Array:
        """Return V̂_n/n, (p, p); ×6 it estimates the covariance of β̄_n without bias."""
        return self.estimate().covariance

    def interval(self, level: float = 0.95) -> Interval:
        """Return a confidence interval for each coordinate."""
        return self.estimate().interval(level)

    def merge(self, other: object) -> "RandomScaling":
        """Refuse: the scaling of two paths is not the scaling of one.

        Raises:
            ValueError: Always; it says what to do.
        """
        raise ValueError(
            "Random scaling follows one path and cannot be merged across shards. "
            "Average the shards and use shard_estimate, or use PlugIn."
        )

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to go on later, as arrays."""
        names = ("start", "_anchor", "_sums", "_moment", "_columns", "_scaling")
        return {"n": self.n} | {name.strip("_"): getattr(self, name).copy() for name in names}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "RandomScaling":
        """Return what ``state_dict`` described; going on gives the same bits."""
        made = cls(state["start"])
        made.n = int(state["n"])
        for name in ("anchor", "sums", "moment", "columns", "scaling"):
            getattr(made, f"_{name}")[...] = state[name]
        return made

    def _closed(self) -> tuple[Array, Array]:
        """Return β̄ and n²·V̂ with the open block folded in; the state stays as it is."""
        from drivetrain.approximation.inference._numba import BLOCK, close_block

        anchor, sums = self._anchor.copy(), self._sums.copy()
        scaling, moment = self._scaling.copy(), self._moment.copy()
        rows = self.n % BLOCK
        if rows:
            close_block(self.n, rows, self._columns, anchor, sums, scaling, moment)
        return anchor, symmetric(scaling)


def symmetric(lower: Array) -> Array:
    """Return the symmetric matrix whose lower triangle is given."""
    return np.where(np.tri(len(lower), dtype=bool), lower, lower.T)

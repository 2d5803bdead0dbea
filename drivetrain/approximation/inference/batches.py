"""How a path is cut into batches, and what the batch means say about its average."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.inference.estimate import Estimate, Interval
from drivetrain.approximation.inference.paths import (
    as_block,
    as_point,
    nothing_yet,
    unknown_matrix,
)
from drivetrain.approximation.inference.pivots import StudentPivot
from drivetrain.core.checks import check_choice, check_integer, check_real

Array = NDArray[np.float64]
Ends = NDArray[np.int64]
Design = Literal["equal", "increasing"]
RESOLUTION = 1024


def equal_ends(n: int, n_batches: int) -> Ends:
    """Return the n_batches + 1 boundaries of batches whose lengths differ by at most one step."""
    return np.asarray(np.round(np.linspace(0, n, n_batches + 1)), dtype=np.int64)


def increasing_ends(n: int, exponent: float) -> Ends:
    r"""Return the batch ends e_0, ..., e_M that grow as fast as the path forgets ever more slowly.

    $$e_k = ((k+1) N)^{1/(1-a)}, \quad M = \lfloor n^{(1-a)/2} \rfloor, \quad N = n^{1-a}/(M+1).$$

    Steps up to e_0 are left out as burn-in.

    Args:
        n: Steps, >= 1.
        exponent: The gain's exponent a, in (0, 1).

    Raises:
        ValueError: An exponent outside (0, 1).

    Example:
        >>> increasing_ends(100, 0.5).tolist()
        [6, 25, 56, 100]

    References:
        Chen, Lee, Tong and Zhang, Ann. Stat. 48 (2020), section 3.2.
    """
    a = check_real("exponent", exponent, low=0.0, high=1.0, open_low=True, open_high=True)
    M = math.floor(n ** ((1.0 - a) / 2.0))
    N = n ** (1.0 - a) / (M + 1)
    ends = np.floor(((np.arange(M + 1) + 1) * N) ** (1.0 / (1.0 - a))).astype(np.int64)
    ends[-1] = n
    return ends


def between(running: Array, positions: Ends, ends: Ends) -> Array:
    r"""Return the estimate of n·Cov(mean) from K batch means, (p, p).

    $$\frac{1}{K-1} \sum_{k=1}^{K} n_k (\bar x_k - \bar x)(\bar x_k - \bar x)^T$$

    Args:
        running: Sums of the path up to each run boundary, (runs + 1, p).
        positions: Steps up to each run boundary, (runs + 1,).
        ends: The K + 1 batch ends as indices of run boundaries, increasing.
    """
    lengths = np.diff(positions[ends])[:, None]
    means = np.diff(running[ends], axis=0) / lengths
    total = running[ends[-1]] - running[ends[0]]
    gaps = np.sqrt(lengths) * (means - total / lengths.sum())
    return np.asarray(gaps.T @ gaps / (len(lengths) - 1))


def corrected(long: Array, short: Array) -> Array:
    """Raise the variances of batch means by what halving the batches shows them to lack.

    Batch means of a positively correlated path fall short of the variance by about c/length, so
    2·long - short is free of that term; it is used where it is larger, so the correction never
    narrows an interval. Correlations stay those of ``long``: the result is semi-definite.

    Args:
        long: From batches of one length, (p, p).
        short: From batches of half that length, (p, p).

    References:
        Vats and Flegal, Lugsail lag windows for estimating time-average covariance matrices,
        Biometrika 109 (2022). Singh, Shukla and Vats, On the utility of equal batch sizes for
        inference in stochastic gradient descent, JMLR 26 (2025).
    """
    before, other = np.diagonal(long), np.diagonal(short)
    after = np.maximum(before, 2.0 * before - other)
    stretch = np.sqrt(np.divide(after, before, out=np.ones_like(after), where=before > 0.0))
    return np.asarray(long * np.outer(stretch, stretch))


class BatchMeans:
    r"""Polyak-Ruppert average with intervals from the means of batches of the path.

    Sums of short runs are kept, never more than 1024 of them: when they are full, neighbours
    are added and runs become twice as long. So any batches can be formed afterwards, for a length
    that nobody knew before, in O(p) time a step. With up to 1024 steps batches are exact; after
    that their ends are rounded to whole runs (at most n/512 steps).

    ``"equal"`` batches (few, of a fixed number, with Student's t) are right under Markov noise as
    well; ``"increasing"`` are those of Chen and others for gains k^-a, with t for the M
    batches instead of the normal law, which covers too little at moderate n.

    Args:
        start: The point the path starts from, (p,) or a number.
        design: How batches are cut.
        n_batches: Number of equal batches, >= 2. Few long ones cover better than many short ones.
        exponent: The gain's exponent a in (0, 1), for increasing batches.
        correct: Whether equal batches are corrected for correlation between batches, by the
            difference that halving them makes.

    Raises:
        ValueError: A setting outside its range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> steps = BatchMeans(0.0).update(rng.standard_normal(2000))
        >>> bool(steps.interval(0.95).contains(0.0)[0])
        True

    References:
        Chen, Lee, Tong and Zhang, Ann. Stat. 48 (2020). Singh, Shukla and Vats, JMLR 26 (2025).
    """

    def __init__(
        self,
        start: ArrayLike,
        *,
        design: Design = "equal",
        n_batches: int = 8,
        exponent: float = 0.505,
        correct: bool = True,
    ) -> None:
        self.start = as_point("start", start)
        self.design = check_choice("design", design, ("equal", "increasing"))
        self.n_batches = check_integer("n_batches", n_batches, low=2, high=RESOLUTION // 4)
        self.exponent = check_real(
            "exponent", exponent, low=0.0, high=1.0, open_low=True, open_high=True
        )
        self.correct = bool(correct)
        self.n, self.length = 0, 1
        self._sums = np.zeros((RESOLUTION, len(self.start)))

    def update(self, path: ArrayLike) -> "BatchMeans":
        """Take in iterates β_k: one point (p,) or a block (m, p); m numbers where p = 1.

        Raises:
            ValueError: Not p coordinates, or not finite.
        """
        from drivetrain.approximation.inference._numba import push_batches

        block = as_block("path", path, len(self.start))
        n, length = push_batches(block, self.start, self.n, self.length, self._sums)
        self.n, self.length = int(n), int(length)
        return self

    @classmethod
    def from_sums(cls, start: Array, n: int, length: int, sums: Array) -> "BatchMeans":
        """Return equal batches over run sums that a compiled loop has kept, (1024, p)."""
        made = cls(start)
        made.n, made.length = n, length
        made._sums[...] = sums
        return made

    def estimate(self) -> Estimate:
        """Return β̄_n with its covariance; NaN while there are fewer steps than"""
        pivot = StudentPivot(max(self.n_batches - 1, 1))
        if self.n == 0:
            return nothing_yet(len(self.start), pivot, "batch_means")
        running = np.concatenate([np.zeros((1, len(self.start))), np.cumsum(self._sums, axis=0)])
        value = self.start + running[-1] / self.n
        units = -(-self.n // self.length)  # the last run may be short: it goes by its own length
        spread, pivot = self._spread(running, units)
        return Estimate(value, spread / self.n, pivot, "batch_means", self.n)

    def _spread(self, running: Array, units: int) -> tuple[Array, StudentPivot]:
        """Return the estimate of n·Cov(β̄_n) and its degrees of freedom."""
        positions = np.minimum(np.arange(units + 1) * self.length, self.n)
        if self.design == "equal":
            if units < 2 * self.n_batches:
                return unknown_matrix(running.shape[1]), StudentPivot(self.n_batches - 1)
            ends = self._rounded(equal_ends(self.n, self.n_batches))
            spread = between(running, positions, ends)
            if self.correct:
                halves = self._rounded(equal_ends(self.n, 2 * self.n_batches))
                spread = corrected(spread, between(running, positions, halves))
            return spread, StudentPivot(self.n_batches - 1)
        ends = np.unique(self._rounded(increasing_ends(self.n, self.exponent)))
        if len(ends) < 3:
            return unknown_matrix(running.shape[1]), StudentPivot(1)
        return between(running, positions, ends), StudentPivot(len(ends) - 2)

    def _rounded(self, ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the nearest run boundaries, as indices of runs; the last is the end of all."""
        units = np.asarray(np.rint(ends / self.length), dtype=np.int64)
        units[-1] = -(-self.n // self.length)
        return units

    def covariance(self) -> Array:
        """Return the estimated covariance of β̄_n, (p, p)."""
        return self.estimate().covariance

    def interval(self, level: float = 0.95) -> Interval:
        """Return a confidence interval for each coordinate."""
        return self.estimate().interval(level)

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to go on later."""
        return {
            "start": self.start.copy(),
            "sums": self._sums.copy(),
            "n": self.n,
            "length": self.length,
            "design": self.design,
            "n_batches": self.n_batches,
            "exponent": self.exponent,
            "correct": self.correct,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "BatchMeans":
        """Return what ``state_dict`` described; going on gives the same bits."""
        settings = {name: state[name] for name in ("design", "n_batches", "exponent", "correct")}
        made = cls(state["start"], **settings)
        made.n, made.length = int(state["n"]), int(state["length"])
        made._sums[...] = state["sums"]
        return made

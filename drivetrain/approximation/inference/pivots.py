"""Pivots: how many standard errors an interval reaches, exactly, for any level."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from drivetrain.core.checks import check_real


class Pivot(Protocol):
    """The limit law of (estimate - truth) / standard error; equal laws have equal hashes."""

    def __hash__(self) -> int: ...

    def tail(self, t: float) -> float:
        """Return P(|T| > t)."""

    def joint_tail(self, statistic: float, rank: int) -> float:
        """Return P(W > statistic) of the quadratic form in ``rank`` restrictions."""


def critical(pivot: Pivot, level: float) -> float:
    """Return the two-sided critical value q with P(|T| <= q) = level.

    Args:
        pivot: The law of T.
        level: In (0, 1).

    Raises:
        ValueError: A level outside (0, 1).

    Example:
        >>> [round(critical(RandomScalingPivot(), level), 3) for level in (0.8, 0.9, 0.95)]
        [3.875, 5.323, 6.747]
        >>> round(critical(NormalPivot(), 0.95), 6)
        1.959964
    """
    checked = check_real("level", level, low=0.0, high=1.0, open_low=True, open_high=True)
    return _critical(pivot, checked)


@lru_cache(maxsize=256)
def _critical(pivot: Any, level: float) -> float:
    # A root of an integral takes milliseconds, as long as a hundred thousand samples.
    wanted, high = 1.0 - level, 1.0
    while pivot.tail(high) > wanted:
        high *= 2.0
    return float(optimize.brentq(lambda t: pivot.tail(t) - wanted, 0.0, high, xtol=1e-13))


@dataclass(frozen=True)
class NormalPivot:
    """The standard normal law, right where the covariance is estimated consistently."""

    def tail(self, t: float) -> float:
        """Return P(|T| > t)."""
        return math.erfc(t / math.sqrt(2.0))

    def joint_tail(self, statistic: float, rank: int) -> float:
        """Return the tail of chi-square with ``rank`` degrees of freedom."""
        return float(stats.chi2.sf(statistic, rank))


@dataclass(frozen=True)
class StudentPivot:
    """Student's t, right where a fixed number of batches or shards gives the variance.

    Attributes:
        freedom: Degrees of freedom, >= 1: one less than there are batches.
    """

    freedom: float

    def tail(self, t: float) -> float:
        """Return P(|T| > t)."""
        return float(2.0 * stats.t.sf(t, self.freedom))

    def joint_tail(self, statistic: float, rank: int) -> float:
        """Return the tail of Hotelling's T², by F with (rank, freedom - rank + 1).

        Raises:
            ValueError: More restrictions than degrees of freedom.
        """
        rest = self.freedom - rank + 1.0
        if rest <= 0.0:
            raise ValueError(
                f"A joint test of {rank} restrictions needs at least as many degrees of freedom. "
                f"Got {self.freedom:g}: use more batches, or single intervals."
            )
        return float(stats.f.sf(statistic * rest / (self.freedom * rank), rank, rest))


@dataclass(frozen=True)
class RandomScalingPivot:
    r"""The law of W(1) / (∫(W(r) - r·W(1))² dr)^½, W Brownian motion.

    Numerator and denominator are independent. U = ∫(bridge)² is Cramér-von Mises, with
    E exp(-λU) = (√(2λ) / sinh √(2λ))^½; Craig's form of the normal tail turns the expectation
    over U into one smooth integral, so no table is needed:

    $$P(|T| > t) = \frac{2}{\pi} \int_0^{\pi/2} \sqrt{\frac{t/\sin\theta}{\sinh(t/\sin\theta)}}
    \, d\theta.$$

    References:
        Lee, Liao, Seo and Shin, Fast and robust online inference with SGD via random scaling,
        AAAI 2022, eq. 6. Anderson and Darling, Ann. Math. Stat. 23 (1952), eq. 4.33. Craig, A new
        formula for two-dimensional signal constellations, MILCOM 1991. Abadir and Paruolo,
        Econometrica 65 (1997), table I, has the quantiles 3.875, 5.323 and 6.747.
    """

    def tail(self, t: float) -> float:
        """Return P(|T| > t)."""
        # With 1/sin θ = cosh v the integrand is even and analytic for |Im v| < π/2, so the
        # trapezoidal rule of step h errs by about exp(-π²/h): below rounding at 1/4.
        values = _root_of_x_over_sinh(t * np.cosh(_NODES)) / np.cosh(_NODES)
        return float(min(1.0, 2.0 / np.pi * _STEP * (np.sum(values) - 0.5 * values[0])))

    def joint_tail(self, statistic: float, rank: int) -> float:
        """Return P(W(1)ᵀ(∫BBᵀ)⁻¹W(1) > statistic), B the bridge of W, in ``rank`` dimensions.

        Exact for one restriction. For more it is simulated from the bridge's Karhunen-Loève
        series, always with the same draws: 20,000 of them, so its standard error is at most .0036
        and .0016 at 5 %.

        References:
            Kiefer, Vogelsang and Bunzel, Econometrica 68 (2000), theorem 1.
        """
        if rank == 1:
            return self.tail(math.sqrt(statistic))
        return float(np.mean(_wald_draws(rank) > statistic))


_STEP = 0.25
_NODES = _STEP * np.arange(160)  # 1/cosh 40 < 1e-17


def _root_of_x_over_sinh(x: NDArray[np.float64]) -> NDArray[np.float64]:
    # x / sinh x = 2x·e^-x / (1 - e^-2x) cannot overflow; the quotient at 0 is 1.
    x = np.maximum(x, 1e-300)
    return np.sqrt(2.0 * x * np.exp(-x) / -np.expm1(-2.0 * x))


_DRAWS, _TERMS, _CHUNK = 20_000, 200, 1_000


def _wald_draws(rank: int) -> NDArray[np.float64]:
    """Draw W(1)ᵀ(∫BBᵀ)⁻¹W(1): ∫BBᵀ = Σ_j ξ_jξ_jᵀ/(jπ)², ξ_j standard normal vectors."""
    rng = np.random.default_rng(20220128 + rank)
    terms = max(_TERMS, 20 * rank)
    scale = 1.0 / (np.pi * np.arange(1, terms + 1))
    # What the series leaves out has mean (1/6 - Σ scale²)·I and next to no variance.
    rest = (1.0 / 6.0 - float(np.sum(scale**2))) * np.eye(rank)
    draws = np.empty(_DRAWS)
    for start in range(0, _DRAWS, _CHUNK):
        bridge = rng.standard_normal((_CHUNK, terms, rank)) * scale[:, None]
        end = rng.standard_normal((_CHUNK, rank, 1))
        matrix = np.swapaxes(bridge, 1, 2) @ bridge + rest
        draws[start : start + _CHUNK] = np.sum(end * np.linalg.solve(matrix, end), axis=(1, 2))
    return draws

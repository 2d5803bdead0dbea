"""Has a search with a constant gain arrived? Three running tests of stationarity."""

import math
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.core.checks import check_array, check_integer, check_real


class Pflug:
    r"""Pflug's test: the running sum of inner products of successive gradients.

    $$S_n = \sum_{k > b} \langle \tilde g_k, \tilde g_{k-1} \rangle$$

    On the way to the root successive gradients point alike, near it they point back and forth:
    S_n < 0 says that the search is stationary. Its noise is large: for small gains it answers too
    early even on quadratics, so prefer ``DistanceSlope`` there.

    Args:
        burn_in: b >= 1 gradients that are left out of the sum.

    References:
        Pflug, Non-asymptotic confidence bounds for stochastic approximation algorithms with
        constant step size, Monatsh. Math. 110 (1990). Chee and Toulis, AISTATS 2018. Its
        weakness: Pesme, Dieuleveut and Flammarion, ICML 2020.
    """

    def __init__(self, burn_in: int = 1) -> None:
        self.burn_in = check_integer("burn_in", burn_in, low=1)
        self.n = 0
        self.statistic = 0.0
        self._last = np.zeros(0)

    def update(self, gradient: ArrayLike) -> Self:
        """Take in the gradient of a step."""
        g = check_array("gradient", gradient, finite=True).reshape(-1)
        if self.n and len(g) != len(self._last):
            raise ValueError(
                f"gradient must hold {len(self._last)} numbers, as before. Got {len(g)}."
            )
        self.n += 1
        if self.n > self.burn_in:
            self.statistic += float(np.dot(g, self._last))
        self._last = g.copy()
        return self

    @property
    def stationary(self) -> bool:
        """Whether the sum is negative."""
        return self.statistic < 0.0


class FluctuationRelation:
    r"""Yaida's first relation, which holds exactly in any stationary state of constant gain.

    $$\langle (w - o) \cdot \tilde g \rangle = \tfrac{a}{2} \langle \tilde g \cdot \tilde g
    \rangle$$

    It is E‖w_{k+1} - o‖² = E‖w_k - o‖² written out, so it holds for every fixed origin o (Yaida
    has o = 0; a point near the root gives the least noise). Averages are taken over at least the
    last half of the steps.

    Args:
        gain: The constant gain a.
        origin: o, of the shape of w.
        tolerance: How near to 1 the ratio of both sides must come.

    Example:
        >>> relation = FluctuationRelation(0.1)
        >>> w, rng = 0.0, np.random.default_rng(0)
        >>> for noise in rng.standard_normal(20000):
        ...     g = w + noise
        ...     _ = relation.update(w, g)
        ...     w -= 0.1 * g
        >>> abs(relation.ratio - 1.0) < 0.1
        True

    References:
        Yaida, Fluctuation-dissipation relations for stochastic gradient descent, ICLR 2019,
        relation FDR1.
    """

    def __init__(self, gain: float, *, origin: ArrayLike = 0.0, tolerance: float = 0.1) -> None:
        self.gain = check_real("gain", gain, low=0.0, open_low=True)
        self.tolerance = check_real("tolerance", tolerance, low=0.0, open_low=True)
        self.origin = check_array("origin", origin, finite=True)
        self.n = 0
        self._now = [0.0, 0.0]
        self._before = [0.0, 0.0]

    def update(self, w: ArrayLike, gradient: ArrayLike) -> Self:
        """Take in the point before a step and the gradient observed there."""
        g = check_array("gradient", gradient, finite=True)
        point = check_array("w", w, finite=True)
        if point.shape != g.shape or self.origin.shape not in ((), g.shape):
            raise ValueError(
                f"w, gradient and origin must be alike. Got {point.shape}, {g.shape} and "
                f"{self.origin.shape}."
            )
        offset = point - self.origin
        if self.n & (self.n - 1) == 0:  # at powers of two the older half is dropped
            self._before, self._now = self._now, [0.0, 0.0]
        self.n += 1
        self._now[0] += float(np.sum(offset * g))
        self._now[1] += 0.5 * self.gain * float(np.sum(g * g))
        return self

    @property
    def ratio(self) -> float:
        """Left side over right side: 1 when stationary, larger on the way; NaN without noise."""
        left, right = (a + b for a, b in zip(self._now, self._before, strict=True))
        return left / right if right else math.nan

    @property
    def stationary(self) -> bool:
        """Whether the ratio is within the tolerance of 1."""
        return abs(self.ratio - 1.0) < self.tolerance


class DistanceSlope:
    r"""The distance test: how fast the squared distance from the start still grows.

    $$S = \frac{\log \|w_n - w_0\|^2 - \log \|w_{n/q} - w_0\|^2}{\log n - \log (n/q)}$$

    at n = q^k, k > k_0. It is about 2 while the search drifts, 1 while it diffuses, and
    falls to 0 in the stationary state.

    Args:
        start: w_0.
        q: > 1, ratio of successive looks.
        first: k_0 >= 0; nothing is said before n = q^(k_0 + 1).
        threshold: S below it means stationary, in (0, 2].

    References:
        Pesme, Dieuleveut and Flammarion, On convergence-diagnostic based step sizes for
        stochastic gradient descent, ICML 2020.
    """

    def __init__(
        self, start: ArrayLike, *, q: float = 1.5, first: int = 5, threshold: float = 0.6
    ) -> None:
        self.start = check_array("start", start, finite=True).copy()
        self.q = check_real("q", q, low=1.0, open_low=True)
        self.threshold = check_real("threshold", threshold, low=0.0, high=2.0, open_low=True)
        self.n = 0
        self._look = check_integer("first", first, low=0)
        self._seen: tuple[int, float] | None = None
        self.slope = math.nan

    def update(self, w: ArrayLike) -> Self:
        """Take in the point after a step."""
        point = check_array("w", w, finite=True)
        if point.shape != self.start.shape:
            raise ValueError(
                f"w must have the shape of start, {self.start.shape}. Got {point.shape}."
            )
        self.n += 1
        if self.n < math.ceil(self.q**self._look):
            return self
        while math.ceil(self.q**self._look) <= self.n:
            self._look += 1
        square = float(np.sum((point - self.start) ** 2))
        if self._seen is not None and square > 0.0 and self._seen[1] > 0.0:
            n, before = self._seen
            self.slope = math.log(square / before) / math.log(self.n / n)
        self._seen = (self.n, square)
        return self

    @property
    def stationary(self) -> bool:
        """Whether the last slope is below the threshold; False before the first."""
        return self.slope < self.threshold

"""Dvoretzky's process, and its extension over a finite set: what proves that searches converge."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.gains import Gain, GainWarning
from drivetrain.approximation.search.functions import check_function
from drivetrain.core.checks import check_array, check_integer, check_real
from drivetrain.core.seeds import RandomState, numpy_generator

Array = NDArray[np.float64]
Coefficient = Gain | float | Callable[[int, Array], Any]
NoiseSource = Callable[[np.random.Generator, int, Array], ArrayLike]


@dataclass(frozen=True, kw_only=True)
class DvoretzkyReport:
    """Which of Dvoretzky's conditions hold; None where a function hides it.

    Attributes:
        alpha_infinite: Σ α_k = ∞.
        alpha_squares_finite: Σ α_k² < ∞.
        beta_squares_finite: Σ β_k² < ∞.
    """

    alpha_infinite: bool | None
    alpha_squares_finite: bool | None
    beta_squares_finite: bool | None

    @property
    def ok(self) -> bool:
        """Whether no condition is known to fail."""
        return False not in (
            self.alpha_infinite,
            self.alpha_squares_finite,
            self.beta_squares_finite,
        )


@dataclass(frozen=True)
class Dvoretzky:
    r"""The process that convergence proofs reduce a search to.

    $$\Delta_{k+1} = (1 - \alpha_k) \Delta_k + \beta_k \eta_k, \qquad \alpha_k, \beta_k \ge 0$$

    Δ -> 0 almost surely if (a) Σα_k = ∞, Σα_k² < ∞ and Σβ_k² < ∞ uniformly almost surely, and
    (b) E[η_k | H_k] = 0 and E[η_k² | H_k] <= C. Σβ_k = ∞ is not needed: β = 0 converges, too.

    Args:
        alpha: α_k: a Gain, a number >= 0, or a function of k and the history (k, R), whose last
            row is Δ_k; it returns a number or (R,).
        beta: β_k, likewise.
        noise: η_k: None for standard normals, or a function of a generator, k and the history.

    Example:
        >>> from drivetrain.approximation import Gain
        >>> process = Dvoretzky(Gain(), Gain())
        >>> path = process.simulate(5.0, 2000, replicas=3, random_state=0)
        >>> path.shape, bool(np.abs(path[-1]).max() < 0.1)
        ((2001, 3), True)

    References:
        Dvoretzky, On stochastic approximation, Proc. 3rd Berkeley Symp. (1956). Zhao,
        Mathematical Foundations of Reinforcement Learning (2025), chapter 6.
    """

    alpha: Coefficient
    beta: Coefficient
    noise: NoiseSource | None = None

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if not callable(value):
                check_real(name, value, low=0.0, high=math.inf, open_high=True)
        if self.noise is not None:
            check_function("noise", self.noise)

    def check(self) -> DvoretzkyReport:
        """Decide condition (a) for gains and numbers.

        Warns:
            GainWarning: A sum fails.
        """
        infinite, squares = _sums(self.alpha)
        report = DvoretzkyReport(
            alpha_infinite=infinite,
            alpha_squares_finite=squares,
            beta_squares_finite=_sums(self.beta)[1],
        )
        if not report.ok:
            names = {
                "sum alpha_k < inf": report.alpha_infinite,
                "sum alpha_k^2 = inf": report.alpha_squares_finite,
                "sum beta_k^2 = inf": report.beta_squares_finite,
            }
            broken = ", ".join(words for words, holds in names.items() if holds is False)
            warnings.warn(GainWarning(f"Dvoretzky's condition (a) fails: {broken}."), stacklevel=2)
        return report

    def simulate(
        self,
        start: float,
        steps: int,
        *,
        replicas: int = 1,
        random_state: RandomState = None,
    ) -> Array:
        """Run the process.

        Args:
            start: Δ_1.
            steps: How many steps, >= 0.
            replicas: R independent runs, side by side.
            random_state: Seed of the noise.

        Returns:
            (steps + 1, R) paths from Δ_1 on.

        Raises:
            ValueError: α_k or β_k is negative or not finite, η_k is NaN, one of them is of
                another shape than (R,), or bad input.
        """
        check_integer("steps", steps, low=0)
        check_integer("replicas", replicas, low=1)
        rng = numpy_generator(random_state)
        path = np.empty((steps + 1, replicas))
        path[0] = check_real(
            "start", start, low=-math.inf, high=math.inf, open_low=True, open_high=True
        )
        for k in range(1, steps + 1):
            history = path[:k]
            alpha = _coefficient("alpha", self.alpha, k, history)
            beta = _coefficient("beta", self.beta, k, history)
            if self.noise is None:
                eta: Any = rng.standard_normal(replicas)
            else:
                eta = _checked("eta", self.noise(rng, k, history), k, replicas)
            path[k] = (1.0 - alpha) * path[k - 1] + beta * eta
        return path


def _sums(value: Coefficient) -> tuple[bool | None, bool | None]:
    if isinstance(value, Gain):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GainWarning)
            report = value.check()
        return report.sum_infinite, report.squares_finite
    if callable(value):
        return None, None
    return value > 0.0, value == 0.0


def _coefficient(name: str, value: Coefficient, k: int, history: Array) -> Any:
    if isinstance(value, Gain):
        return value.at(k)
    if not callable(value):
        return value
    return _checked(name, value(k, history), k, history.shape[1], low=0.0)


def _checked(name: str, value: ArrayLike, k: int, size: int, *, low: float = -math.inf) -> Array:
    found = check_array(f"{name}_k", value, ndim=(0, 1), finite=True)
    if found.shape not in ((), (size,)):
        raise ValueError(f"{name}_k must be a number or ({size},). Got {found.shape} at k = {k}.")
    if np.any(found < low):
        raise ValueError(f"{name}_k must be >= {low:g}. Got {found.min():g} at k = {k}.")
    return found


Draw = Callable[[int, Array, np.random.Generator], tuple[ArrayLike, ArrayLike, ArrayLike]]


@dataclass(frozen=True)
class FiniteDvoretzky:
    r"""The extension over a finite set S, which covers TD and Q-learning.

    $$\Delta_{k+1}(s) = (1 - \alpha_k(s)) \Delta_k(s) + \beta_k(s) \eta_k(s)$$

    Δ -> 0 almost surely if, for every s, (a) Σα_k(s) = ∞, Σα_k² < ∞, Σβ_k² < ∞ and
    E[β_k | H_k] <= E[α_k | H_k]; (b) ‖E[η_k | H_k]‖∞ <= γ‖Δ_k‖∞ with γ < 1; (c)
    var[η_k(s) | H_k] <= C(1 + ‖Δ_k‖∞)².

    Args:
        draw: (k, Δ_k, generator) to α_k, β_k and η_k, each a number or (S,).

    References:
        Jaakkola, Jordan and Singh, Neural Computation 6 (1994). Zhao (2025), chapter 6.
    """

    draw: Draw

    def __post_init__(self) -> None:
        check_function("draw", self.draw)

    def simulate(self, start: ArrayLike, steps: int, *, random_state: RandomState = None) -> Array:
        """Run the process from Δ_1 = start, (S,); return (steps + 1, S).

        Raises:
            ValueError: α_k or β_k is negative, one of the three is not finite or of another
                shape than (S,), or bad input.
        """
        delta = check_array("start", start, ndim=1, finite=True)
        check_integer("steps", steps, low=0)
        rng = numpy_generator(random_state)
        path = np.empty((steps + 1, len(delta)))
        path[0] = delta
        for k in range(1, steps + 1):
            alpha, beta, eta = self._drawn(k, path[k - 1], rng)
            path[k] = (1.0 - alpha) * path[k - 1] + beta * eta
        return path

    def _drawn(self, k: int, delta: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        drawn, size = self.draw(k, delta, rng), len(delta)
        if not isinstance(drawn, tuple) or len(drawn) != 3:
            raise ValueError(f"draw must return (alpha_k, beta_k, eta_k). Got {drawn!r:.60}.")
        return (
            _checked("alpha", drawn[0], k, size, low=0.0),
            _checked("beta", drawn[1], k, size, low=0.0),
            _checked("eta", drawn[2], k, size),
        )

    def contraction(
        self, delta: ArrayLike, *, k: int = 1, draws: int = 10_000, random_state: RandomState = None
    ) -> float:
        """Estimate ‖E[η_k | Δ_k = delta]‖∞ / ‖delta‖∞, which condition (b) wants below γ < 1.

        Raises:
            ValueError: delta is 0.
        """
        point = check_array("delta", delta, ndim=1, finite=True)
        size = float(np.abs(point).max(initial=0.0))
        if size == 0.0:
            raise ValueError("delta must not be 0: the ratio is that to its size.")
        check_integer("draws", draws, low=1)
        rng = numpy_generator(random_state)
        total = np.zeros(len(point))
        for _ in range(draws):
            total += self._drawn(k, point, rng)[2]
        return float(np.abs(total / draws).max() / size)

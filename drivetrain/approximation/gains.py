"""Gains (step sizes) a_k, and what their sums say about convergence. The first step is k = 1."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array, check_integer, check_real, check_same_length

Schedule = Callable[[int], float]


class GainWarning(UserWarning):
    """A gain breaks a condition that convergence to the root needs."""


@dataclass(frozen=True, kw_only=True)
class GainReport:
    """Which conditions of Robbins and Monro a gain fulfils.

    Attributes:
        sum_infinite: Whether Σ a_k = ∞; None where it cannot be told.
        squares_finite: Whether Σ a_k² < ∞; None where it cannot be told.
        fast: Whether the rate 1/n is reached for the slope that was given; None without one.
        reasons: One sentence a condition, in this order.
    """

    sum_infinite: bool | None
    squares_finite: bool | None
    fast: bool | None
    reasons: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is known to be broken."""
        return False not in (self.sum_infinite, self.squares_finite, self.fast)

    def __str__(self) -> str:
        return " ".join(self.reasons)


@dataclass(frozen=True)
class Gain:
    r"""A gain of the family that the conditions can be decided for symbolically.

    $$a_k = a \log^\beta(k) / (k + A)^\alpha, \qquad k = 1, 2, \dots$$

    Since log 1 = 0 would make the first step nothing (β > 0) or infinite (β < 0), log k is read
    as log max(k, 2); that changes one term, hence neither sum's convergence.

    Args:
        a: Scale, > 0.
        alpha: Exponent, >= 0; in (1/2, 1] the conditions hold.
        A: Stability constant, > -1: larger means smaller first steps.
        log_power: The power β of the logarithm, any real number.

    Raises:
        ValueError: A parameter outside its range.

    Example:
        >>> Gain(a=2.0, alpha=1.0, A=3.0).at(1)
        0.5
        >>> print(Gain(alpha=0.7).check())
        sum a_k = inf: alpha = 0.7 < 1. sum a_k^2 < inf: alpha = 0.7 > 1/2.

    References:
        Robbins and Monro, A stochastic approximation method, Ann. Math. Stat. 22 (1951).
    """

    a: float = 1.0
    alpha: float = 1.0
    A: float = 0.0
    log_power: float = 0.0

    def __post_init__(self) -> None:
        checked = {
            "a": _check_finite_real("a", self.a, low=0.0, open_low=True),
            "alpha": _check_finite_real("alpha", self.alpha, low=0.0),
            "A": _check_finite_real("A", self.A, low=-1.0, open_low=True),
            "log_power": _check_finite_real(
                "log_power", self.log_power, low=-math.inf, open_low=True
            ),
        }
        # Python floats, whatever came: a numpy float32 would make every step a float32.
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def constant(cls, c: float) -> "Gain":
        """Return a_k = c, which moves for ever: it tracks, but does not settle."""
        return cls(a=c, alpha=0.0)

    @classmethod
    def invscaling(cls, eta0: float = 0.01, power_t: float = 0.25) -> "Gain":
        """Return scikit-learn's ``"invscaling"``: eta0 / pow(k, power_t), equal bit for bit."""
        return cls(a=eta0, alpha=power_t)

    @classmethod
    def optimal(cls, alpha: float = 1e-4) -> "Gain":
        """Return scikit-learn's ``"optimal"``: 1 / (alpha·(k - 1 + t0)), equal to a few ulp.

        t0 = 1 / (alpha·typw), typw = alpha^(-1/4), is Bottou's heuristic; ``alpha`` is the
        strength of the penalty, not the exponent.
        """
        check_real("alpha", alpha, low=0.0, open_low=True)
        typical_weight = math.sqrt(1.0 / math.sqrt(alpha))
        return cls(a=1.0 / alpha, A=1.0 / (typical_weight * alpha) - 1.0)

    def at(self, k: int) -> float:
        """Return a_k.

        Raises:
            ValueError: k < 1.
        """
        check_integer("k", k, low=1)
        numerator = self.a
        if self.log_power:
            numerator *= _power(math.log(max(k, 2)), self.log_power)
        return numerator / _power(k + self.A, self.alpha)

    __call__ = at

    def array(self, n: int, start: int = 1) -> NDArray[np.float64]:
        """Return ``[a_start, ..., a_{start+n-1}]``, each the very number ``at`` gives.

        Raises:
            ValueError: n < 0 or start < 1.
        """
        check_integer("n", n, low=0)
        check_integer("start", start, low=1)
        k = np.arange(start, start + n, dtype=np.float64)
        numerator = np.full(n, float(self.a))
        if self.log_power:
            numerator *= _powers(
                list(map(math.log, np.maximum(k, 2.0).tolist())), self.log_power, n
            )
        if self.alpha == 0.0:
            return numerator
        base = k + self.A
        return numerator / (base if self.alpha == 1.0 else _powers(base.tolist(), self.alpha, n))

    def check(self, *, slope: float | None = None) -> GainReport:
        """Decide the conditions Σ a_k = ∞ and Σ a_k² < ∞ from the exponents.

        Args:
            slope: The slope b = g'(w*) > 0 at the root. With a_k = a/k the error only falls as
                fast as 1/n (mean square) if a·b > 1/2; then that is decided, too.

        Warns:
            GainWarning: A condition fails. A constant gain is allowed, but warned about.

        References:
            Sacks, Ann. Math. Stat. 29 (1958) (a·b > 1/2).
        """
        infinite, why_infinite = _sum_infinite(self.alpha, self.log_power)
        finite, why_finite = _squares_finite(self.alpha, self.log_power)
        fast, reasons = None, [why_infinite, why_finite]
        if slope is not None:
            fast, why = _fast(self, check_real("slope", slope, low=0.0, open_low=True))
            reasons.append(why)
        report = GainReport(
            sum_infinite=infinite, squares_finite=finite, fast=fast, reasons=tuple(reasons)
        )
        _warn(report, constant=self.alpha == 0.0 and self.log_power == 0.0)
        return report


def as_schedule(gain: Gain | Schedule | float) -> Schedule:
    """Return a gain as a function of k: a number becomes a constant gain.

    Raises:
        TypeError: Neither a Gain, nor a function, nor a number.
        ValueError: A number <= 0.
    """
    if callable(gain):
        return gain
    return Gain.constant(check_real("gain", gain, low=0.0, open_low=True))


def tabulated(gain: Gain | Schedule | float) -> Schedule:
    """Return the same gain as a function that looks 256 steps up at a time: for loops.

    Its numbers are those of ``Gain.at``, at a tenth of the time where k rises by one.
    """
    schedule = as_schedule(gain)
    if not isinstance(schedule, Gain):
        return schedule
    table: list[float] = []
    first = 1

    def look_up(k: int) -> float:
        nonlocal table, first
        if not 0 <= k - first < len(table):
            table, first = schedule.array(256, k).tolist(), k
        return table[k - first]

    return look_up


def check_gain(gain: Gain | Schedule | float, *, slope: float | None = None) -> GainReport:
    """Check any gain: the family by its exponents, a function by the slope of log a_k.

    A function is looked at between k = 10^4 and 10^6, where -d log a_k / d log k stands for α.
    That is a hint, no proof: within 0.02 of a border the answer is None, and it only warns. One
    that is 0 by then falls faster than every power; one that ends before, such as a table, is
    not judged.

    Args:
        gain: A Gain, a number (constant) or a function of k >= 1.
        slope: As in ``Gain.check``; only used for a Gain.

    Warns:
        GainWarning: A condition fails, or seems to.

    Raises:
        TypeError: The function gives no number.
        ValueError: It is negative or not finite.
    """
    schedule = as_schedule(gain)
    if isinstance(schedule, Gain):
        return schedule.check(slope=slope)
    exponent = _measured_exponent(schedule)
    report = GainReport(
        sum_infinite=_below(exponent, 1.0),
        squares_finite=_below(-exponent, -0.5),
        fast=None,
        reasons=(
            f"The gain falls like k^-{exponent:.3f} between k = 1e4 and 1e6 (numerical, no proof).",
            "Needed: an exponent in (1/2, 1].",
        ),
    )
    _warn(report, constant=abs(exponent) < _MARGIN)
    return report


def _measured_exponent(schedule: Schedule) -> float:
    """Return how fast a function falls; infinite where it has come to 0, NaN where it ends."""
    ks, values = (10**4, 10**5, 10**6), []
    for k in ks:
        try:
            value = schedule(k)
        except (LookupError, ArithmeticError):
            return math.nan
        values.append(_check_finite_real(f"gain({k})", value, low=0.0))
    if 0.0 in values:
        return math.inf
    return -float(np.polyfit(np.log(ks), np.log(values), 1)[0])


@dataclass(frozen=True, kw_only=True)
class GainAdvice:
    """What a pilot run says about the gain.

    Attributes:
        gain: a_k = a/k with the best a = 1/b.
        slope: The estimate of b = g'(w*); in several dimensions the least eigenvalue.
        error: Its standard error (scalar pilot runs), else NaN.
        root: Where the fitted line crosses the target.
    """

    gain: Gain
    slope: float
    error: float
    root: NDArray[np.float64]


def advise_gain(points: ArrayLike, observations: ArrayLike, *, target: float = 0.0) -> GainAdvice:
    r"""Return the best gain a/k from a pilot run, by regressing observations on points.

    The mean square of RM with a_k = a/k tends to a²s²/((2ab - 1)·n), least at a = 1/b.

    Args:
        points: Where it was observed, (n,) or (n, p), n > p + 1.
        observations: What was observed there, of the same shape.
        target: The value c of g(w) = c.

    Raises:
        ValueError: Shapes differ, too few points, all points the same, or no positive slope
            (a decreasing g wants ``sign=-1``).

    Example:
        >>> w = np.array([0.0, 1.0, 2.0, 3.0])
        >>> advise_gain(w, 4.0 * (w - 1.0)).gain.a
        0.25

    References:
        Lai and Robbins, Adaptive design and stochastic approximation, Ann. Stat. 7 (1979).
    """
    w = check_array("points", points, ndim=(1, 2), finite=True)
    y = check_array("observations", observations, ndim=w.ndim, finite=True)
    y = y - check_real("target", target)
    n = check_same_length(points=w, observations=y)
    w, y = w.reshape(n, -1), y.reshape(n, -1)
    p = w.shape[1]
    if w.shape != y.shape or n < p + 2:
        raise ValueError(
            f"points and observations must be (n, p) with n >= p + 2. Got {w.shape}, {y.shape}."
        )
    centre, mean = w.mean(axis=0), y.mean(axis=0)
    solution, residual, rank, _ = np.linalg.lstsq(w - centre, y - mean, rcond=None)
    if rank < p:
        raise ValueError("points must spread in every direction. Got a pilot run that does not.")
    slope = float(np.linalg.eigvalsh((solution + solution.T) / 2)[0])
    if slope <= 0.0:
        raise ValueError(f"The slope must be > 0. Got {slope:.4g}: pass -observations (sign=-1).")
    error = math.nan
    if p == 1:
        error = math.sqrt(float(residual[0]) / (n - 2) / float(np.sum((w - centre) ** 2)))
    root = centre - np.linalg.solve(solution.T, mean)
    return GainAdvice(gain=Gain(a=1.0 / slope), slope=slope, error=error, root=root)


_MARGIN = 0.02  # log k and the like bend a slope by 1/log k: nearer to a border nothing is said


def _check_finite_real(name: str, value: float, *, low: float, open_low: bool = False) -> float:
    return check_real(name, value, low=low, open_low=open_low, high=math.inf, open_high=True)


def _below(value: float, border: float) -> bool | None:
    return None if math.isnan(value) or abs(value - border) < _MARGIN else value < border


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf


def _powers(base: list[float], exponent: float, n: int) -> NDArray[np.float64]:
    # numpy's power may take a vector path that differs from the C library's in the last bit;
    # the single step, Numba and scikit-learn all call the C library.
    try:
        return np.fromiter(map(math.pow, base, repeat(exponent)), np.float64, n)
    except OverflowError:
        return np.fromiter(map(_power, base, repeat(exponent)), np.float64, n)


def _sum_infinite(alpha: float, beta: float) -> tuple[bool, str]:
    if alpha != 1.0:
        holds = alpha < 1.0
        why = f"alpha = {alpha:g} {'<' if holds else '>'} 1"
        return holds, f"sum a_k {'=' if holds else '<'} inf: {why}" + (
            "." if holds else ", the steps end before the root is reached."
        )
    holds = beta >= -1.0
    why = "alpha = 1" + (f" and log_power = {beta:g} {'>=' if holds else '<'} -1" if beta else "")
    return holds, f"sum a_k {'=' if holds else '<'} inf: {why}."


def _squares_finite(alpha: float, beta: float) -> tuple[bool, str]:
    if alpha != 0.5:
        holds = alpha > 0.5
        why = f"alpha = {alpha:g} {'>' if holds else '<'} 1/2"
    else:
        holds = beta < -0.5
        why = f"alpha = 1/2 and log_power = {beta:g} {'<' if holds else '>='} -1/2"
    return holds, f"sum a_k^2 {'<' if holds else '='} inf: {why}" + (
        "." if holds else ", the noise is not averaged out."
    )


def _fast(gain: Gain, slope: float) -> tuple[bool, str]:
    if gain.alpha < 1.0:
        return True, f"No bound on a*b: alpha = {gain.alpha:g} < 1."
    if gain.alpha > 1.0 or gain.log_power < 0.0:
        return False, "a_k*k -> 0: slower than any power that a/k could give."
    if gain.log_power > 0.0:
        return True, "a_k*k -> inf: a*b > 1/2 in the end."
    product = gain.a * slope
    if product > 0.5:
        return True, f"a*b = {product:g} > 1/2 (best is 1)."
    return False, f"a*b = {product:g} <= 1/2: slower than 1/n; take a = {1.0 / slope:g}."


def _warn(report: GainReport, *, constant: bool) -> None:
    if report.ok:
        return
    words = "A constant gain does not settle. " if constant else ""
    warnings.warn(GainWarning(f"{words}{report}"), stacklevel=3)

"""Gradients from noisy values: Kiefer and Wolfowitz's differences, Spall's random directions."""

import warnings

import numpy as np

from drivetrain.approximation.gains import Gain, GainReport, GainWarning, Schedule, as_schedule
from drivetrain.approximation.search.regions import Array


def central_points(x: Array, c: float, *, scalar: bool) -> Array:
    """Return where two-sided differences observe: all x + c·e_i, then all x - c·e_i.

    Args:
        x: (..., p), or (...) where each entry is a problem of its own.
        c: Half the width.
        scalar: Whether x holds scalar problems.

    Returns:
        (2p, ..., p), or (2, ...) for scalar problems.
    """
    if scalar:
        return np.stack((x + c, x - c))
    p = x.shape[-1]
    steps = c * np.eye(p).reshape(p, *(1,) * (x.ndim - 1), p)
    points: Array = np.concatenate((x + steps, x - steps))
    return points


def central_gradient(values: Array, c: float, *, scalar: bool) -> Array:
    """Return the two-sided differences of values at ``central_points``, of the shape of x."""
    half = len(values) // 2
    gradient = (values[:half] - values[half:]) / (2.0 * c)
    return np.asarray(gradient[0] if scalar else np.moveaxis(gradient, 0, -1), dtype=np.float64)


def simultaneous_points(x: Array, c: float, delta: Array) -> Array:
    """Return x + c·Δ and x - c·Δ, stacked."""
    step = c * delta
    points = np.empty((2, *np.shape(x)))
    points[0], points[1] = x + step, x - step
    return points


def simultaneous_gradient(values: Array, c: float, delta: Array, *, scalar: bool) -> Array:
    """Return (y+ - y-)/(2c·Δ_i), of the shape of x."""
    difference = (values[0] - values[1]) / (2.0 * c)
    # Δ_i = ±1, so to divide by it is to multiply.
    return difference * delta if scalar else difference[..., None] * delta


def signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return independent ±1, each with probability 1/2."""
    return np.where(rng.random(shape) < 0.5, 1.0, -1.0)


def check_widths(
    gain: Gain | Schedule | float, width: Gain | Schedule | float
) -> GainReport | None:
    r"""Decide $c_k \to 0$ and $\sum a_k^2 / c_k^2 < \infty$ where both are power laws.

    Warns:
        GainWarning: One fails.

    Returns:
        The report (``sum_infinite`` is that of the gain), or None for functions of k.

    References:
        Spall, Multivariate stochastic approximation using a simultaneous perturbation gradient
        approximation, IEEE TAC 37 (1992).
    """
    a, c = as_schedule(gain), as_schedule(width)
    if not isinstance(a, Gain) or not isinstance(c, Gain):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GainWarning)
        infinite = a.check().sum_infinite
    shrinks = c.alpha > 0.0
    exponent = 2.0 * (a.alpha - c.alpha)
    report = GainReport(
        sum_infinite=infinite,
        squares_finite=exponent > 1.0 and shrinks,
        fast=None,
        reasons=(
            f"c_k {'-> 0' if shrinks else 'stays: the differences stay biased'}.",
            f"sum a_k^2/c_k^2 {'<' if exponent > 1.0 else '='} inf: it falls like "
            f"k^-{exponent:.4g}.",
        ),
    )
    if not report.squares_finite:
        warnings.warn(GainWarning(str(report)), stacklevel=3)
    return report

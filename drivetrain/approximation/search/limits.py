"""What theory says of the error: asymptotic laws, and exact mean squares for linear problems."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.gains import Gain, Schedule, as_schedule
from drivetrain.core.checks import check_array, check_integer, check_real, check_same_length

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Limit:
    r"""The law $n^{\text{rate}} (w_n - w^*) \to N(\text{bias}, \text{variance})$.

    Attributes:
        rate: The exponent of n.
        bias: Mean of the limit.
        variance: Variance of the limit.
    """

    rate: float
    bias: float
    variance: float

    @property
    def mean_square(self) -> float:
        """bias² + variance, the limit of n^(2·rate)·MSE."""
        return self.bias**2 + self.variance


def robbins_monro_limit(a: float, *, slope: float, noise: float) -> Limit:
    r"""Return the limit for a_k = a/k: $n \cdot MSE \to a^2 s^2 / (2ab - 1)$.

    Args:
        a: Scale of the gain.
        slope: b = g'(w*) > 0.
        noise: Standard deviation s of an observation.

    Raises:
        ValueError: a·b <= 1/2, where the rate is not 1/n.

    Example:
        >>> robbins_monro_limit(1.0, slope=1.0, noise=1.0).variance
        1.0

    References:
        Sacks, Ann. Math. Stat. 29 (1958).
    """
    check_real("noise", noise, low=0.0)
    product = _product(a, slope, 0.5)
    return Limit(rate=0.5, bias=0.0, variance=(a * noise) ** 2 / (2.0 * product - 1.0))


def averaged_limit(*, slope: float, noise: float) -> Limit:
    r"""Return the limit of Polyak-Ruppert averages: $n \cdot MSE \to s^2 / b^2$.

    References:
        Polyak and Juditsky, SIAM J. Control Optim. 30 (1992).
    """
    check_real("slope", slope, low=0.0, open_low=True)
    check_real("noise", noise, low=0.0)
    return Limit(rate=0.5, bias=0.0, variance=(noise / slope) ** 2)


def difference_limit(
    a: float, c: float, *, slope: float, noise: float, third: float = 0.0
) -> Limit:
    r"""Return the limit of KW, and of a coordinate of SPSA, for a_k = a/k, c_k = c·k^(-1/6).

    The estimate of the gradient has bias $c_k^2 f'''/6$ and variance
    $s^2 / (2 c_k^2)$, s the standard deviation of a value. With e_k the error, a mean μ·k^(-1/3)
    and a mean square V·k^(-2/3) reproduce themselves under
    $e_{k+1} = (1 - ab/k) e_k - (a/k)(c_k^2 f'''/6 + s ξ_k / (\sqrt2 c_k))$ if

    $$\mu = -\frac{a c^2 f'''/6}{ab - 1/3}, \qquad V = \frac{a^2 s^2 / (2 c^2)}{2ab - 2/3},$$

    which is Fabian's theorem with α = 1, β = 2/3; for SPSA, Spall's with σ² = 2s² (the
    variance of the difference of two values) and ρ² = 1.

    Args:
        a: Scale of the gain.
        c: Scale of the width.
        slope: b = f''(w*) > 0, the eigenvalue of the Hessian that belongs to the coordinate.
        noise: Standard deviation s of a value.
        third: f''' at w* (KW; for SPSA the sum over directions of Spall's proposition 2).

    Raises:
        ValueError: a·b <= 1/3, where the rate is slower.

    Example:
        >>> round(difference_limit(1.0, 1.0, slope=1.0, noise=1.0).variance, 6)
        0.375

    References:
        Fabian, Ann. Math. Stat. 39 (1968), theorem 2.2. Spall, IEEE Trans. Autom. Control 37
        (1992), proposition 2.
    """
    check_real("c", c, low=0.0, open_low=True)
    check_real("noise", noise, low=0.0)
    check_real("third", third)
    product = _product(a, slope, 1.0 / 3.0)
    bias = -a * c**2 * third / 6.0 / (product - 1.0 / 3.0)
    variance = (a * noise) ** 2 / (2.0 * c**2) / (2.0 * product - 2.0 / 3.0)
    return Limit(rate=1.0 / 3.0, bias=bias, variance=variance)


def linear_mean_square(
    gain: Gain | Schedule | float,
    steps: int,
    *,
    slope: float,
    noise: float,
    start: float = 0.0,
    width: Gain | Schedule | float | None = None,
) -> Array:
    r"""Return E[(w_k - w*)²] for k = 1, ..., steps + 1, exactly, where g is linear.

    $$v_{k+1} = (1 - a_k b)^2 v_k + a_k^2 s_k^2$$

    with s_k = s, or s/(√2·c_k) for two-sided differences of a quadratic. It holds for every n,
    so it corrects the limits where they come slowly (like n^{-(2ab-1)}).

    Args:
        gain: a_k.
        steps: How many steps, >= 0.
        slope: b.
        noise: s.
        start: w_1 - w*.
        width: c_k of KW; None for RM.

    Returns:
        (steps + 1,) mean squares.

    Example:
        >>> linear_mean_square(1.0, 2, slope=0.5, noise=0.0, start=4.0)
        array([16.,  4.,  1.])
    """
    check_integer("steps", steps, low=0)
    for name, value in (("slope", slope), ("noise", noise), ("start", start)):
        check_real(name, value)
    a, c = as_schedule(gain), None if width is None else as_schedule(width)
    v = np.empty(steps + 1)
    v[0] = start**2
    for k in range(1, steps + 1):
        step = a(k)
        s = noise if c is None else noise / (np.sqrt(2.0) * c(k))
        v[k] = (1.0 - step * slope) ** 2 * v[k - 1] + (step * s) ** 2
    return v


def quadratic_spsa_mean_square(
    gain: Gain | Schedule | float,
    width: Gain | Schedule | float,
    steps: int,
    *,
    curvatures: ArrayLike,
    noise: float,
    start: ArrayLike,
) -> Array:
    r"""Return E[(w_{k,i} - w*_i)²] of SPSA, exactly, where f = Σ h_i (w_i - w*_i)² / 2.

    Since ĝ_i = Σ_j h_j e_j Δ_j Δ_i + noise, and ΔΔᵀ has off-diagonal entries ±1,

    $$m_i \gets (1 - 2 a_k h_i) m_i + a_k^2 \Big(\sum_j h_j^2 m_j + \frac{s^2}{2 c_k^2}\Big).$$

    Args:
        gain: a_k.
        width: c_k.
        steps: How many steps.
        curvatures: h, (p,).
        noise: Standard deviation s of a value.
        start: w_1 - w*, (p,).

    Returns:
        (steps + 1, p) mean squares.
    """
    h = check_array("curvatures", curvatures, ndim=1, finite=True)
    e = check_array("start", start, ndim=1, finite=True)
    check_same_length(curvatures=h, start=e)
    check_integer("steps", steps, low=0)
    check_real("noise", noise, low=0.0)
    a, c = as_schedule(gain), as_schedule(width)
    m = np.empty((steps + 1, len(h)))
    m[0] = e**2
    for k in range(1, steps + 1):
        step = a(k)
        common = float(np.dot(h**2, m[k - 1])) + noise**2 / (2.0 * c(k) ** 2)
        m[k] = (1.0 - 2.0 * step * h) * m[k - 1] + step**2 * common
    return m


def _product(a: float, slope: float, border: float) -> float:
    check_real("a", a, low=0.0, open_low=True)
    check_real("slope", slope, low=0.0, open_low=True)
    product = a * slope
    if product <= border:
        raise ValueError(f"a*slope must be > {border:.4g}, or the rate is slower. Got {product:g}.")
    return product

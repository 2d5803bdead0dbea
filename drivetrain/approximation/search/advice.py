"""Gains for SPSA from a pilot run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.approximation.gains import Gain
from drivetrain.approximation.search.differences import (
    signs,
    simultaneous_gradient,
    simultaneous_points,
)
from drivetrain.approximation.search.roots import Noise, observer
from drivetrain.core.checks import check_array, check_integer, check_real
from drivetrain.core.seeds import RandomState, numpy_generator


@dataclass(frozen=True, kw_only=True)
class SPSAGains:
    """Gains for SPSA, and the pilot run they come from.

    Attributes:
        gain: a/(k + A)^0.602.
        width: c/k^0.101.
        noise: Standard deviation of the values at the start.
        slope: Mean size of an entry of the gradient estimate at the start.
        evaluations: Values the pilot run used.
    """

    gain: Gain
    width: Gain
    noise: float
    slope: float
    evaluations: int

    def options(self) -> dict[str, Gain]:
        """Return the keyword options for ``spsa``."""
        return {"gain": self.gain, "width": self.width}


def spsa_gains(
    f: Callable[[Any], ArrayLike],
    x0: ArrayLike,
    *,
    steps: int,
    move: float = 0.1,
    pilot: int = 20,
    noise: Noise = None,
    random_state: RandomState = None,
) -> SPSAGains:
    r"""Propose the gains of SPSA by Spall's guideline, from a pilot run at the start.

    α = 0.602 and γ = 0.101, A a tenth of the steps, c the standard deviation of the noise (at
    least a hundredth of ``move``, for a function without noise), and a such that the
    first steps move an entry of w by ``move``: a = move·(A + 1)^α / mean |g_i|.

    Args:
        f: The black box: w to an observation of the value there.
        x0: Where the search will start, a number or a vector (p,).
        steps: How many steps it will do, >= 1.
        move: Wanted change of an entry of w in one of the first steps, > 0.
        pilot: Values that measure the noise, and pairs that measure the gradient, >= 2.
        noise: Added to f, as in ``spsa``.
        random_state: Seed of the pilot's directions and of that noise.

    Returns:
        The gains; the pilot run uses 3·pilot values.

    Raises:
        ValueError: f is flat (no change at all) or not finite at the start, or bad input.

    Example:
        >>> advice = spsa_gains(lambda w: np.sum(w**2), np.ones(2), steps=1000, random_state=0)
        >>> advice.gain.A, advice.gain.alpha
        (100.0, 0.602)

    References:
        Spall, Implementation of the simultaneous perturbation algorithm for stochastic
        optimization, IEEE Trans. Aerosp. Electron. Syst. 34 (1998).
    """
    x = check_array("x0", x0, ndim=(0, 1), finite=True)
    check_integer("steps", steps, low=1)
    check_real("move", move, low=0.0, open_low=True)
    check_integer("pilot", pilot, low=2)
    rng = numpy_generator(random_state)
    observe = observer(f, noise, rng, ())
    start: Any = float(x) if x.ndim == 0 else x
    values = check_array("values at x0", [observe(start) for _ in range(pilot)], finite=True)
    spread = float(values.std(ddof=1))
    c = max(spread, 0.01 * move)
    slope = _mean_slope(observe, x, c, pilot, rng)
    if slope == 0.0:
        raise ValueError("f must vary near x0. Got the same value everywhere in the pilot run.")
    A = 0.1 * steps
    gain = Gain(move * (A + 1.0) ** 0.602 / slope, 0.602, A)
    width = Gain(c, 0.101)
    return SPSAGains(gain=gain, width=width, noise=spread, slope=slope, evaluations=3 * pilot)


def _mean_slope(
    observe: Callable[[Any], Any], x: Any, c: float, pilot: int, rng: np.random.Generator
) -> float:
    gradients = []
    for _ in range(pilot):
        delta = signs(rng, x.shape)
        points = simultaneous_points(x, c, delta)
        values = [observe(float(p) if p.ndim == 0 else p) for p in points]
        y = check_array("values near x0", values, finite=True)
        gradients.append(simultaneous_gradient(y, c, delta, scalar=x.ndim == 0))
    # The size of the mean, not the mean of sizes: noise in the pairs averages out.
    return float(np.mean(np.abs(np.mean(gradients, axis=0))))

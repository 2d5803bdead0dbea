"""Spall's simultaneous perturbation: a minimum from two values a step, whatever the dimension."""

from collections.abc import Callable, Mapping
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.approximation.gains import Gain, Schedule, tabulated
from drivetrain.approximation.search.curvature import Curvature
from drivetrain.approximation.search.differences import (
    check_widths,
    signs,
    simultaneous_gradient,
    simultaneous_points,
)
from drivetrain.approximation.search.minima import checked_values, run_minimum
from drivetrain.approximation.search.regions import Array, Point
from drivetrain.approximation.search.results import SearchResult
from drivetrain.approximation.search.roots import Noise, RobbinsMonro
from drivetrain.approximation.search.rules import Options
from drivetrain.approximation.search.saving import (
    Resumable,
    expect_kind,
    gain_config,
    gain_from_config,
    generator_from,
    generator_state,
)
from drivetrain.core.checks import check_integer
from drivetrain.core.seeds import RandomState, numpy_generator

WIDTH = Gain(1.0, 0.101)


class SPSA(Resumable):
    r"""The search for a minimum along random directions Δ of independent ±1.

    $$\hat g_{k,i} = \frac{y(w_k + c_k Δ_k) - y(w_k - c_k Δ_k)}{2 c_k Δ_{k,i}}, \qquad
    w_{k+1} = w_k - a_k \hat g_k$$

    With ``second_order`` the step is $a_k \bar{\bar H}_k^{-1} \hat g_k$: see ``Curvature``.

    Args:
        x0: w_1, a number or a vector (p,).
        width: c_k. Spall's practical pair is a/(k+A)^0.602 and c/k^0.101; the asymptotic pair
            has the exponents 1 and 1/6.
        curvature: The running Hessian of 2SPSA, or None for 1SPSA.
        random_state: Seed of the directions.
        steps: Length of the run, where the average depends on it.
        **options: see ``Rule``; ``sign=-1`` searches for a maximum.

    Attributes:
        root: The Robbins-Monro search that steps along the estimated gradient.
        gradient: The last estimate (of the Newton direction, with ``curvature``).

    Example:
        >>> search = SPSA([0.0, 0.0], gain=Gain(0.5, 0.602), random_state=0)
        >>> for _ in range(200):
        ...     _ = search.update([np.sum((w - 1.0) ** 2) for w in search.points()])
        >>> bool(np.allclose(search.x, 1.0, atol=1e-6))
        True

    References:
        Spall, IEEE Trans. Autom. Control 37 (1992).
    """

    def __init__(
        self,
        x0: ArrayLike,
        *,
        width: Gain | Schedule | float = WIDTH,
        curvature: Curvature | None = None,
        random_state: RandomState = None,
        steps: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.root = RobbinsMonro(x0, steps=steps, **options)
        check_widths(self.root.rule.gain, width)
        self._begin(width, numpy_generator(random_state))
        self.curvature = curvature
        if curvature is not None:
            curvature.begin(self._dimension)

    def _begin(self, width: Gain | Schedule | float, rng: np.random.Generator) -> None:
        if len(self.root.shape) > 1:
            raise ValueError(f"x0 must be a number or a vector. Got shape {self.root.shape}.")
        self._dimension = self.root.shape[0] if self.root.shape else 1
        self._width, self._schedule = width, tabulated(width)
        self._rng = rng
        self._delta: Array | None = None
        self.gradient: Point = float("nan")

    @property
    def x(self) -> Point:
        """The current w."""
        return self.root.x

    @property
    def k(self) -> int:
        """Steps done."""
        return self.root.k

    def points(self) -> Array:
        """Return where to observe: x + c·Δ and x - c·Δ, (2, p) or (2,).

        With curvature, two more: those two moved by c·Δ~. Asking again returns the same points.
        """
        delta = self._drawn()
        c = self._schedule(self.k + 1)
        points = simultaneous_points(np.asarray(self.x), c, delta)
        if self.curvature is None:
            return points
        return np.concatenate((points, points + c * self.curvature.direction(self._rng, delta)))

    def _drawn(self) -> Array:
        if self._delta is None:
            self._delta = signs(self._rng, self.root.shape)
        return self._delta

    def update(self, values: ArrayLike) -> Self:
        """Step once, given the values at ``points()``."""
        y = checked_values(values, 2 if self.curvature is None else 4)
        if self._delta is None:
            raise ValueError("update must follow points(): the values belong to its points.")
        delta, c = self._delta, self._schedule(self.k + 1)
        scalar = self.root.shape == ()
        gradient = simultaneous_gradient(y, c, delta, scalar=scalar)
        if self.curvature is not None:
            gradient = self.curvature.newton(gradient, y, c, delta)
        self._delta = None
        self.gradient = float(gradient) if scalar else gradient
        self.root.update(self.gradient)
        return self

    def run(
        self,
        f: Callable[[Any], ArrayLike],
        steps: int,
        *,
        noise: Noise = None,
        random_state: RandomState = None,
        keep_path: bool = True,
    ) -> SearchResult:
        """Do ``steps`` more steps on a black box; see ``spsa``."""
        return run_minimum(
            self, f, steps, noise=noise, random_state=random_state, keep_path=keep_path
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state: arrays, and values that JSON holds."""
        return {
            "kind": "SPSA",
            "width": gain_config(self._width),
            "root": self.root.state_dict(),
            "delta": self._delta,
            "generator": generator_state(self._rng),
            "curvature": None if self.curvature is None else self.curvature.state_dict(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], **functions: Any) -> Self:
        """Return the search that ``state_dict`` described; it goes on bit for bit.

        Args:
            state: What ``state_dict`` returned.
            **functions: ``gain=``, ``project=`` and ``width=`` again, where those were functions.

        Raises:
            ValueError: A function is missing, or it is another object's state.
        """
        expect_kind(state, "SPSA")
        search = cls.__new__(cls)
        width = gain_from_config("width", state["width"], functions.pop("width", None))
        search.root = RobbinsMonro.from_state(state["root"], **functions)
        search._begin(width, generator_from(state["generator"]))
        search._delta = None if state["delta"] is None else np.array(state["delta"])
        curvature = state["curvature"]
        search.curvature = None if curvature is None else Curvature.from_state(curvature)
        return search


def spsa(
    f: Callable[[Any], ArrayLike],
    x0: ArrayLike,
    *,
    steps: int = 1000,
    second_order: bool | Curvature = False,
    noise: Noise = None,
    random_state: RandomState = None,
    keep_path: bool = True,
    **options: Any,
) -> SearchResult:
    r"""Find a minimum from noisy values: two a step, four with ``second_order``.

    $$\hat g_{k,i} = [y(w_k + c_k Δ_k) - y(w_k - c_k Δ_k)] / (2 c_k Δ_{k,i})$$

    Args:
        f: The black box: w to an observation of the value there.
        x0: w_1, a number or a vector (p,).
        steps: How many steps.
        second_order: True for 2SPSA, or a Curvature with other settings.
        noise: Added to f: a scale for standard normal noise, a function of (generator, w), or
            nothing.
        random_state: Seed of the directions and of that noise.
        keep_path: Whether the result holds all iterates; intervals need them.
        **options: width (c_k, c/k^0.101 by default), and what ``Rule`` lists: gain, which is
            a/(k+A)^0.602 by default with A a tenth of the steps, sign (-1 for a maximum),
            average, project, truncate, ... ``spsa_gains`` proposes gain and width.

    Returns:
        The answer and the path; ``observations`` are the gradient estimates.

    Raises:
        DivergenceError: It runs away.
        ValueError: Bad input.

    Warns:
        GainWarning: The gain or the width breaks the conditions.

    Example:
        >>> r = spsa(lambda w: np.sum((w - 1) ** 2), np.zeros(3), steps=500, noise=0.1,
        ...          random_state=0, gain=Gain(0.2, 0.602, 50))
        >>> bool(np.allclose(r.x, 1.0, atol=0.1))
        True

    References:
        Spall, IEEE Trans. Autom. Control 37 (1992); its implementation, IEEE Trans. Aerosp.
        Electron. Syst. 34 (1998); 2SPSA, IEEE Trans. Autom. Control 45 (2000).
    """
    rng = numpy_generator(random_state)
    options.setdefault("gain", Gain(1.0, 0.602, 0.1 * check_integer("steps", steps, low=0)))
    if not isinstance(second_order, (bool, Curvature)):
        what = type(second_order).__name__
        raise TypeError(f"second_order must be True, False or a Curvature. Got {what}.")
    curvature = Curvature() if second_order is True else second_order or None
    search = SPSA(x0, curvature=curvature, random_state=rng, steps=steps, **options)
    return search.run(f, steps, noise=noise, random_state=rng, keep_path=keep_path)

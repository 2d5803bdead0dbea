"""Kiefer and Wolfowitz: the minimum of a function whose values alone are seen, through noise."""

from collections.abc import Callable, Mapping
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.approximation.gains import Gain, Schedule, tabulated
from drivetrain.approximation.search.differences import (
    central_gradient,
    central_points,
    check_widths,
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
)
from drivetrain.core.seeds import RandomState

WIDTH = Gain(1.0, 1.0 / 6.0)


class KieferWolfowitz(Resumable):
    r"""The search for a minimum by two-sided differences in each coordinate.

    $$w_{k+1,i} = w_{k,i} - a_k \frac{y(w_k + c_k e_i) - y(w_k - c_k e_i)}{2 c_k}$$

    With a_k = a/k and c_k = c·k^(-1/6) the error falls like n^(-1/3).

    Args:
        x0: w_1, a number or a vector (p,).
        width: c_k, a Gain, a function of k or a number.
        steps: Length of the run, where the average depends on it.
        **options: see ``Rule``; ``sign=-1`` searches for a maximum.

    Attributes:
        root: The Robbins-Monro search that steps along the estimated gradient.
        gradient: The last estimate.

    Example:
        >>> search = KieferWolfowitz(0.0, width=Gain(0.5, 1 / 6))
        >>> for _ in range(3):
        ...     _ = search.update([(x - 1.0) ** 2 / 2 for x in search.points()])
        >>> search.x
        1.0

    References:
        Kiefer and Wolfowitz, Ann. Math. Stat. 23 (1952).
    """

    def __init__(
        self,
        x0: ArrayLike,
        *,
        width: Gain | Schedule | float = WIDTH,
        steps: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.root = RobbinsMonro(x0, steps=steps, **options)
        check_widths(self.root.rule.gain, width)
        self._begin(width)

    def _begin(self, width: Gain | Schedule | float) -> None:
        if len(self.root.shape) > 1:
            raise ValueError(f"x0 must be a number or a vector. Got shape {self.root.shape}.")
        self._width = width
        self._schedule = tabulated(width)
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
        """Return where to observe: all x + c_k·e_i, then all x - c_k·e_i; (2p, p), or (2,)."""
        c = self._schedule(self.k + 1)
        return central_points(np.asarray(self.x), c, scalar=self.root.shape == ())

    def update(self, values: ArrayLike) -> Self:
        """Step once, given the values at ``points()``."""
        p = self.root.shape[0] if self.root.shape else 1
        scalar = self.root.shape == ()
        y = checked_values(values, 2 * p)
        gradient = central_gradient(y, self._schedule(self.k + 1), scalar=scalar)
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
        """Do ``steps`` more steps on a black box; see ``kiefer_wolfowitz``."""
        return run_minimum(
            self, f, steps, noise=noise, random_state=random_state, keep_path=keep_path
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state: arrays, and values that JSON holds."""
        return {
            "kind": "KieferWolfowitz",
            "width": gain_config(self._width),
            "root": self.root.state_dict(),
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
        expect_kind(state, "KieferWolfowitz")
        search = cls.__new__(cls)
        width = gain_from_config("width", state["width"], functions.pop("width", None))
        search.root = RobbinsMonro.from_state(state["root"], **functions)
        search._begin(width)
        return search


def kiefer_wolfowitz(
    f: Callable[[Any], ArrayLike],
    x0: ArrayLike,
    *,
    steps: int = 1000,
    width: Gain | Schedule | float = WIDTH,
    noise: Noise = None,
    random_state: RandomState = None,
    keep_path: bool = True,
    **options: Unpack[Options],
) -> SearchResult:
    r"""Find a minimum from noisy values by two-sided differences; 2p values a step.

    $$w_{k+1,i} = w_{k,i} - a_k [y(w_k + c_k e_i) - y(w_k - c_k e_i)] / (2 c_k)$$

    Args:
        f: The black box: w to an observation of the value there.
        x0: w_1, a number or a vector (p,).
        steps: How many steps.
        width: c_k; c·k^(-1/6) is the rate that goes with a_k = a/k.
        noise: Added to f: a scale for standard normal noise, a function of (generator, w), or
            nothing.
        random_state: Seed of that noise.
        keep_path: Whether the result holds all iterates; intervals need them.
        **options: gain, sign (-1 for a maximum), average, project, truncate, ...: see ``Rule``.

    Returns:
        The answer and the path; ``observations`` are the gradient estimates.

    Raises:
        DivergenceError: It runs away.
        ValueError: Bad input.

    Warns:
        GainWarning: The gain or the width breaks the conditions.

    Example:
        >>> r = kiefer_wolfowitz(lambda w: (w - 1) ** 2, 0.0, steps=500, noise=0.1, random_state=0)
        >>> abs(r.x - 1) < 0.05
        True

    References:
        Kiefer and Wolfowitz, Ann. Math. Stat. 23 (1952).
    """
    search = KieferWolfowitz(x0, width=width, steps=steps, **options)
    return search.run(f, steps, noise=noise, random_state=random_state, keep_path=keep_path)

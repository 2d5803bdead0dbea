"""What searches for a minimum share: values in, a gradient estimate, a Robbins-Monro step."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.approximation.search.divergence import DivergenceError
from drivetrain.approximation.search.functions import check_function, one_value
from drivetrain.approximation.search.regions import Array, Point, norm
from drivetrain.approximation.search.results import SearchResult, Trace
from drivetrain.approximation.search.roots import Noise, RobbinsMonro
from drivetrain.core.checks import check_array, check_integer, check_real
from drivetrain.core.seeds import RandomState, numpy_generator


class MinimumSearch(Protocol):
    """A search that asks for points and is told the values there."""

    root: RobbinsMonro
    gradient: Point

    def points(self) -> Array:
        """Return where to observe next."""

    def update(self, values: ArrayLike) -> Any:
        """Step once, given the values there."""


def run_minimum(
    search: MinimumSearch,
    f: Callable[[Any], ArrayLike],
    steps: int,
    *,
    noise: Noise,
    random_state: RandomState,
    keep_path: bool,
) -> SearchResult:
    """Do ``steps`` steps, evaluating f at one point at a time."""
    check_function("f", f)
    if noise is not None and not callable(noise):
        check_real("noise", noise)
    root = search.root
    last = root.k + check_integer("steps", steps, low=0)
    rng = numpy_generator(random_state)
    trace = Trace(root.x) if keep_path else None
    while root.k < last:
        k = root.k
        search.update(observe_all(f, search.points(), noise, rng, root))
        if trace is not None and root.k == k + 1:
            trace.add(root.x, search.gradient)
        elif trace is not None and root.k == 0:
            trace = Trace(root.x)
    return root.result(trace)


def observe_all(
    f: Callable[[Any], ArrayLike],
    points: Array,
    noise: Noise,
    rng: np.random.Generator,
    root: RobbinsMonro,
) -> Array:
    """Return f, with noise, at each of the points."""
    values = np.empty(len(points))
    for i, point in enumerate(points):
        x = float(point) if point.ndim == 0 else point
        try:
            values[i] = one_value(f(x))
        except OverflowError:
            raise DivergenceError(root.k, norm(x), root.rule.schedule(root.k + 1)) from None
        if callable(noise):
            values[i] += one_value(noise(rng, x))
        elif noise is not None:
            values[i] += noise * rng.standard_normal()
    return values


def checked_values(values: ArrayLike, n: int) -> Array:
    """Return the n values as an array.

    Raises:
        ValueError: Another number of values.
    """
    if isinstance(values, np.ndarray) and values.dtype == np.float64 and values.shape == (n,):
        return values
    array = check_array("values", values, ndim=1)
    if len(array) != n:
        raise ValueError(
            f"values must hold one value for each of the {n} points. Got {len(array)}."
        )
    return array

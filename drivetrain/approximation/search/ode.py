"""The differential equation a search follows, and how its Lyapunov function falls."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.gains import Gain, Schedule, as_schedule
from drivetrain.approximation.search.functions import check_function
from drivetrain.core.checks import check_array, check_integer

Array = NDArray[np.float64]


def gain_clock(gain: Gain | Schedule | float, steps: int) -> Array:
    r"""Return the times $t_k = a_1 + \dots + a_{k-1}$ of w_1, ..., w_{steps+1}.

    On this clock the path of a search follows dw/dt = -g(w) ever more closely.

    Returns:
        (steps + 1,) times from 0 on.

    Example:
        >>> gain_clock(0.5, 3)
        array([0. , 0.5, 1. , 1.5])

    References:
        Ljung, Analysis of recursive stochastic algorithms, IEEE TAC 22 (1977).
    """
    check_integer("steps", steps, low=0)
    schedule = as_schedule(gain)
    if isinstance(schedule, Gain):
        gains = schedule.array(steps)
    else:
        gains = np.array([schedule(k) for k in range(1, steps + 1)], dtype=np.float64)
    return np.concatenate((np.zeros(1), np.cumsum(gains)))


def ode_path(
    g: Callable[[Any], ArrayLike], w0: ArrayLike, times: ArrayLike, *, substeps: int = 10
) -> Array:
    """Return the solution of dw/dt = -g(w), w(0) = w0, by Runge and Kutta's fourth order.

    Args:
        g: The function without noise.
        w0: Start, a number or an array.
        times: (n,) rising times; the first is that of w0.
        substeps: Steps of the solver between two of them, >= 1.

    Returns:
        (n, ...) values.

    Raises:
        ValueError: Times that do not rise, or g of another shape than w0.

    Example:
        >>> ode_path(lambda w: w, 1.0, [0.0, 1.0]).round(4)
        array([1.    , 0.3679])
    """
    check_function("g", g)
    t = check_array("times", times, ndim=1, finite=True)
    if np.any(np.diff(t) < 0.0):
        raise ValueError("times must rise. Got a time before the one that precedes it.")
    check_integer("substeps", substeps, low=1)
    w = check_array("w0", w0, finite=True).copy()
    path = np.empty((len(t), *w.shape))
    path[:1] = w
    shape = check_array("g(w)", g(w)).shape
    if shape != w.shape:
        raise ValueError(f"g(w) must have the shape of w0, {w.shape}. Got {shape}.")
    for i, span in enumerate(np.diff(t), start=1):
        for _ in range(substeps):
            w = _runge_kutta(g, w, span / substeps)
        path[i] = w
    return path


def lyapunov(path: ArrayLike, root: ArrayLike) -> Array:
    r"""Return $V_k = \tfrac12 \|w_k - w^*\|^2$ along a path, (n,).

    Args:
        path: (n, ...) points.
        root: w*, a number or (...).

    Raises:
        ValueError: The shapes do not fit.
    """
    w, centre = check_array("path", path), check_array("root", root, finite=True)
    if w.ndim == 0 or centre.shape not in ((), w.shape[1:]):
        raise ValueError(f"path must be (n, ...), root (...). Got {w.shape} and {centre.shape}.")
    offsets = (w - centre).reshape(len(w), -1)
    return np.asarray(0.5 * np.sum(offsets * offsets, axis=1))


def _runge_kutta(g: Callable[[Any], ArrayLike], w: Array, h: float) -> Array:
    k1 = -np.asarray(g(w))
    k2 = -np.asarray(g(w + 0.5 * h * k1))
    k3 = -np.asarray(g(w + 0.5 * h * k2))
    k4 = -np.asarray(g(w + h * k3))
    return np.asarray(w + (h / 6.0) * (k1 + 2.0 * k2 + 2.0 * k3 + k4))

"""Batch, mini-batch and stochastic gradient descent, as Robbins-Monro searches."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.gains import GainWarning
from drivetrain.approximation.search.functions import check_function
from drivetrain.approximation.search.regions import Array
from drivetrain.approximation.search.roots import RobbinsMonro
from drivetrain.approximation.search.rules import Options
from drivetrain.core.checks import check_array, check_choice, check_integer, check_real
from drivetrain.core.seeds import RandomState, numpy_generator

Gradient = Callable[[Any, Any], ArrayLike]


@dataclass(frozen=True, kw_only=True)
class Descent:
    """A run of gradient descent.

    Attributes:
        w: The answer, (p,): the average where one was wanted, else the last iterate.
        path: (steps + 1, p) iterates from w0 on.
        indices: (steps, m) samples each step used; (steps, 0) for BGD, which uses all.
    """

    w: Array
    path: Array
    indices: NDArray[np.int64]


def gradient_descent(
    samples: ArrayLike,
    w0: ArrayLike,
    *,
    mode: Literal["bgd", "mbgd", "sgd"] = "sgd",
    m: int | None = None,
    gradient: Gradient | None = None,
    steps: int = 30,
    random_state: RandomState = None,
    **options: Unpack[Options],
) -> Descent:
    r"""Descend the mean of f(w, x_i) over a fixed list of samples.

    BGD steps along the mean gradient of all n samples, MBGD along that of m samples drawn **with
    replacement**, SGD along that of one. Hence MBGD with m = n is not BGD. Drawing uniformly from
    a fixed list makes a deterministic sum a stochastic problem, whose answer is the same.

    For mean estimation, f = ‖w - x‖²/2, and a_k = 1/k: BGD gives the mean of the samples after
    one step, MBGD the mean of the k mini-batch means drawn so far, SGD the mean of the k draws.

    Args:
        samples: (n, ...) one sample a row; (n,) for numbers.
        w0: w_1, (p,); or a number.
        mode: ``"bgd"``, ``"mbgd"`` or ``"sgd"``.
        m: Size of a mini-batch, for ``"mbgd"``.
        gradient: (w, X) to the (m, p) gradients at each row of X; w - X where not given.
        steps: How many steps.
        random_state: Seed of the draws.
        **options: gain, average, project, ...: see ``Rule``.

    Returns:
        The path, and which samples were drawn.

    Raises:
        ValueError: No samples, a mini-batch size without ``mode="mbgd"``, or bad input.
        DivergenceError: It runs away.

    Example:
        >>> gradient_descent([[0.0], [2.0]], [50.0], mode="bgd", steps=1).w
        array([1.])

    References:
        Zhao, Mathematical Foundations of Reinforcement Learning (2025), chapter 6.
    """
    x = check_array("samples", samples, finite=True)
    if x.ndim == 0 or not len(x):
        raise ValueError(f"samples must hold at least one sample. Got shape {x.shape}.")
    size = _batch_size(mode, m)
    differentiate = mean_gradient if gradient is None else gradient
    check_function("gradient", differentiate)
    search = _search(np.atleast_1d(check_array("w0", w0)), steps, mode, options)
    rng = numpy_generator(random_state)
    path, indices = [search.x], np.empty((steps, size), dtype=np.int64)
    for k in range(steps):
        indices[k] = rng.integers(0, len(x), size=size)
        batch = x if mode == "bgd" else x[indices[k]]
        search.update(_mean(differentiate(np.asarray(search.x), batch)))
        path.append(search.x)
    w = search.x if search.averaged is None else search.averaged
    return Descent(w=np.asarray(w), path=np.asarray(path), indices=indices)


def _search(w0: Array, steps: int, mode: str, options: Any) -> RobbinsMonro:
    check_integer("steps", steps, low=0)
    with warnings.catch_warnings():
        if mode == "bgd":
            # Without noise there is no sum of squares to bound: a constant step is the rule.
            warnings.simplefilter("ignore", GainWarning)
        return RobbinsMonro(w0, steps=steps, **options)


def _batch_size(mode: str, m: int | None) -> int:
    check_choice("mode", mode, ("bgd", "mbgd", "sgd"))
    if mode == "mbgd":
        if m is None:
            raise ValueError("mode='mbgd' needs the size of a mini-batch: pass m=.")
        return check_integer("m", m, low=1)
    if m is not None:
        raise ValueError(f"m is for mode='mbgd'. Got m={m} with mode={mode!r}.")
    return 0 if mode == "bgd" else 1


def mean_gradient(w: Array, samples: Array) -> Array:
    """Return the gradients w - x of ‖w - x‖²/2: descent then estimates the mean."""
    return np.asarray(w - samples.reshape(len(samples), -1))


def _mean(gradients: ArrayLike) -> Array:
    array = check_array("gradient(w, X)", gradients)
    return np.asarray(np.atleast_2d(array.T).T.mean(axis=0))


def relative_gradient_error(
    samples: ArrayLike, run: Descent, *, gradient: Gradient | None = None
) -> Array:
    r"""Return how far each step's gradient was from that of all samples, relatively.

    $$\delta_k = \frac{\|\nabla f(w_k, x_k) - E \nabla f(w_k, x)\|}{\|E \nabla f(w_k, x)\|}$$

    Far from the optimum it is small and SGD goes like GD; near it is large.

    Args:
        samples: Those of the run.
        run: What ``gradient_descent`` returned.
        gradient: As there.

    Returns:
        (steps,) errors; infinite where the full gradient is 0, 0 for BGD.

    References:
        Zhao, Mathematical Foundations of Reinforcement Learning (2025), chapter 6.
    """
    error, full = _gradient_gaps(samples, run, gradient)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0.0, 0.0, error / full)


def relative_error_bound(
    samples: ArrayLike,
    run: Descent,
    *,
    root: ArrayLike,
    curvature: float = 1.0,
    gradient: Gradient | None = None,
) -> Array:
    r"""Return the bound $\|\nabla f - E \nabla f\| / (c \|w_k - w^*\|) \ge \delta_k$.

    Args:
        samples: Those of the run.
        run: What ``gradient_descent`` returned.
        root: w*, (p,).
        curvature: c > 0 with ∇²f >= c everywhere; 1 for mean estimation, where the bound is met.
        gradient: As in ``gradient_descent``.

    Returns:
        (steps,) bounds.
    """
    c = check_real("curvature", curvature, low=0.0, open_low=True)
    error, _ = _gradient_gaps(samples, run, gradient)
    distance = np.linalg.norm(run.path[:-1] - np.asarray(root, dtype=np.float64), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0.0, 0.0, error / (c * distance))


def _gradient_gaps(
    samples: ArrayLike, run: Descent, gradient: Gradient | None
) -> tuple[Array, Array]:
    x = check_array("samples", samples, finite=True)
    differentiate = mean_gradient if gradient is None else gradient
    steps = len(run.indices)
    error, full = np.zeros(steps), np.zeros(steps)
    for k, (w, chosen) in enumerate(zip(run.path[:-1], run.indices, strict=True)):
        mean = _mean(differentiate(w, x))
        full[k] = np.linalg.norm(mean)
        if len(chosen):
            error[k] = np.linalg.norm(_mean(differentiate(w, x[chosen])) - mean)
    return error, full

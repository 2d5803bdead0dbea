"""Many searches at once, side by side in arrays: for simulation studies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.gains import Gain, Schedule, tabulated
from drivetrain.approximation.search.averages import RunningAverage, as_average
from drivetrain.approximation.search.differences import (
    central_gradient,
    central_points,
    signs,
    simultaneous_gradient,
    simultaneous_points,
)
from drivetrain.approximation.search.functions import check_function
from drivetrain.approximation.search.regions import Array, Box, norm
from drivetrain.approximation.search.rules import Options, Rule, make_rule
from drivetrain.core.checks import check_array, check_choice, check_integer, check_real
from drivetrain.core.seeds import RandomState, numpy_generator

Replicas = int | Sequence[int]
_BLOCK = 256  # steps for which noise is drawn at a time, where every replica has its own seed


@dataclass(frozen=True, kw_only=True)
class Study:
    """Where R searches came to.

    Attributes:
        x: (R, ...) answers: averages where those were wanted, else the last iterates.
        last: (R, ...) last iterates; of a diverged search, the first that was out of bounds.
        diverged: (R,) whether it left the limit.
        diverged_at: (R,) the step at which it did; 0 if it did not.
        truncations: (R,) Chen's truncations.
        path: (steps + 1, R, ...) all iterates, or None.
    """

    x: Array
    last: Array
    diverged: NDArray[np.bool_]
    diverged_at: NDArray[np.int64]
    truncations: NDArray[np.int64]
    path: Array | None


def simulate(
    f: Callable[[Any], Any],
    x0: ArrayLike,
    *,
    steps: int,
    replicas: Replicas = 200,
    noise: float = 1.0,
    random_state: RandomState = None,
    keep_path: bool = False,
    **options: Unpack[Options],
) -> Study:
    r"""Run many Robbins-Monro searches of one function side by side.

    Each is what ``robbins_monro`` with its seed gives; a search that diverges stops and is
    counted instead of raising.

    Args:
        f: The function without noise, on arrays (R,) elementwise, or (R, p) row by row.
        x0: Where each starts, a number or (p,).
        steps: How many steps.
        replicas: How many searches; or one seed for each, whose noise is then
            ``default_rng(seed).standard_normal()``, one draw a step.
        noise: Standard deviation of normal noise.
        random_state: Seed of all, where ``replicas`` is a number.
        keep_path: Whether to keep all iterates.
        **options: see ``Rule``; ``sign="auto"`` and functions for ``project`` are left out.

    Returns:
        The study.

    Raises:
        ValueError: Bad input.

    Example:
        >>> study = simulate(lambda w: w**3 - 5, 0.0, steps=50, replicas=range(200), limit=1e6)
        >>> int(study.diverged.sum())
        199

    References:
        Zhao, Mathematical Foundations of Reinforcement Learning (2025), chapter 6.
    """
    check_function("f", f)
    scale = check_real("noise", noise)
    ensemble = _Ensemble(x0, replicas, steps, make_rule(options))
    draw = _normal_source(replicas, random_state, ensemble.x.shape, steps)
    with np.errstate(all="ignore"):
        return ensemble.run(
            lambda k, x: _fitting("f(x)", f(x), x.shape) + scale * draw(), keep_path
        )


def simulate_minimum(
    f: Callable[[Any], Any],
    x0: ArrayLike,
    *,
    steps: int,
    method: Literal["kw", "spsa"] = "kw",
    width: Gain | Schedule | float,
    noise_and_seed: tuple[float, RandomState] = (1.0, None),
    replicas: int = 200,
    **options: Unpack[Options],
) -> Study:
    """Run many searches for a minimum side by side.

    Args:
        f: Values without noise: (..., p) to (...), or elementwise for a number.
        x0: Where each starts, a number or (p,).
        steps: How many steps.
        method: ``"kw"`` (2p values a step) or ``"spsa"`` (two).
        width: c_k.
        noise_and_seed: Standard deviation of normal noise, and its seed.
        replicas: How many searches.
        **options: see ``Rule``.

    Returns:
        The study.

    Example:
        >>> study = simulate_minimum(lambda w: w**2 / 2, 1.0, steps=300, width=Gain(1, 1 / 6),
        ...                          noise_and_seed=(0.1, 0))
        >>> bool(np.abs(study.x).max() < 0.1)
        True
    """
    check_function("f", f)
    check_choice("method", method, ("kw", "spsa"))
    noise, seed = check_real("noise", noise_and_seed[0]), noise_and_seed[1]
    ensemble = _Ensemble(x0, check_integer("replicas", replicas, low=1), steps, make_rule(options))
    rng, c = numpy_generator(seed), tabulated(width)
    scalar = ensemble.x.ndim == 1

    def noisy(points: Array) -> Array:
        values = _fitting("f(x)", f(points), points.shape[: points.ndim - (not scalar)])
        return values + noise * rng.standard_normal(values.shape) if noise else values

    def kw(k: int, x: Array) -> Array:
        values = noisy(central_points(x, c(k), scalar=scalar))
        return central_gradient(values, c(k), scalar=scalar)

    def spsa(k: int, x: Array) -> Array:
        delta = signs(rng, x.shape)
        values = noisy(simultaneous_points(x, c(k), delta))
        return simultaneous_gradient(values, c(k), delta, scalar=scalar)

    with np.errstate(all="ignore"):
        return ensemble.run(kw if method == "kw" else spsa, False)


class _Ensemble:
    """The state of R searches and how they step, each by itself."""

    def __init__(self, x0: ArrayLike, replicas: Replicas, steps: int, rule: Rule) -> None:
        if rule.sign == "auto":
            raise ValueError("sign must be 1 or -1 in a study. Got 'auto'.")
        if rule.project is not None and not isinstance(rule.project, Box):
            # A function written for one point would be handed all of them at once.
            raise ValueError("project must be a Box in a study. Got a function.")
        rule.check()
        start = check_array("x0", x0, ndim=(0, 1), finite=True)
        count = replicas if isinstance(replicas, (int, np.integer)) else len(replicas)
        count = check_integer("replicas", count, low=1)
        self.rule, self.steps = rule, check_integer("steps", steps, low=0)
        self.start = np.broadcast_to(start, (count, *start.shape)).copy()
        self.x = self.start.copy()
        self.limit = rule.limit * max(1.0, norm(start))
        self.diverged_at = np.zeros(count, dtype=np.int64)
        self.truncations = np.zeros(count, dtype=np.int64)

    def run(self, observe: Callable[[int, Array], Array], keep_path: bool) -> Study:
        """Do all steps."""
        running = RunningAverage(as_average(self.rule.average), self.steps)
        path = np.empty((self.steps + 1, *self.x.shape)) if keep_path else None
        if path is not None:
            path[0] = self.x
        sign, target = float(self.rule.sign), check_array("target", self.rule.target)
        for k in range(1, self.steps + 1):
            y = observe(k, self.x) - target
            self._move(k, self.x - self.rule.schedule(k) * (sign * y))
            running.update(k, self.x)
            if path is not None:
                path[k] = self.x
        return Study(
            x=self.x if running.value is None else np.asarray(running.value),
            last=self.x,
            diverged=self.diverged_at > 0,
            diverged_at=self.diverged_at,
            truncations=self.truncations,
            path=path,
        )

    def _move(self, k: int, candidate: Array) -> None:
        truncate, project = self.rule.truncate, self.rule.project
        if truncate is not None:
            bounds = truncate.radius * truncate.growth ** self.truncations.astype(np.float64)
            out = self._sizes(candidate) > bounds
            candidate[out] = self.start[out]
            self.truncations += out
        if project is not None:
            candidate = np.asarray(project(candidate))
        sizes = self._sizes(candidate)
        inside = sizes <= self.limit
        stopped = self.diverged_at > 0
        # What has diverged stands still, so that its overflow does not slow down the others.
        candidate[stopped] = self.x[stopped]
        self.diverged_at[~inside & ~stopped] = k
        self.x = candidate

    @staticmethod
    def _sizes(x: Array) -> Array:
        return np.abs(x) if x.ndim == 1 else np.sqrt(np.sum(x * x, axis=1))


def _fitting(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Array:
    array = check_array(name, values)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape} here. Got {array.shape}.")
    return array


def _normal_source(
    replicas: Replicas, random_state: RandomState, shape: tuple[int, ...], steps: int
) -> Callable[[], Array]:
    if isinstance(replicas, (int, np.integer)):
        rng = numpy_generator(random_state)
        return lambda: rng.standard_normal(shape)
    generators = [np.random.default_rng(seed) for seed in replicas]
    rows = _seeded_rows(generators, shape[1:], steps)
    return lambda: next(rows)


def _seeded_rows(generators: list[np.random.Generator], shape: tuple[int, ...], steps: int) -> Any:
    for done in range(0, steps, _BLOCK):
        size = (min(_BLOCK, steps - done), *shape)
        block = np.stack([rng.standard_normal(size) for rng in generators], axis=1)
        yield from block

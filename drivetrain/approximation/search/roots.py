"""Robbins and Monro: the root of a function that is only seen through noise."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeAlias, Unpack

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.approximation.search.averages import RunningAverage, as_average
from drivetrain.approximation.search.divergence import DirectionWarning, DivergenceError
from drivetrain.approximation.search.functions import check_function
from drivetrain.approximation.search.monotone import Direction
from drivetrain.approximation.search.regions import Array, Point, Projection, norm
from drivetrain.approximation.search.results import SearchResult, Trace
from drivetrain.approximation.search.rules import Options, Rule, make_rule, rule_from_config
from drivetrain.approximation.search.saving import Resumable, expect_kind
from drivetrain.core.checks import check_array, check_integer, check_real
from drivetrain.core.seeds import RandomState, numpy_generator

Noise: TypeAlias = float | Callable[[np.random.Generator, Any], Any] | None
OMITTED_AT_MOST = 1000  # NaN in a row under nan_policy="omit"; then the function has no values here


class RobbinsMonro(Resumable):
    r"""The search for the root of g(w) = c, one observation at a time.

    $$w_{k+1} = w_k - a_k (\tilde g(w_k, \eta_k) - c), \qquad k = 1, 2, \dots$$

    If 0 < c_1 <= ∇g <= c_2, Σ a_k = ∞, Σ a_k² < ∞, E[η_k | H_k] = 0 and E[η_k² | H_k] < ∞, then
    w_k -> w* almost surely.

    Args:
        x0: w_1, a number or an array of any shape.
        steps: Length of the run, where the average depends on it.
        **options: gain, target, sign, average, project, truncate, limit, nan_policy: see ``Rule``.

    Attributes:
        x: The current w; observe the function there.
        k: Steps done.
        truncations: Chen's truncations so far.

    Raises:
        ValueError: x0 is not finite, or an option is outside its range.

    Warns:
        GainWarning: The gain breaks the conditions.

    Example:
        >>> search = RobbinsMonro(3.0)
        >>> for _ in range(2):
        ...     _ = search.update(np.tanh(search.x - 1.0))
        >>> round(search.x, 6)
        1.647826

    References:
        Robbins and Monro, A stochastic approximation method, Ann. Math. Stat. 22 (1951).
        Zhao, Mathematical Foundations of Reinforcement Learning (2025), chapter 6.
    """

    def __init__(
        self, x0: ArrayLike, *, steps: int | None = None, **options: Unpack[Options]
    ) -> None:
        self._begin(x0, make_rule(options), steps)
        self._rule.check()

    def _begin(self, x0: ArrayLike, rule: Rule, steps: int | None) -> None:
        self._rule = rule
        self._steps = None if steps is None else check_integer("steps", steps, low=0)
        start = check_array("x0", x0, finite=True)
        if not start.size:
            raise ValueError(f"x0 must hold at least one number. Got shape {start.shape}.")
        target = check_array("target", rule.target, finite=True)
        if target.shape not in ((), start.shape):
            raise ValueError(
                f"target must be a number or of the shape of x0, {start.shape}. Got {target.shape}."
            )
        # A number stays a Python float: three times as fast, and what C's pow would see.
        self._shape = start.shape
        self._x0: Point = float(start) if start.ndim == 0 else start.copy()
        self._target: Point = float(target) if target.ndim == 0 else target
        self._limit = rule.limit * max(1.0, norm(self._x0))
        self._sign = -1.0 if rule.sign == -1 else 1.0
        self._restart()

    def _restart(self) -> None:
        self.x: Point = self._x0 + 0.0
        self.k = 0
        self.truncations = 0
        self._omitted = 0
        self._running = RunningAverage(as_average(self._rule.average), self._steps)
        self._direction: Direction | None = Direction() if self._rule.sign != -1 else None

    @property
    def averaged(self) -> Point | None:
        """The average of the iterates; None before it begins, or where none is wanted."""
        return self._running.value

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of x; () for a number."""
        return self._shape

    @property
    def rule(self) -> Rule:
        """How it steps."""
        return self._rule

    def update(self, observation: ArrayLike) -> Self:
        """Step once, given what was observed at ``x``.

        Raises:
            ValueError: Another shape than x, or NaN under ``nan_policy="raise"``.
            DivergenceError: The step leaves the limit.
        """
        y = self._checked(observation)
        if y is None:
            return self
        if self._turned(y):
            return self
        gain = self._rule.schedule(self.k + 1)
        self.k += 1
        try:
            self._move(self.x - gain * (self._sign * (y - self._target)), gain)
        except DivergenceError:
            if not self._turn():
                raise
            return self
        self._running.update(self.k, self.x)
        return self

    def _checked(self, observation: ArrayLike) -> Point | None:
        y = self._shaped(observation)
        size = norm(y)
        if size == size or self._rule.nan_policy == "propagate":
            self._omitted = 0
            return y
        if self._rule.nan_policy == "omit":
            self._omitted += 1
            if self._omitted < OMITTED_AT_MOST:
                return None
            raise ValueError(
                f"observation must not be NaN for ever. Got {self._omitted} in a row at step "
                f"{self.k + 1}."
            )
        raise ValueError(f"observation must not be NaN. Got NaN at step {self.k + 1}.")

    def _shaped(self, observation: ArrayLike) -> Point:
        # What a loop gives millions of times is let through first.
        if isinstance(observation, float) and isinstance(self._x0, float):
            return float(observation)
        if isinstance(observation, np.ndarray) and observation.dtype == np.float64:
            array = observation
        else:
            array = check_array("observation", observation)
        if array.shape != self._shape:
            raise ValueError(
                f"observation must have the shape of x, {self._shape}. Got {array.shape}."
            )
        return float(array) if array.ndim == 0 else array

    def _turned(self, y: Point) -> bool:
        """Watch the first steps; then tell whether the search starts anew, the other way."""
        if self._direction is None:
            return False
        if self._direction.waiting:
            self._direction.add(self.x, y - self._target)
            return False
        return self._turn()

    def _turn(self) -> bool:
        direction, self._direction = self._direction, None
        if direction is None or not direction.decreasing():
            return False
        turns = self._rule.sign == "auto"
        words = "the search starts anew with sign=-1" if turns else "pass sign=-1 or sign='auto'"
        warnings.warn(
            DirectionWarning(f"The function seems to decrease in the first steps: {words}."),
            stacklevel=4,
        )
        if turns:
            self._restart()
            self._sign, self._direction = -1.0, None
        return turns

    def _move(self, candidate: Point, gain: float) -> None:
        rule = self._rule
        if rule.truncate is not None and norm(candidate) > rule.truncate.bound(self.truncations):
            candidate = self._x0 + 0.0
            self.truncations += 1
        if rule.project is not None:
            candidate = self._projected(rule.project, candidate)
        size = norm(candidate)
        if size > self._limit or (size != size and rule.nan_policy != "propagate"):
            raise DivergenceError(self.k, size, gain)
        self.x = candidate

    def _projected(self, project: Projection, candidate: Point) -> Point:
        point = project(candidate)
        if isinstance(point, float) and self._shape == ():
            return point
        array = check_array("project(x)", point)
        if array.shape != self._shape:
            raise ValueError(
                f"project(x) must have the shape of x, {self._shape}. Got {array.shape}."
            )
        return float(array) if array.ndim == 0 else array

    def iterates(self, f: Callable[[Any], ArrayLike]) -> Iterator[Point]:
        """Yield x, observe ``f`` there, step, for ever."""
        while True:
            yield self.x
            self.update(f(self.x))

    def run(
        self,
        f: Callable[[Any], ArrayLike],
        steps: int,
        *,
        noise: Noise = None,
        random_state: RandomState = None,
        keep_path: bool = True,
    ) -> SearchResult:
        """Do ``steps`` more steps of a black box; see ``robbins_monro``."""
        last = self.k + check_integer("steps", steps, low=0)
        observe = observer(f, noise, random_state, self.shape)
        trace = Trace(self.x) if keep_path else None
        while self.k < last:
            k, y = self.k, self._observe(observe)
            self.update(y)
            if trace is not None and self.k == k + 1:
                trace.add(self.x, y - self._target)
            elif trace is not None and self.k == 0:  # turned round: the path begins anew
                trace = Trace(self.x)
        return self.result(trace)

    def _observe(self, observe: Callable[[Any], Any]) -> Any:
        try:
            return observe(self.x)
        except OverflowError:
            raise DivergenceError(self.k, norm(self.x), self._rule.schedule(self.k + 1)) from None

    def result(self, trace: Trace | None = None) -> SearchResult:
        """Return where the search stands."""
        averaged = self._running.value
        path, observations = (None, None) if trace is None else trace.arrays()
        return SearchResult(
            x=self.x if averaged is None else averaged,
            last=self.x,
            averaged=averaged,
            steps=self.k,
            truncations=self.truncations,
            left_out=self._running.left_out,
            average=self._running.average.kind,
            path=path,
            observations=observations,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state: arrays, and values that JSON holds."""
        direction = self._direction
        return {
            "kind": "RobbinsMonro",
            "rule": self._rule.to_config(),
            "steps": self._steps,
            "k": self.k,
            "truncations": self.truncations,
            "sign": self._sign,
            "count": self._running.count,
            "x0": np.asarray(self._x0),
            "x": np.asarray(self.x),
            "averaged": None if self.averaged is None else np.asarray(self.averaged),
            "points": None if direction is None else np.asarray(direction.points),
            "observations": None if direction is None else np.asarray(direction.observations),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], **functions: Any) -> Self:
        """Return the search that ``state_dict`` described; it goes on bit for bit.

        Args:
            state: What ``state_dict`` returned.
            **functions: ``gain=`` and ``project=`` again, where those were functions.

        Raises:
            ValueError: A function is missing, or it is another object's state.
        """
        expect_kind(state, "RobbinsMonro")
        search = cls.__new__(cls)
        search._begin(state["x0"], rule_from_config(state["rule"], functions), state["steps"])
        search.x = _point(state["x"])
        search.k, search.truncations = state["k"], state["truncations"]
        search._sign = state["sign"]
        search._running.count = state["count"]
        averaged = state["averaged"]
        search._running.value = None if averaged is None else _point(averaged)
        search._direction = _direction(state)
        return search


def _point(array: Array) -> Point:
    return float(array) if np.ndim(array) == 0 else np.array(array, dtype=np.float64)


def _direction(state: Mapping[str, Any]) -> Direction | None:
    if state["points"] is None:
        return None
    direction = Direction()
    for x, y in zip(state["points"], state["observations"], strict=True):
        direction.add(_point(x), _point(y))
    return direction


def observer(
    f: Callable[[Any], Any], noise: Noise, random_state: RandomState, shape: tuple[int, ...]
) -> Callable[[Any], Any]:
    """Return f with noise added: a scale of standard normals, or a function (rng, x)."""
    check_function("f", f)
    if noise is None:
        return f
    rng = numpy_generator(random_state)
    if callable(noise):
        return lambda x: f(x) + noise(rng, x)
    scale, size = check_real("noise", noise), shape or None
    return lambda x: f(x) + scale * rng.standard_normal(size)


def robbins_monro(
    f: Callable[[Any], ArrayLike],
    x0: ArrayLike,
    *,
    steps: int = 1000,
    noise: Noise = None,
    random_state: RandomState = None,
    keep_path: bool = True,
    **options: Unpack[Options],
) -> SearchResult:
    r"""Find the root of a function from noisy observations.

    $$w_{k+1} = w_k - a_k (\tilde g(w_k, \eta_k) - c)$$

    Args:
        f: The black box: w to an observation of g(w), of the same shape.
        x0: w_1, a number or an array.
        steps: How many steps, >= 0.
        noise: Added to f: a scale for standard normal noise, a function of (generator, w), or
            nothing, where f is noisy itself.
        random_state: Seed of that noise.
        keep_path: Whether the result holds all iterates; intervals need them.
        **options: gain, target, sign, average, project, truncate, limit, nan_policy: see ``Rule``.

    Returns:
        The answer, the path (steps + 1, ...) from x0 on, truncations, intervals by ``.ci()``.

    Raises:
        DivergenceError: It runs away; the message names step, value, gain and the cure.
        ValueError: Bad input.

    Warns:
        GainWarning: The gain breaks the conditions.
        DirectionWarning: The function seems to decrease.

    Example:
        >>> from drivetrain.approximation import Gain
        >>> r = robbins_monro(lambda w: w**3 - 5, 0.0, steps=2000, noise=1.0, random_state=0,
        ...                   gain=Gain(A=10))
        >>> abs(r.x - 5 ** (1 / 3)) < 0.02
        True

    References:
        Robbins and Monro, A stochastic approximation method, Ann. Math. Stat. 22 (1951).
    """
    search = RobbinsMonro(x0, steps=steps, **options)
    return search.run(f, steps, noise=noise, random_state=random_state, keep_path=keep_path)

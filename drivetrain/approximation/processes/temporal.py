"""TD(0): the values of a chain from its transitions, one at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.gains import Gain, Schedule, as_schedule
from drivetrain.approximation.processes.chains import RewardChain, Transitions
from drivetrain.approximation.processes.schedules import (
    VisitGains,
    gains_from,
    visits_from,
)
from drivetrain.approximation.search.averages import Average, as_average
from drivetrain.approximation.search.saving import (
    Resumable,
    expect_kind,
    gain_config,
    gain_from_config,
)
from drivetrain.core.checks import check_array, check_choice, check_integer, check_real
from drivetrain.core.errors import unknown
from drivetrain.core.seeds import RandomState

if TYPE_CHECKING:
    from drivetrain.approximation.inference.estimate import Estimate, Interval

Array = NDArray[np.float64]
GAIN = Gain(2.0, 0.7, 2.0)


class TD0(Resumable):
    r"""Temporal-difference learning of state values, a Robbins-Monro search.

    $$v(s) \gets v(s) - \alpha \, (v(s) - [r + \gamma v(s')])$$

    and v(s') counts as 0 after the end of an episode.

    Args:
        start: The first v, (S,); or S, for zeros.
        gamma: Discount, in [0, 1].
        gain: α. By default 2/(k + 2)^0.7.
        by_visits: Whether k counts the visits to s, as the theorem's Σα_k(s) = ∞ wants, or all
            steps, as averages with intervals want.

    Attributes:
        values: v.
        visits: (S,) how often each state was left.
        k: Steps done.

    Example:
        >>> learner = TD0(2, gamma=0.5, gain=Gain())
        >>> learner.update(0, 1.0, 1).update(1, 2.0, 0).values
        array([1. , 2.5])

    References:
        Sutton, Learning to predict by the methods of temporal differences, Machine Learning 3
        (1988). Zhao, Mathematical Foundations of Reinforcement Learning (2025), chapter 7.
    """

    def __init__(
        self,
        start: ArrayLike | int,
        *,
        gamma: float = 0.9,
        gain: Gain | Schedule | float = GAIN,
        by_visits: bool = True,
    ) -> None:
        if isinstance(start, (int, np.integer)):
            self.values: Array = np.zeros(check_integer("start", start, low=1))
        else:
            self.values = check_array("start", start, ndim=1, finite=True).copy()
        self.gamma = check_real("gamma", gamma, low=0.0, high=1.0)
        self.by_visits = bool(by_visits)
        self._schedule = as_schedule(gain)
        self._gains = VisitGains(self._schedule)
        self.visits = np.zeros(len(self.values), dtype=np.int64)
        self.k = 0

    def update(self, state: int, reward: float, next_state: int, done: bool = False) -> Self:
        """Step once.

        Args:
            state: s.
            reward: r.
            next_state: s'; any state where ``done``.
            done: Whether the episode ended.

        Raises:
            ValueError: A state that does not exist, or a reward that is not finite.
        """
        self._run(_one(state, reward, next_state, done), False)
        return self

    def update_many(self, transitions: Transitions) -> Self:
        """Do a step for each row: bit for bit the loop of ``update``."""
        self._run(transitions, False)
        return self

    def _run(self, transitions: Transitions, keep_path: bool) -> Array:
        from drivetrain.approximation.processes._numba import temporal_differences

        s, r, after, done = check_transitions(transitions, len(self.values))
        n = len(s)
        if self.by_visits:
            gains = self._gains.first(int(self.visits.max()) + n)
        else:
            gains = gains_from(self._schedule, self.k + 1, n)
        path = np.empty((n if keep_path else 0, len(self.values)))
        temporal_differences(
            self.values, self.visits, gains, self.by_visits, self.gamma, s, r, after, done, path
        )
        self.k += n
        return path

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state: arrays, and values that JSON holds."""
        return {
            "kind": "TD0",
            "values": self.values.copy(),
            "visits": self.visits.copy(),
            "gamma": self.gamma,
            "gain": gain_config(self._schedule),
            "by_visits": self.by_visits,
            "k": self.k,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], **functions: Any) -> Self:
        """Return the learner that ``state_dict`` described; it goes on bit for bit.

        Raises:
            ValueError: The gain was a function and is not given again.
        """
        expect_kind(state, "TD0")
        learner = cls(
            np.asarray(state["values"], dtype=np.float64),
            gamma=state["gamma"],
            gain=gain_from_config("gain", state["gain"], functions.get("gain")),
            by_visits=state["by_visits"],
        )
        learner.visits = visits_from(state["visits"], learner.values.shape)
        learner.k = check_integer("k", state["k"], low=0)
        return learner


class Options(TypedDict, total=False):
    """The keyword options of ``td0``."""

    gain: Gain | Schedule | float
    by_visits: bool
    average: Average | str
    start: ArrayLike


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What TD(0) learned.

    Attributes:
        values: (S,) the values: of the averaged weights, where an average was wanted.
        weights: (p,) the weights of the features; the values themselves without features.
        steps: Steps done.
        left_out: Steps before the average begins.
        averaged: Whether ``weights`` are an average.
        path: (steps + 1, p) weights from the start on.
        transitions: What it learned from.
        features: (S, p).
        gamma: Discount.
    """

    values: Array
    weights: Array
    steps: int
    left_out: int
    averaged: bool
    path: Array
    transitions: Transitions
    features: Array
    gamma: float

    def estimate(self, method: str = "plug_in", *, n_batches: int = 8) -> "Estimate":
        r"""Return the averaged weights with their uncertainty under Markov noise.

        ``"plug_in"`` is $A^{-1} \hat\Sigma A^{-\top} / n$ with A from all transitions and
        $\hat\Sigma$ the long-run covariance of the noise φ·(r + γφ'ᵀw̄ - φᵀw̄), from the
        means of equal batches that do not overlap. ``"batch_means"`` and ``"random_scaling"``
        need the path alone; as it moves slowly, they cover too little in short runs.
        Averages also carry a bias of the order of the gain, so gains must be small at the end.

        Args:
            method: ``"plug_in"``, ``"batch_means"`` or ``"random_scaling"``.
            n_batches: Number of batches.

        Raises:
            ValueError: No average was wanted.
        """
        # Inference brings scipy, which takes longer to import than most learners to run.
        from drivetrain.approximation.inference.intervals import BatchMeans, RandomScaling

        check_choice("method", method, ("plug_in", "batch_means", "random_scaling"))
        if not self.averaged:
            raise ValueError("Intervals are for averages: pass average='tail' or 'polyak'.")
        path = self.path[self.left_out :]
        if method == "random_scaling":
            return RandomScaling(path[0]).update(path[1:]).estimate()
        if method == "batch_means":
            return BatchMeans(path[0], n_batches=n_batches).update(path[1:]).estimate()
        return self._plug_in(n_batches)

    def ci(self, level: float = 0.95, method: str = "plug_in", *, n_batches: int = 8) -> "Interval":
        """Return a confidence interval for each weight: see ``estimate``."""
        return self.estimate(method, n_batches=n_batches).interval(level)

    def _plug_in(self, n_batches: int) -> "Estimate":
        from drivetrain.approximation.inference.estimate import Estimate
        from drivetrain.approximation.inference.intervals import BatchMeans

        t, n = self.transitions, self.steps
        here = self.features[t.states]
        there = np.where(t.done[:, None], 0.0, self.features[t.next_states])
        gaps = here - self.gamma * there
        noise = here * (t.rewards - gaps @ self.weights)[:, None]
        batches = BatchMeans(np.zeros(noise.shape[1]), n_batches=n_batches)
        long_run = batches.update(noise[self.left_out :]).estimate()
        # Terminal states have zero rows and columns: a pseudo-inverse leaves them certain.
        inverse = np.linalg.pinv(here.T @ gaps / n, rcond=1e-12)
        covariance = inverse @ long_run.covariance @ inverse.T
        return Estimate(self.weights, covariance, long_run.pivot, "plug_in", long_run.n)


def td0(
    source: RewardChain | Transitions,
    *,
    steps: int = 10_000,
    gamma: float | None = None,
    features: ArrayLike | None = None,
    random_state: RandomState = None,
    **options: Unpack[Options],
) -> Prediction:
    r"""Learn the values of a chain by TD(0), for each state or linear in features.

    $$w \gets w + \alpha \, (r + \gamma \varphi(s')^\top w - \varphi(s)^\top w) \, \varphi(s)$$

    Args:
        source: A chain to walk, or the transitions of a walk.
        steps: How long a walk, for a chain.
        gamma: Discount; the chain's own where not given.
        features: φ, (S, p); one indicator a state where not given.
        random_state: Seed of the walk.
        **options: ``gain`` (2/(k + 2)^0.7 by default), ``by_visits`` (true by default, false with
            features), ``average`` (a name or an Average; "none" by default), ``start``
            (the first weights; zeros by default).

    Returns:
        The values; intervals of an average by ``.ci()``.

    Raises:
        ValueError: Bad input, or the weights overflow (a smaller gain cures it).

    Example:
        >>> from drivetrain.approximation.processes import random_walk
        >>> learned = td0(random_walk(3), steps=20000, average="tail", random_state=0)
        >>> bool(np.allclose(learned.values, random_walk(3).values(), atol=0.05))
        True

    References:
        Zhao, Mathematical Foundations of Reinforcement Learning (2025), chapters 7 and 8.
    """
    for name in options:
        if name not in Options.__annotations__:
            raise unknown("option", name, Options.__annotations__)
    transitions, n_states, discount = _source(source, steps, gamma, random_state)
    average = as_average(options.get("average", "none"))
    if average.kind == "weighted":
        raise ValueError("average must be 'none', 'polyak', 'tail' or 'suffix'. Got 'weighted'.")
    left_out = average.start(len(transitions))
    if features is None:
        path, phi = _tabular(transitions, n_states, discount, options), np.eye(n_states)
    else:
        phi = check_array("features", features, ndim=2, finite=True)
        path = _linear(transitions, phi, discount, options)
    if not np.all(np.isfinite(path[-1])):
        raise ValueError("The weights overflowed: pass a smaller gain, such as Gain(0.1, 0.7).")
    averaged = average.kind != "none" and len(transitions) > 0
    weights = path[left_out + 1 :].mean(axis=0) if averaged else path[-1].copy()
    return Prediction(
        values=weights if features is None else phi @ weights,
        weights=weights,
        steps=len(transitions),
        left_out=left_out,
        averaged=averaged,
        path=path,
        transitions=transitions,
        features=phi,
        gamma=discount,
    )


def _source(
    source: RewardChain | Transitions,
    steps: int,
    gamma: float | None,
    random_state: RandomState,
) -> tuple[Transitions, int, float]:
    if isinstance(source, RewardChain):
        discount = source.gamma if gamma is None else gamma
        return source.sample(steps, random_state=random_state), source.n_states, discount
    if not isinstance(source, Transitions):
        what = type(source).__name__
        raise TypeError(f"source must be a RewardChain or Transitions. Got {what}.")
    if gamma is None:
        raise ValueError("gamma must be given with transitions; only a chain has its own.")
    visited = [np.asarray(column).max(initial=0) for column in (source.states, source.next_states)]
    return source, int(max(visited)) + 1, gamma


def _tabular(transitions: Transitions, n: int, gamma: float, options: Options) -> Array:
    learner = TD0(
        options.get("start", n),
        gamma=gamma,
        gain=options.get("gain", GAIN),
        by_visits=options.get("by_visits", True),
    )
    first = learner.values.copy()
    return np.concatenate((first[None], learner._run(transitions, True)))


def _linear(transitions: Transitions, phi: Array, gamma: float, options: Options) -> Array:
    from drivetrain.approximation.processes._numba import linear_temporal_differences

    if options.get("by_visits", False):
        raise ValueError("by_visits must be false with features: weights belong to no state.")
    check_real("gamma", gamma, low=0.0, high=1.0)
    s, r, after, done = check_transitions(transitions, len(phi))
    w = np.zeros(phi.shape[1])
    if "start" in options:
        start = check_array("start", options["start"], ndim=1, finite=True)
        if start.shape != w.shape:
            raise ValueError(f"start must have shape {w.shape}. Got {start.shape}.")
        w[...] = start
    gains = gains_from(as_schedule(options.get("gain", GAIN)), 1, len(s))
    path = np.empty((len(s) + 1, len(w)))
    path[0] = w
    table = np.ascontiguousarray(phi)
    linear_temporal_differences(w, table, gains, gamma, s, r, after, done, path[1:])
    return path


def _one(state: int, reward: float, next_state: int, done: bool) -> Transitions:
    for name, value in (("state", state), ("next_state", next_state)):
        check_integer(name, value, low=0)
    return Transitions(
        states=np.array([state]),
        rewards=np.array([check_real("reward", reward)]),
        next_states=np.array([next_state]),
        done=np.array([bool(done)]),
    )


def check_transitions(
    transitions: Transitions, n_states: int
) -> tuple[NDArray[np.int64], Array, NDArray[np.int64], NDArray[np.bool_]]:
    """Return the columns, contiguous, each state below ``n_states``.

    Raises:
        ValueError: A state that is no whole number or out of range, a reward that is not finite,
            or unequal lengths.
    """
    columns = []
    for name in ("states", "next_states"):
        given = check_array(name, getattr(transitions, name), ndim=1, dtype=np.int64)
        column = np.ascontiguousarray(given)
        if column.size and not (column.min() >= 0 and column.max() < n_states):
            bad = column.min() if column.min() < 0 else column.max()
            raise ValueError(f"{name} must be in 0..{n_states - 1}. Got {bad}.")
        columns.append(column)
    r = np.ascontiguousarray(check_array("rewards", transitions.rewards, ndim=1, finite=True))
    done = np.ascontiguousarray(transitions.done, dtype=np.bool_)
    if len({len(columns[0]), len(columns[1]), len(r), len(done)}) > 1:
        raise ValueError("states, rewards, next_states and done must have the same length.")
    return columns[0], r, columns[1], done

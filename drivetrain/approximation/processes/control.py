"""Q-learning: the best decisions from experience."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.gains import Gain, Schedule, as_schedule
from drivetrain.approximation.processes.chains import DecisionProcess, cumulative
from drivetrain.approximation.processes.schedules import (
    VisitGains,
    visits_from,
)
from drivetrain.approximation.search.saving import (
    Resumable,
    expect_kind,
    gain_config,
    gain_from_config,
    generator_from,
    generator_state,
)
from drivetrain.core.checks import check_array, check_integer, check_real
from drivetrain.core.seeds import RandomState, numpy_generator

Array = NDArray[np.float64]
GAIN = Gain(1.0, 0.7)
_CHUNK = 1 << 16  # steps whose uniforms are drawn at a time: 2 MB


class QLearning(Resumable):
    r"""Q-learning of a table, off-policy, exploring by ε-greedy choices.

    $$q(s,a) \gets q(s,a) - \alpha \, (q(s,a) - [r + \gamma \max_{a'} q(s',a')])$$

    Args:
        start: The first q, (S, A); or (S, A) itself, for zeros.
        gamma: Discount, in [0, 1].
        gain: α, a function of how often (s, a) was taken; k^-0.7 by default.
        epsilon: Probability of an action drawn uniformly, in [0, 1]; 1 explores evenly.
        random_state: Seed of exploration and of the walk.

    Attributes:
        q: The table.
        visits: (S, A) how often each was taken.
        state: Where the walk of ``run`` stands; None before it.

    Example:
        >>> learner = QLearning((2, 2), gamma=0.5)
        >>> learner.update(0, 1, 1.0, 1).update(1, 0, 1.0, 0).q
        array([[0. , 1. ],
               [1.5, 0. ]])

    References:
        Watkins and Dayan, Q-learning, Machine Learning 8 (1992). Zhao, Mathematical Foundations
        of Reinforcement Learning (2025), chapter 7.
    """

    def __init__(
        self,
        start: tuple[int, int] | Array,
        *,
        gamma: float = 0.9,
        gain: Gain | Schedule | float = GAIN,
        epsilon: float = 0.1,
        random_state: RandomState = None,
    ) -> None:
        if isinstance(start, tuple):
            shape = (check_integer("S", start[0], low=1), check_integer("A", start[1], low=1))
            self.q: Array = np.zeros(shape)
        else:
            self.q = check_array("start", start, ndim=2, finite=True).copy()
        self.gamma = check_real("gamma", gamma, low=0.0, high=1.0)
        self.epsilon = check_real("epsilon", epsilon, low=0.0, high=1.0)
        self._schedule = as_schedule(gain)
        self._gains = VisitGains(self._schedule)
        self._rng = numpy_generator(random_state)
        self.visits = np.zeros(self.q.shape, dtype=np.int64)
        self.state: int | None = None

    def act(self, state: int) -> int:
        """Return the action to take: the best so far, or with probability ε any."""
        check_integer("state", state, low=0, high=len(self.q) - 1)
        u, v = self._rng.random(2)
        if u < self.epsilon:
            return min(int(v * self.q.shape[1]), self.q.shape[1] - 1)
        return int(np.argmax(self.q[state]))

    def update(
        self, state: int, action: int, reward: float, next_state: int, done: bool = False
    ) -> Self:
        """Step once.

        Raises:
            ValueError: A state or action that does not exist, or a reward that is not finite.
        """
        check_integer("state", state, low=0, high=len(self.q) - 1)
        check_integer("next_state", next_state, low=0, high=len(self.q) - 1)
        check_integer("action", action, low=0, high=self.q.shape[1] - 1)
        target = float(check_array("reward", reward, ndim=0, finite=True))
        if not done:
            target += self.gamma * float(self.q[next_state].max())
        self.visits[state, action] += 1
        gain = self._schedule(int(self.visits[state, action]))
        old = self.q[state, action]
        self.q[state, action] = old - gain * (old - target)
        return self

    def run(self, process: DecisionProcess, steps: int) -> Self:
        """Walk a process for ``steps`` steps and learn; a later call goes on where it stopped.

        Raises:
            TypeError: Not a DecisionProcess.
            ValueError: Another number of states or actions.
        """
        from drivetrain.approximation.processes._numba import q_learn

        check_integer("steps", steps, low=0)
        if not isinstance(process, DecisionProcess):
            what = type(process).__name__
            raise TypeError(f"process must be a DecisionProcess. Got {what}.")
        if process.shape != self.q.shape:
            raise ValueError(f"The process must be {self.q.shape}. Got {process.shape}.")
        rows = cumulative(np.asarray(process.transitions))
        rewards = np.ascontiguousarray(process.rewards)
        ends = np.ascontiguousarray(process.terminal)
        if self.state is None:
            live = np.flatnonzero(~ends)
            self.state = int(live[self._rng.integers(len(live))])
        for done in range(0, steps, _CHUNK):
            n = min(_CHUNK, steps - done)
            gains = self._gains.first(int(self.visits.max()) + n)
            uniforms = self._rng.random((n, 4))
            self.state = int(
                q_learn(
                    self.q, self.visits, gains, self.gamma, self.epsilon, rows, rewards, ends,
                    self.state, uniforms,
                )
            )  # fmt: skip
        return self

    @property
    def policy(self) -> NDArray[np.int64]:
        """(S,) the best action of each state, the first among equals."""
        return np.argmax(self.q, axis=1)

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state: arrays, and values that JSON holds."""
        return {
            "kind": "QLearning",
            "q": self.q.copy(),
            "visits": self.visits.copy(),
            "gamma": self.gamma,
            "epsilon": self.epsilon,
            "gain": gain_config(self._schedule),
            "state": self.state,
            "generator": generator_state(self._rng),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], **functions: Any) -> Self:
        """Return the learner that ``state_dict`` described; it goes on bit for bit.

        Raises:
            ValueError: The gain was a function and is not given again.
        """
        expect_kind(state, "QLearning")
        learner = cls(
            np.asarray(state["q"], dtype=np.float64),
            gamma=state["gamma"],
            gain=gain_from_config("gain", state["gain"], functions.get("gain")),
            epsilon=state["epsilon"],
            random_state=generator_from(state["generator"]),
        )
        learner.visits = visits_from(state["visits"], learner.q.shape)
        stands = state["state"]
        if stands is not None:
            learner.state = check_integer("state", stands, low=0, high=len(learner.q) - 1)
        return learner


@dataclass(frozen=True, kw_only=True)
class Control:
    """What Q-learning learned.

    Attributes:
        q: (S, A).
        policy: (S,) the best actions.
        values: (S,) max_a q.
        visits: (S, A) how often each was taken.
    """

    q: Array
    policy: NDArray[np.int64]
    values: Array
    visits: NDArray[np.int64]


def q_learning(
    process: DecisionProcess,
    *,
    steps: int = 100_000,
    gain: Gain | Schedule | float = GAIN,
    epsilon: float = 1.0,
    start: ArrayLike | None = None,
    random_state: RandomState = None,
) -> Control:
    """Learn the best decisions of a process by walking it: see ``QLearning``.

    Args:
        process: What to walk.
        steps: How long.
        gain: α by visits to (s, a).
        epsilon: Share of actions drawn uniformly; 1 explores evenly, and still learns the best.
        start: The first q, (S, A); zeros where not given.
        random_state: Seed.

    Returns:
        q, its policy, and how often everything was tried.

    Example:
        >>> world = DecisionProcess([[[1.0], [1.0]]], [[0.0, 1.0]], 0.5)
        >>> q_learning(world, steps=5000, random_state=0).q.round(2)
        array([[1., 2.]])
    """
    first = process.shape if start is None else check_array("start", start, ndim=2)
    learner = QLearning(
        first, gamma=process.gamma, gain=gain, epsilon=epsilon, random_state=random_state
    )
    learner.run(process, steps)
    return Control(
        q=learner.q, policy=learner.policy, values=learner.q.max(axis=1), visits=learner.visits
    )

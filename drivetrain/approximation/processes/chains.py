"""Small worlds with exact answers: Markov chains with rewards, and decisions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array, check_integer, check_real
from drivetrain.core.seeds import RandomState, numpy_generator

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """What was observed of a chain, one row a step.

    Attributes:
        states: (n,) s.
        rewards: (n,) r.
        next_states: (n,) s'.
        done: (n,) whether the episode ended there; the next row then starts a new one.
    """

    states: Ints
    rewards: Array
    next_states: Ints
    done: Flags

    def __len__(self) -> int:
        return len(self.states)


@dataclass(frozen=True)
class RewardChain:
    r"""A Markov chain with rewards, whose values are known exactly.

    Args:
        transitions: P, (S, S); rows sum to 1.
        rewards: (S, S), r(s, s'), or (S,), r(s).
        gamma: Discount, in [0, 1]; 1 only with terminal states.
        terminal: (S,) flags; after a terminal state an episode starts anew.
        start: (S,) probabilities of the first state; uniform over the others where not given.

    Raises:
        ValueError: Shapes or probabilities that do not fit; they are named.
    """

    transitions: ArrayLike
    rewards: ArrayLike
    gamma: float = 0.9
    terminal: ArrayLike | None = None
    start: ArrayLike | None = None

    def __post_init__(self) -> None:
        P = check_array("transitions", self.transitions, ndim=2, finite=True)
        n = len(P)
        check_probabilities("transitions", P, (n, n))
        R = check_array("rewards", self.rewards, ndim=(1, 2), finite=True)
        if R.shape not in ((n,), (n, n)):
            raise ValueError(f"rewards must be ({n},) or ({n}, {n}). Got {R.shape}.")
        check_real("gamma", self.gamma, low=0.0, high=1.0)
        ends = np.zeros(n, dtype=bool) if self.terminal is None else np.asarray(self.terminal, bool)
        if ends.shape != (n,) or ends.all():
            raise ValueError(f"terminal must be ({n},) flags, not all set. Got {ends.shape}.")
        if self.gamma == 1.0 and not ends.any():
            raise ValueError("gamma must be < 1 without terminal states. Got 1.")
        start = ~ends / np.sum(~ends) if self.start is None else check_array("start", self.start)
        check_probabilities("start", start[None], (1, n))
        if np.any(start[ends] > 0.0):
            raise ValueError("start must not be a terminal state.")
        full = np.repeat(R[:, None], n, axis=1) if R.ndim == 1 else R
        for name, value in (("transitions", P), ("rewards", full), ("terminal", ends)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "start", start)

    @property
    def n_states(self) -> int:
        """S."""
        return len(np.asarray(self.transitions))

    def values(self) -> Array:
        r"""Return v, which solves $v = \bar r + \gamma P v$; 0 at terminal states.

        Raises:
            ValueError: γ = 1 and an end that is never reached.
        """
        P, R, ends = self._tables()
        live = ~ends
        expected = np.sum(P * R, axis=1)[live]
        system = np.eye(int(live.sum())) - self.gamma * P[np.ix_(live, live)]
        v = np.zeros(self.n_states)
        try:
            v[live] = np.linalg.solve(system, expected)
        except np.linalg.LinAlgError:
            raise ValueError("gamma must be < 1: with 1, some states never end.") from None
        return v

    def weights(self) -> Array:
        """Return the share of steps that start in each state, in the long run; (S,)."""
        P, _, ends = self._tables()
        # To end is to start anew: the embedded chain over the states that are acted from.
        live = np.where(ends[None, :], 0.0, P)
        restart = P[:, ends].sum(axis=1)[:, None] * np.asarray(self.start)[None, :]
        kernel = (live + restart)[np.ix_(~ends, ~ends)]
        n = len(kernel)
        system = np.vstack((kernel.T - np.eye(n), np.ones(n)))
        right = np.zeros(n + 1)
        right[-1] = 1.0
        share = np.zeros(self.n_states)
        share[~ends] = np.linalg.lstsq(system, right, rcond=None)[0]
        return share

    def sample(self, steps: int, *, random_state: RandomState = None) -> Transitions:
        """Walk the chain.

        Args:
            steps: n >= 0.
            random_state: Seed.

        Returns:
            n transitions; episodes follow one another.
        """
        from drivetrain.approximation.processes._numba import walk

        check_integer("steps", steps, low=0)
        P, R, ends = self._tables()
        rng = numpy_generator(random_state)
        uniforms = rng.random((steps + 1, 2))
        states, after = walk(cumulative(P), cumulative(np.asarray(self.start)), ends, uniforms)
        return Transitions(
            states=states, rewards=R[states, after], next_states=after, done=ends[after]
        )

    def _tables(self) -> tuple[Array, Array, Flags]:
        return np.asarray(self.transitions), np.asarray(self.rewards), np.asarray(self.terminal)


@dataclass(frozen=True)
class DecisionProcess:
    r"""A finite Markov decision process, whose optimal values are found by iteration.

    Args:
        transitions: P, (S, A, S); p(s' | s, a).
        rewards: (S, A), the expected reward.
        gamma: Discount, in [0, 1).
        terminal: (S,) flags; their value is 0, and an episode starts anew after them.

    Raises:
        ValueError: Shapes or probabilities that do not fit.
    """

    transitions: ArrayLike
    rewards: ArrayLike
    gamma: float = 0.9
    terminal: ArrayLike | None = None

    def __post_init__(self) -> None:
        P = check_array("transitions", self.transitions, ndim=3, finite=True)
        n, m = P.shape[:2]
        check_probabilities("transitions", P.reshape(n * m, -1), (n * m, n))
        R = check_array("rewards", self.rewards, ndim=2, finite=True)
        if R.shape != (n, m):
            raise ValueError(f"rewards must be ({n}, {m}). Got {R.shape}.")
        check_real("gamma", self.gamma, low=0.0, high=1.0, open_high=True)
        ends = np.zeros(n, dtype=bool) if self.terminal is None else np.asarray(self.terminal, bool)
        if ends.shape != (n,) or ends.all():
            raise ValueError(f"terminal must be ({n},) flags, not all set. Got {ends.shape}.")
        for name, value in (("transitions", P), ("rewards", R), ("terminal", ends)):
            object.__setattr__(self, name, value)

    @property
    def shape(self) -> tuple[int, int]:
        """(S, A)."""
        n, m = np.asarray(self.rewards).shape
        return n, m

    def backup(self, v: ArrayLike) -> Array:
        r"""Return $q(s, a) = r(s, a) + \gamma \sum_{s'} p(s' | s, a) v(s')$; 0 at the end."""
        values = check_array("v", v, ndim=1)
        if len(values) != self.shape[0]:
            raise ValueError(f"v must have shape ({self.shape[0]},). Got {values.shape}.")
        q = np.asarray(self.rewards) + self.gamma * (np.asarray(self.transitions) @ values)
        return np.where(np.asarray(self.terminal)[:, None], 0.0, q)

    def value_iteration(self, *, tolerance: float = 1e-12) -> Array:
        r"""Return the optimal q, (S, A), by $v \gets \max_a q$ until it is within the tolerance.

        Since the backup contracts by γ, stopping at a change below tolerance·(1-γ)/γ leaves at
        most ``tolerance``, relative to the largest value.

        Example:
            >>> DecisionProcess([[[1.0]]], [[1.0]], 0.5).value_iteration().round(9)
            array([[2.]])
        """
        check_real("tolerance", tolerance, low=0.0, open_low=True)
        v = np.zeros(self.shape[0])
        while True:
            q = self.backup(v)
            new = q.max(axis=1)
            change, v = float(np.abs(new - v).max()), new
            # A change of an ulp of the values is as near as floats come.
            scale = max(float(np.abs(v).max()), np.finfo(float).tiny)
            if change * self.gamma <= max(tolerance * (1.0 - self.gamma), 4e-16) * scale:
                return self.backup(v)

    def under(self, policy: ArrayLike) -> RewardChain:
        """Return the chain that a policy makes.

        Args:
            policy: (S,) actions, or (S, A) probabilities.

        Raises:
            ValueError: An action that does not exist, or probabilities that do not fit.
        """
        n, m = self.shape
        pi = check_array("policy", policy, ndim=(1, 2))
        if pi.ndim == 1:
            pi = np.asarray(pi[:, None] == np.arange(m), dtype=np.float64)
        check_probabilities("policy", pi, (n, m))
        P = np.einsum("sa,sat->st", pi, np.asarray(self.transitions))
        r = np.sum(pi * np.asarray(self.rewards), axis=1)
        return RewardChain(P, r, self.gamma, self.terminal)


def check_probabilities(name: str, rows: Array, shape: tuple[int, int]) -> None:
    """Raise a ValueError unless each row is a distribution."""
    if rows.shape != shape:
        raise ValueError(f"{name} must have shape {shape}. Got {rows.shape}.")
    sums = rows.sum(axis=1)
    # Written so that NaN is refused.
    if not (np.all(rows >= 0.0) and np.all(np.abs(sums - 1.0) <= 1e-9)):
        worst = int(np.argmax(np.abs(sums - 1.0)))
        raise ValueError(
            f"{name} must hold probabilities >= 0 that sum to 1. Row {worst} sums to "
            f"{sums[worst]:g}."
        )


def cumulative(rows: Array) -> Array:
    """Return cumulative probabilities whose last entry is never short of 1 by rounding."""
    total = np.cumsum(rows, axis=-1)
    # Whatever lies beyond the last possible state must never be drawn.
    total[total >= total[..., -1:]] = 2.0
    return np.ascontiguousarray(total)


def random_walk(n: int = 5, *, gamma: float = 1.0) -> RewardChain:
    """Return the random walk: from the middle, left or right, reward 1 for leaving on the right.

    States 0 and n + 1 are the ends. With γ = 1 the values are s/(n + 1).

    Example:
        >>> random_walk(5).values().round(3)
        array([0.   , 0.167, 0.333, 0.5  , 0.667, 0.833, 0.   ])

    References:
        Sutton and Barto, Reinforcement Learning (2018), example 6.2.
    """
    check_integer("n", n, low=1)
    P, R = np.zeros((n + 2, n + 2)), np.zeros((n + 2, n + 2))
    for s in range(1, n + 1):
        P[s, s - 1] = P[s, s + 1] = 0.5
    P[0, 0] = P[n + 1, n + 1] = 1.0
    R[n, n + 1] = 1.0
    ends, start = np.zeros(n + 2, dtype=bool), np.zeros(n + 2)
    ends[[0, n + 1]] = True
    start[(n + 1) // 2] = 1.0
    return RewardChain(P, R, gamma, ends, start)


def gridworld(
    layout: str = ".....\n.##..\n..#..\n.#G#.\n.#...",
    *,
    gamma: float = 0.9,
    slip: float = 0.0,
    penalty: float = -1.0,
) -> DecisionProcess:
    """Return a grid: +1 for entering G, a penalty for entering # or running into the border.

    Actions are up, right, down, left, stay. Nothing ends: at G one stays, for +1 a step.

    Args:
        layout: Rows of ``.``, ``#`` (forbidden, yet can be entered) and ``G``.
        gamma: Discount, in [0, 1).
        slip: Probability that a random action is taken instead, in [0, 1].
        penalty: Reward of forbidden cells and the border.

    Raises:
        ValueError: A layout of unequal rows or other characters.

    References:
        Zhao, Mathematical Foundations of Reinforcement Learning (2025), chapter 4.
    """
    rows = layout.strip().splitlines()
    width = len(rows[0]) if rows else 0
    if not rows or any(len(row) != width for row in rows) or set(layout) - set(".#G\n"):
        raise ValueError("layout must be equal rows of '.', '#' and 'G'.")
    check_real("slip", slip, low=0.0, high=1.0)
    n = len(rows) * width
    P, R = np.zeros((n, 5, n)), np.zeros((n, 5))
    for s in range(n):
        for a, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1), (0, 0))):
            i, j = s // width + down, s % width + right
            inside = 0 <= i < len(rows) and 0 <= j < width
            to = i * width + j if inside else s
            P[s, a, to] = 1.0
            cell = rows[to // width][to % width]
            R[s, a] = penalty if not inside or cell == "#" else float(cell == "G")
    P = (1.0 - slip) * P + slip * P.mean(axis=1, keepdims=True)
    R = (1.0 - slip) * R + slip * R.mean(axis=1, keepdims=True)
    return DecisionProcess(P, R, gamma)

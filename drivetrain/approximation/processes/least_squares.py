"""LSTD: what TD(0) converges to, solved for from the same transitions."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.processes.chains import Transitions
from drivetrain.approximation.processes.temporal import check_transitions
from drivetrain.approximation.search.saving import Resumable, expect_kind
from drivetrain.core.checks import check_array, check_real

Array = NDArray[np.float64]


class LSTD(Resumable):
    r"""Least-squares temporal differences: sums now, the weights whenever they are wanted.

    $$A = \sum \varphi (\varphi - \gamma \varphi')^\top, \qquad b = \sum \varphi r, \qquad
    w = (A + \lambda I)^{-1} b$$

    Args:
        features: φ, (S, p).
        gamma: Discount, in [0, 1].
        ridge: λ >= 0, for features that were never or not independently seen.

    Example:
        >>> sums = LSTD(np.eye(2), gamma=0.5)
        >>> rows = Transitions(states=np.array([0, 1]), rewards=np.array([1.0, 2.0]),
        ...                    next_states=np.array([1, 0]), done=np.array([False, True]))
        >>> sums.update(rows).weights()
        array([2., 2.])

    References:
        Bradtke and Barto, Linear least-squares algorithms for temporal difference learning,
        Machine Learning 22 (1996).
    """

    def __init__(self, features: ArrayLike, *, gamma: float = 0.9, ridge: float = 0.0) -> None:
        self.features: Array = check_array("features", features, ndim=2, finite=True)
        self.gamma = check_real("gamma", gamma, low=0.0, high=1.0)
        self.ridge = check_real("ridge", ridge, low=0.0)
        p = self.features.shape[1]
        self.A, self.b, self.n = np.zeros((p, p)), np.zeros(p), 0

    def update(self, transitions: Transitions) -> Self:
        """Add the terms of each transition.

        Raises:
            ValueError: A state out of range, or a reward that is not finite.
        """
        s, r, after, done = check_transitions(transitions, len(self.features))
        here = self.features[s]
        there = np.where(done[:, None], 0.0, self.features[after])
        self.A += here.T @ (here - self.gamma * there)
        self.b += here.T @ r
        self.n += len(s)
        return self

    def merge(self, other: "LSTD") -> Self:
        """Add the sums of other transitions of the same features and discount.

        Raises:
            TypeError: Not an LSTD.
            ValueError: They differ.
        """
        if not isinstance(other, LSTD):
            raise TypeError(f"other must be an LSTD. Got {type(other).__name__}.")
        same = np.array_equal(self.features, other.features) and self.gamma == other.gamma
        if not same:
            raise ValueError("LSTD sums merge only with the same features and gamma.")
        self.A += other.A
        self.b += other.b
        self.n += other.n
        return self

    def weights(self) -> Array:
        """Return w, (p,).

        Raises:
            ValueError: A is singular: too few transitions, or dependent features.
        """
        system = self.A + self.ridge * np.eye(len(self.b))
        if np.linalg.matrix_rank(system) < len(self.b):
            raise ValueError(
                f"A is singular after {self.n} transitions: see more of them, leave out features "
                "that depend on others (or terminal states), or pass ridge=."
            )
        return np.asarray(np.linalg.solve(system, self.b))

    def values(self) -> Array:
        """Return φw, (S,)."""
        return np.asarray(self.features @ self.weights())

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state: arrays, and values that JSON holds."""
        return {
            "kind": "LSTD",
            "features": self.features.copy(),
            "gamma": self.gamma,
            "ridge": self.ridge,
            "A": self.A.copy(),
            "b": self.b.copy(),
            "n": self.n,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], **functions: Any) -> Self:
        """Return the sums that ``state_dict`` described."""
        expect_kind(state, "LSTD")
        sums = cls(state["features"], gamma=state["gamma"], ridge=state["ridge"])
        sums.A = np.array(state["A"], dtype=np.float64)
        sums.b = np.array(state["b"], dtype=np.float64)
        sums.n = state["n"]
        return sums


def lstd(
    transitions: Transitions, features: ArrayLike, *, gamma: float = 0.9, ridge: float = 0.0
) -> Array:
    """Return the weights of LSTD, (p,): see ``LSTD``.

    Example:
        >>> from drivetrain.approximation.processes import random_walk
        >>> walk = random_walk(3)
        >>> w = lstd(walk.sample(50000, random_state=0), np.eye(5)[:, 1:4], gamma=1.0)
        >>> bool(np.allclose(w, walk.values()[1:4], atol=0.02))
        True
    """
    return LSTD(features, gamma=gamma, ridge=ridge).update(transitions).weights()

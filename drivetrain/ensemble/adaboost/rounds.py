"""The rounds that AdaBoost for classes and for numbers have in common."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Round:
    """What a round came to.

    Attributes:
        member: The fitted member; None where it is not kept.
        alpha: Its weight.
        error: Its weighted error.
        weight: Of the rows, for the next round, not normalized; None where there is none.
    """

    member: Any = None
    alpha: float = 0.0
    error: float = 1.0
    weight: Doubles | None = None


@dataclass(kw_only=True, eq=False)
class Boosted:
    """The members so far, their weights and errors: 0 and 1 of rounds that were not reached.

    Attributes:
        members: In order.
        alphas: (rounds,).
        errors: (rounds,).
    """

    members: list[Any] = field(default_factory=list)
    alphas: Doubles
    errors: Doubles


def boosted(
    step: Callable[[int, Doubles, list[Any]], Round], weight: Doubles, rounds: int, into: Boosted
) -> None:
    """Run the rounds; what is there stays if one of them fails.

    Weights are kept from vanishing, except those that were 0 to begin with; they are normalized
    after every round but the last. A perfect member is the last, and so is one without another
    round's weights.

    Args:
        step: Fits a member, given the number of the round, the weights, and the members so far.
        weight: Of the rows, at least 0, not all 0, (n,).
        rounds: At most.
        into: Is filled.
    """
    weight = weight / weight.sum()
    absent = weight == 0.0
    for number in range(rounds):
        weight = np.clip(weight, np.finfo(np.float64).eps, None)
        weight[absent] = 0.0
        found = step(number, weight, into.members)
        if found.member is not None:
            into.members.append(found.member)
        if found.weight is None:
            return
        into.alphas[number], into.errors[number] = found.alpha, found.error
        if found.error == 0:
            return
        weight = found.weight
        total = np.sum(weight)
        if not np.isfinite(total):
            warnings.warn(
                f"Weights of rows became infinite in round {number}: boosting stops. Lower "
                "learning_rate.",
                stacklevel=4,
            )
            return
        if total <= 0:
            return
        if number < rounds - 1:
            weight = weight / total

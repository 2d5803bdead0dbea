r"""DART: some of the trees are left out while the next is grown, then all are weighed anew.

With k trees dropped and lr = learning_rate / new trees:

- ``tree``: dropped weights x k / (k + lr), a new tree's weight 1 / (k + lr);
- ``forest``: dropped weights x 1 / (1 + lr), a new tree's weight 1 / (1 + lr);
- where nothing was dropped, a new tree's weight is 1.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_choice, check_real

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Dart:
    """How trees are dropped; XGBoost's names and defaults.

    Attributes:
        rate_drop: Chance of each tree to be dropped, 0 to 1.
        skip_drop: Chance that a round drops nothing, 0 to 1.
        one_drop: Whether a round that would drop nothing drops one tree, unless it skips.
        sample_type: ``uniform``, or ``weighted``: in proportion to the trees' weights.
        normalize_type: ``tree``: new trees weigh as much as each of the dropped; ``forest``: as
            much as all of them.

    References:
        Vinayak, Gilad-Bachrach: DART: Dropouts meet Multiple Additive Regression Trees,
        AISTATS 2015.
    """

    rate_drop: float = 0.0
    skip_drop: float = 0.0
    one_drop: bool = False
    sample_type: Literal["uniform", "weighted"] = "uniform"
    normalize_type: Literal["tree", "forest"] = "tree"

    def __post_init__(self) -> None:
        check_real("rate_drop", self.rate_drop, low=0, high=1)
        check_real("skip_drop", self.skip_drop, low=0, high=1)
        check_choice("sample_type", self.sample_type, ("uniform", "weighted"))
        check_choice("normalize_type", self.normalize_type, ("tree", "forest"))

    @property
    def drops(self) -> bool:
        """Whether any tree can ever be dropped."""
        return (self.rate_drop > 0 or self.one_drop) and self.skip_drop < 1


def choose_dropped(dart: Dart, weights: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the numbers of the trees a round leaves out, rising.

    Args:
        dart: The rules.
        weights: The trees' weights, (T,).
        rng: The round's.
    """
    n = len(weights)
    if not n or (dart.skip_drop > 0 and rng.random() < dart.skip_drop):
        return np.empty(0, np.int64)
    share = np.full(n, 1 / n)
    whole = weights.sum(dtype=np.float64)
    if dart.sample_type == "weighted" and whole > 0:
        share = weights.astype(np.float64) / whole
    chosen = np.flatnonzero(rng.random(n) < dart.rate_drop * n * share)
    if dart.one_drop and not len(chosen):
        chosen = np.array([rng.choice(n, p=share)])
    return chosen


def weigh_anew(
    dart: Dart, weights: Floats, dropped: NDArray[np.int64], *, new: int, learning_rate: float
) -> Floats:
    """Return the weights of all trees after a round, (T + new,), rounded where XGBoost rounds.

    Args:
        dart: The rules.
        weights: Before the round, (T,).
        dropped: The trees that were left out.
        new: Number of new trees.
        learning_rate: What they were multiplied by.
    """
    lr = float(np.float32(np.float32(learning_rate) / new))
    k = len(dropped)
    factor, fresh = 1.0, 1.0
    if k and dart.normalize_type == "forest":
        factor = fresh = 1 / (1 + lr)
    elif k:
        # The sum of a count and a float is a float there.
        factor, fresh = k / float(np.float32(k + lr)), 1 / float(np.float32(k + lr))
    out = np.append(weights, np.full(new, fresh, np.float32)).astype(np.float32)
    out[dropped] *= np.float32(factor)
    return out

"""Which rows each tree of a forest is grown on, drawn as scikit-learn draws them."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from drivetrain.core.checks import check_integer, check_real

Doubles = NDArray[np.float64]
_SEEDS = np.iinfo(np.int32).max


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """How rows are drawn.

    Attributes:
        rows: Rows of the table.
        draws: Rows each tree draws, with replacement; 0 where each takes them all.
        weight: Of each row, (n,): what it is drawn by, or, without draws, counts for.
        reweigh: Returns weights that draws are multiplied by, from the rows drawn; None for none.
    """

    rows: int
    draws: int
    weight: Doubles | None
    reweigh: Callable[[NDArray[np.int32]], Doubles] | None = None

    def drawn(self, seed: int) -> NDArray[np.int32]:
        """Return the rows a tree drew, repeated where they were drawn again."""
        if not self.draws:
            return np.arange(self.rows, dtype=np.int32)
        rng = np.random.RandomState(seed)
        if self.weight is None:
            return rng.randint(0, self.rows, self.draws).astype(np.int32)
        share = self.weight / self.weight.sum()
        return rng.choice(self.rows, self.draws, replace=True, p=share).astype(np.int32)

    def sample(self, seed: int) -> tuple[NDArray[np.uint32], Doubles]:
        """Return a tree's rows, each once, rising, and their weights, above 0."""
        if not self.draws:
            weight = np.ones(self.rows) if self.weight is None else self.weight
        else:
            drawn = self.drawn(seed)
            weight = np.bincount(drawn, minlength=self.rows).astype(np.float64)
            if self.reweigh is not None:
                weight *= self.reweigh(drawn)
        held = np.flatnonzero(weight)
        return held.astype(np.uint32), np.ascontiguousarray(weight[held])

    def left_out(self, seed: int) -> NDArray[np.int64]:
        """Return the rows a tree did not draw, rising."""
        return np.flatnonzero(np.bincount(self.drawn(seed), minlength=self.rows) == 0)


def draws_of(max_samples: Any, rows: int, weight: Doubles | None) -> int:
    """Return how many rows a tree draws.

    Args:
        max_samples: A number, a share of the rows, or of the weights where there are any; all
            rows where None.
        rows: Rows of the table.
        weight: Of each row.

    Raises:
        TypeError: Not a number.
        ValueError: Not above 0.
    """
    if max_samples is None:
        return rows
    if isinstance(max_samples, Integral):
        return check_integer("max_samples", max_samples, low=1)
    share = check_real("max_samples", max_samples, low=0, open_low=True)
    draws = max(int(share * (rows if weight is None else weight.sum())), 1)
    if draws < max(10, math.cbrt(rows)):
        warnings.warn(
            f"max_samples={max_samples} makes each tree draw only {draws} rows. Give a whole "
            "number of rows instead if that is what you want.",
            stacklevel=4,
        )
    return draws


def seeds_of(random_state: Any, begin: int, end: int) -> list[int]:
    """Return the seeds of trees ``begin`` to ``end``, those scikit-learn's would have.

    Args:
        random_state: Seed, generator, or None.
        begin: Trees that are there already.
        end: Trees there will be.
    """
    rng = check_random_state(random_state)
    if begin:
        rng.randint(_SEEDS, size=begin)
    return [int(rng.randint(_SEEDS)) for _ in range(begin, end)]

"""Which rows and features a member of a bag gets, drawn as scikit-learn draws them."""

import math
import warnings
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.random import sample_without_replacement

from drivetrain.core.checks import check_integer, check_real

Doubles = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """How rows and features are drawn.

    Attributes:
        rows: Rows of the table.
        features: Its features.
        row_draws: Rows a member draws.
        feature_draws: Features it draws.
        bootstrap: Whether rows are drawn with replacement.
        bootstrap_features: Whether features are.
        weight: What rows are drawn in proportion to, (n,); None for all alike.
    """

    rows: int
    features: int
    row_draws: int
    feature_draws: int
    bootstrap: bool
    bootstrap_features: bool
    weight: Doubles | None = None

    @property
    def all_features(self) -> bool:
        """Whether every member gets every feature once, in order."""
        return not self.bootstrap_features and self.feature_draws == self.features

    def drawn(self, seed: int) -> tuple[Places, Places]:
        """Return a member's features and its rows, repeated where they were drawn again."""
        rng = np.random.RandomState(seed)
        features = _drawn(rng, self.bootstrap_features, self.features, self.feature_draws)
        if self.weight is None:
            return features, _drawn(rng, self.bootstrap, self.rows, self.row_draws)
        share = self.weight / np.sum(self.weight)
        return features, rng.choice(self.rows, self.row_draws, replace=self.bootstrap, p=share)

    def left_out(self, seed: int) -> NDArray[np.bool_]:
        """Return whether a member did not draw each row, (n,)."""
        out = np.ones(self.rows, np.bool_)
        out[self.drawn(seed)[1]] = False
        return out


def _drawn(rng: np.random.RandomState, again: bool, held: int, draws: int) -> Places:
    if again:
        return rng.randint(0, held, draws)
    return np.asarray(sample_without_replacement(held, draws, random_state=rng))


def row_draws(max_samples: Any, rows: int, weight: Doubles | None, *, bootstrap: bool) -> int:
    """Return how many rows a member draws.

    Args:
        max_samples: A number, a share of the rows, or of the weights where there are any; all
            rows where None.
        rows: Rows of the table.
        weight: Of each row; None for all alike.
        bootstrap: Whether a row may be drawn again.

    Raises:
        TypeError: Not a number.
        ValueError: Out of range; more than there are, where none may be drawn again.
    """
    if max_samples is None:
        return rows
    if isinstance(max_samples, Integral):
        draws = check_integer("max_samples", max_samples, low=1)
    else:
        share = check_real("max_samples", max_samples, low=0, high=1, open_low=True)
        draws = max(int(share * (rows if weight is None else weight.sum())), 1)
        if draws < max(10, math.cbrt(rows)):
            warnings.warn(
                f"max_samples={max_samples} makes each member draw only {draws} rows. Give a "
                "whole number of rows instead if that is what you want.",
                stacklevel=4,
            )
    if not bootstrap and draws > rows:
        raise ValueError(f"max_samples must be <= the {rows} rows without bootstrap. Got {draws}.")
    return draws


def feature_draws(max_features: Any, features: int) -> int:
    """Return how many features a member draws.

    Args:
        max_features: A number, or a share of them.
        features: How many there are.

    Raises:
        TypeError: Not a number.
        ValueError: Out of range.
    """
    if isinstance(max_features, Integral):
        return check_integer("max_features", max_features, low=1, high=features)
    share = check_real("max_features", max_features, low=0, high=1, open_low=True)
    return max(1, int(share * features))

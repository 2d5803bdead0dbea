"""A boosted linear model."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.boosting.linear._numba import add_products
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.core.checks import check_array

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearBooster:
    """Weights, a bias, and the objective they were learned for.

    Attributes:
        weights: Of each feature for each output, float32, (F, groups).
        bias: Of each output, float32, (groups,).
        base_score: Where the predictions start, in their own units, (groups,); XGBoost reads the
            first alone, and so do we.
        objective: Turns margins into predictions.
        rounds: How often the weights were changed.
        best_round: The round early stopping chose, from 0: the weights are that round's.
        feature_names: A name a column.
        feature_types: XGBoost's word for each column, where they are known.
        attributes: Words stored with the model.
    """

    weights: Floats
    bias: Floats
    base_score: Floats
    objective: Objective
    rounds: int
    best_round: int | None = None
    feature_names: tuple[str, ...] = ()
    feature_types: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.rounds

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.weights)

    @property
    def used(self) -> "LinearBooster":
        """The model itself: its weights are those of the best round already."""
        return self

    def first(self, rounds: int) -> "LinearBooster":
        """Return the model of the first rounds: weights keep no history, so all of them.

        Raises:
            ValueError: Fewer rounds than there are.
        """
        if rounds != len(self):
            raise ValueError(
                f"A linear model has its last weights only: rounds must be {len(self)}. "
                f"Got {rounds}."
            )
        return self

    def margin(
        self, x: ArrayLike, *, base_margin: Floats | None = None, threads: int = 1
    ) -> Floats:
        """Return the margins, float32, (n, groups): the bias, the base, then feature by feature.

        Args:
            x: Values, (n, F); NaN is absent and counts nothing.
            base_margin: Where to start instead of the base score, (n, groups).
            threads: Not used: one pass over the rows is soon done.

        Raises:
            TypeError: Not numeric.
            ValueError: Another number of features than the model's.
        """
        table = self._table(x)
        sums = np.empty((len(table), len(self.bias)), np.float32)
        sums[:] = self.bias + self._start(base_margin)
        add_products(table, self.weights, sums)
        return sums

    def _table(self, x: ArrayLike) -> Floats:
        table = check_array("x", x, ndim=2, dtype=np.float32)
        if table.shape[1] != self.n_features:
            raise ValueError(
                f"x must have the model's {self.n_features} features. Got {table.shape[1]}."
            )
        return np.ascontiguousarray(table)

    def _start(self, base_margin: Floats | None) -> Floats:
        # XGBoost starts every output of a linear model at the first one's base score.
        first = self.objective.to_margin(self.base_score)[:1]
        return first if base_margin is None else base_margin

    def predict(self, x: ArrayLike, **given: Any) -> Floats:
        """Return the predictions: values, probabilities, or classes, as the objective has it."""
        return self.objective.predict(self.margin(x, **given))

    def contributions(
        self, x: ArrayLike, *, base_margin: Floats | None = None
    ) -> NDArray[np.float64]:
        """Return what each feature adds, x w, (n, groups, F + 1); the last is the bias.

        Args:
            x: Values, (n, F).
            base_margin: Where to start instead of the base score, (n, groups).
        """
        table = self._table(x)
        out = np.empty((len(table), len(self.bias), self.n_features + 1))
        out[:, :, :-1] = np.nan_to_num(table)[:, None, :] * self.weights.T
        out[:, :, -1] = self.bias + self._start(base_margin)
        return out

    def interactions(
        self, x: ArrayLike, *, base_margin: Floats | None = None
    ) -> NDArray[np.float64]:
        """Return the contributions on the diagonal, (n, groups, F + 1, F + 1): there are no others.

        Rows sum to the contributions, as those of trees do. XGBoost returns zeros alone.
        """
        alone = self.contributions(x, base_margin=base_margin)
        out = np.zeros((*alone.shape, alone.shape[-1]))
        inner = np.arange(alone.shape[-1])
        out[..., inner, inner] = alone
        return out

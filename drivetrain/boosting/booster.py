"""A boosted model: trees, where their sum starts, and what it means."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.objectives.objective import Objective
from drivetrain.core.checks import check_integer
from drivetrain.trees.forest import Forest
from drivetrain.trees.prediction.predictor import Predictor

if TYPE_CHECKING:
    from drivetrain.trees.shap.explainer import Explainer

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Booster:
    """Trees and the objective they were grown for.

    Attributes:
        forest: All trees, round by round.
        base_score: Where the predictions start, in their own units, (groups,).
        objective: Turns margins into predictions.
        rounds: Number of trees after each round, (rounds + 1,), from 0.
        best_round: The round early stopping chose, from 0; None where it did not stop.
        feature_names: A name a column.
        feature_types: XGBoost's word for each column, where they are known.
        categorical: Whether a column is categorical, (F,).
        categories: What the numbers of each categorical column stand for.
        attributes: Words stored with the model.
        weights: What each tree's leaves are multiplied by, float32, (T,), as DART leaves them;
            None for 1 each.
    """

    forest: Forest
    base_score: Floats
    objective: Objective
    rounds: NDArray[np.int64]
    best_round: int | None = None
    feature_names: tuple[str, ...] = ()
    feature_types: tuple[str, ...] = ()
    categorical: NDArray[np.bool_] | None = None
    categories: tuple[tuple[object, ...], ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    weights: Floats | None = None

    def __post_init__(self) -> None:
        if self.weights is not None and self.weights.shape != (len(self.forest),):
            raise ValueError(
                f"weights must hold a number a tree, {len(self.forest)}. "
                f"Got shape {self.weights.shape}."
            )

    def __len__(self) -> int:
        return len(self.rounds) - 1

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.forest.n_features

    def first(self, rounds: int) -> "Booster":
        """Return the model of the first rounds only.

        Raises:
            ValueError: More rounds than there are.
        """
        check_integer("rounds", rounds, low=0, high=len(self))
        kept = self.rounds[: rounds + 1]
        trees = slice(0, int(kept[-1]))
        weights = None if self.weights is None else self.weights[trees]
        return replace(self, forest=self.forest.take(trees), rounds=kept, weights=weights)

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self.used.scaled)

    @cached_property
    def scaled(self) -> Forest:
        """The trees with their weights multiplied in, each product rounded to float32."""
        if self.weights is None:
            return self.forest
        each = np.repeat(self.weights, np.diff(self.forest.offsets))
        return replace(self.forest, value=self.forest.value * each[:, None])

    @cached_property
    def used(self) -> "Booster":
        """The model up to the round early stopping chose."""
        best = self.best_round
        return self if best is None or best + 1 == len(self) else self.first(best + 1)

    def margin(self, x: Floats, *, base_margin: Floats | None = None, threads: int = 1) -> Floats:
        """Return the margins, float32, (n, groups): the base score plus the leaves, tree by tree.

        Args:
            x: Values, (n, F); NaN is missing.
            base_margin: Where to start instead of the base score, (n, groups).
            threads: Threads; the bits do not depend on them.
        """
        start = self.objective.to_margin(self.base_score) if base_margin is None else base_margin
        self._predictor.threads = threads
        return self._predictor.margin(x, start)

    def predict(self, x: Floats, **given: Any) -> Floats:
        """Return the predictions: values, probabilities, or classes, as the objective has it."""
        return self.objective.predict(self.margin(x, **given))

    def leaves(self, x: Floats, *, threads: int = 1) -> NDArray[np.int32]:
        """Return the leaf each row reaches in each tree, (n, trees)."""
        self._predictor.threads = threads
        return self._predictor.leaves(x)

    @cached_property
    def _explainer(self) -> "Explainer":
        # Shapley values have kernels of their own, which prediction does not wait for.
        from drivetrain.trees.shap.explainer import Explainer

        return Explainer(self.used.scaled)

    def contributions(
        self, x: Floats, *, base_margin: Floats | None = None, threads: int = 1
    ) -> NDArray[np.float64]:
        """Return exact Shapley values, (n, groups, F + 1): rows sum to the margins.

        Args:
            x: Values, (n, F); NaN is missing.
            base_margin: Where to start instead of the base score, (n, groups).
            threads: Threads.
        """
        self._explainer.threads = threads
        start = self.objective.to_margin(self.base_score)
        out = self._explainer.values(x, start if base_margin is None else np.zeros_like(start))
        if base_margin is not None:
            out[:, :, -1] += base_margin
        return out

    def interactions(
        self, x: Floats, *, base_margin: Floats | None = None, threads: int = 1
    ) -> NDArray[np.float64]:
        """Return the values of pairs of features, (n, groups, F + 1, F + 1).

        Args:
            x: Values, (n, F); NaN is missing.
            base_margin: Where to start instead of the base score, (n, groups).
            threads: Threads.
        """
        self._explainer.threads = threads
        start = self.objective.to_margin(self.base_score)
        base = start if base_margin is None else np.zeros_like(start)
        out = self._explainer.interactions(x, base)
        if base_margin is not None:
            out[:, :, -1, -1] += base_margin
        return out

"""One round of boosting after another, on data binned once."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.counts import Poisson
from drivetrain.boosting.objectives.objective import Gradient, Objective
from drivetrain.boosting.objectives.robust import quantile
from drivetrain.boosting.planters import planter_for
from drivetrain.boosting.walking import walked
from drivetrain.trees.forest import Forest, join
from drivetrain.trees.growing._numba import add_value
from drivetrain.trees.planter import Planted

if TYPE_CHECKING:
    from drivetrain.boosting.training import Settings

Floats = NDArray[np.float32]


class Rounds:
    """The state between rounds: binned data, margins, trees.

    Args:
        data: What is learned.
        objective: What is minimized.
        settings: How.
        start: A model to continue.
    """

    def __init__(
        self,
        data: Dataset,
        objective: Objective,
        settings: "Settings",
        *,
        start: Booster | None = None,
    ) -> None:
        self.data = data
        self.objective = objective
        self.settings = settings
        self.groups = objective.groups(data)
        self.base_score = objective.start(data) if start is None else start.base_score
        self.forests: list[Forest] = [] if start is None else [start.forest]
        self.sizes: list[int] = [0] if start is None else list(start.rounds)
        self.margin = self.margins_of(data)
        growth = settings.growth
        if isinstance(objective, Poisson) and not growth.max_delta_step:
            # XGBoost bounds the leaves of counts as well as inflating their h.
            growth = replace(growth, max_delta_step=objective.max_delta_step)
        self.planter = planter_for(data, settings, growth)

    def margins_of(self, data: Dataset) -> Floats:
        """Return the margins of any rows under the trees so far, (n, groups)."""
        given = data.base_margin
        start = self.objective.to_margin(self.base_score) if given is None else given
        margin = np.empty((len(data), self.groups), np.float32)
        margin[:] = start
        for forest in self.forests:
            margin = self.add(forest, data, margin)
        return margin

    def add(self, forest: Forest, data: Dataset, margin: Floats) -> Floats:
        """Return the margins of any rows with the trees added."""
        return walked(data, forest, margin, threads=self.settings.threads)

    def advance(self) -> Forest:
        """Grow one tree a group on the gradients at the present margins; return them."""
        number = len(self.sizes) - 1
        g, h = self._gradients(number)
        rows = self._rows(number)
        grown = [self._tree(g, h, k, number, rows) for k in range(self.groups)]
        forest = join(grown)
        self.forests.append(forest)
        self.sizes.append(self.sizes[-1] + self.groups)
        return forest

    def _gradients(self, number: int) -> tuple[Gradient, Gradient]:
        """Return g and h of the objective, which may be anybody's: kernels trust what they get.

        Raises:
            ValueError: Of another shape, NaN, or a negative h; the round is named.
        """
        g, h = (_settled(v) for v in self.objective.gradients(self.margin, self.data))
        where = f"{self.objective.name} in round {number}"
        if g.shape != self.margin.shape or h.shape not in (g.shape, (1, 1)):
            raise ValueError(
                f"{where} must give g and h of shape {self.margin.shape}. "
                f"Got {g.shape} and {h.shape}."
            )
        if not (np.isfinite(g).all() and np.isfinite(h).all() and (h >= 0).all()):
            raise ValueError(f"{where} must give finite g, and finite h >= 0.")
        return g, h

    def _tree(
        self, g: Gradient, h: Gradient, group: int, number: int, rows: NDArray[np.uint32] | None
    ) -> Forest:
        seed = (self.settings.random_state * 1_000_003 + number) * 1009 + group
        own = min(group, h.shape[1] - 1)
        planted = self.planter.plant(
            np.ascontiguousarray(g[:, group : group + 1]),
            np.ascontiguousarray(h[:, own : own + 1]),
            rows,
            seed=seed,
        )
        # The rate as a float32, like XGBoost's; one rounding, of the product.
        rate = float(np.float32(self.settings.learning_rate))
        values = (rate * self._renewed(planted, group)).astype(np.float32)
        forest = planted.forest(values, group=group, n_groups=self.groups)
        self._apply(planted, forest, values, group, rows)
        return forest

    def _renewed(self, planted: Planted, group: int) -> NDArray[np.float64]:
        """Return the leaves' weights: a quantile of their residuals where the objective asks."""
        alpha = self.objective.leaf_quantile(group)
        if alpha is None:
            return planted.values
        data = self.data
        column = min(group, data.labels.shape[1] - 1)
        residual = data.labels[:, column] - self.margin[:, group]
        values = np.empty_like(planted.values)
        for k in range(len(values)):
            rows = planted.rows_of(k)
            weight = None if data.weight is None else data.weight[rows]
            values[k] = quantile(residual[rows], alpha, weight)
        return values

    def _apply(
        self,
        planted: Planted,
        forest: Forest,
        values: Floats,
        group: int,
        rows: NDArray[np.uint32] | None,
    ) -> None:
        """Add the tree to the margins: by leaf for the rows it was grown on, else by walking."""
        margin = self.margin[:, group]
        own = margin if margin.flags.c_contiguous else np.ascontiguousarray(margin)
        for k in range(len(values)):
            add_value(own, planted.rows_of(k), values[k, 0])
        if rows is not None:
            left_out = np.ones(len(own), np.bool_)
            left_out[rows] = False
            others = np.flatnonzero(left_out)
            zero = np.zeros((len(others), self.groups), np.float32)
            own[others] += walked(self.data, forest, zero, rows=others)[:, group]
        if own is not margin:
            self.margin[:, group] = own

    def _rows(self, number: int) -> NDArray[np.uint32] | None:
        """Draw the rows of a round; None for all of them."""
        share = self.settings.subsample
        if share >= 1:
            return None
        rng = np.random.default_rng([self.settings.random_state, number])
        kept = np.flatnonzero(rng.random(len(self.data)) < share).astype(np.uint32)
        return kept if len(kept) else None

    def finish(self, best_round: int | None) -> Booster:
        """Return the model; the threads end."""
        self.planter.close()
        rounds = np.array(self.sizes, np.int64)
        return Booster(
            forest=join(self.forests)
            if self.forests
            else _no_trees(self.data.n_features, self.groups),
            base_score=self.base_score,
            objective=self.objective,
            rounds=rounds,
            best_round=best_round,
            feature_names=self.data.feature_names,
            categorical=self.data.categorical,
            categories=self.data.categories,
        )


def _settled(given: Gradient) -> Gradient:
    kind = np.float64 if given.dtype == np.float64 else np.float32
    return np.ascontiguousarray(given, kind)


def _no_trees(features: int, groups: int) -> Forest:
    return Forest(
        offsets=np.zeros(1, np.int64),
        left=np.empty(0, np.int32),
        right=np.empty(0, np.int32),
        feature=np.empty(0, np.int32),
        threshold=np.empty(0, np.float32),
        default_left=np.empty(0, np.bool_),
        value=np.empty((0, 1), np.float32),
        cover=np.empty(0, np.float32),
        gain=np.empty(0, np.float32),
        group=np.empty(0, np.int32),
        n_features=features,
        n_groups=groups,
        set_offsets=np.zeros(1, np.int64),
        sets=np.empty(0, np.int32),
        categorical=np.empty(0, np.bool_),
    )

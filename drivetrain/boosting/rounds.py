"""One round of boosting after another, on data binned once."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.callbacks import BEST_WEIGHTS
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.gradients import check_start, checked_gradients
from drivetrain.boosting.objectives.counts import Poisson
from drivetrain.boosting.objectives.objective import Gradient, Objective
from drivetrain.boosting.objectives.robust import quantile
from drivetrain.boosting.objectives.stages import continued, stage_of
from drivetrain.boosting.planters import planter_for
from drivetrain.boosting.sampling import Sample, draw_rows, seed_of
from drivetrain.boosting.scores import DartScores, GrownTree, PlainScores, Scores, Watched
from drivetrain.trees.forest import Forest, join
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
        sets: What is watched, by name.
        start: A model to continue.
    """

    def __init__(
        self,
        data: Dataset,
        objective: Objective,
        settings: "Settings",
        *,
        sets: Mapping[str, Dataset] | None = None,
        start: Booster | None = None,
    ) -> None:
        self.data = data
        if start is not None:
            forest = start.forest
            check_start(data, objective, features=forest.n_features, groups=forest.n_groups)
            objective = continued(objective, start.objective)
        self.objective = objective
        self.stage = stage_of(objective, data, threads=settings.threads)
        self.settings = settings
        self.learning_rate = settings.learning_rate
        self.groups = objective.groups(data)
        self.base_score = objective.start(data) if start is None else start.base_score
        self.forests: list[Forest] = [] if start is None else [start.forest]
        self.sizes: list[int] = [0] if start is None else start.rounds.tolist()
        self._attributes = {} if start is None else dict(start.attributes)
        self._attributes.pop("best_iteration", None)
        self._best: tuple[int, Floats | None] | None = None
        self.scores = self._scores(sets or {}, start)
        growth = settings.growth
        if isinstance(objective, Poisson) and not growth.max_delta_step:
            # XGBoost bounds the leaves of counts as well as inflating their h.
            growth = replace(growth, max_delta_step=objective.max_delta_step)
        self.planter = planter_for(data, settings, growth)

    def _scores(self, sets: Mapping[str, Dataset], start: Booster | None) -> Scores:
        """Return the margins of all rows under the trees that are there already."""
        settings = self.settings
        watched = Watched(
            data=self.data, sets=sets, begin=self._begin, model=start, threads=settings.threads
        )
        if settings.booster == "dart" and settings.dart.drops:
            return DartScores(settings.dart, settings.random_state, watched)
        return PlainScores(watched)

    def _begin(self, data: Dataset) -> Floats:
        """Return the margins of any rows before the first tree, (n, groups)."""
        given = data.base_margin
        margin = np.empty((len(data), self.groups), np.float32)
        margin[:] = self.objective.to_margin(self.base_score) if given is None else given
        return margin

    @property
    def number(self) -> int:
        """Rounds so far, those of a continued model among them."""
        return len(self.sizes) - 1

    def margin_of(self, name: str) -> Floats:
        """Return the present margins of a watched set, (n, groups)."""
        return self.scores.margin(name)

    def advance(self) -> None:
        """Grow the trees of a round on the gradients at the present margins.

        Groups follow each other, each with its parallel trees, as in XGBoost's files.
        """
        number = self.number
        margin = self.scores.before(number)
        g, h = checked_gradients(self.stage, margin, number)
        if self.settings.num_parallel_tree > 1:
            margin = margin.copy()
        forests = []
        for columns in self._columns():
            for tree in range(self.settings.num_parallel_tree):
                grown = self._tree(g, h, margin, columns, tree)
                self.scores.add(grown)
                forests.append(grown.forest)
        self.scores.after(forests, self.learning_rate)
        self.forests.append(join(forests))
        self.sizes.append(self.sizes[-1] + len(forests))

    def _columns(self) -> list[slice]:
        """Return the outputs that each tree of a round serves."""
        if self.settings.multi_strategy == "multi_output_tree":
            return [slice(0, self.groups)]
        return [slice(k, k + 1) for k in range(self.groups)]

    def _tree(
        self, g: Gradient, h: Gradient, margin: Floats, columns: slice, tree: int
    ) -> GrownTree:
        """Return a tree for some of the outputs, on its own draw of the rows."""
        group = -1 if self.settings.multi_strategy == "multi_output_tree" else columns.start
        seed = seed_of(self.settings.random_state, self.number, columns.start, tree)
        own_g = np.ascontiguousarray(g[:, columns])
        own_h = h if h.shape == (1, 1) else np.ascontiguousarray(h[:, columns])
        sample = self._sample(g, h, columns, tree)
        rows = None if sample is None else sample.rows
        if sample is not None:
            own_g, own_h = sample.scaled(own_g), sample.scaled(own_h)
        planted = self.planter.plant(own_g, own_h, rows, seed=seed)
        # A float32, like XGBoost's, shared by parallel trees; the product is rounded once.
        rate = float(np.float32(np.float32(self.learning_rate) / self.settings.num_parallel_tree))
        values = (rate * self._renewed(planted, margin, group)).astype(np.float32)
        forest = planted.forest(values, group=group, n_groups=self.groups, rate=rate)
        return GrownTree(
            forest=forest, planted=planted, values=values, group=group, whole=rows is None
        )

    def _sample(self, g: Gradient, h: Gradient, columns: slice, tree: int) -> Sample | None:
        """Draw a tree's rows: by its own gradients, or the same for all groups of a round."""
        if self.settings.sampling_method == "gradient_based":
            own = h if h.shape == (1, 1) else h[:, columns]
            g, h, first = g[:, columns], own, columns.start
        else:
            first = 0
        number = self.number
        seed = seed_of(self.settings.random_state, number, first, tree, 1)
        return draw_rows(self.settings, g, h, seed=seed, number=number)

    def _renewed(self, planted: Planted, margin: Floats, group: int) -> NDArray[np.float64]:
        """Return the leaves' weights: a quantile of their residuals where the objective asks."""
        alpha = self.objective.leaf_quantile(max(group, 0))
        if alpha is None:
            return planted.values
        if planted.terms is not None:
            raise ValueError(
                f"linear_tree=True fits lines to derivatives; {self.objective.name} sets its "
                "leaves to a quantile."
            )
        data = self.data
        values = np.empty_like(planted.values)
        for at in range(values.shape[1]):
            output = at if group < 0 else group
            column = min(output, data.labels.shape[1] - 1)
            residual = data.labels[:, column] - margin[:, output]
            for k in range(len(values)):
                rows = planted.rows_of(k)
                weight = None if data.weight is None else data.weight[rows]
                values[k, at] = quantile(residual[rows], alpha, weight)
        return values

    def keep_best(self, number: int) -> None:
        """Remember that this round, from 0, is the best so far, and how its trees are weighed."""
        weights = self.scores.weights
        if number != self.number - 1:
            # A round before a checkpoint: its weights are in the file.
            text = self._attributes.get(BEST_WEIGHTS)
            weights = None if text is None else np.array(json.loads(text), np.float32)
        self._best = number, None if weights is None else weights.copy()

    def snapshot(self) -> Booster:
        """Return the model with all its rounds, and the weights of its best beside them."""
        attributes = dict(self._attributes)
        if self._best is not None and self._best[1] is not None:
            attributes[BEST_WEIGHTS] = json.dumps([float(one) for one in self._best[1]])
        weights = self.scores.weights
        if weights is None and self.settings.booster == "dart":
            weights = np.ones(self.sizes[-1], np.float32)
        none = _no_trees(self.data.n_features, self.groups)
        return Booster(
            forest=join(self.forests) if self.forests else none,
            base_score=self.base_score,
            objective=self.stage.objective,
            rounds=np.array(self.sizes, np.int64),
            best_round=None if self._best is None else self._best[0],
            feature_names=self.data.feature_names,
            feature_types=self.data.feature_types,
            categorical=self.data.categorical,
            categories=self.data.categories,
            attributes=attributes,
            weights=weights,
        )

    def model(self, *, only_best: bool) -> Booster:
        """Return the model at the end.

        Where trees are weighed anew each round, a best round is kept as it stood: later rounds
        have changed its trees, so they are left out in any case.

        Args:
            only_best: Whether to leave out the rounds after the best.
        """
        whole = self.snapshot()
        whole.attributes.pop(BEST_WEIGHTS, None)
        if self._best is None:
            return whole
        number, weights = self._best
        dropping = isinstance(self.scores, DartScores)
        if not (only_best or dropping):
            return whole
        kept = whole.first(number + 1)
        return replace(kept, weights=weights) if dropping else kept

    def close(self) -> None:
        """End the threads."""
        self.planter.close()


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

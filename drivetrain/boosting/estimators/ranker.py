"""Boosted trees for the order of the rows of a query."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.estimators.fitted import EvalSet, Fitted, Rounds, Start
from drivetrain.boosting.estimators.fitting import Task, learn
from drivetrain.boosting.estimators.inputs import column, fitted_table, rows_of, watched
from drivetrain.boosting.metrics.named import metric_named
from drivetrain.boosting.objectives.named import objective_of
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.params import loss_of
from drivetrain.boosting.queries import offsets_of
from drivetrain.core.checks import check_array

Floats = NDArray[np.float32]
Queries = NDArray[np.int64]


@dataclass(kw_only=True, eq=False, repr=False)
class BoostedTreesRanker(Fitted):
    """LambdaMART: gradient boosting for the order of rows, a scikit-learn estimator.

    The rows of a query stand together; their labels are grades of relevance, whole numbers from
    0 on. Without ``qid`` or ``group`` all rows are one query.

    Attributes:
        objective: ``rank:ndcg``, ``rank:map`` (labels 0 and 1) or ``rank:pairwise``. How pairs
            are drawn is among ``params``: ``lambdarank_pair_method``, ...
        booster_: The fitted model.
        evals_result_: Values of the metrics on each evaluation set, round by round.
        best_iteration_: The round early stopping chose; whole queries are held out for it.
        best_score_: Its value.
        n_features_in_: Number of features.
        feature_names_in_: Their names, where X had them.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X = rng.random((100, 3))
        >>> qid = np.repeat(np.arange(10), 10)
        >>> y = (X[:, 0] > 0.6).astype(int)
        >>> model = BoostedTreesRanker(n_estimators=5).fit(X, y, qid=qid)
        >>> model.score(X, y, qid=qid) > 0.9
        True

    References:
        Burges: From RankNet to LambdaRank to LambdaMART: An Overview, MSR-TR-2010-82.
    """

    objective: str | Objective | Callable[..., Any] = "rank:ndcg"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.positive_only = True
        return tags

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        qid: ArrayLike | None = None,
        group: ArrayLike | None = None,
        query_weight: ArrayLike | None = None,
        eval_set: Sequence[tuple[Any, ArrayLike, ArrayLike]] | None = None,
        init_model: Start = None,
    ) -> "BoostedTreesRanker":
        """Fit the model.

        Args:
            X: Values, (n, F).
            y: Grades, (n,).
            qid: The query of each row, (n,), that never falls.
            group: Instead, the number of rows of each query.
            query_weight: Weight of each query, (queries,).
            eval_set: Triples (X, y, qid) to evaluate after each round; the last decides when to
                stop.
            init_model: A model to continue, or its file: ``n_estimators`` rounds are added.

        Raises:
            TypeError: A column of X that holds no numbers, a parameter of another type.
            ValueError: Rows that are not sorted by query; a parameter or the input is wrong.
        """
        table, target = fitted_table(self, X, y, y_numeric=True)
        named = "feature_names_in_" in vars(self)
        offsets = _offsets(qid, group, len(target))
        data = replace(rows_of(table, column(target), named=named), group_offsets=offsets)
        if query_weight is not None:
            data = replace(data, weight=_weights(query_weight, len(offsets) - 1))
        given: EvalSet = [(a, b) for a, b, _ in eval_set or ()]
        sets = {
            name: replace(rows, group_offsets=_offsets(own, None, len(rows)))
            for (name, rows), (_, _, own) in zip(
                watched(self, data, given, None, column).items(), eval_set or ()
            )
        }
        objective = self._objective()
        task = Task(data=data, objective=objective, sets=sets, start=init_model, fitted=self._own())
        self._keep(*learn(self, task))
        return self

    def _objective(self) -> Objective:
        return objective_of(self.objective, loss_of(self.told()))

    def predict(
        self, X: Any, *, base_margin: ArrayLike | None = None, iteration_range: Rounds = None
    ) -> Floats:
        """Return a score of each row, float32, (n,): greater ones come first in their query.

        Args:
            X: Values, (n, F).
            base_margin: Where each row's score starts instead of the base score.
            iteration_range: First and last-but-one round; up to the best where None.

        Raises:
            ValueError: Other features than at fit; a category that fitting did not see.
        """
        return self._margin(X, base_margin, iteration_range)[:, 0]

    def score(
        self,
        X: Any,
        y: ArrayLike,
        *,
        qid: ArrayLike | None = None,
        group: ArrayLike | None = None,
        metric: str = "ndcg",
    ) -> float:
        """Return the mean of nDCG, or of another metric of lists, over the queries.

        Args:
            X: Values, (n, F).
            y: Grades, (n,).
            qid: The query of each row, (n,), that never falls.
            group: Instead, the number of rows of each query.
            metric: ``ndcg``, ``ndcg@5``, ``map``, ...

        Raises:
            ValueError: Rows that are not sorted by query; a metric that is not known.
        """
        margin = self.predict(X)
        offsets = _offsets(qid, group, len(margin))
        bare = np.empty((len(margin), 0), np.float32)
        rows = Dataset(x=bare, label=column(y), group_offsets=offsets)
        return float(metric_named(metric, self.booster_.objective)(margin, rows))


def _weights(given: ArrayLike, queries: int) -> Floats:
    weight = check_array("query_weight", given, ndim=1, dtype=np.float32)
    if len(weight) != queries:
        raise ValueError(f"query_weight must have {queries} entries. Got {len(weight)}.")
    return weight


def _offsets(qid: ArrayLike | None, group: ArrayLike | None, rows: int) -> Queries:
    """Return where queries begin.

    Raises:
        ValueError: Both are given, they fall, or they are of another number of rows.
    """
    if qid is not None and group is not None:
        raise ValueError("qid and group must not both be given.")
    if group is not None:
        sizes = check_array("group", group, ndim=1, dtype=np.int64)
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    if qid is None:
        return np.array([0, rows], np.int64)
    offsets = offsets_of(qid)
    if offsets[-1] != rows:
        raise ValueError(f"qid must have {rows} entries. Got {offsets[-1]}.")
    return offsets

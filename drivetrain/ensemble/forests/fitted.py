"""What every forest does, whatever its trees predict."""

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import Tags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from drivetrain.core.checks import check_integer, check_real
from drivetrain.ensemble.forests.drawing import Drawing, draws_of, seeds_of
from drivetrain.ensemble.forests.growing import Plan, grower_of, outside
from drivetrain.ensemble.forests.parameters import ForestParameters
from drivetrain.trees.deep.grower import DeepTree, together
from drivetrain.trees.deep.targets import Target
from drivetrain.trees.forest import Forest, join
from drivetrain.trees.prediction.predictor import Predictor

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Aim:
    """What y asks of the trees.

    Attributes:
        target: What they are fitted to.
        y: As scores are computed from it.
        weight: Of each row, by class; None for all alike.
        reweigh: Weights by the rows a tree drew; None for none.
    """

    target: Target
    y: NDArray[Any]
    weight: Doubles | None = None
    reweigh: Any = None


class FittedForest(ForestParameters):
    """A forest, and what it offers once it is fitted.

    Attributes:
        forest_: All trees.
        n_features_in_: Number of features.
        n_outputs_: Number of targets.
        oob_score_: Score of the rows by trees that did not draw them.
    """

    forest_: Forest
    n_features_in_: int
    n_outputs_: int
    oob_score_: float
    _decreases: Doubles
    _seeds: list[int]
    _drawing: Drawing
    _predictor: Predictor

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    @abstractmethod
    def _aim(self, y: NDArray[Any], weight: Doubles | None) -> Aim:
        """Return what y asks for; remember its classes."""

    @abstractmethod
    def _score_outside(self, mean: Doubles, y: NDArray[Any], held: NDArray[np.bool_]) -> None:
        """Remember the out-of-bag predictions and their score over the rows that have one."""

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Grow the forest.

        Args:
            X: Values, (n, F); NaN is missing.
            y: Targets, (n,) or (n, outputs).
            sample_weight: Weight of each row, (n,): what it is drawn by, or counts for where
                each tree takes all rows.

        Raises:
            TypeError: A parameter of another type.
            ValueError: A parameter or the input is wrong; the message says which.
        """
        x, targets, self.n_outputs_ = checked_table(self, X, y)
        weight = None if sample_weight is None else _weights(sample_weight, x)
        aim = self._aim(targets, weight)
        there = len(self._decreases) if self.warm_start and "forest_" in vars(self) else 0
        wanted = check_integer("n_estimators", self.n_estimators, low=1)
        if wanted < there:
            raise ValueError(f"n_estimators must be >= the {there} trees grown. Got {wanted}.")
        if wanted == there:
            warnings.warn("warm_start without more n_estimators grows no new trees.", stacklevel=2)
            return self
        plan = self._plan(x, aim, _product(weight, aim.weight))
        seeds = seeds_of(self.random_state, there, wanted)
        self._keep(plan.grow(seeds), seeds, plan.drawing, there)
        if self.oob_score:
            sums, counts = outside(self.forest_, self._seeds, plan.drawing, x, plan.threads)
            held = counts > 0
            mean = np.full(sums.shape, np.nan)
            mean[held] = sums[held] / counts[held, None]
            self._score_outside(mean, aim.y, held)
        return self

    def _plan(self, x: Floats, aim: Aim, weight: Doubles | None) -> Plan:
        if not self.bootstrap and self.max_samples is not None:
            raise ValueError("max_samples needs bootstrap=True.")
        if not self.bootstrap and self.oob_score:
            raise ValueError("oob_score needs bootstrap=True: else no row is left out.")
        n, threads = len(x), effective_n_jobs(self.n_jobs)
        draws = draws_of(self.max_samples, n, weight) if self.bootstrap else 0
        grower = grower_of(
            self,
            x,
            aim.target,
            names=vars(self).get("feature_names_in_"),
            held=None if weight is None or weight.all() else weight > 0,
            threads=threads,
        )
        return Plan(
            grower=grower,
            drawing=Drawing(rows=n, draws=draws, weight=weight, reweigh=aim.reweigh),
            threads=threads,
            alpha=check_real("ccp_alpha", self.ccp_alpha, low=0),
        )

    def _keep(
        self, trees: Sequence[DeepTree], seeds: list[int], drawing: Drawing, there: int
    ) -> None:
        grown = together(trees)
        decreases = np.stack([tree.impurity_decrease for tree in trees])
        if there:
            grown = join([self.forest_, grown])
            decreases = np.concatenate([self._decreases, decreases])
            seeds = [*self._seeds, *seeds]
        self.forest_ = grown
        self._decreases = decreases
        self._seeds = seeds
        self._drawing = drawing
        self._predictor = Predictor(grown)

    @property
    def feature_importances_(self) -> Doubles:
        """What the splits on each feature took from the impurity, its sum 1; 0 without splits."""
        check_is_fitted(self, "forest_")
        total = self._decreases.sum(axis=1)
        split = total > 0
        if not split.any():
            return np.zeros(self.n_features_in_)
        mean = (self._decreases[split] / total[split, None]).mean(axis=0)
        return np.asarray(mean / mean.sum())

    @property
    def estimators_samples_(self) -> list[NDArray[np.int32]]:
        """The rows each tree drew."""
        check_is_fitted(self, "forest_")
        return [self._drawing.drawn(seed) for seed in self._seeds]

    def apply(self, X: Any) -> NDArray[np.int64]:
        """Return the leaf each row reaches in each tree, (n, T).

        Args:
            X: Values, (n, F).
        """
        x = self._rows(X)
        return self._predictor.leaves(x).astype(np.int64)

    def decision_path(self, X: Any) -> tuple[Any, NDArray[np.int64]]:
        """Return the nodes each row passes, a sparse (n, nodes), and where trees' nodes begin.

        Args:
            X: Values, (n, F).
        """
        x = self._rows(X)
        offsets = self.forest_.offsets
        at = (self._predictor.leaves(x) + offsets[:-1]).reshape(-1)
        row = np.repeat(np.arange(len(x)), len(self.forest_))
        above = self._parents()
        rows, nodes = [], []
        while len(at):
            rows.append(row)
            nodes.append(at)
            at = above[at]
            row, at = row[at >= 0], at[at >= 0]
        i, j = np.concatenate(rows), np.concatenate(nodes)
        shape = (len(x), int(offsets[-1]))
        return csr_matrix((np.ones(len(i), np.int64), (i, j)), shape=shape), offsets

    def _parents(self) -> NDArray[np.int64]:
        forest = self.forest_
        base = np.repeat(forest.offsets[:-1], np.diff(forest.offsets))
        inner = np.flatnonzero(forest.left >= 0)
        above = np.full(len(forest.left), -1, np.int64)
        above[base[inner] + forest.left[inner]] = inner
        above[base[inner] + forest.right[inner]] = inner
        return above

    def _rows(self, X: Any) -> Floats:
        check_is_fitted(self, "forest_")
        return checked_rows(self, X)

    def _mean(self, X: Any) -> Doubles:
        """Return the mean of the trees' predictions, (n, K)."""
        x = self._rows(X)
        self._predictor.threads = effective_n_jobs(self.n_jobs)
        start = np.zeros(self.forest_.n_groups, np.float32)
        return self._predictor.margin(x, start) / np.float64(len(self.forest_))


_CHECKS: dict[str, Any] = {
    "dtype": np.float32,
    "order": "C",
    "ensure_all_finite": "allow-nan",
    "accept_sparse": "csr",
}


def _dense(values: Any) -> Floats:
    # Trees are grown on all columns of a row together: a sparse matrix gains nothing.
    dense = values.toarray() if issparse(values) else values
    return np.ascontiguousarray(dense, np.float32)


def checked_table(
    estimator: BaseEstimator, x: Any, y: ArrayLike
) -> tuple[Floats, NDArray[Any], int]:
    """Return X, y and its number of columns, checked; the estimator remembers its features.

    Args:
        estimator: What is fitted.
        x: Values, (n, F).
        y: Targets, (n,) or (n, outputs).

    Raises:
        ValueError: Infinite values, no rows, lengths that do not fit.
    """
    if issparse(y):
        raise ValueError("y must be dense. Got a sparse matrix.")
    values, target = validate_data(estimator, x, y, multi_output=True, **_CHECKS)
    target = np.atleast_1d(target)
    if target.ndim == 2 and target.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape "
            "of y to (n_samples,), for example using ravel().",
            DataConversionWarning,
            stacklevel=3,
        )
        target = target[:, 0]
    return _dense(values), target, 1 if target.ndim == 1 else target.shape[1]


def checked_rows(estimator: BaseEstimator, x: Any) -> Floats:
    """Return rows to predict, of the features the estimator remembers.

    Args:
        estimator: What was fitted.
        x: Values, (n, F).

    Raises:
        ValueError: Other features than at fit, infinite values.
    """
    return _dense(validate_data(estimator, x, reset=False, **_CHECKS))


def _weights(given: ArrayLike, x: Floats) -> Doubles:
    weight = np.asarray(_check_sample_weight(given, x, ensure_non_negative=True), np.float64)
    if not weight.any():
        raise ValueError("sample_weight must not be all zero.")
    return weight


def _product(a: Doubles | None, b: Doubles | None) -> Doubles | None:
    if a is None or b is None:
        return b if a is None else a
    return a * b

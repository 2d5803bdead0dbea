"""What the estimators are told: XGBoost's parameters under its names, with its defaults."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from drivetrain.boosting.training import Settings
from drivetrain.core.checks import check_choice, check_integer, check_real
from drivetrain.trees.growing.settings import Growth


@dataclass(kw_only=True, eq=False, repr=False)
class Parameters(BaseEstimator):
    """Parameters that classifier, regressor and ranker share.

    Attributes:
        n_estimators: Rounds of boosting.
        learning_rate: Shrinkage of each tree.
        max_depth: Greatest depth of a tree; 0 for no limit.
        max_leaves: Most leaves of a tree; 0 for no limit.
        grow_policy: ``depthwise`` or ``lossguide``.
        max_bin: Most bins of a feature. 255 leave room for missing values in a byte; XGBoost's
            own default, 256, takes two.
        min_child_weight: Least sum of hessians of a child.
        gamma: Least gain of a split.
        reg_lambda: L2 penalty.
        reg_alpha: L1 penalty.
        max_delta_step: Greatest leaf weight; 0 for no limit.
        subsample: Share of rows a round uses.
        colsample_bytree: Share of the features a tree uses.
        colsample_bylevel: Share of those a level uses.
        colsample_bynode: Share of those a node uses.
        interaction_constraints: Groups of features, by number or name, that may meet on a path.
        monotone_constraints: -1, 0 or 1 for each feature, or by the feature's name.
        base_score: Where predictions start; estimated from the labels where None.
        missing: The value that stands for a missing one.
        early_stopping_rounds: Rounds without improvement before training stops; None for never.
        validation_fraction: Share of the rows held out for early stopping where no ``eval_set``
            is given, so that it works inside cross-validation.
        eval_metric: What is evaluated; the objective's own where None.
        random_state: Seed.
        n_jobs: Threads; all cores where None or negative. The model is the same bits for any.
    """

    n_estimators: int = 100
    learning_rate: float = 0.3
    max_depth: int = 6
    max_leaves: int = 0
    grow_policy: str = "depthwise"
    max_bin: int = 255
    min_child_weight: float = 1.0
    gamma: float = 0.0
    reg_lambda: float = 1.0
    reg_alpha: float = 0.0
    max_delta_step: float = 0.0
    subsample: float = 1.0
    colsample_bytree: float = 1.0
    colsample_bylevel: float = 1.0
    colsample_bynode: float = 1.0
    interaction_constraints: Sequence[Sequence[int | str]] | None = None
    monotone_constraints: Sequence[int] | dict[str, int] | None = None
    base_score: float | None = None
    missing: float = np.nan
    early_stopping_rounds: int | None = None
    validation_fraction: float = 0.1
    eval_metric: str | Sequence[str] | None = None
    random_state: int | np.random.RandomState | None = None
    n_jobs: int | None = None

    def settings(self, names: Sequence[str]) -> Settings:
        """Return the parameters as training takes them, checked.

        Args:
            names: The features'.

        Raises:
            TypeError: A parameter of another type.
            ValueError: A parameter out of its range.
        """
        check_choice("grow_policy", self.grow_policy, ("depthwise", "lossguide"))
        growth = Growth(
            max_depth=self.max_depth,
            max_leaves=self.max_leaves,
            grow_policy="lossguide" if self.grow_policy == "lossguide" else "depthwise",
            reg_lambda=self.reg_lambda,
            reg_alpha=self.reg_alpha,
            gamma=self.gamma,
            min_child_weight=self.min_child_weight,
            max_delta_step=self.max_delta_step,
            monotone_constraints=_constraints(self.monotone_constraints, names),
            interaction_constraints=_groups(self.interaction_constraints, names),
            colsample_bytree=self.colsample_bytree,
            colsample_bylevel=self.colsample_bylevel,
            colsample_bynode=self.colsample_bynode,
        )
        return Settings(
            n_estimators=check_integer("n_estimators", self.n_estimators, low=1),
            learning_rate=self.learning_rate,
            growth=growth,
            max_bin=self.max_bin,
            subsample=self.subsample,
            random_state=self._seed(),
            threads=threads_of(self.n_jobs),
        )

    def patience(self) -> int:
        """Return the rounds to wait for an improvement; 0 for never stopping."""
        if self.early_stopping_rounds is None:
            return 0
        check_real(
            "validation_fraction",
            self.validation_fraction,
            low=0,
            high=1,
            open_low=True,
            open_high=True,
        )
        return check_integer("early_stopping_rounds", self.early_stopping_rounds, low=1)

    def metrics(self) -> tuple[str, ...]:
        """Return the names of the metrics to evaluate."""
        if self.eval_metric is None:
            return ()
        return (self.eval_metric,) if isinstance(self.eval_metric, str) else tuple(self.eval_metric)

    def _seed(self) -> int:
        if self.random_state is None:
            return 0
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31 - 1))
        return check_integer("random_state", self.random_state, low=0)


def threads_of(n_jobs: int | None) -> int:
    """Return how many threads ``n_jobs`` asks for: all cores where None, 0 or negative."""
    count: Callable[[], int | None] = os.cpu_count
    if n_jobs is None or check_integer("n_jobs", n_jobs) <= 0:
        return max(1, count() or 1)
    return n_jobs


def _constraints(given: Any, names: Sequence[str]) -> tuple[int, ...]:
    if given is None:
        return ()
    if isinstance(given, dict):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ValueError(f"monotone_constraints names no feature of X: {unknown[0]!r}.")
        return tuple(given.get(name, 0) for name in names)
    signs = tuple(int(one) for one in given)
    if len(signs) > len(names):
        raise ValueError(
            f"monotone_constraints must be at most {len(names)} long. Got {len(signs)}."
        )
    return signs


def _groups(given: Any, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(_feature(one, names) for one in group) for group in given or ())


def _feature(one: int | str, names: Sequence[str]) -> int:
    if isinstance(one, str):
        if one not in names:
            raise ValueError(f"interaction_constraints names no feature of X: {one!r}.")
        return list(names).index(one)
    return check_integer("interaction_constraints", one, low=0, high=len(names) - 1)

"""What the estimators are told: XGBoost's parameters under its names, with its defaults."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from drivetrain.boosting.callbacks import Callback
from drivetrain.boosting.frames.chosen import Chosen
from drivetrain.boosting.params import metrics_of, named, settings_of
from drivetrain.boosting.training import Settings
from drivetrain.core.checks import check_choice, check_integer, check_real

Metric = str | Callable[[Any, Any], float]
# Fields that are no parameters of training.
_OWN = frozenset(
    {
        "n_estimators",
        "missing",
        "random_state",
        "objective",
        "base_score",
        "eval_metric",
        "early_stopping_rounds",
        "validation_fraction",
        "categorical_features",
        "unknown_category",
        "importance_type",
        "callbacks",
        "verbose",
        "warm_start",
        "params",
    }
)


@dataclass(kw_only=True, eq=False, repr=False)
class Parameters(BaseEstimator):
    """Parameters that classifier, regressor and ranker share.

    Attributes:
        n_estimators: Rounds of boosting.
        learning_rate: Shrinkage of each tree.
        max_depth: Greatest depth of a tree; 0 for no limit.
        max_leaves: Most leaves of a tree; 0 for no limit.
        grow_policy: ``depthwise``, ``lossguide``, or ``symmetric``: one split a level.
        max_bin: Most bins of a feature. 255 leave room for missing values in a byte; XGBoost's
            own default, 256, takes two.
        booster: ``gbtree``, ``dart``, or ``gblinear``.
        tree_method: ``hist``, ``approx`` or ``exact``.
        num_parallel_tree: Trees a round; with one round, a random forest.
        multi_strategy: ``one_output_per_tree``, or ``multi_output_tree``: leaves hold a value for
            every output.
        min_child_weight: Least sum of hessians of a child.
        gamma: Least gain of a split.
        reg_lambda: L2 penalty.
        reg_alpha: L1 penalty.
        max_delta_step: Greatest leaf weight; 0 for no limit.
        subsample: Share of rows a tree uses.
        sampling_method: ``uniform``, ``gradient_based``, or ``goss``.
        colsample_bytree: Share of the features a tree uses.
        colsample_bylevel: Share of those a level uses.
        colsample_bynode: Share of those a node uses.
        interaction_constraints: Groups of features, by number or name, that may meet on a path.
        monotone_constraints: -1, 0 or 1 for each feature, or by the feature's name.
        max_cat_to_onehot: Fewer categories than this are split one against the others.
        max_cat_threshold: Most categories on the chosen side of a split.
        categorical_features: Which features are categorical: ``from_dtype`` for a data frame's
            columns of categories and words; None for none; or a mask, places, or names.
        unknown_category: What a category that fitting did not see is to ``predict``: an
            ``error``, or ``missing``.
        base_score: Where predictions start; estimated from the labels where None.
        missing: The value that stands for a missing one, besides NaN.
        early_stopping_rounds: Rounds without improvement before training stops; None for never.
        validation_fraction: Share of the rows held out for early stopping where no ``eval_set``
            is given, so that it works inside cross-validation; None to insist on an
            ``eval_set``.
        eval_metric: What is evaluated, by name, or functions of labels and predictions; the
            objective's own where None.
        importance_type: ``gain``, ``weight``, ``cover``, ``total_gain`` or ``total_cover``: what
            ``feature_importances_`` counts.
        callbacks: What is called around the rounds; see ``drivetrain.boosting.callbacks``.
        verbose: Whether to print the metrics, every so many rounds.
        warm_start: Whether another ``fit`` goes on to ``n_estimators`` rounds instead of
            beginning anew.
        params: Parameters besides, by XGBoost's names: ``rate_drop``, ``updater``,
            ``lambdarank_pair_method``, ...
        random_state: Seed.
        n_jobs: Threads; all cores where None or negative. The model is the same bits for any.
    """

    n_estimators: int = 100
    learning_rate: float = 0.3
    max_depth: int = 6
    max_leaves: int = 0
    grow_policy: str = "depthwise"
    max_bin: int = 255
    booster: str = "gbtree"
    tree_method: str = "hist"
    num_parallel_tree: int = 1
    multi_strategy: str = "one_output_per_tree"
    min_child_weight: float = 1.0
    gamma: float = 0.0
    reg_lambda: float = 1.0
    reg_alpha: float = 0.0
    max_delta_step: float = 0.0
    subsample: float = 1.0
    sampling_method: str = "uniform"
    colsample_bytree: float = 1.0
    colsample_bylevel: float = 1.0
    colsample_bynode: float = 1.0
    interaction_constraints: Sequence[Sequence[int | str]] | str | None = None
    monotone_constraints: Sequence[int] | dict[str, int] | str | None = None
    max_cat_to_onehot: int = 4
    max_cat_threshold: int = 64
    categorical_features: Chosen = "from_dtype"
    unknown_category: str = "error"
    base_score: float | Sequence[float] | None = None
    missing: float = np.nan
    early_stopping_rounds: int | None = None
    validation_fraction: float | None = 0.1
    eval_metric: Metric | Sequence[Metric] | None = None
    importance_type: str = "gain"
    callbacks: Sequence[Callback] | None = None
    verbose: bool | int = False
    warm_start: bool = False
    params: Mapping[str, Any] | None = None
    random_state: int | np.random.RandomState | None = None
    n_jobs: int | None = None

    def told(self) -> dict[str, Any]:
        """Return the parameters that are not at their defaults, under our names.

        Raises:
            ValueError: One of ``params`` that is not known, or that has a parameter of its own.
        """
        more = named(self.params or {})
        own = {one.name: one.default for one in fields(self)}
        twice = next((name for name in more if name in own), None)
        if twice is not None:
            raise ValueError(f"params must not hold {twice!r}: it is a parameter of its own.")
        changed = {
            name: getattr(self, name)
            for name, usual in own.items()
            if name not in _OWN and not _is(getattr(self, name), usual)
        }
        return more | changed

    def settings(self, names: Sequence[str], rounds: int) -> Settings:
        """Return the parameters as training takes them, checked.

        Args:
            names: The features'.
            rounds: Of boosting.

        Raises:
            TypeError: A parameter of another type.
            ValueError: A parameter out of its range.
        """
        check_choice("unknown_category", self.unknown_category, ("error", "missing"))
        return settings_of(self.told() | {"random_state": self._seed()}, names, rounds)

    def patience(self) -> int:
        """Return the rounds to wait for an improvement; 0 for never stopping."""
        if self.early_stopping_rounds is None:
            return 0
        share = self.validation_fraction
        if share is not None:
            edges = {"low": 0, "high": 1, "open_low": True, "open_high": True}
            check_real("validation_fraction", share, **edges)  # type: ignore[arg-type]
        return check_integer("early_stopping_rounds", self.early_stopping_rounds, low=1)

    def metrics(self) -> tuple[tuple[str, ...], dict[str, Callable[[Any, Any], float]]]:
        """Return the metrics that have names, and functions by their own."""
        given = metrics_of({"eval_metric": self.eval_metric})
        names = tuple(one for one in given if isinstance(one, str))
        functions = [one for one in given if not isinstance(one, str)]
        strange = next((one for one in functions if not callable(one)), None)
        if strange is not None:
            raise TypeError(f"eval_metric must hold names and functions. Got {strange!r:.40}.")
        return names, {str(getattr(one, "__name__", one)): one for one in functions}

    def _seed(self) -> int:
        if self.random_state is None:
            return 0
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31 - 1))
        return check_integer("random_state", self.random_state, low=0)


def _is(value: Any, usual: Any) -> bool:
    """Return whether a parameter is at its default, which is a plain value."""
    return value is usual or (type(value) is type(usual) and bool(value == usual))

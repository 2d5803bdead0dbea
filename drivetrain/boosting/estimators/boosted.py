"""Boosted trees that fit, predict and stop early as scikit-learn's estimators do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.estimators.parameters import Parameters, threads_of
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.training import History, Watch, boost

Floats = NDArray[np.float32]
EvalSet = Sequence[tuple[ArrayLike, ArrayLike]] | None


def _table(estimator: Parameters, x: ArrayLike, **checks: Any) -> Any:
    """Return X, or X and y, as float32 with the estimator's missing value as NaN."""
    checked = validate_data(
        estimator, x, dtype=np.float32, order="C", ensure_all_finite="allow-nan", **checks
    )
    table = checked[0] if isinstance(checked, tuple) else checked
    if not np.isnan(estimator.missing):
        table = np.where(table == np.float32(estimator.missing), np.float32(np.nan), table)
    return (table, checked[1]) if isinstance(checked, tuple) else table


def _names(estimator: Parameters, features: int) -> tuple[str, ...]:
    given = getattr(estimator, "feature_names_in_", None)
    return tuple(f"f{k}" for k in range(features)) if given is None else tuple(map(str, given))


def _fit(
    estimator: Parameters,
    data: Dataset,
    objective: Objective,
    sets: dict[str, Dataset],
    strata: NDArray[Any] | None,
) -> tuple[Booster, History]:
    """Train with the estimator's parameters, holding rows out where stopping needs them."""
    settings = estimator.settings(data.feature_names)
    patience = estimator.patience()
    if patience and not sets:
        kept, held = train_test_split(
            np.arange(len(data)),
            test_size=estimator.validation_fraction,
            random_state=settings.random_state,
            stratify=strata,
        )
        sets = {"validation_0": data.take(np.sort(held))}
        data = data.take(np.sort(kept))
    watch = Watch(sets=sets, metrics=estimator.metrics(), patience=patience)
    return boost(data, objective, settings, watch=watch)


class _Fitted:
    """What every fitted estimator offers."""

    booster_: Booster
    evals_result_: History
    n_features_in_: int

    def _keep(self, model: Booster, history: History) -> None:
        self.booster_ = model
        self.evals_result_ = history
        self.n_features_in_ = model.n_features
        if model.best_round is not None:
            self.best_iteration_ = model.best_round
            last = history[list(history)[-1]]
            self.best_score_ = last[list(last)[-1]][model.best_round]

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        """Mean gain of the splits on each feature, as shares of 1; zeros where none was split."""
        check_is_fitted(self, "booster_")
        forest = self.booster_.used.forest
        inner = ~forest.is_leaf
        total = np.bincount(forest.feature[inner], forest.gain[inner], self.n_features_in_)
        count = np.bincount(forest.feature[inner], minlength=self.n_features_in_)
        mean = np.divide(total, count, out=np.zeros(len(total)), where=count > 0)
        whole = mean.sum()
        return mean / whole if whole else mean


@dataclass(kw_only=True, eq=False, repr=False)
class BoostedTreesRegressor(_Fitted, RegressorMixin, Parameters):
    """Gradient boosting for numbers, by XGBoost's algorithm: a scikit-learn estimator.

    Takes XGBoost's parameters under its names, with its defaults; missing values are NaN.

    Attributes:
        objective: XGBoost's name of the loss: ``reg:squarederror``, ``reg:absoluteerror``,
            ``reg:quantileerror``, ``reg:pseudohubererror``, ``count:poisson``, ``reg:gamma``, ...
        quantile_alpha: The quantile or quantiles of ``reg:quantileerror``.
        expectile_alpha: The expectile or expectiles of ``reg:expectileerror``.
        tweedie_variance_power: Of ``reg:tweedie``, between 1 and 2.
        huber_slope: Of ``reg:pseudohubererror``.
        booster_: The fitted model.
        evals_result_: Values of the metrics on each evaluation set, round by round.
        best_iteration_: The round early stopping chose.
        best_score_: Its value.
        n_features_in_: Number of features.
        feature_names_in_: Their names, where X had them.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = BoostedTreesRegressor(n_estimators=30, learning_rate=0.1, max_depth=3)
        >>> round(model.fit(X, y).score(X, y), 1)
        0.7

    References:
        Chen, Guestrin: XGBoost: A Scalable Tree Boosting System, KDD 2016.
    """

    objective: str = "reg:squarederror"
    quantile_alpha: float | Sequence[float] | None = None
    expectile_alpha: float | Sequence[float] | None = None
    tweedie_variance_power: float = 1.5
    huber_slope: float = 1.0

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        eval_set: EvalSet = None,
    ) -> "BoostedTreesRegressor":
        """Fit the model.

        Args:
            X: Values, (n, F); NaN is missing.
            y: Targets, (n,) or (n, targets).
            sample_weight: Weight of each row, (n,).
            eval_set: Pairs (X, y) to evaluate after each round; the last decides when to stop.

        Raises:
            ValueError: A parameter or the input is wrong; the message says which.
        """
        x, target = _table(self, X, y=y, y_numeric=True, multi_output=True)
        self._one_target = target.ndim == 1
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, x)
        data = Dataset(
            x=x,
            label=_column(target),
            weight=None if weight is None else weight.astype(np.float32),
            feature_names=_names(self, x.shape[1]),
        )
        sets = {
            f"validation_{k}": Dataset(x=_table(self, a, reset=False), label=_column(b))
            for k, (a, b) in enumerate(eval_set or ())
        }
        self._keep(*_fit(self, data, self._objective(), sets, None))
        return self

    def _objective(self) -> Objective:
        names = ("quantile_alpha", "expectile_alpha", "tweedie_variance_power", "huber_slope")
        given = {name: getattr(self, name) for name in (*names, "max_delta_step")}
        known = {name: value for name, value in given.items() if value is not None}
        return objective_named(self.objective, known)

    def predict(self, X: ArrayLike) -> NDArray[np.floating]:
        """Return the predictions, float32, (n,), or float64, (n, targets)."""
        check_is_fitted(self, "booster_")
        given = self.booster_.predict(_table(self, X, reset=False), threads=threads_of(self.n_jobs))
        # scikit-learn wants several targets in its own precision; one stays XGBoost's float32.
        return given if given.ndim == 1 else given.astype(np.float64)


@dataclass(kw_only=True, eq=False, repr=False)
class BoostedTreesClassifier(_Fitted, ClassifierMixin, Parameters):
    """Gradient boosting for classes, by XGBoost's algorithm: a scikit-learn estimator.

    Two classes are told apart by the logistic loss, more by softmax; labels may be anything
    that sorts.

    Attributes:
        scale_pos_weight: What the second of two classes weighs more.
        classes_: The labels, sorted.
        booster_: The fitted model.
        evals_result_: Values of the metrics on each evaluation set, round by round.
        best_iteration_: The round early stopping chose.
        best_score_: Its value.
        n_features_in_: Number of features.
        feature_names_in_: Their names, where X had them.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = BoostedTreesClassifier(n_estimators=10).fit(X, y)
        >>> model.score(X, y) > 0.95
        True

    References:
        Chen, Guestrin: XGBoost: A Scalable Tree Boosting System, KDD 2016.
    """

    scale_pos_weight: float = 1.0

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        eval_set: EvalSet = None,
    ) -> "BoostedTreesClassifier":
        """Fit the model.

        Args:
            X: Values, (n, F); NaN is missing.
            y: Labels, (n,).
            sample_weight: Weight of each row, (n,).
            eval_set: Pairs (X, y) to evaluate after each round; the last decides when to stop.

        Raises:
            ValueError: A parameter or the input is wrong; the message says which.
        """
        x, labels = _table(self, X, y=y)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, x)
        data = Dataset(
            x=x,
            label=_column(codes),
            weight=None if weight is None else weight.astype(np.float32),
            feature_names=_names(self, x.shape[1]),
        )
        sets = {
            f"validation_{k}": Dataset(x=_table(self, a, reset=False), label=self._codes(b))
            for k, (a, b) in enumerate(eval_set or ())
        }
        few = len(self.classes_) <= 2
        objective: Objective = (
            Logistic(self.scale_pos_weight) if few else Softmax(len(self.classes_))
        )
        self._keep(*_fit(self, data, objective, sets, codes))
        return self

    def _codes(self, labels: ArrayLike) -> Floats:
        given = np.asarray(labels)
        strange = ~np.isin(given, self.classes_)
        if strange.any():
            raise ValueError(f"eval_set has a label that y has not: {given[strange][0]!r}.")
        return _column(np.searchsorted(self.classes_, given))

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return the probability of each class, float32, (n, classes)."""
        check_is_fitted(self, "booster_")
        table = _table(self, X, reset=False)
        given = self.booster_.predict(table, threads=threads_of(self.n_jobs))
        if len(self.classes_) == 1:
            return np.ones((len(given), 1), np.float32)
        return given if given.ndim == 2 else np.stack([1 - given, given], axis=1)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the likeliest class of each row, (n,)."""
        check_is_fitted(self, "booster_")
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def _column(values: ArrayLike) -> Floats:
    array = np.asarray(values, np.float32)
    return array[:, None] if array.ndim == 1 else array

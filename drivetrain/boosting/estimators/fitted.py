"""What every fitted estimator offers."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from drivetrain.boosting.answers import (
    Model,
    leaves_of,
    margin_of,
    shares_of,
    sliced,
)
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.callbacks import History
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.estimators.inputs import known_table, rows_of
from drivetrain.boosting.estimators.parameters import Parameters
from drivetrain.boosting.files.linear import load_any, save_any
from drivetrain.boosting.frames.table import Columns
from drivetrain.boosting.importance import importance
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.tables import CLASSES
from drivetrain.boosting.threads import threads_of
from drivetrain.core.checks import check_choice, check_integer
from drivetrain.trees.importance import SPLIT_KINDS

Floats = NDArray[np.float32]
Rounds = tuple[int, int] | None
EvalSet = Sequence[tuple[Any, ArrayLike]] | None


class Fitted(Parameters):
    """Parameters, and a model once it is fitted.

    Attributes:
        booster_: The fitted model.
        evals_result_: Values of the metrics on each evaluation set, round by round.
        n_features_in_: Number of features.
    """

    booster_: Model
    evals_result_: History
    n_features_in_: int

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def _keep(self, model: Model, history: History) -> None:
        self.booster_ = model
        self.evals_result_ = history
        self.n_features_in_ = model.n_features
        for name in ("best_iteration_", "best_score_"):
            self.__dict__.pop(name, None)
        if model.best_round is not None and history:
            self.best_iteration_ = model.best_round
            own = history[list(history)[-1]]
            values = own[list(own)[-1]]
            # Rounds of a continued model have no values here.
            self.best_score_ = values[model.best_round - (len(model) - len(values))]

    def _own(self) -> Model | None:
        """Return the model of an earlier fit, where there is one."""
        held = vars(self).get("booster_")
        return held if isinstance(held, Model) else None

    def _rows(self, x: Any, base_margin: ArrayLike | None = None) -> Dataset:
        check_is_fitted(self, "booster_")
        model = self.booster_
        named = "feature_names_in_" in vars(self)
        columns = Columns(names=model.feature_names if named else ())
        if isinstance(model, Booster):
            columns = replace(columns, categorical=model.categorical, categories=model.categories)
        table = known_table(self, x, columns)
        return rows_of(table, base_margin=base_margin, named=named)

    def _used(self, rounds: Rounds) -> Model:
        """Return the model of some rounds; up to the best where none are named."""
        if rounds is None or tuple(rounds) == (0, 0):
            return self.booster_.used
        begin = check_integer("iteration_range", rounds[0], low=0)
        last = check_integer("iteration_range", rounds[1], low=0, high=len(self.booster_))
        return sliced(self.booster_, range(begin, last or len(self.booster_)))

    def _margin(self, x: Any, base_margin: ArrayLike | None, rounds: Rounds) -> Floats:
        rows = self._rows(x, base_margin)
        return margin_of(self._used(rounds), rows, threads=threads_of(self.n_jobs))

    def apply(self, X: Any, iteration_range: Rounds = None) -> NDArray[np.int32]:
        """Return the leaf each row reaches in each tree, (n, trees).

        Raises:
            ValueError: A linear model has no leaves.
        """
        rows = self._rows(X)
        used = self._used(iteration_range)
        leaves = leaves_of(used, rows, strict=False, threads=threads_of(self.n_jobs))
        return leaves.reshape(len(rows), -1).astype(np.int32)

    def shap_values(
        self, X: Any, *, interactions: bool = False, iteration_range: Rounds = None
    ) -> Floats:
        """Return what each feature adds to each row's margin: exact Shapley values.

        Args:
            X: Values, (n, F).
            interactions: Whether pairs of features are told apart.
            iteration_range: First and last-but-one round; up to the best where None.

        Returns:
            (n, F + 1), the last the expectation; (n, outputs, F + 1) of several outputs. With
            interactions another axis of F + 1. Rows sum to the margin.
        """
        rows = self._rows(X)
        used = self._used(iteration_range)
        return shares_of(
            used, rows, pairs=interactions, strict=False, threads=threads_of(self.n_jobs)
        )

    @property
    def feature_importances_(self) -> Floats:
        """Importance of each feature by ``importance_type``, as shares of 1; 0 of unused ones.

        Of a linear model, the absolute weights.
        """
        check_is_fitted(self, "booster_")
        model = self.booster_.used
        if isinstance(model, LinearBooster):
            held = np.abs(model.weights).sum(axis=1, dtype=np.float64)
        else:
            check_choice("importance_type", self.importance_type, SPLIT_KINDS)
            held = importance(model, self.importance_type)
        whole = held.sum()
        return (held / whole if whole else held).astype(np.float32)

    @property
    def intercept_(self) -> Floats:
        """Where predictions start, in their own units; a linear model's biases, (outputs,)."""
        check_is_fitted(self, "booster_")
        model = self.booster_
        return model.bias if isinstance(model, LinearBooster) else model.base_score

    @property
    def coef_(self) -> Floats:
        """A linear model's weights, (F,) or (outputs, F).

        Raises:
            AttributeError: The model is of trees.
        """
        check_is_fitted(self, "booster_")
        if not isinstance(self.booster_, LinearBooster):
            raise AttributeError("coef_ is of booster='gblinear' only.")
        weights = self.booster_.weights
        return weights[:, 0] if weights.shape[1] == 1 else weights.T

    def save_model(self, path: str | Path) -> None:
        """Write the model for XGBoost and for us: UBJSON for a name in .ubj, else JSON."""
        check_is_fitted(self, "booster_")
        model = self.booster_
        classes = vars(self).get("classes_")
        if classes is not None and not np.array_equal(classes, np.arange(len(classes))):
            words = {CLASSES: json.dumps(classes.tolist())}
            model = replace(model, attributes=model.attributes | words)
        save_any(model, path)

    def load_model(self, path: str | Path) -> None:
        """Read a model: XGBoost's JSON or UBJSON, or LightGBM's text.

        Raises:
            FileError: It is none.
        """
        model = load_any(path)
        words = model.attributes.pop(CLASSES, None)
        self._keep(model, {})
        if model.best_round is not None:
            self.best_iteration_ = model.best_round
        self.__dict__.pop("feature_names_in_", None)
        if model.feature_names:
            self.feature_names_in_ = np.array(model.feature_names, object)
        self._learn_classes(None if words is None else np.array(json.loads(words)))

    def _learn_classes(self, classes: NDArray[Any] | None) -> None:
        """Remember the classes of a model that was read; regressors have none."""


Start = Fitted | Model | str | Path | None

"""Boosted trees for classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from drivetrain.boosting.estimators.fitted import EvalSet, Fitted, Rounds, Start
from drivetrain.boosting.estimators.fitting import Task, learn
from drivetrain.boosting.estimators.inputs import column, fitted_table, rows_of, watched
from drivetrain.boosting.estimators.posed import Posed
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.named import objective_of
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.params import loss_of
from drivetrain.core.checks import check_choice

Floats = NDArray[np.float32]
_TWO = ("binary:logistic", "binary:logitraw", "binary:hinge")
_MORE = ("multi:softprob", "multi:softmax")


@dataclass(kw_only=True, eq=False, repr=False)
class BoostedTreesClassifier(ClassifierMixin, Fitted):
    """Gradient boosting for classes, by XGBoost's algorithm: a scikit-learn estimator.

    Two classes are told apart by the logistic loss, more by softmax; labels may be anything
    that sorts. X may be an array, a data frame (pandas, polars, arrow) with categories, words,
    nulls, a tensor, or a scipy sparse matrix, whose absent entries are missing.

    Attributes:
        objective: Of two classes ``binary:logistic``, ``binary:logitraw`` or ``binary:hinge``,
            of more ``multi:softprob``; or a function of margins and codes of labels, (n,) of two
            classes and else (n, classes): see ``drivetrain.boosting.objectives.custom``. By the
            number of classes where None.
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

    objective: str | Objective | Callable[..., Any] | None = None
    scale_pos_weight: float = 1.0

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        base_margin: ArrayLike | None = None,
        eval_set: EvalSet = None,
        eval_sample_weight: Sequence[ArrayLike] | None = None,
        init_model: Start = None,
    ) -> "BoostedTreesClassifier":
        """Fit the model.

        Args:
            X: Values, (n, F).
            y: Labels, (n,).
            sample_weight: Weight of each row, (n,).
            base_margin: Where each row's margin starts, (n,) or (n, classes).
            eval_set: Pairs (X, y) to evaluate after each round; the last decides when to stop.
            eval_sample_weight: Weights of their rows, a list for each pair.
            init_model: A model to continue, or its file: ``n_estimators`` rounds are added.

        Raises:
            TypeError: A column of X that holds no numbers, a parameter of another type.
            ValueError: A parameter or the input is wrong; the message says which.
        """
        table, labels = fitted_table(self, X, y)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        named = "feature_names_in_" in vars(self)
        data = rows_of(
            table, column(codes), weight=sample_weight, base_margin=base_margin, named=named
        )
        sets = watched(self, data, eval_set, eval_sample_weight, self._codes)
        task = Task(
            data=data,
            objective=self._objective(),
            sets=sets,
            strata=codes,
            start=init_model,
            fitted=self._own(),
        )
        self._keep(*learn(self, task))
        return self

    def _objective(self) -> Objective:
        count, given = len(self.classes_), self.objective
        told = loss_of(self.told() | {"num_class": count})
        usual: Objective = Logistic(self.scale_pos_weight) if count <= 2 else Softmax(count)
        if given is None:
            return usual
        if isinstance(given, str):
            check_choice("objective", given, _TWO if count <= 2 else _MORE)
            # The class itself is what predict returns of probabilities.
            return objective_of(given.replace("softmax", "softprob"), told)
        return Posed(usual, objective_of(given, told))

    def _codes(self, labels: ArrayLike) -> Floats:
        given = np.asarray(labels)
        strange = ~np.isin(given, self.classes_)
        if strange.any():
            raise ValueError(f"eval_set has a label that y has not: {given[strange][0]!r}.")
        return column(np.searchsorted(self.classes_, given))

    def predict_proba(
        self,
        X: Any,
        *,
        base_margin: ArrayLike | None = None,
        iteration_range: Rounds = None,
    ) -> Floats:
        """Return the probability of each class, float32, (n, classes).

        Args:
            X: Values, (n, F).
            base_margin: Where each row's margin starts instead of the base score.
            iteration_range: First and last-but-one round; up to the best where None.

        Raises:
            ValueError: Other features than at fit; a category that fitting did not see.
        """
        margin = self._margin(X, base_margin, iteration_range)
        if len(self.classes_) == 1:
            return np.ones((len(margin), 1), np.float32)
        if self.booster_.objective.name == "binary:logitraw":
            given = Logistic().predict(margin)
        else:
            given = self.booster_.objective.predict(margin)
        return given if given.ndim == 2 else np.stack([1 - given, given], axis=1)

    def predict(
        self,
        X: Any,
        *,
        output_margin: bool = False,
        base_margin: ArrayLike | None = None,
        iteration_range: Rounds = None,
    ) -> NDArray[Any]:
        """Return the likeliest class of each row, (n,).

        Args:
            X: Values, (n, F).
            output_margin: Whether to return margins instead, (n,) or (n, classes).
            base_margin: Where each row's margin starts instead of the base score.
            iteration_range: First and last-but-one round; up to the best where None.

        Raises:
            ValueError: Other features than at fit; a category that fitting did not see.
        """
        if output_margin:
            margin = self._margin(X, base_margin, iteration_range)
            return margin[:, 0] if margin.shape[1] == 1 else margin
        given = self.predict_proba(X, base_margin=base_margin, iteration_range=iteration_range)
        return self.classes_[given.argmax(axis=1)]

    def _learn_classes(self, classes: NDArray[Any] | None) -> None:
        """Remember the classes of a model that was read: 0, 1, ... where it names none."""
        count = max(2, len(self.booster_.base_score))
        self.classes_ = np.arange(count) if classes is None else classes

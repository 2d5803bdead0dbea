"""Forests for classes."""

from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets

from drivetrain.core.checks import check_choice
from drivetrain.ensemble.forests.fitted import Aim, FittedForest
from drivetrain.trees.deep.targets import labels

Doubles = NDArray[np.float64]


class ClassificationForest(ClassifierMixin, FittedForest, ABC):
    """Mean class shares of trees' leaves.

    Attributes:
        classes_: The labels, sorted.
        n_classes_: How many.
        oob_decision_function_: Mean shares of the trees that did not draw a row, (n, classes);
            NaN where none did not.
    """

    class_weight: Any
    classes_: Any
    n_classes_: Any
    oob_decision_function_: Doubles

    def _aim(self, y: NDArray[Any], weight: Doubles | None) -> Aim:
        check_choice("criterion", self.criterion, ("gini", "entropy", "log_loss"))
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_classes_ = len(self.classes_)
        target = labels(codes, self.n_classes_, as_number=self.criterion == "gini")
        if self.monotonic_cst is not None and (self.n_classes_ > 2 or target.classes):
            raise ValueError("monotonic_cst needs two classes and criterion='gini'.")
        return Aim(
            target=target, y=y, weight=self._by_class(y, weight), reweigh=self._by_drawn_class(y)
        )

    def _by_class(self, y: NDArray[Any], weight: Doubles | None) -> Doubles | None:
        given = self.class_weight
        if given is None or (given == "balanced_subsample" and self.bootstrap):
            return None
        if isinstance(given, str):
            check_choice("class_weight", given, ("balanced", "balanced_subsample"))
            counts = np.bincount(np.searchsorted(self.classes_, y), weight)
            share = counts.sum() / (len(counts) * np.maximum(counts, 1e-300))
            return np.asarray(share[np.searchsorted(self.classes_, y)])
        return np.asarray(compute_sample_weight(given, y))

    def _by_drawn_class(self, y: NDArray[Any]) -> Callable[[NDArray[np.int32]], Doubles] | None:
        if self.class_weight != "balanced_subsample" or not self.bootstrap:
            return None
        return lambda drawn: np.asarray(compute_sample_weight("balanced", y, indices=drawn))

    def _score_outside(self, mean: Doubles, y: NDArray[Any], held: NDArray[np.bool_]) -> None:
        shares = self._shares(mean)
        self.oob_decision_function_ = shares
        found = self.classes_[shares[held].argmax(axis=1)]
        score = self.oob_score if callable(self.oob_score) else accuracy_score
        self.oob_score_ = float(score(y[held], found)) if held.any() else float("nan")

    def _shares(self, mean: Doubles) -> Doubles:
        if mean.shape[1] == self.n_classes_ > 1:
            return mean
        if self.n_classes_ == 1:
            return np.ones((len(mean), 1))
        return np.concatenate([1 - mean, mean], axis=1)

    def predict_proba(self, X: Any) -> Doubles:
        """Return the probability of each class, (n, classes).

        Args:
            X: Values, (n, F).

        Raises:
            ValueError: Other features than at fit.
        """
        return self._shares(self._mean(X))

    def predict_log_proba(self, X: Any) -> Doubles:
        """Return the logarithm of each class's probability, (n, classes).

        Args:
            X: Values, (n, F).
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest class of each row, (n,).

        Args:
            X: Values, (n, F).

        Raises:
            ValueError: Other features than at fit.
        """
        shares = self.predict_proba(X)
        return np.asarray(self.classes_[shares.argmax(axis=1)])


@dataclass(eq=False, repr=False)
class RandomForestClassifier(ClassificationForest):
    """A random forest for classes: deep trees, each on rows drawn with replacement.

    Probability: (1/T) Σ_t share of the class in the leaf of tree t.

    Parameters, defaults and attributes are scikit-learn's; see `ForestParameters`. Values are
    binned once for all trees; ``tree_method="exact"`` parts any two values.

    Attributes:
        class_weight: ``balanced``, ``balanced_subsample``, or weights by label.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = RandomForestClassifier(60, oob_score=True, random_state=0).fit(X, y)
        >>> model.oob_score_ > 0.9
        True

    References:
        Breiman: Random Forests, Machine Learning 45 (2001).
    """

    criterion: str = "gini"
    max_features: float | str | None = "sqrt"
    class_weight: Any = None
    monotonic_cst: Sequence[int] | None = None

"""Forests for classes."""

from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets

from drivetrain.core.checks import check_choice
from drivetrain.ensemble.forests.fitted import Aim, FittedForest
from drivetrain.trees.deep.targets import indicators, labels

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
        columns = y.reshape(len(y), -1)
        pairs = [np.unique(columns[:, k], return_inverse=True) for k in range(columns.shape[1])]
        known = [classes for classes, _ in pairs]
        codes = np.stack([own for _, own in pairs], axis=1)
        counts = [len(classes) for classes in known]
        if y.ndim == 1:
            self.classes_, self.n_classes_ = known[0], counts[0]
            target = labels(codes[:, 0], counts[0], as_number=self.criterion == "gini")
        else:
            self.classes_, self.n_classes_ = known, counts
            target = indicators(codes, counts)
        if self.monotonic_cst is not None and (target.outputs > 1 or counts[0] > 2):
            raise ValueError("monotonic_cst needs two classes and criterion='gini'.")
        by_class = _by_class(self.class_weight, y, weight, drawn=self.bootstrap)
        again = _by_drawn_class(y) if self.bootstrap and self._each_drawn() else None
        return Aim(target=target, y=y, weight=by_class, reweigh=again)

    def _each_drawn(self) -> bool:
        return isinstance(self.class_weight, str) and self.class_weight == "balanced_subsample"

    def _score_outside(self, mean: Doubles, y: NDArray[Any], held: NDArray[np.bool_]) -> None:
        shares = self._shares(mean)
        if y.ndim > 1 and len(set(self.n_classes_)) > 1:
            raise ValueError("oob_score needs the same number of classes in every column of y.")
        stacked = np.stack(shares, axis=2) if y.ndim > 1 else shares[0]
        self.oob_decision_function_ = stacked
        found = self._named([one[held] for one in shares])
        score = self.oob_score if callable(self.oob_score) else _accuracy
        self.oob_score_ = float(score(y[held], found)) if held.any() else float("nan")

    def _shares(self, mean: Doubles) -> list[Doubles]:
        """Return the shares of each column's classes."""
        if self.n_outputs_ > 1:
            ends = np.cumsum(self.n_classes_)[:-1]
            return list(np.split(mean, ends, axis=1))
        if self.n_classes_ == 1:
            return [np.ones((len(mean), 1))]
        if mean.shape[1] > 1:
            return [mean]
        return [np.concatenate([1 - mean, mean], axis=1)]

    def _named(self, shares: list[Doubles]) -> NDArray[Any]:
        if self.n_outputs_ == 1:
            return np.asarray(self.classes_[shares[0].argmax(axis=1)])
        each = [own[one.argmax(axis=1)] for own, one in zip(self.classes_, shares)]
        return np.stack(each, axis=1)

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, (n, classes); a list of them for several targets.

        Args:
            X: Values, (n, F).

        Raises:
            ValueError: Other features than at fit.
        """
        shares = self._shares(self._mean(X))
        return shares if self.n_outputs_ > 1 else shares[0]

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of each class's probability, shaped as the probabilities.

        Args:
            X: Values, (n, F).
        """
        shares = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return [np.log(one) for one in shares] if self.n_outputs_ > 1 else np.log(shares)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest class of each row, (n,) or (n, outputs).

        Args:
            X: Values, (n, F).

        Raises:
            ValueError: Other features than at fit.
        """
        mean = self._mean(X)
        return self._named(self._shares(mean))


def _accuracy(y: NDArray[Any], found: NDArray[Any]) -> float:
    # Of several targets, the share of single answers.
    return float(np.mean(y == found))


def _by_class(
    given: Any, y: NDArray[Any], weight: Doubles | None, *, drawn: bool
) -> Doubles | None:
    if given is None:
        return None
    if not isinstance(given, str):
        return np.asarray(compute_sample_weight(given, y))
    check_choice("class_weight", given, ("balanced", "balanced_subsample"))
    if given == "balanced_subsample" and drawn:
        return None
    out = np.ones(len(y))
    for column in y.reshape(len(y), -1).T:
        codes = np.unique(column, return_inverse=True)[1]
        counts = np.bincount(codes, weight)
        out *= (counts.sum() / (len(counts) * np.maximum(counts, 1e-300)))[codes]
    return out


def _by_drawn_class(y: NDArray[Any]) -> Callable[[NDArray[np.int32]], Doubles]:
    return lambda drawn: np.asarray(compute_sample_weight("balanced", y, indices=drawn))


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


@dataclass(eq=False, repr=False)
class ExtraTreesClassifier(ClassificationForest):
    """Extremely randomized trees for classes: of one random cut a feature, the best.

    Parameters, defaults and attributes are scikit-learn's; see `ForestParameters`. Cuts are drawn
    between the values themselves: ``tree_method`` and ``max_bin`` mean nothing here.

    Attributes:
        class_weight: ``balanced``, ``balanced_subsample``, or weights by label.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> ExtraTreesClassifier(20, max_depth=4, random_state=0).fit(X, y).score(X, y) > 0.9
        True

    References:
        Geurts, Ernst, Wehenkel: Extremely Randomized Trees, Machine Learning 63 (2006).
    """

    splits_at_random: ClassVar[bool] = True
    criterion: str = "gini"
    max_features: float | str | None = "sqrt"
    bootstrap: bool = False
    class_weight: Any = None
    monotonic_cst: Sequence[int] | None = None

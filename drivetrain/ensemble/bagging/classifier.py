"""Bags of classifiers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from drivetrain.ensemble.bagging.fitted import FittedBagging, decides, warn_of_holes
from drivetrain.ensemble.copies import offers

Doubles = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class BaggingClassifier(ClassifierMixin, FittedBagging):
    """Classifiers on rows and features drawn at random; the mean of their probabilities decides.

    H(x) = argmax_c (1/M) Σ_m p_m(c | x), or Σ_m [h_m(x) = c] where members give no
    probabilities. Drawing rows with replacement is bagging, without it pasting; drawing features
    random subspaces, both random patches. Parameters, defaults, draws and answers are
    scikit-learn's; see `BaggingParameters`.

    Attributes:
        classes_: The labels, sorted.
        n_classes_: How many.
        oob_decision_function_: Mean probabilities by the members that did not draw a row,
            (n, classes); NaN where all drew it.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> bag = BaggingClassifier(n_estimators=50, oob_score=True, random_state=0).fit(X, y)
        >>> bag.oob_score_ > 0.9
        True

    References:
        Breiman: Bagging Predictors, Machine Learning 24 (1996).
        Louppe, Geurts: Ensembles on Random Patches, ECML PKDD 2012.
    """

    def _prototype(self) -> Any:
        return DecisionTreeClassifier() if self.estimator is None else self.estimator

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.n_classes_ = len(self.classes_)
        return np.asarray(codes)

    def _score_outside(self, x: Any, y: NDArray[Any]) -> None:
        sums = np.zeros((len(y), self.n_classes_))
        for out, shares in self._outside(x, self._shares):
            if shares is not None:
                sums[out] += shares
        total = sums.sum(axis=1)
        held = total > 0
        if not held.all():
            warn_of_holes(int((~held).sum()))
        mean = np.full(sums.shape, np.nan)
        mean[held] = sums[held] / total[held, None]
        self.oob_decision_function_ = mean
        self.oob_score_ = float("nan")
        if held.any():
            found = sums[held].argmax(axis=1)
            score = self.oob_score if callable(self.oob_score) else accuracy_score
            told = self.classes_.take(y[held]), self.classes_.take(found)
            self.oob_score_ = float(score(*told))

    def _shares(self, member: Any, x: Any, **given: Any) -> Doubles:
        """Return a member's probabilities, or its vote, of all classes of the bag."""
        if not offers(member, "predict_proba"):
            codes = np.asarray(member.predict(x, **given)).astype(np.int64)
            return np.eye(self.n_classes_)[codes]
        shares = member.predict_proba(x, **given)
        if len(member.classes_) == self.n_classes_:
            return np.asarray(shares)
        wide = np.zeros((len(shares), self.n_classes_))
        wide[:, member.classes_] = shares
        return wide

    def predict(self, X: Any, **params: Any) -> NDArray[Any]:
        """Return the likeliest class of each row, (n,).

        Args:
            X: Values, (n, F).
            params: Given to the members, by scikit-learn's metadata routing.

        Raises:
            ValueError: Other features than at fit.
        """
        asked = self._asked("predict", params)
        shares = self._mean_shares(X, asked)
        return np.asarray(self.classes_.take(shares.argmax(axis=1), axis=0))

    def predict_proba(self, X: Any, **params: Any) -> Doubles:
        """Return the mean of the members' probabilities, or their share of votes, (n, classes).

        Args:
            X: Values, (n, F).
            params: Given to the members, by scikit-learn's metadata routing.

        Raises:
            ValueError: Other features than at fit.
        """
        return self._mean_shares(X, self._asked("predict_proba", params))

    def _mean_shares(self, X: Any, asked: Any) -> Doubles:
        x = self._rows(X)
        given = asked.get("predict_proba") or asked.get("predict") or {}
        sums = np.zeros((x.shape[0], self.n_classes_))
        for shares in self._answers(x, lambda member, v: self._shares(member, v, **given)):
            sums += shares
        sums /= len(self.estimators_)
        return sums

    def predict_log_proba(self, X: Any, **params: Any) -> Doubles:
        """Return the logarithm of the mean of the members' probabilities, (n, classes).

        Args:
            X: Values, (n, F).
            params: Given to the members, by scikit-learn's metadata routing.

        Raises:
            ValueError: Other features than at fit.
        """
        asked = self._asked("predict_log_proba", params)
        check_is_fitted(self, "estimators_")
        if not offers(self.estimator_, "predict_log_proba"):
            with np.errstate(divide="ignore"):
                return np.log(self._mean_shares(X, asked))
        x = self._rows(X)
        given = asked.get("predict_log_proba", {})

        def ask(member: Any, values: Any) -> Doubles:
            with np.errstate(divide="ignore"):
                logs = member.predict_log_proba(values, **given)
            if len(member.classes_) == self.n_classes_:
                return np.asarray(logs)
            wide = np.full((len(logs), self.n_classes_), -np.inf)
            wide[:, member.classes_] = logs
            return wide

        total = np.full((x.shape[0], self.n_classes_), -np.inf)
        for logs in self._answers(x, ask):
            total = np.logaddexp(total, logs)
        return total - np.log(len(self.estimators_))

    @available_if(decides)
    def decision_function(self, X: Any, **params: Any) -> Doubles:
        """Return the mean of the members' decision functions, (n,) or (n, classes).

        Args:
            X: Values, (n, F).
            params: Given to the members, by scikit-learn's metadata routing.

        Raises:
            ValueError: Other features than at fit.
        """
        given = self._asked("decision_function", params).get("decision_function", {})
        x = self._rows(X)
        total: Any = sum(self._answers(x, lambda m, v: m.decision_function(v, **given)))
        return np.asarray(total / len(self.estimators_))

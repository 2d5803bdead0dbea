"""Stacking for classes."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin, clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils.metadata_routing import _raise_for_params
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from drivetrain.core.checks import check_choice
from drivetrain.ensemble.stacking.base import Stacking, final_has, row_wise
from drivetrain.ensemble.stacking.learning import AUTO, Rows


@dataclass(eq=False, repr=False)
class StackingClassifier(ClassifierMixin, Stacking):
    r"""A classifier of what other estimators say of rows they did not see.

    H(x) = g(h_1(x), ..., h_T(x)), g fitted on Z_{it} = h_t^{(-k(i))}(x_i), where h_t^{(-k)} has
    seen all folds but the k-th and k(i) is the row's own; h_t are probabilities where there are.

    Attributes:
        stack_method: What members are asked: ``predict_proba``, ``decision_function``,
            ``predict``; or ``auto``, the first of them that a member has.
        classes_: The labels, sorted; of several labels a row, a list of each one's.
        estimators_: Members fitted on all rows (with ``blend``, on those not held out).
        named_estimators_: They, or ``"drop"``, by name.
        final_estimator_: The fitted final estimator.
        stack_method_: What each member is asked.
        failures_: Errors of members that failed, with ``on_error="drop"``, by name.
        fit_seconds_: How long each member took on all rows, by name.
        n_features_in_: Number of features.
        feature_names_in_: Their names, where the members saw any.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> members = [("bayes", GaussianNB()), ("near", KNeighborsClassifier())]
        >>> StackingClassifier(members).fit(X, y).score(X, y) > 0.9
        True

    References:
        Wolpert: Stacked generalization, Neural Networks 5, 1992.
        Ting, Witten: Issues in stacked generalization, JAIR 10, 1999.
    """

    _: KW_ONLY
    stack_method: str = "auto"

    def fit(self, X: Any, y: ArrayLike, **fit_params: Any) -> "StackingClassifier":
        """Fit the members and the final estimator.

        Args:
            X: Values, (n, F); whatever the members take.
            y: Labels, (n,), or zeros and ones, (n, labels).
            **fit_params: ``sample_weight``, (n,), for members and final estimator; with metadata
                routing, what they ask for.

        Raises:
            ValueError: A parameter or the input is wrong; of a member, named with it.
            TypeError: A member takes no sample weights.
        """
        _raise_for_params(fit_params, self, "fit", allow=["sample_weight"])
        check_choice("stack_method", self.stack_method, ("auto", *AUTO))
        final = LogisticRegression() if self.final_estimator is None else self.final_estimator
        if not is_classifier(final):
            raise ValueError(f"'final_estimator' parameter should be a classifier. Got {final}")
        self.final_estimator_ = clone(final)
        check_classification_targets(y)
        rows = self._encoded(X, y)
        self.fit_stack(rows, fit_params, self.stack_method, kind=None)
        return self

    def _encoded(self, X: Any, y: ArrayLike) -> Rows:
        if type_of_target(y) == "multilabel-indicator":
            table = np.asarray(y)
            found = [np.unique(each, return_inverse=True) for each in table.T]
            self.classes_: Any = [classes for classes, _ in found]
            codes = np.stack([codes for _, codes in found], axis=1)
            return Rows(X=row_wise(X, table), y=codes, counts=[len(each) for each in self.classes_])
        labels = column_or_1d(y, warn=True)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        return Rows(X=row_wise(X, labels), y=codes, counts=len(self.classes_))

    @available_if(final_has("predict", LogisticRegression))
    def predict(self, X: Any, **predict_params: Any) -> Any:
        """Return the final estimator's classes, (n,) or (n, labels).

        Args:
            X: Values, (n, F).
            **predict_params: For the final estimator's ``predict``.
        """
        codes = self.final_answer(X, "predict", predict_params)
        if isinstance(self.classes_, list):
            return np.stack([own[each] for own, each in zip(self.classes_, codes.T)], axis=1)
        return self.classes_[codes]

    @available_if(final_has("predict_proba", LogisticRegression))
    def predict_proba(self, X: Any) -> Any:
        """Return the final estimator's probabilities, (n, classes).

        Args:
            X: Values, (n, F).

        Returns:
            Of several labels a row, from a final estimator with a table for each, the
            probability that it is absent, (n, labels), as scikit-learn 1.9 has it.
        """
        given = self.final_answer(X, "predict_proba", {})
        if isinstance(given, list):
            return np.array([one[:, 0] for one in given]).T
        return given

    @available_if(final_has("decision_function", LogisticRegression))
    def decision_function(self, X: Any) -> Any:
        """Return the final estimator's decisions, (n,) of two classes, else (n, classes).

        Args:
            X: Values, (n, F).
        """
        return self.final_answer(X, "decision_function", {})

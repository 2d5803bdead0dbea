"""Linear classification (logistic, hinge) by averaged SGD, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import column_or_1d, validate_data

from drivetrain.approximation.inference.linear import LinearSGD
from drivetrain.approximation.inference.recipe import CLASSIFICATION, loss_name
from drivetrain.approximation.inference.samples import check_weights, finite_rows

Array = NDArray[np.float64]


def _has_probabilities(model: "SGDClassifier") -> bool:
    if loss_name(model.loss, CLASSIFICATION) == "logistic":
        return True
    raise AttributeError(f"predict_proba needs loss='logistic'. Got {model.loss!r}.")


@dataclass(kw_only=True, eq=False, repr=False)
class SGDClassifier(ClassifierMixin, LinearSGD):
    """Linear classification by averaged SGD with confidence intervals: a scikit-learn estimator.

    Two classes make one model; more make one a class, each against the rest.

    Args:
        loss: ``"logistic"`` or ``"hinge"``.
        gain: ``"auto"``, ``"invscaling"``, ``"constant"``, ``"optimal"`` or a Gain; see
            SGDRegressor. With the last four the iterates are those of scikit-learn's SGDClassifier.
        eta0: Scale of the gain, > 0; 4 where not given.
        power_t: Exponent of the gain; in (1/2, 1) the average is asymptotically normal.
        penalty: None or ``"l2"``.
        alpha: Strength of the penalty, >= 0 (and the scale of ``gain="optimal"``).
        fit_intercept: Whether there is a constant.
        average: Whether ``coef_`` is the average of the iterates, instead of the last one.
        burn_in: Steps before averaging begins.
        inference: ``"rs"``, ``"rs_diagonal"``, ``"plug_in"``, ``"batch_means"`` or None.
        max_iter: Passes of ``fit``. With inference, several passes draw rows with replacement.
        shuffle: Whether ``fit`` uses the rows in random order.
        nan_policy: ``"raise"``, ``"omit"`` or ``"propagate"``.
        random_state: Seed of the order.

    Attributes:
        coef_: (1, p) for two classes, else (K, p).
        intercept_: (1,) or (K,).
        classes_: (K,).
        n_features_in_: p.
        feature_names_in_: Column names, where X had them.
        n_iter_: Passes of the last ``fit``.
        t_: Samples used so far, plus one.

    Example:
        >>> rng = np.random.default_rng(4)
        >>> X = rng.standard_normal((5000, 2))
        >>> y = rng.random(5000) < 1 / (1 + np.exp(-X @ [1.0, -1.0]))
        >>> model = SGDClassifier(shuffle=False).fit(X, y)
        >>> model.coef_.round(1)
        array([[ 1., -1.]])
        >>> bool(model.conf_int(0.95).contains([1.0, -1.0, 0.0]).all())
        True

    References:
        Polyak and Juditsky (1992). Lee, Liao, Seo and Shin, AAAI 2022. Chen, Lee, Tong and Zhang,
        Ann. Stat. 48 (2020).
    """

    loss: str = "logistic"

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "SGDClassifier":
        """Start afresh and make ``max_iter`` passes.

        Args:
            X: (n, p).
            y: Labels of any kind, (n,), at least two different ones.
            sample_weight: Factors of the steps, (n,), >= 0.

        Raises:
            ValueError: A setting or the input is wrong; the message says which.
            SGDDivergenceError: The gain is too large.
        """
        return self._use(X, y, sample_weight, classes=None, passes=True)

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> "SGDClassifier":
        """Take one step for each row, in order, from where it stopped.

        Any split of a stream into calls gives the same bits.

        Args:
            X: (n, p).
            y: (n,).
            classes: All labels that will ever come; needed in the first call.
            sample_weight: Factors of the steps, (n,), >= 0.

        Raises:
            ValueError: No classes in the first call, others later, or wrong input.
            SGDDivergenceError: The gain is too large.
        """
        if "engines_" not in vars(self):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            return self._use(X, y, sample_weight, classes=unique_labels(classes), passes=False)
        if classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise ValueError(f"classes must stay {self.classes_}. Got {np.asarray(classes)}.")
        return self._use(X, y, sample_weight, classes=self.classes_, passes=False)

    def decision_function(self, X: ArrayLike) -> Array:
        """Return the signed distances, (n,) for two classes, else (n, K)."""
        margins = self._margins(X)
        return margins[:, 0] if len(self.engines_) == 1 else margins

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the labels, (n,)."""
        margins = self._margins(X)
        if len(self.engines_) == 1:
            return np.asarray(self.classes_[(margins[:, 0] > 0.0).astype(np.intp)])
        return np.asarray(self.classes_[np.argmax(margins, axis=1)])

    @available_if(_has_probabilities)
    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probabilities of the classes, (n, K); for K > 2 normalised over the models."""
        chances = expit(self._margins(X))
        if len(self.engines_) == 1:
            return np.column_stack([1.0 - chances[:, 0], chances[:, 0]])
        total = chances.sum(axis=1, keepdims=True)
        # All models may say no: then the classes are alike.
        return np.where(
            total > 0.0, chances / np.where(total > 0.0, total, 1.0), 1.0 / chances.shape[1]
        )

    def _use(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        *,
        classes: NDArray[Any] | None,
        passes: bool,
    ) -> "SGDClassifier":
        first = passes or "engines_" not in vars(self)
        checked_X, labels = validate_data(
            self, X, y, reset=first, dtype=np.float64, order="C", ensure_all_finite=False
        )
        labels = column_or_1d(labels, warn=True)
        check_classification_targets(labels)
        weights = check_weights(sample_weight, len(labels), some=passes)
        rows = finite_rows(self.nan_policy, checked_X)
        if rows is not None:
            checked_X, labels = checked_X[rows], labels[rows]
            weights = None if weights is None else weights[rows]
        known = self._learn_classes(labels, classes)
        if first:
            self.classes_ = known
            count = 1 if len(known) == 2 else len(known)
            self._start(checked_X.shape[1], count, CLASSIFICATION, 0.0)
        order = self._order(len(labels)) if passes else None
        try:
            for engine, positive in zip(self.engines_, self._positives(), strict=True):
                target = np.where(labels == positive, 1.0, -1.0)
                guard = self.nan_policy != "propagate"
                engine.update(checked_X, target, weights, order, guard=guard)
        finally:
            self._publish()
        return self

    def _learn_classes(self, labels: NDArray[Any], classes: NDArray[Any] | None) -> NDArray[Any]:
        seen = np.unique(labels)
        known = seen if classes is None else classes
        if len(known) < 2:
            raise ValueError(f"y must have at least two classes. Got {len(known)} class: {known}.")
        strange = np.setdiff1d(seen, known)
        if len(strange):
            raise ValueError(f"y has labels {strange} that are not in classes {known}.")
        return known

    def _positives(self) -> NDArray[Any]:
        return self.classes_[1:] if len(self.engines_) == 1 else self.classes_

    def _publish(self) -> None:
        coordinates = self._coordinates()
        self.coef_, self.intercept_ = coordinates[:, :-1], coordinates[:, -1]
        self.t_ = self.engines_[0].steps + 1

    def _labels(self) -> list[Any]:
        return list(self.classes_.tolist())

    def _restore_labels(self, labels: Sequence[Any] | None) -> None:
        self.classes_ = np.asarray(labels)

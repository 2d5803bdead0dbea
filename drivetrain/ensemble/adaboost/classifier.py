"""AdaBoost for classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state
from sklearn.utils.extmath import softmax
from sklearn.utils.metadata_routing import _raise_for_unsupported_routing
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import has_fit_parameter, validate_data

from drivetrain.core.checks import check_choice
from drivetrain.ensemble.adaboost.learners import Copies, Learner, Stumps
from drivetrain.ensemble.adaboost.parameters import AdaBoostParameters, row_weights
from drivetrain.ensemble.adaboost.rounds import Round, boosted
from drivetrain.ensemble.adaboost.stumps import DecisionStump, StumpSearch, table, voted

Doubles = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class AdaBoostClassifier(ClassifierMixin, AdaBoostParameters):
    """AdaBoost for classes, by SAMME: each member attends to what those before it got wrong.

    ε = Σ_i w_i [h(x_i) ≠ y_i];  α = ν (ln((1 - ε)/ε) + ln(K - 1));  w_i ← w_i exp(α) where h is
    wrong, then Σ w = 1;  H(x) = argmax_c Σ_m α_m [h_m(x) = c].

    For K = 2 this α is twice the ½ ln((1 - ε)/ε) of the binary form, whose right rows lose what
    here the wrong ones gain: votes and normalized weights are the same. ε = 0 gives the member a
    weight of 1 and ends the rounds; ε >= 1 - 1/K drops it and ends them. Parameters and
    defaults are scikit-learn's, ``mode`` and ``n_jobs`` apart, and so are the answers given the
    same members.

    Attributes:
        estimator: What every member is a copy of; where None, a stump on values that are binned
            once for all rounds: `DecisionStump`.
        mode: ``reweight``: members are fitted with the weights; ``resample``: to rows drawn by
            them, so that members need no sample weights. Errors are weighted in both.
        n_jobs: Threads that search stumps; one where None. The model is the same for any.
        classes_: The labels, sorted.
        n_classes_: How many.

    Example:
        >>> from sklearn.datasets import load_breast_cancer
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> AdaBoostClassifier(n_estimators=20).fit(X, y).score(X, y) > 0.95
        True

    References:
        Freund, Schapire: A Decision-Theoretic Generalization of On-Line Learning, 1997.
        Zhu, Zou, Rosset, Hastie: Multi-class AdaBoost, 2009, equations (10) to (13).
    """

    mode: str = "reweight"
    n_jobs: int | None = None

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "AdaBoostClassifier":
        """Fit the members, one after another.

        Args:
            X: Values, (n, F); what the members take.
            y: Labels, (n,).
            sample_weight: What rows weigh in the first round, (n,), at least 0.

        Raises:
            TypeError: A parameter of another type.
            ValueError: A parameter or the input is wrong; the first member is no better than
                chance; a member failed (those before it are kept).
        """
        _raise_for_unsupported_routing(self, "fit", sample_weight=sample_weight)
        x, labels = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], allow_nd=True, dtype=None
        )
        check_classification_targets(labels)
        check_choice("mode", self.mode, ("reweight", "resample"))
        weight = row_weights(sample_weight, x)
        rounds, held = self._begin()
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.n_classes_ = len(self.classes_)
        rng = check_random_state(self.random_state)
        learner = self._learner(x, labels, codes)
        boosted(
            lambda number, w, members: self._step(number, w, members, learner, rng),
            weight,
            rounds,
            held,
        )
        if isinstance(learner, Stumps):
            learner.search.close()
        return self

    def _learner(self, x: Any, y: NDArray[Any], codes: NDArray[np.int64]) -> Learner:
        self.estimator_ = DecisionStump() if self.estimator is None else self.estimator
        resampled = self.mode == "resample"
        if isinstance(self.estimator_, DecisionStump):
            threads = effective_n_jobs(self.n_jobs)
            search = StumpSearch(table(x), codes, self.classes_, threads=threads)
            return Stumps(search=search, codes=codes, resampled=resampled)
        if not resampled and not has_fit_parameter(self.estimator_, "sample_weight"):
            kind = type(self.estimator_).__name__
            raise ValueError(
                f"{kind} doesn't support sample_weight: mode='resample' draws rows instead."
            )
        return Copies(prototype=self.estimator_, x=x, y=y, resampled=resampled)

    def _step(
        self,
        number: int,
        weight: Doubles,
        members: list[Any],
        learner: Learner,
        rng: np.random.RandomState,
    ) -> Round:
        name = f"member {number} of {self.n_estimators}"
        member, wrong = learner.learn(weight, rng, name)
        error = float(np.average(wrong, weights=weight))
        if error <= 0:
            return Round(member=member, alpha=1.0, error=0.0, weight=weight)
        k = self.n_classes_
        if error >= 1.0 - 1.0 / k:
            if not members:
                raise ValueError(
                    f"The first member's error is {error:.3g}: worse than random among {k} "
                    "classes, ensemble can not be fit."
                )
            return Round()
        alpha = self.learning_rate * (np.log((1.0 - error) / error) + np.log(k - 1.0))
        if number < self.n_estimators - 1:
            # log 0 of rows that weigh nothing; exp makes it 0 again.
            with np.errstate(divide="ignore", over="ignore"):
                weight = np.exp(np.log(weight) + alpha * wrong * (weight > 0))
        return Round(member=member, alpha=alpha, error=error, weight=weight)

    def _said(self, x: Any) -> Iterator[Doubles]:
        """Yield what each member adds to every class of every row, (n, classes)."""
        rows = table(x) if isinstance(self.estimator_, DecisionStump) else None
        classes = self.classes_[:, np.newaxis]
        for alpha, member in zip(self.estimator_weights_, self.estimators_):
            said = member.predict(x) if rows is None else self.classes_[member.codes(rows)]
            yield np.where((said == classes).T, alpha, -1 / (self.n_classes_ - 1) * alpha)

    def _sums(self, x: Any) -> Doubles:
        if isinstance(self.estimator_, DecisionStump):
            gains = self.estimator_weights_[: len(self.estimators_)]
            losses = -1 / (self.n_classes_ - 1) * gains
            return voted(table(x), self.estimators_, gains, losses)
        total: Any = sum(self._said(x))
        return np.asarray(total)

    def _folded(self, sums: Doubles, norm: float) -> Doubles:
        """Return the decision: of two classes one column, the second's votes less the first's."""
        scaled = sums / norm
        if self.n_classes_ > 2:
            return scaled
        scaled[:, 0] *= -1
        return np.asarray(scaled.sum(axis=1))

    def decision_function(self, X: Any) -> Doubles:
        """Return the weighted votes, (n, classes), or (n,) of two classes.

        The class a member says gets α, the others -α/(K - 1), all over Σ α.

        Args:
            X: Values, (n, F).

        Raises:
            ValueError: Other features than at fit.
        """
        x = self._rows(X)
        if self.n_classes_ == 1:
            return np.zeros((x.shape[0], 1))
        return self._folded(self._sums(x), self.estimator_weights_.sum())

    def staged_decision_function(self, X: Any) -> Iterator[Doubles]:
        """Yield the decision function after each round.

        Args:
            X: Values, (n, F).
        """
        x = self._rows(X)
        if self.n_classes_ == 1:
            yield np.zeros((x.shape[0], 1))
            return
        sums = np.zeros((x.shape[0], self.n_classes_))
        norm = 0.0
        for alpha, votes in zip(self.estimator_weights_, self._said(x)):
            norm += alpha
            sums += votes
            yield self._folded(sums, norm)

    def _labels(self, decision: Doubles) -> NDArray[Any]:
        codes = decision > 0 if decision.ndim == 1 else decision.argmax(axis=1)
        return np.asarray(self.classes_.take(codes, axis=0))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class with the most votes, (n,).

        Args:
            X: Values, (n, F).

        Raises:
            ValueError: Other features than at fit.
        """
        return self._labels(self.decision_function(X))

    def staged_predict(self, X: Any) -> Iterator[NDArray[Any]]:
        """Yield the predictions after each round.

        Args:
            X: Values, (n, F).
        """
        yield from map(self._labels, self.staged_decision_function(X))

    def staged_score(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Iterator[float]:
        """Yield the accuracy after each round.

        Args:
            X: Values, (n, F).
            y: Labels, (n,).
            sample_weight: Weight of each row, (n,).
        """
        for found in self.staged_predict(X):
            yield float(accuracy_score(y, found, sample_weight=sample_weight))

    def _shares(self, decision: Doubles) -> Doubles:
        if self.n_classes_ == 1:
            return np.ones((len(decision), 1))
        if self.n_classes_ == 2:
            decision = np.vstack([-decision, decision]).T / 2
        else:
            decision = decision / (self.n_classes_ - 1)
        return np.asarray(softmax(decision, copy=False))

    def predict_proba(self, X: Any) -> Doubles:
        """Return the probability of each class, softmax(decision/(K - 1)), (n, classes).

        Args:
            X: Values, (n, F).

        References:
            Zhu et al., equation (15).
        """
        return self._shares(self.decision_function(X))

    def staged_predict_proba(self, X: Any) -> Iterator[Doubles]:
        """Yield the probabilities after each round.

        Args:
            X: Values, (n, F).
        """
        yield from map(self._shares, self.staged_decision_function(X))

    def predict_log_proba(self, X: Any) -> Doubles:
        """Return the logarithm of the probability of each class, (n, classes).

        Args:
            X: Values, (n, F).
        """
        return np.log(self.predict_proba(X))

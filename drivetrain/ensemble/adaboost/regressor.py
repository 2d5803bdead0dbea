"""AdaBoost for numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import _raise_for_unsupported_routing
from sklearn.utils.validation import validate_data

from drivetrain.core.checks import check_choice
from drivetrain.ensemble.adaboost.parameters import AdaBoostParameters, row_weights
from drivetrain.ensemble.adaboost.rounds import Round, boosted
from drivetrain.ensemble.copies import failure, seeded

Doubles = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class AdaBoostRegressor(RegressorMixin, AdaBoostParameters):
    """AdaBoost.R2: members fitted to rows drawn by weight, their weighted median the answer.

    e_i = |h(x_i) - y_i| / max_j |h(x_j) - y_j|;  l = e, e² or 1 - exp(-e);  L = Σ_i w_i l_i;
    β = L/(1 - L);  member weight ν ln(1/β);  w_i ← w_i β^(ν (1 - l_i)).

    L = 0 ends the rounds, and so does L >= 1/2, whose member is dropped unless it is the only
    one. Parameters, defaults, draws and answers are scikit-learn's.

    Attributes:
        estimator: What every member is a copy of; scikit-learn's decision tree of depth 3 where
            None.
        loss: ``linear``, ``square`` or ``exponential``.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(return_X_y=True)
        >>> AdaBoostRegressor(random_state=0).fit(X, y).score(X, y) > 0.5
        True

    References:
        Drucker: Improving Regressors using Boosting Techniques, ICML 1997.
    """

    loss: str = "linear"

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "AdaBoostRegressor":
        """Fit the members, one after another.

        Args:
            X: Values, (n, F); what the members take.
            y: Targets, (n,).
            sample_weight: What rows weigh in the first round, (n,), at least 0.

        Raises:
            TypeError: A parameter of another type.
            ValueError: A parameter or the input is wrong; a member failed (those before it are
                kept).
        """
        _raise_for_unsupported_routing(self, "fit", sample_weight=sample_weight)
        x, targets = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            allow_nd=True,
            dtype=None,
            y_numeric=True,
        )
        check_choice("loss", self.loss, ("linear", "square", "exponential"))
        weight = row_weights(sample_weight, x)
        rounds, held = self._begin()
        usual = DecisionTreeRegressor(max_depth=3)
        self.estimator_ = usual if self.estimator is None else self.estimator
        rng = check_random_state(self.random_state)
        boosted(
            lambda number, w, members: self._step(number, w, x, targets, rng),
            weight,
            rounds,
            held,
        )
        return self

    def _step(
        self, number: int, weight: Doubles, x: Any, y: NDArray[Any], rng: np.random.RandomState
    ) -> Round:
        member = seeded(self.estimator_, rng)
        try:
            rows = rng.choice(len(weight), size=len(weight), replace=True, p=weight)
            member.fit(x[rows], y[rows])
            off = np.abs(member.predict(x) - y)
        except Exception as error:
            name = f"member {number} of {self.n_estimators} ({type(member).__name__})"
            raise failure(error, name) from error
        held = weight > 0
        loss = self._losses(off[held])
        average = float((weight[held] * loss).sum())
        if average <= 0:
            return Round(member=member, alpha=1.0, error=0.0, weight=weight)
        if average >= 0.5:
            return Round(member=None if self.estimators_ else member)
        beta = average / (1.0 - average)
        alpha = self.learning_rate * np.log(1.0 / beta)
        if number < self.n_estimators - 1:
            weight = weight.copy()
            weight[held] *= np.power(beta, (1.0 - loss) * self.learning_rate)
        return Round(member=member, alpha=alpha, error=average, weight=weight)

    def _losses(self, off: Doubles) -> Doubles:
        most = off.max()
        share = off / most if most != 0 else off
        if self.loss == "square":
            return np.asarray(share**2)
        return 1.0 - np.exp(-share) if self.loss == "exponential" else share

    def _medians(self, found: Doubles) -> Doubles:
        """Return the weighted median of each row's predictions by the first members.

        Args:
            found: (n, members).
        """
        order = np.argsort(found, axis=1)
        run = np.cumsum(self.estimator_weights_[order], axis=1)
        first = (run >= 0.5 * run[:, -1:]).argmax(axis=1)
        rows = np.arange(len(found))
        return np.asarray(found[rows, order[rows, first]])

    def _found(self, X: Any) -> Doubles:
        x = self._rows(X)
        return np.array([member.predict(x) for member in self.estimators_]).T

    def predict(self, X: Any) -> Doubles:
        """Return the weighted median of the members' predictions, (n,).

        Args:
            X: Values, (n, F).

        Raises:
            ValueError: Other features than at fit.
        """
        return self._medians(self._found(X))

    def staged_predict(self, X: Any) -> Iterator[Doubles]:
        """Yield the predictions after each round.

        Args:
            X: Values, (n, F).
        """
        found = self._found(X)
        for count in range(1, len(self.estimators_) + 1):
            yield self._medians(found[:, :count])

    def staged_score(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Iterator[float]:
        """Yield R² after each round.

        Args:
            X: Values, (n, F).
            y: Targets, (n,).
            sample_weight: Weight of each row, (n,).
        """
        for found in self.staged_predict(X):
            yield float(r2_score(y, found, sample_weight=sample_weight))

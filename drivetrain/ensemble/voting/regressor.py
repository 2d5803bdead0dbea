"""Voting for numbers: the weighted mean of the members."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.metadata_routing import _raise_for_params
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, column_or_1d

from drivetrain.ensemble.voting.base import Voting


@dataclass(eq=False, repr=False)
class VotingRegressor(RegressorMixin, Voting):
    r"""The weighted mean of members, as scikit-learn's: H(x) = \sum_i w_i h_i(x) / \sum_i w_i.

    Attributes:
        estimators_: Fitted members, dropped ones left out.
        named_estimators_: They, or ``"drop"``, by name.
        weights_: Weights of the fitted members; None where equal.
        failures_: Errors of members that failed, with ``on_error="drop"``, by name.
        fit_seconds_: How long each member took to fit, by name.
        n_features_in_: Number of features.
        feature_names_in_: Their names, where the members saw any.

    Example:
        >>> from sklearn.dummy import DummyRegressor
        >>> from sklearn.linear_model import LinearRegression
        >>> members = [("line", LinearRegression()), ("mean", DummyRegressor())]
        >>> model = VotingRegressor(members, weights=[3, 1]).fit([[0], [1], [2]], [0, 1, 2])
        >>> model.predict([[2]])
        array([1.75])

    References:
        Zhou: Ensemble Methods, 2012, section 4.2.
    """

    def fit(self, X: Any, y: ArrayLike, **fit_params: Any) -> "VotingRegressor":
        """Fit every member on all rows.

        Args:
            X: Values, (n, F); whatever the members take.
            y: Targets, (n,).
            **fit_params: ``sample_weight``, (n,); with metadata routing, what members ask for.

        Raises:
            ValueError: A parameter or the input is wrong; of a member, named with it.
            TypeError: A member takes no sample weights.
        """
        _raise_for_params(fit_params, self, "fit", allow=["sample_weight"])
        target = column_or_1d(y, warn=True)
        self.fit_members(X, target, fit_params, self.checked_members(kind="regressor"))
        return self

    def predict(self, X: Any) -> NDArray[np.floating]:
        """Return the weighted mean of the members' predictions, (n,).

        Args:
            X: Values, (n, F).

        Raises:
            ZeroDivisionError: The weights sum to 0.
        """
        return np.asarray(np.average(self.transform(X), axis=1, weights=self.weights_))

    def transform(self, X: Any) -> NDArray[np.floating]:
        """Return the prediction of each member, (n, members).

        Args:
            X: Values, (n, F).
        """
        return np.asarray(self.answers(X)).T

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return a name for each column of ``transform``.

        Args:
            input_features: Not used, but checked where given.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        named = [f"{type(self).__name__.lower()}_{name}" for name in self.kept_names()]
        return np.asarray(named, dtype=object)

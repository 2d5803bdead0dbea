"""What AdaBoost is told, and what both kinds offer."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils import Tags
from sklearn.utils.metadata_routing import _RoutingNotSupportedMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from drivetrain.core.checks import check_integer, check_real
from drivetrain.ensemble.adaboost.rounds import Boosted

Doubles = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class AdaBoostParameters(_RoutingNotSupportedMixin, MetaEstimatorMixin, BaseEstimator):
    """Parameters of AdaBoost.

    Attributes:
        estimator: What every member is a copy of.
        n_estimators: Rounds at most.
        learning_rate: What members' weights are multiplied by.
        random_state: Seed; scikit-learn's AdaBoost draws the same of it.
        estimators_: The members.
        estimator_weights_: Their weights, (n_estimators,); 0 of rounds that were not reached.
        estimator_errors_: Their errors on the weighted rows, (n_estimators,); 1 likewise.
        n_features_in_: Number of features.
    """

    estimator: Any = None
    _: KW_ONLY
    n_estimators: int = 50
    learning_rate: float = 1.0
    random_state: Any = None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __len__(self) -> int:
        return len(self.estimators_)

    def __getitem__(self, place: int) -> Any:
        return self.estimators_[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.estimators_)

    def _rows(self, X: Any) -> Any:
        check_is_fitted(self, "estimators_")
        return validate_data(
            self, X, accept_sparse=["csr", "csc"], allow_nd=True, dtype=None, reset=False
        )

    def _begin(self) -> tuple[int, Boosted]:
        rounds = check_integer("n_estimators", self.n_estimators, low=1)
        check_real("learning_rate", self.learning_rate, low=0, open_low=True)
        held = Boosted(alphas=np.zeros(rounds), errors=np.ones(rounds))
        self.estimators_ = held.members
        self.estimator_weights_, self.estimator_errors_ = held.alphas, held.errors
        return rounds, held

    @property
    def feature_importances_(self) -> Doubles:
        """The members' importances, averaged by their weights, (F,).

        Raises:
            AttributeError: The members have none.
        """
        check_is_fitted(self, "estimators_")
        pairs = zip(self.estimator_weights_, self.estimators_)
        try:
            total: Any = sum(alpha * member.feature_importances_ for alpha, member in pairs)
        except AttributeError:
            kind = type(self.estimators_[0]).__name__
            raise AttributeError(f"{kind} has no feature_importances_.") from None
        return np.asarray(total / self.estimator_weights_.sum())


def row_weights(given: ArrayLike | None, x: Any) -> Doubles:
    """Return the weights of the rows as numbers.

    Args:
        given: By the caller; all alike where None.
        x: The rows.

    Raises:
        ValueError: Not one a row, negative, or all zero.
    """
    return np.asarray(
        _check_sample_weight(given, x, dtype=np.float64, copy=True, ensure_non_negative=True)
    )

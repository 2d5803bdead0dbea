"""What a bag is told: scikit-learn's parameters with its defaults, and two of our own."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

from sklearn.base import BaseEstimator, MetaEstimatorMixin


@dataclass(eq=False, repr=False)
class BaggingParameters(MetaEstimatorMixin, BaseEstimator):
    """Parameters of bags; those from ``weigh`` on are not scikit-learn's.

    Attributes:
        estimator: What every member is a copy of; scikit-learn's decision tree where None.
        n_estimators: Members.
        max_samples: Rows each draws, or their share; as many as there are where None.
        max_features: Features each draws, or their share.
        bootstrap: Whether rows are drawn with replacement (bagging), else without (pasting).
        bootstrap_features: Whether features are.
        oob_score: Whether to score each row by the members that did not draw it; or the score,
            a function of y and predictions.
        warm_start: Whether another ``fit`` adds members. With ``oob_score`` it must be given
            the same rows.
        n_jobs: Threads; one where None. The answers are the same bits for any.
        random_state: Seed; scikit-learn's bags draw the same of it.
        verbose: Kept for scikit-learn's sake.
        weigh: What ``sample_weight`` does: ``draw``, rows are drawn in proportion to it, as
            scikit-learn 1.9 does; ``fit``, rows are drawn all alike and members are fitted with
            the weights.
        on_error: Where members fail: ``raise`` once the others are fitted, which are kept; or
            ``drop``: go on without them, with a warning.
    """

    estimator: Any = None
    n_estimators: int = 10
    _: KW_ONLY
    max_samples: float | None = None
    max_features: float = 1.0
    bootstrap: bool = True
    bootstrap_features: bool = False
    oob_score: bool | Callable[..., float] = False
    warm_start: bool = False
    n_jobs: int | None = None
    random_state: Any = None
    verbose: int = 0
    weigh: str = "draw"
    on_error: str = "raise"

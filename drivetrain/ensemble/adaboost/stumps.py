"""Stumps: trees of one split, found on values that are binned once for all rounds."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from drivetrain.ensemble.adaboost import _numba as kernels
from drivetrain.trees.binning.cuts import find_cuts
from drivetrain.trees.binning.matrix import bin_matrix

Doubles = NDArray[np.float64]
#: More bins than this do not fit two bytes beside the code of a missing value.
MOST_BINS = 65534


def table(x: Any) -> NDArray[np.float32]:
    """Return rows as stumps read them: float32, dense, C order.

    Raises:
        ValueError: A value that float32 cannot hold.
    """
    dense = x.toarray() if issparse(x) else x
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(dense, np.float32)
    if not np.isfinite(rows).all():
        raise ValueError("X must hold values that float32 can. Got infinity or NaN after a cast.")
    return rows


class StumpSearch:
    """The best stump for any weights of the same rows.

    Exact where no feature has more than 65534 distinct values; others share bins.

    Args:
        x: Values, (n, F), float32.
        codes: Number of each row's class, (n,).
        classes: The labels, sorted.
        threads: Features searched at once; the stumps are the same for any number.
    """

    def __init__(
        self,
        x: NDArray[np.float32],
        codes: NDArray[np.int64],
        classes: NDArray[Any],
        *,
        threads: int = 1,
    ) -> None:
        self.classes = classes
        self._codes = codes.astype(np.uint16)
        matrix = bin_matrix(x, find_cuts(x, max_bins=MOST_BINS))
        self._columns = matrix.columns
        self._bins = matrix.cuts.n_bins
        self._edges = [
            _edges(matrix.columns[f], x[:, f], bins) for f, bins in enumerate(self._bins)
        ]
        ends = np.linspace(0, len(self._bins), min(threads, len(self._bins)) + 1).astype(int)
        self._runs = list(zip(ends[:-1].tolist(), ends[1:].tolist()))
        self._pool = ThreadPoolExecutor(len(self._runs)) if len(self._runs) > 1 else None

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()

    def best(self, weight: Doubles) -> tuple["DecisionStump", NDArray[np.uint16]]:
        """Return the best stump, and the class it gives each row.

        Args:
            weight: Of each row, at least 0, (n,).
        """
        features = len(self._bins)
        scores, places = np.empty(features), np.zeros((features, 2), np.int64)

        def one(run: tuple[int, int]) -> None:
            kernels.search(
                self._columns,
                self._bins,
                *run,
                self._codes,
                weight,
                len(self.classes),
                scores,
                places,
            )

        list((self._pool.map if self._pool else map)(one, self._runs))
        totals = self._sums(weight)
        f = _first_greatest(scores)
        if not np.isfinite(scores[f]) or np.count_nonzero(totals) < 2:
            stump = self._made(0, np.inf, totals, totals, gain=False)
            return stump, np.full(len(self._codes), stump.left_, np.uint16)
        goes_left = self._columns[f] <= places[f, 0]
        left, right = self._sums(weight * goes_left), self._sums(weight * ~goes_left)
        gain = bool(scores[f] > (totals**2).sum() / totals.sum())
        stump = self._made(f, self._threshold(f, places[f]), left, right, gain=gain)
        return stump, np.where(goes_left, np.uint16(stump.left_), np.uint16(stump.right_))

    def _sums(self, weight: Doubles) -> Doubles:
        return np.bincount(self._codes, weight, len(self.classes)).astype(np.float64)

    def _threshold(self, f: int, place: NDArray[np.int64]) -> float:
        low, high = self._edges[f]
        below, above = high[place[0]], low[place[1]]
        middle = below / 2 + above / 2
        return float(below if middle == above else middle)

    def _made(
        self, f: int, threshold: float, left: Doubles, right: Doubles, *, gain: bool
    ) -> "DecisionStump":
        stump = DecisionStump()
        stump.classes_ = self.classes
        stump.n_classes_ = len(self.classes)
        stump.n_features_in_ = len(self._bins)
        stump.feature_, stump.threshold_ = f, threshold
        stump.left_, stump.right_ = _first_greatest(left), _first_greatest(right)
        stump.feature_importances_ = np.zeros(len(self._bins))
        stump.feature_importances_[f] = float(gain)
        return stump


def _first_greatest(values: Doubles) -> int:
    """Return the first place whose value is the greatest but for rounding."""
    most = values.max()
    return int((values >= most - kernels.ALIKE * abs(most)).argmax())


def _edges(
    column: NDArray[Any], values: NDArray[np.float32], bins: np.int64
) -> tuple[Doubles, Doubles]:
    low, high = np.full(bins, np.inf), np.full(bins, -np.inf)
    kernels.spans(column, np.ascontiguousarray(values), low, high)
    return low, high


class DecisionStump(ClassifierMixin, BaseEstimator):
    """A tree of one split: the cut of one feature that lowers Gini's impurity most.

    Rows with x_f <= threshold are of one class, the others of another: those with the greatest
    weight on their side. Of equally good cuts the one of the first feature is taken, and of
    its the lowest; scikit-learn's tree of depth 1 takes features in an order it draws.

    Attributes:
        feature_: f.
        threshold_: Half way between the values next to the cut; infinite where there is none.
        left_: Place in ``classes_`` of the class up to it.
        right_: Of the class beyond.
        classes_: The labels, sorted.
        n_classes_: How many.
        feature_importances_: 1 for the feature, 0 for others, (F,).
        n_features_in_: F.

    Example:
        >>> stump = DecisionStump().fit([[0.0], [1.0], [2.0]], ["no", "no", "yes"])
        >>> stump.threshold_
        1.5
        >>> stump.predict([[9.0]]).tolist()
        ['yes']
    """

    classes_: NDArray[Any]
    n_classes_: int
    n_features_in_: int
    feature_: int
    threshold_: float
    left_: int
    right_: int
    feature_importances_: Doubles

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        # One split cannot tell three classes apart.
        tags.classifier_tags.poor_score = True
        return tags

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> "DecisionStump":
        """Find the split.

        Args:
            X: Values, (n, F), finite.
            y: Labels, (n,).
            sample_weight: Weight of each row, (n,), at least 0.

        Raises:
            ValueError: The input is wrong; the message says how.
        """
        x, labels = validate_data(self, X, y, accept_sparse=["csr", "csc"])
        check_classification_targets(labels)
        weight = _check_sample_weight(sample_weight, x, dtype=float, ensure_non_negative=True)
        classes, codes = np.unique(labels, return_inverse=True)
        found, _ = StumpSearch(table(x), codes, classes).best(np.asarray(weight))
        for name, value in vars(found).items():
            setattr(self, name, value)
        return self

    def codes(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the place in ``classes_`` of each row's class, (n,).

        Args:
            x: Values, (n, F), float32.
        """
        return np.where(x[:, self.feature_] <= self.threshold_, self.left_, self.right_)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row, (n,).

        Args:
            X: Values, (n, F).

        Raises:
            ValueError: Other features than at fit.
        """
        check_is_fitted(self, "classes_")
        x = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return np.asarray(self.classes_[self.codes(table(x))])


def voted(
    x: NDArray[np.float32], stumps: Sequence[DecisionStump], gains: Doubles, losses: Doubles
) -> Doubles:
    """Return what stumps say of each row together, (n, classes).

    Args:
        x: Values, (n, F), float32.
        stumps: At least one.
        gains: What the class each says gains.
        losses: What the others do.
    """
    sums = np.zeros((len(x), stumps[0].n_classes_))
    kernels.vote(
        x,
        np.array([one.feature_ for one in stumps]),
        np.array([one.threshold_ for one in stumps]),
        np.array([one.left_ for one in stumps]),
        np.array([one.right_ for one in stumps]),
        gains,
        losses,
        sums,
    )
    return sums

"""Target statistics: a category as the mean target of its rows, with and without the leak."""

import warnings
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from drivetrain.core.checks import check_array, check_choice, check_integer, check_real
from drivetrain.core.seeds import RandomState, numpy_generator

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
METHODS = ("greedy", "holdout", "leave_one_out", "ordered")
#: A key that no value of a column is equal to.
_MISSING = ("missing",)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How the rows of training get their statistics.

    Attributes:
        method: Which of ``METHODS``.
        smoothing: a > 0, how many rows the prior counts.
        permutations: Of ``ordered``: orders, whose statistics are averaged.
        holdout: Of ``holdout``: the share of rows in the first part.
        random_state: Seed of the permutations and of the parts.
    """

    method: str = "ordered"
    smoothing: float = 1.0
    permutations: int = 4
    holdout: float = 0.5
    random_state: RandomState = None

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check_real("smoothing", self.smoothing, low=0, open_low=True)
        check_integer("permutations", self.permutations, low=1)
        check_real("holdout", self.holdout, low=0, high=1, open_low=True, open_high=True)


def target_statistics(
    categories: ArrayLike,
    y: ArrayLike,
    method: str = "ordered",
    *,
    smoothing: float = 1.0,
    permutations: int = 4,
    holdout: float = 0.5,
    random_state: RandomState = None,
) -> Floats:
    r"""Return the statistic of each training row's category.

    .. math:: \frac{\sum_{j \in D_i} [x_j = x_i]\, y_j + a P}{\sum_{j \in D_i} [x_j = x_i] + a}

    with the prior P, the mean of y, and the rows :math:`D_i` by ``method``: all of them
    (``greedy``, which leaks the row's own target); those of the other part of two
    (``holdout``); all but row i (``leave_one_out``, which leaks it as well: for a category that
    all rows share, the statistic falls where y rises); those before row i in a random order
    (``ordered``), averaged over several orders.

    Args:
        categories: Any values that can be compared, (n,); NaN and None are a category of their
            own.
        y: Targets, (n,), finite.
        method: ``greedy``, ``holdout``, ``leave_one_out`` or ``ordered``.
        smoothing: a > 0, how many rows the prior counts.
        permutations: Orders of ``ordered``.
        holdout: Share of rows in the first part of ``holdout``.
        random_state: Seed.

    Returns:
        The statistics, (n,).

    Raises:
        ValueError: A method that is not there, parameters out of range, lengths that differ.

    Example:
        >>> target_statistics(["a", "a", "b"], [1.0, 0.0, 1.0], "greedy", smoothing=1).round(3)
        array([0.556, 0.556, 0.833])

    References:
        Prokhorenkova et al.: CatBoost: unbiased boosting with categorical features, NeurIPS 2018,
        section 3.2.
    """
    rule = Rule(
        method=method, smoothing=smoothing, permutations=permutations, holdout=holdout,
        random_state=random_state,
    )  # fmt: skip
    column = np.asarray(categories)
    if column.ndim != 1:
        raise ValueError(f"categories must be 1-d. Got shape {column.shape}.")
    target = check_array("y", y, ndim=1, finite=True)
    check_consistent_length(column, target)
    if not len(target):
        raise ValueError("categories must have a row at least. Got none.")
    codes, _ = _numbered(column)
    return statistics_of(codes, target[:, None], rule)[:, 0]


def statistics_of(codes: Codes, targets: Floats, rule: Rule, rng: RandomState = None) -> Floats:
    """Return the statistics of each training row for each target, (n, K).

    Args:
        codes: Category of each row, from 0, (n,).
        targets: (n, K).
        rule: How.
        rng: What draws; a new generator of the rule's seed where None.
    """
    drawn = numpy_generator(rule.random_state if rng is None else rng)
    prior = targets.mean(axis=0)
    # Deviations from the prior are summed: (Σy + aP) / (c + a) = P + Σ(y - P) / (c + a), and
    # small sums round less.
    off = targets - prior
    if rule.method == "leave_one_out":
        _warn_of_leak()
        sums, counts = _sums(codes, off)
        return prior + (sums[codes] - off) / (counts[codes, None] - 1 + rule.smoothing)
    if rule.method == "holdout":
        return prior + _across(codes, off, rule, drawn)
    if rule.method == "ordered":
        orders = (drawn.permutation(len(codes)) for _ in range(rule.permutations))
        total = sum(_before(codes, off, order, rule.smoothing) for order in orders)
        return prior + np.asarray(total) / rule.permutations
    return prior + _means(codes, off, rule.smoothing)[codes]


def _sums(codes: Codes, off: Floats, size: int | None = None) -> tuple[Floats, Floats]:
    size = int(codes.max(initial=-1)) + 1 if size is None else size
    columns = [np.bincount(codes, weights=column, minlength=size) for column in off.T]
    return np.stack(columns, axis=1), np.bincount(codes, minlength=size).astype(np.float64)


def _means(codes: Codes, off: Floats, smoothing: float, size: int | None = None) -> Floats:
    sums, counts = _sums(codes, off, size)
    return sums / (counts[:, None] + smoothing)


def _across(codes: Codes, off: Floats, rule: Rule, drawn: np.random.Generator) -> Floats:
    """Return each part's statistics from the other part's rows."""
    n, size = len(codes), int(codes.max(initial=-1)) + 1
    first = np.zeros(n, np.bool_)
    # One row at least in each part, where there are two.
    share = min(max(1, round(rule.holdout * n)), max(n - 1, 1))
    first[drawn.permutation(n)[:share]] = True
    out = np.empty_like(off)
    for part in (first, ~first):
        means = _means(codes[~part], off[~part], rule.smoothing, size)
        out[part] = means[codes[part]]
    return out


def _before(codes: Codes, off: Floats, order: NDArray[np.int64], smoothing: float) -> Floats:
    """Return the statistics from the rows before each in an order."""
    # Rows of a category side by side, each category in the order: a running sum less where it
    # stood as the category began.
    grouped = order[np.argsort(codes[order], kind="stable")]
    category = codes[grouped]
    begins = np.flatnonzero(np.diff(category, prepend=-1))
    length = np.diff(begins, append=len(category))
    count = np.arange(len(category)) - np.repeat(begins, length)
    running = np.cumsum(off[grouped], axis=0) - off[grouped]
    out = np.empty_like(off)
    sums = running - np.repeat(running[begins], length, axis=0)
    out[grouped] = sums / (count[:, None] + smoothing)
    return out


def _warn_of_leak() -> None:
    warnings.warn(
        "leave_one_out statistics leak the target of their own row: train on 'ordered' ones.",
        UserWarning,
        stacklevel=3,
    )


def _numbered(column: NDArray[Any]) -> tuple[Codes, dict[Hashable, int]]:
    """Return the number of each row's category, and the categories by value."""
    if column.dtype.kind in "biufUS":
        found, codes = np.unique(column, return_inverse=True)
        known = {_key(value): place for place, value in enumerate(found.tolist())}
        return codes.reshape(-1).astype(np.int64), known
    known = {}
    keys = (_key(value) for value in column.tolist())
    return np.array([known.setdefault(key, len(known)) for key in keys], np.int64), known


def _key(value: Any) -> Hashable:
    # NaN is not equal to itself.
    missing = value is None or value != value
    return _MISSING if missing else value


class TargetStatistics(TransformerMixin, BaseEstimator):
    """Categories to their target statistics, as a scikit-learn transformer.

    ``fit_transform`` gives the training rows the statistics of ``method``; ``transform`` gives
    any other row those of all training rows, and the prior P where its category was not seen.

    Args:
        method: ``greedy``, ``holdout``, ``leave_one_out`` (with a warning) or ``ordered``.
        smoothing: a > 0, how many rows the prior counts.
        permutations: Orders of ``ordered``.
        holdout: Share of rows in the first part of ``holdout``.
        random_state: Seed.

    Attributes:
        prior_: Means of the targets, (K,).
        categories_: Number of each category, a dict a feature.
        encodings_: Statistics of each feature's categories, (categories, K).
        classes_: Of a target of words: its classes; else None.

    A target of numbers gives a column a feature. A target of two words is 0 and 1; of K > 2
    words it gives K columns a feature, one for each class.

    Example:
        >>> encoder = TargetStatistics(method="greedy", smoothing=1.0)
        >>> encoder.fit([["a"], ["a"], ["b"]], [1.0, 0.0, 1.0]).transform([["b"], ["new"]]).round(3)
        array([[0.833],
               [0.667]])

    References:
        Prokhorenkova et al.: CatBoost: unbiased boosting with categorical features, NeurIPS 2018,
        section 3.2.
    """

    def __init__(
        self,
        method: str = "ordered",
        *,
        smoothing: float = 1.0,
        permutations: int = 4,
        holdout: float = 0.5,
        random_state: RandomState = None,
    ) -> None:
        self.method = method
        self.smoothing = smoothing
        self.permutations = permutations
        self.holdout = holdout
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> "TargetStatistics":
        """Learn the statistics of all training rows.

        Args:
            X: Categories, (n, F): words, numbers, None or NaN.
            y: Targets, (n,).

        Raises:
            ValueError: Parameters out of range, or lengths that differ.
        """
        self._fit(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Floats:
        """Learn, and return the training rows' own statistics by ``method``, (n, F·K).

        Args:
            X: Categories, (n, F).
            y: Targets, (n,).
            **fit_params: None are known.

        Raises:
            ValueError: Parameters out of range, or no y.
        """
        if fit_params:
            raise TypeError(f"fit takes X and y only. Got {sorted(fit_params)}.")
        codes, targets, rule = self._fit(X, y)
        drawn = numpy_generator(rule.random_state)
        return np.hstack([statistics_of(column, targets, rule, drawn) for column in codes])

    def transform(self, X: Any) -> Floats:
        """Return the statistics of all training rows, (n, F·K).

        Args:
            X: Categories, (n, F).

        Raises:
            NotFittedError: Not fitted.
            ValueError: Another number of features than at fit.
        """
        check_is_fitted(self)
        table = validate_data(self, X, reset=False, dtype=None, ensure_all_finite="allow-nan")
        found = []
        for column, known, means in zip(table.T, self.categories_, self.encodings_):
            values, own = _numbered(np.asarray(column))
            # The prior stands behind the last category.
            place = np.array([known.get(key, len(known)) for key in own], np.int64)
            found.append(np.vstack([means, self.prior_])[place][values])
        return np.hstack(found)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns: the features', with ``_class`` for several classes.

        Args:
            input_features: Names of the features; those of fit where None.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        if self.classes_ is None or len(self.classes_) <= 2:
            return np.asarray(names, np.object_)
        return np.array([f"{name}_{one}" for name in names for one in self.classes_], np.object_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        # What training rows get depends on a draw, and is not what other rows get.
        tags.non_deterministic = self.method != "greedy"
        return tags

    def _fit(self, X: Any, y: Any) -> tuple[list[Codes], Floats, Rule]:
        rule = Rule(
            method=self.method, smoothing=self.smoothing, permutations=self.permutations,
            holdout=self.holdout, random_state=self.random_state,
        )  # fmt: skip
        checks: dict[str, Any] = {"dtype": None, "ensure_all_finite": "allow-nan"}
        table, target = validate_data(self, X, y, **checks)
        targets, self.classes_ = _targets(target)
        self.prior_ = targets.mean(axis=0)
        numbered = [_numbered(np.asarray(column)) for column in table.T]
        self.categories_ = [known for _, known in numbered]
        off = targets - self.prior_
        self.encodings_ = [
            self.prior_ + _means(codes, off, rule.smoothing) for codes, _ in numbered
        ]
        return [codes for codes, _ in numbered], targets, rule


def _targets(y: Any) -> tuple[Floats, NDArray[Any] | None]:
    """Return a target's numbers, (n, K), and its classes where it is words."""
    column = column_or_1d(y, warn=True)
    if column.dtype.kind in "biuf":
        return check_array("y", column, ndim=1, finite=True)[:, None], None
    classes, codes = np.unique(column, return_inverse=True)
    places = np.arange(len(classes)) if len(classes) > 2 else np.array([len(classes) - 1])
    return (codes.reshape(-1, 1) == places).astype(np.float64), classes

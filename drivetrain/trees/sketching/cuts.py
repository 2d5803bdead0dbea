"""Cuts at weighted quantiles, equal to those of XGBoost 3.2 bit for bit."""

import math
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_array, check_integer
from drivetrain.trees.binning.cuts import Cuts
from drivetrain.trees.sketching import _numba as kernels
from drivetrain.trees.sketching.columns import SortedColumns, ordered_bits

Floats = NDArray[np.float32]
Summary = NDArray[np.float32]
Prune = Callable[[Summary, int, int, Summary], int]

# XGBoost's sketch is this much finer than the bins that are made of it.
_FINER = 8
_NO_WEIGHTS = np.empty(0, np.float32)
# XGBoost's constant, a float32, in sums that C's fabs makes float64.
_MARGIN = float(np.float32(1e-5))


def quantile_cuts(
    x: Floats,
    *,
    max_bins: int,
    weight: Floats | None = None,
    categorical: NDArray[np.bool_] | None = None,
    executor: Executor | None = None,
) -> Cuts:
    """Return cuts at quantiles of each feature, from a sketch of the rows as they come.

    Every bin holds about the same weight, but for values heavier than a bin. The error of a
    rank is at most 1/(8 bins) of the weight.

    Args:
        x: Values, (n, F); NaN are left out.
        max_bins: Most bins of a feature, >= 2.
        weight: Weight of each row, (n,); 1 where None. Rows of weight 0 are left out.
        categorical: Features whose values are the whole numbers of their categories, (F,).
        executor: Where features are cut in parallel; in turn where None.

    Raises:
        ValueError: Fewer than two bins, or weights for another number of rows.

    Example:
        >>> x = np.arange(100, dtype=np.float32)[:, None]
        >>> quantile_cuts(x, max_bins=4).values.tolist()
        [25.0, 51.0, 74.0, 198.00001525878906]

    References:
        Chen, Guestrin: XGBoost: A Scalable Tree Boosting System, KDD 2016, section 3.3.
    """
    check_integer("max_bins", max_bins, low=2)
    weights = _weights(weight, len(x))

    def one(f: int) -> tuple[Floats, np.float32]:
        # -0.0 and 0.0 are one value: a cut is the latter.
        column = np.ascontiguousarray(x[:, f], np.float32) + np.float32(0)
        if categorical is not None and categorical[f]:
            return _category_cuts(column)
        here = ~np.isnan(column)
        return _stream_cuts(column[here], weights[here] if len(weights) else weights, max_bins)

    return _gathered(list((executor.map if executor else map)(one, range(x.shape[1]))), categorical)


def sorted_cuts(
    columns: SortedColumns,
    weight: Floats,
    *,
    max_bins: int,
    categories: NDArray[np.int64] | None = None,
    executor: Executor | None = None,
) -> Cuts:
    """Return cuts at weighted quantiles of columns already sorted: cheap enough for every tree.

    Args:
        columns: The columns.
        weight: Weight of each row, (n,): its second derivative in the approximate method.
        max_bins: Most bins of a feature, >= 2.
        categories: Categories of each feature; 0 for those that are numerical, (F,).
        executor: Where features are cut in parallel; in turn where None.

    Raises:
        ValueError: Fewer than two bins, or weights for another number of rows.
    """
    check_integer("max_bins", max_bins, low=2)
    weights = _weights(weight, columns.n_rows)
    kinds = np.zeros(columns.n_features, np.int64) if categories is None else categories

    def one(f: int) -> tuple[Floats, np.float32]:
        if kinds[f]:
            return np.arange(1, kinds[f] + 1, dtype=np.float32), np.float32(0)
        rows, values = columns.of(f)
        return _sorted_cuts(rows, values, weights, max_bins)

    found = list((executor.map if executor else map)(one, range(columns.n_features)))
    return _gathered(found, kinds > 0)


def _weights(weight: Floats | None, n: int) -> Floats:
    if weight is None:
        return _NO_WEIGHTS
    checked = check_array("weight", weight, ndim=1, dtype=np.float32)
    if len(checked) != n:
        raise ValueError(f"weight must have {n} rows. Got {len(checked)}.")
    return np.ascontiguousarray(checked)


def _category_cuts(column: Floats) -> tuple[Floats, np.float32]:
    top = np.nanmax(column, initial=0.0)
    return np.arange(1, int(top) + 2, dtype=np.float32), np.float32(0)


def entry_limit(n: int, eps: float) -> tuple[int, int]:
    """Return how many levels of summaries, of how many entries, keep n ranks within eps."""
    levels = 1
    while True:
        limit = min(n, math.ceil(levels / eps) + 1)
        if (limit << levels) >= n:
            return levels, limit
        levels += 1


def _stream_cuts(values: Floats, weights: Floats, max_bins: int) -> tuple[Floats, np.float32]:
    n = len(values)
    levels, limit = entry_limit(n, 1.0 / (_FINER * max(1, min(max_bins, n))))
    temp = np.empty((4, 2 * limit + 4), np.float32)
    room = np.empty((levels + 2, 4, limit + 2), np.float32)
    ordered = ordered_bits(values)
    size = kernels.stream(ordered, values, weights, limit, room, temp) if n else 0
    return _of_summary(temp, size, n, max_bins, kernels.prune)


def _sorted_cuts(
    rows: NDArray[np.uint32], values: Floats, weights: Floats, max_bins: int
) -> tuple[Floats, np.float32]:
    n = len(values)
    temp = np.empty((4, max_bins + 2), np.float32)
    kept = np.empty_like(temp)
    size = kernels.thin(values, rows, weights, max_bins, temp) if n else 0
    size = kernels.prune_heavy(temp, size, entry_limit(n, 2.0 / max_bins)[1], kept)
    return _of_summary(kept, size, n, max_bins, kernels.prune_heavy)


def _of_summary(
    summary: Summary, size: int, n: int, max_bins: int, prune: Prune
) -> tuple[Floats, np.float32]:
    """Return the cuts of a column of n values from its summary, and a value below them."""
    if size == 0:
        return np.array([_above(_MARGIN)], np.float32), np.float32(_MARGIN)
    fine, coarse = np.empty_like(summary), np.empty_like(summary)
    most = min(n, _FINER * max_bins)
    size = prune(summary, size, most, fine)
    bins = min(most, max_bins)
    size = prune(fine, size, bins + 1, coarse)
    values = coarse[kernels.VALUE, :size]
    low, high = float(values[0]), float(values[-1])
    lowest = np.float32(low - abs(low) - _MARGIN)
    return np.append(values[1 : min(size, bins)], _above(high)), lowest


def _above(value: float) -> np.float32:
    return np.float32(value + (abs(value) + _MARGIN))


def _gathered(
    found: list[tuple[Floats, np.float32]], categorical: NDArray[np.bool_] | None
) -> Cuts:
    sizes = [len(cuts) for cuts, _ in found]
    empty = [np.empty(0, np.float32)]
    return Cuts(
        values=np.concatenate([cuts for cuts, _ in found] or empty),
        offsets=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
        lowest=np.array([low for _, low in found], np.float32),
        categorical=np.zeros(len(found), np.bool_) if categorical is None else categorical,
    )

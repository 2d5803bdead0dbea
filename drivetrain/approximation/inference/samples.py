"""Checks of samples before they reach the compiled loop, and the order they are used in."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import column_or_1d

from drivetrain.core.checks import check_array, check_choice
from drivetrain.core.seeds import RandomState, numpy_generator

Array = NDArray[np.float64]
NAN_POLICIES = ("raise", "omit", "propagate")


def check_target(y: ArrayLike | None, n: int) -> Array:
    """Return the targets as (n,) float64, finite or not.

    Raises:
        ValueError: None, another length, more than one column, or no numbers.
    """
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None.")
    column = column_or_1d(y, warn=True)
    if column.dtype.kind == "O":
        column = column.astype(np.float64)
    target = check_array("y", column)
    if len(target) != n:
        raise ValueError(f"y must have shape ({n},), one value a row of X. Got {target.shape}.")
    return np.ascontiguousarray(target)


def check_weights(weights: ArrayLike | None, n: int, *, some: bool) -> Array | None:
    """Return sample weights (n,), or None where there are none.

    Args:
        weights: One a sample, or one for all.
        n: Samples.
        some: Whether at least one must be positive.

    Raises:
        ValueError: Another length, negative, or not finite.
    """
    if weights is None:
        return None
    values = check_array("sample_weight", weights, ndim=(0, 1), finite=True)
    values = np.ascontiguousarray(np.broadcast_to(values, (n,)) if values.ndim == 0 else values)
    if len(values) != n:
        raise ValueError(f"sample_weight must have shape ({n},). Got {values.shape}.")
    if n and values.min() < 0.0:
        worst = int(np.argmin(values))
        raise ValueError(f"sample_weight must be >= 0. Got {values[worst]:g} at position {worst}.")
    if some and n and values.max() == 0.0:
        raise ValueError("sample_weight must not be all zero: there is nothing to fit.")
    return values


def finite_rows(policy: str, X: Array, y: Array | None = None) -> NDArray[np.bool_] | None:
    """Return which rows to use under a NaN policy, or None for all of them.

    Args:
        policy: ``"raise"``, ``"omit"`` (leave such rows out) or ``"propagate"`` (use them).
        X: (n, p).
        y: (n,), where there is one.

    Raises:
        ValueError: A NaN or an infinity under ``"raise"``; the first position is named.
    """
    check_choice("nan_policy", policy, NAN_POLICIES)
    if policy == "propagate" or (_all_finite(X) and (y is None or _all_finite(y))):
        return None
    rows = np.isfinite(X).all(axis=1)
    if policy == "raise":
        if not rows.all():
            row = int(np.argmin(rows))
            column = int(np.argmin(np.isfinite(X[row])))
            place = f"X must hold no NaN or inf. Got {X[row, column]} at row {row}, column {column}"
        elif y is not None:
            row = int(np.argmin(np.isfinite(y)))
            place = f"y must hold no NaN or inf. Got {y[row]} at row {row}"
        raise ValueError(f"{place}. nan_policy='omit' leaves such rows out.")
    return np.asarray(rows if y is None else rows & np.isfinite(y))


def sample_order(
    n: int, passes: int, *, shuffle: bool, replace: bool, random_state: Any
) -> NDArray[np.int64] | None:
    """Return the rows in the order of use, or None for all once as they come.

    Args:
        n: Rows.
        passes: How many times n rows are used.
        shuffle: Whether the order is random.
        replace: Whether rows are drawn with replacement, instead of a permutation a pass.
        random_state: Seed or generator.
    """
    if not shuffle:
        return None if passes == 1 else np.tile(np.arange(n), passes)
    state: RandomState = random_state
    rng = numpy_generator(state)
    if replace:
        return rng.integers(0, n, n * passes)
    return np.concatenate([rng.permutation(n) for _ in range(passes)])


def _all_finite(array: Array) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.sum(array)) or np.isfinite(array).all())

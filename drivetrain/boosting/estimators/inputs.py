"""Tables as estimators take them: checked as scikit-learn checks, read by one path."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    validate_data,
)

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.estimators.parameters import Parameters
from drivetrain.boosting.frames.reading import is_array, is_frame, read_table
from drivetrain.boosting.frames.table import Columns, Table

Floats = NDArray[np.float32]
_CHECKS: dict[str, Any] = {
    "dtype": np.float32,
    "order": "C",
    "ensure_all_finite": "allow-nan",
}


def fitted_table(estimator: Parameters, x: Any, y: ArrayLike, **checks: Any) -> tuple[Table, Any]:
    """Return X and y to fit, and remember what features there are.

    Args:
        estimator: What is fitted.
        x: Any table.
        y: Labels.
        **checks: scikit-learn's, of y.

    Raises:
        TypeError: A column that holds no numbers.
        ValueError: Infinite values, no rows, lengths that do not fit.
    """
    told: dict[str, Any] = {
        "missing": estimator.missing,
        "categorical": estimator.categorical_features,
    }
    if is_array(x):
        values, target = validate_data(estimator, x, y, **_CHECKS, **checks)
        return read_table(values, **told), target
    table = read_table(x, **told)
    values, target = validate_data(estimator, table.x, y, **_CHECKS, **checks)
    if is_frame(x):
        _check_feature_names(estimator, x, reset=True)
    return replace(table, x=values), target


def known_table(estimator: Parameters, x: Any, columns: Columns) -> Table:
    """Return X to predict, its categories numbered as they were at fit.

    Args:
        estimator: What was fitted.
        x: Any table.
        columns: What it was fitted on.

    Raises:
        TypeError: A column that holds no numbers.
        ValueError: Other features than at fit; a category that fitting did not see.
    """
    told: dict[str, Any] = {
        "missing": estimator.missing,
        "known": columns,
        "unknown": estimator.unknown_category,
    }
    if is_array(x):
        return read_table(validate_data(estimator, x, reset=False, **_CHECKS), **told)
    if is_frame(x):
        _check_feature_names(estimator, x, reset=False)
    table = read_table(x, **told)
    _check_n_features(estimator, table.x, reset=False)
    return replace(table, x=check_array(table.x, estimator=estimator, **_CHECKS))


def rows_of(
    table: Table,
    label: Floats | None = None,
    *,
    weight: ArrayLike | None = None,
    base_margin: ArrayLike | None = None,
    named: bool = True,
) -> Dataset:
    """Return a table and what is known of its rows.

    Args:
        table: The values.
        label: Targets, (n, targets).
        weight: Of each row.
        base_margin: Where predictions start, (n,) or (n, groups).
        named: Whether the columns' names were given by the data.
    """
    given = table.given
    if not named:
        given["feature_names"] = ()
    return Dataset(
        x=table.x,
        label=label,
        weight=None if weight is None else weights_of(weight, table.x),
        base_margin=None if base_margin is None else np.asarray(base_margin, np.float32),
        **given,
    )


def watched(
    estimator: Parameters,
    data: Dataset,
    eval_set: Sequence[tuple[Any, ArrayLike]] | None,
    weights: Sequence[ArrayLike | None] | None,
    label: Callable[[ArrayLike], Floats],
) -> dict[str, Dataset]:
    """Return rows to evaluate, read as those of training, by name.

    Args:
        estimator: What is fitted.
        data: Rows of training.
        eval_set: Pairs (X, y).
        weights: Of the rows of each pair, or None.
        label: Turns y into targets.

    Raises:
        ValueError: Other features than those of training; another number of weights.
    """
    pairs = list(eval_set or ())
    each = [None] * len(pairs) if weights is None else list(weights)
    if len(each) != len(pairs):
        raise ValueError(f"eval_sample_weight must have {len(pairs)} entries. Got {len(each)}.")
    columns = Columns(
        names=data.feature_names, categorical=data.categorical, categories=data.categories
    )
    return {
        f"validation_{k}": rows_of(
            known_table(estimator, x, columns), label(y), weight=w, named=bool(data.feature_names)
        )
        for k, ((x, y), w) in enumerate(zip(pairs, each))
    }


def weights_of(weight: ArrayLike, x: Floats) -> Floats:
    """Return weights, one a row.

    Raises:
        ValueError: Another number of them.
    """
    return np.asarray(_check_sample_weight(weight, x), np.float32)


def column(values: ArrayLike) -> Floats:
    """Return labels as float32, (n, targets)."""
    array = np.asarray(values, np.float32)
    return array[:, None] if array.ndim == 1 else array

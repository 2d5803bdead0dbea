"""Which rows are held out, and predictions of held-out rows put together again."""

import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit, check_cv
from sklearn.utils.validation import _num_samples

from drivetrain.core.checks import check_real

Indices = NDArray[np.int64]
Fold = tuple[Indices, Indices]
#: Methods whose columns are classes, and what they say of one that fitting did not see.
BY_CLASS = ("predict_proba", "decision_function")


def folds_of(cv: Any, X: Any, y: NDArray[Any], *, classifier: bool) -> list[Fold]:
    """Return the rows to fit and the rows held out, fold by fold.

    Args:
        cv: A number of folds (5 where None; of classes, in their shares), a splitter, or the
            folds themselves.
        X: Values, (n, F).
        y: Targets, (n,) or (n, labels).
        classifier: Whether they are classes.

    Raises:
        ValueError: A row is held out never, or twice.
    """
    # A splitter with a generator of its own must give every user the same folds.
    folds = list(deepcopy(check_cv(cv, y=y, classifier=classifier)).split(X, y))
    held = np.concatenate([np.asarray(test) for _, test in folds])
    rows = _num_samples(X)
    if not np.array_equal(np.sort(held), np.arange(rows)):
        raise ValueError(
            f"cv must hold out each of the {rows} rows once: stacking only works for partitions. "
            f"Got {len(held)} held-out rows, {len(np.unique(held))} of them distinct."
        )
    return folds


def holdout(share: float, X: Any, y: NDArray[Any], *, classifier: bool, seed: Any) -> Fold:
    """Return the rows to fit and the share held out, of classes in their shares.

    Raises:
        ValueError: A share outside (0, 1), or too few rows of a class.
    """
    check_real("blend", share, low=0, high=1, open_low=True, open_high=True)
    kind = StratifiedShuffleSplit if classifier and y.ndim == 1 else ShuffleSplit
    train, test = next(kind(1, test_size=share, random_state=seed).split(X, y))
    return train, test


def warn_of_absent(folds: Sequence[Fold], codes: NDArray[Any], classes: NDArray[Any]) -> None:
    """Warn where the rows to fit of a fold lack a class, naming both."""
    for place, (train, _) in enumerate(folds):
        absent = np.setdiff1d(np.arange(len(classes)), codes[train])
        if len(absent):
            named = ", ".join(str(classes[k]) for k in absent)
            warnings.warn(
                f"Fold {place} fits on no row of class {named}: members give it probability 0 "
                "there. Stratified folds, or fewer, would hold some.",
                RuntimeWarning,
                stacklevel=5,
            )


def aligned(given: Any, classes: Any, counts: int | Sequence[int], method: str) -> Any:
    """Return predictions with a column for every class, those of a fold that lacks some too.

    Args:
        given: Of the held-out rows: (m, classes of the fold), or such a table for each label.
        classes: Codes of the fold's classes, as the member has them.
        counts: How many classes there are, of each label where there are several.
        method: What was asked.

    Raises:
        ValueError: Decisions that cannot be told apart by class.
    """
    if method not in BY_CLASS:
        return given
    if isinstance(given, list):
        each = counts if isinstance(counts, Sequence) else [counts] * len(given)
        return [_spread(one, c, k, method) for one, c, k in zip(given, classes, each)]
    # Several labels in one table: a column each.
    total = counts if isinstance(counts, int) else len(counts)
    return _spread(given, classes, total, method)


def _spread(given: NDArray[Any], classes: Any, total: int, method: str) -> NDArray[Any]:
    found = len(classes)
    if found == total:
        return given
    if method == "decision_function" and (found <= 2 or given.shape[1:] != (found,)):
        raise ValueError(
            f"its decision_function has no column a class, and {total - found} of {total} "
            "classes are absent from the rows a fold fits on: use stratified folds."
        )
    least = 0 if method == "predict_proba" else np.finfo(given.dtype).min
    out = np.full((len(given), total), least, dtype=given.dtype)
    out[:, classes] = given
    return out


def joined(parts: Sequence[Any], folds: Sequence[Fold]) -> Any:
    """Return predictions of all rows in their order.

    Args:
        parts: Predictions of the held-out rows, fold by fold.
        folds: The folds.
    """
    held = np.concatenate([test for _, test in folds])
    back = np.empty(len(held), np.int64)
    back[held] = np.arange(len(held))
    if isinstance(parts[0], list):
        return [np.concatenate(each)[back] for each in zip(*parts)]
    if sparse.issparse(parts[0]):
        return sparse.vstack(parts, format="csr")[back]
    return np.concatenate(parts)[back]

"""Stacking as the articles write it: what the final estimator is fitted on."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
#: Fits on rows and their targets, and returns what then predicts.
Learner = Callable[[Floats, Floats], Callable[[Floats], Floats]]


def naive(learners: Sequence[Learner], x: Floats, y: Floats) -> Floats:
    """Return Z_it = h_t(x_i), h_t fitted on all rows, i among them: y leaks into Z."""
    return np.stack([learner(x, y)(x) for learner in learners], axis=1)


def out_of_fold(
    learners: Sequence[Learner], x: Floats, y: Floats, folds: Sequence[Indices]
) -> Floats:
    """Return Z_it = h_t^(-k)(x_i), h_t^(-k) fitted without the fold k that holds i.

    Args:
        learners: First-level learners.
        x: Values, (n, F).
        y: Targets, (n,).
        folds: Rows of each fold; together, every row once.
    """
    z = np.full((len(x), len(learners)), np.nan)
    for held in folds:
        rest = np.setdiff1d(np.arange(len(x)), held)
        for t, learner in enumerate(learners):
            z[held, t] = learner(x[rest], y[rest])(x[held])
    return z


def blended(learners: Sequence[Learner], x: Floats, y: Floats, held: Indices) -> Floats:
    """Return Z of the held-out rows alone, the learners fitted on the others."""
    rest = np.setdiff1d(np.arange(len(x)), held)
    return np.stack([learner(x[rest], y[rest])(x[held]) for learner in learners], axis=1)

"""Margins of rows as trees are added, wherever their values are."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.trees.forest import Forest
from drivetrain.trees.prediction.predictor import Predictor

Floats = NDArray[np.float32]


def walked(
    data: Dataset,
    forest: Forest,
    margin: Floats,
    *,
    rows: NDArray[np.int64] | None = None,
    threads: int = 1,
) -> Floats:
    """Return the margins with a forest's leaves added, in float32, tree by tree.

    Args:
        data: The rows, in memory or not.
        forest: The trees.
        margin: Where the rows stand, (n, groups), or (len(rows), groups).
        rows: Numbers of the rows to walk, rising; all where None.
        threads: Threads; the bits do not depend on them.
    """
    if data.table is not None:
        return data.table.walked(forest, margin, rows, threads)
    x = data.x if rows is None else np.ascontiguousarray(data.x[rows])
    return Predictor(forest, threads=threads).margin(x, margin)

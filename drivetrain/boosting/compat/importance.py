"""How much each feature matters, as XGBoost's ``get_score`` counts it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.answers import Model
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.core.checks import check_choice

KINDS = ("weight", "gain", "cover", "total_gain", "total_cover")


def importances(model: Booster, kind: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the importance of every feature, (F,), and whether it was split on, (F,).

    Args:
        model: All its trees are counted.
        kind: ``weight`` (number of splits), ``gain``, ``cover`` (means), ``total_gain``,
            ``total_cover``.

    Raises:
        ValueError: Another kind.
    """
    check_choice("importance_type", kind, KINDS)
    forest = model.forest
    inner = ~forest.is_leaf
    feature, n = forest.feature[inner], forest.n_features
    count = np.bincount(feature, minlength=n)
    if kind == "weight":
        return count.astype(np.float64), count > 0
    column = forest.gain if kind.endswith("gain") else forest.cover
    total = np.bincount(feature, column[inner], n)
    mean = kind in ("gain", "cover")
    return np.asarray(total / np.maximum(count, 1) if mean else total, np.float64), count > 0


def scores_of(model: Model, kind: str, names: Sequence[str]) -> dict[str, float | list[float]]:
    """Return the importance of the features that were split on, or a linear model's weights."""
    if isinstance(model, LinearBooster):
        check_choice("importance_type", kind, ("weight",))
        rows = [[float(one) for one in row] for row in model.weights]
        return {names[k]: row[0] if len(row) == 1 else row for k, row in enumerate(rows)}
    score, seen = importances(model, kind)
    return {names[k]: float(score[k]) for k in np.flatnonzero(seen).tolist()}

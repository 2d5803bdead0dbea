"""How much each feature matters, as XGBoost's ``get_score`` counts it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster as Model
from drivetrain.core.checks import check_choice

KINDS = ("weight", "gain", "cover", "total_gain", "total_cover")


def importances(model: Model, kind: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
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
    """Return the importance of each feature that was split on, by its name."""
    score, seen = importances(model, kind)
    return {names[k]: float(score[k]) for k in np.flatnonzero(seen).tolist()}

"""How much each feature matters, as XGBoost's ``get_score`` counts it."""

from collections.abc import Sequence

import numpy as np

from drivetrain.boosting.answers import Model
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.core.checks import check_choice
from drivetrain.trees.importance import SPLIT_KINDS, split_importance


def scores_of(model: Model, kind: str, names: Sequence[str]) -> dict[str, float | list[float]]:
    """Return the importance of the features that were split on, or a linear model's weights.

    Raises:
        ValueError: Another kind than ``weight``, ``gain``, ``cover``, ``total_gain`` and
            ``total_cover``; of a linear model, than ``weight``.
    """
    if isinstance(model, LinearBooster):
        check_choice("importance_type", kind, ("weight",))
        rows = [[float(one) for one in row] for row in model.weights]
        return {names[k]: row[0] if len(row) == 1 else row for k, row in enumerate(rows)}
    check_choice("importance_type", kind, SPLIT_KINDS)
    forest = model.forest
    seen = np.unique(forest.feature[~forest.is_leaf]).tolist()
    score = split_importance(forest, kind)
    return {names[k]: float(score[k]) for k in seen}

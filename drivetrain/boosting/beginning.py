"""A model before its first round, where its predictions start at a score that was given."""

from typing import Any

import numpy as np

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.core.checks import check_array
from drivetrain.trees.forest import Forest


def beginning(
    data: Dataset, objective: Objective, base_score: Any, booster: str
) -> Booster | LinearBooster:
    """Return a model without rounds that predicts ``base_score``.

    Args:
        data: What will be learned.
        objective: What will be minimized.
        base_score: In the predictions' own units, one or one a group.
        booster: ``gblinear``, or what grows trees.

    Raises:
        TypeError: Not a number.
        ValueError: A score that no margin gives, or another number of them than of groups.
    """
    groups = objective.groups(data)
    given = check_array("base_score", base_score, ndim=(0, 1), dtype=np.float32, finite=True)
    if given.size not in (1, groups):
        raise ValueError(f"base_score must hold 1 or {groups} numbers. Got {given.size}.")
    score = np.broadcast_to(given.reshape(-1), groups).copy()
    with np.errstate(all="ignore"):
        margin = objective.to_margin(score)
    if not np.isfinite(margin).all():
        raise ValueError(f"base_score must be a prediction of {objective.name}. Got {given}.")
    features = data.n_features
    if booster == "gblinear":
        return LinearBooster(
            weights=np.zeros((features, groups), np.float32),
            bias=np.zeros(groups, np.float32),
            base_score=score,
            objective=objective,
            rounds=0,
        )
    return Booster(
        forest=_bare(features, groups),
        base_score=score,
        objective=objective,
        rounds=np.zeros(1, np.int64),
    )


def _bare(features: int, groups: int) -> Forest:
    whole, real, flags = np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.bool_)
    return Forest(
        offsets=np.zeros(1, np.int64),
        left=whole,
        right=whole,
        feature=whole,
        threshold=real,
        default_left=flags,
        value=np.empty((0, 1), np.float32),
        cover=real,
        gain=real,
        group=whole,
        n_features=features,
        n_groups=groups,
        set_offsets=np.zeros(1, np.int64),
        sets=whole,
        categorical=flags,
    )

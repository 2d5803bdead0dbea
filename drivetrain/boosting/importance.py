"""How much each feature matters to a model: splits, permutation by any metric, or SHAP."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.metrics.named import RISING, metric_named
from drivetrain.boosting.objectives.stages import evaluated
from drivetrain.core.checks import check_choice
from drivetrain.trees.importance import (
    SPLIT_KINDS,
    Permuted,
    permutation_importance,
    shap_importance,
    split_importance,
)

#: What features can be ranked by.
KINDS = (*SPLIT_KINDS, "permutation", "shap")


def importance(
    model: Booster, kind: str = "gain", *, data: Dataset | None = None, threads: int = 1
) -> NDArray[np.float64]:
    """Return the importance of every feature to a model up to its best round, (F,).

    Args:
        model: The model.
        kind: XGBoost's ``weight``, ``gain``, ``cover``, ``total_gain``, ``total_cover``;
            ``permutation`` (mean of 5 shuffles, by the objective's metric); or ``shap`` (mean
            absolute Shapley value, summed over the outputs).
        data: Rows for ``permutation`` (with labels) and ``shap``.
        threads: Threads; the numbers do not depend on them.

    Raises:
        ValueError: Another kind, or no rows where rows are needed.

    Example:
        >>> from drivetrain.boosting import Settings, boost
        >>> from drivetrain.boosting.objectives.squared import SquaredError
        >>> x = np.arange(40, dtype=np.float32).reshape(20, 2)
        >>> x[:, 1] = 0
        >>> model, _ = boost(Dataset(x=x, label=x[:, 0]), SquaredError(), Settings(n_estimators=1))
        >>> importance(model, "total_gain")[1]
        np.float64(0.0)
    """
    check_choice("kind", kind, KINDS)
    used = model.used
    if kind in SPLIT_KINDS:
        return split_importance(used.forest, kind).astype(np.float64)
    if data is None:
        raise ValueError(f"data must be given: {kind} importance needs rows.")
    if kind == "shap":
        return shap_importance(used.scaled, _values(data), threads=threads).sum(axis=0)
    return permutation(model, data, threads=threads).mean


def permutation(
    model: Booster,
    data: Dataset,
    *,
    metric: str = "",
    n_repeats: int = 5,
    random_state: int = 0,
    threads: int = 1,
) -> Permuted:
    """Return how much a metric suffers where a feature is shuffled among the rows.

    Args:
        model: The model, up to its best round.
        data: Rows with labels, better held out than trained on.
        metric: Any metric's name; the objective's own where empty.
        n_repeats: Shuffles of each feature.
        random_state: Seed.
        threads: Threads; the numbers do not depend on them.

    Returns:
        Importances, positive where a feature helps, whichever way the metric runs.

    Raises:
        ValueError: No such metric, no labels, no rows.
    """
    name = metric or model.objective.metric
    measure = metric_named(name, model.objective)
    x = _values(data)

    def score(rows: NDArray[np.float32]) -> float:
        margin = model.margin(rows, base_margin=data.base_margin)
        return float(measure(evaluated(model.objective, margin), data))

    return permutation_importance(
        score,
        x,
        rising=name.partition("@")[0] in RISING,
        n_repeats=n_repeats,
        random_state=random_state,
        threads=threads,
    )


def _values(data: Dataset) -> NDArray[np.float32]:
    if data.table is not None:
        raise ValueError("data must be in memory: take some rows of the chunks.")
    return data.x

"""Fitting, whatever is fitted: rows held out, metrics watched, a model continued."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from drivetrain.boosting.answers import Model
from drivetrain.boosting.beginning import beginning
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.callbacks import History
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.engines import boost_any
from drivetrain.boosting.estimators.parameters import Parameters
from drivetrain.boosting.estimators.posed import Posed
from drivetrain.boosting.files.linear import load_any
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.training import Watch
from drivetrain.core.checks import check_integer


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What is learned.

    Attributes:
        data: Rows of training.
        objective: What is minimized.
        sets: What is watched.
        strata: Classes that rows held out must hold in their shares, (n,), or None.
        start: A model to continue, or a file of one.
        fitted: The estimator's own model, where there is one.
    """

    data: Dataset
    objective: Objective
    sets: dict[str, Dataset] = field(default_factory=dict)
    strata: NDArray[Any] | None = None
    start: Any = None
    fitted: Model | None = None


def learn(estimator: Parameters, task: Task) -> tuple[Model, History]:
    """Return a model fitted with the estimator's parameters, and what was seen on the way.

    Raises:
        TypeError: A parameter of another type.
        ValueError: A parameter or the input is wrong; the message says which.
    """
    check_integer("n_estimators", estimator.n_estimators, low=1)
    data, sets = task.data, task.sets
    names = data.feature_names or tuple(f"f{k}" for k in range(data.n_features))
    start = _start(estimator, task)
    rounds = estimator.n_estimators
    if start is not None and estimator.warm_start and task.start is None:
        rounds -= len(start)
        if rounds < 0:
            raise ValueError(
                f"n_estimators must be at least {len(start)}, the rounds that warm_start goes on "
                f"from. Got {estimator.n_estimators}."
            )
    settings = estimator.settings(names, rounds)
    patience = estimator.patience()
    if patience and not sets:
        data, held = _held_out(estimator, data, settings.random_state, task.strata)
        sets = {"validation_0": held}
    if start is None and estimator.base_score is not None:
        start = beginning(data, task.objective, estimator.base_score, settings.booster)
    watch = _watch(estimator, sets, patience)
    model, history = boost_any(data, task.objective, settings, watch=watch, start=start)
    if isinstance(task.objective, Posed):
        model = replace(model, objective=task.objective.base)
    return model, history


def _watch(estimator: Parameters, sets: dict[str, Dataset], patience: int) -> Watch:
    metrics, functions = estimator.metrics()
    return Watch(
        sets=sets,
        metrics=metrics,
        custom={name: _of_labels(one) for name, one in functions.items()},
        patience=patience,
        callbacks=tuple(estimator.callbacks or ()),
        verbose_eval=estimator.verbose,
    )


def _of_labels(metric: Callable[[Any, Any], float]) -> Callable[[Any, Dataset], float]:
    """Return scikit-learn's kind of metric, of labels and predictions, as training calls it."""

    def evaluated(prediction: Any, rows: Dataset) -> float:
        labels = rows.labels[:, 0] if rows.labels.shape[1] == 1 else rows.labels
        return float(metric(labels, prediction))

    return evaluated


def _held_out(
    estimator: Parameters, data: Dataset, seed: int, strata: NDArray[Any] | None
) -> tuple[Dataset, Dataset]:
    """Return rows to learn from and rows to stop by; whole queries where there are any.

    Raises:
        ValueError: ``validation_fraction`` is None, or leaves a side without rows.
    """
    share = estimator.validation_fraction
    if share is None:
        raise ValueError(
            "early_stopping_rounds with validation_fraction=None needs an eval_set. Got none."
        )
    queries = data.group_offsets
    count = len(data) if queries is None else len(queries) - 1
    kept, held = train_test_split(
        np.arange(count), test_size=share, random_state=seed, stratify=strata
    )
    take = data.take if queries is None else data.take_queries
    return take(np.sort(kept)), take(np.sort(held))


def _start(estimator: Parameters, task: Task) -> Model | None:
    """Return the model to continue: the one given, or one's own where fitting goes on.

    Raises:
        TypeError: It is no model.
    """
    given = task.start
    if given is None:
        return task.fitted if estimator.warm_start else None
    if isinstance(given, str | Path):
        return load_any(given)
    if isinstance(given, Parameters):
        given = vars(given).get("booster_")
    if not isinstance(given, Booster | LinearBooster):
        raise TypeError(
            "init_model must be a fitted estimator, a Booster, or a file. "
            f"Got {type(given).__name__}."
        )
    return given

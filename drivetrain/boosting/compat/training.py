"""``train``, by XGBoost's parameters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from drivetrain.boosting.compat.booster import Booster
from drivetrain.boosting.compat.callback import (
    EarlyStopping,
    EvalsLog,
    EvaluationMonitor,
    TrainingCallback,
)
from drivetrain.boosting.compat.evaluation import CustomMetric
from drivetrain.boosting.compat.losses import Slopes
from drivetrain.boosting.compat.matrix import DMatrix
from drivetrain.boosting.params import Params


class Told(TypedDict, total=False):
    """What ``train`` may be told besides parameters, rows and rounds."""

    obj: Slopes | None
    maximize: bool | None
    early_stopping_rounds: int | None
    evals_result: dict[str, Any] | None
    verbose_eval: bool | int | None
    xgb_model: "Booster | str | Path | bytes | bytearray | None"
    callbacks: Sequence[TrainingCallback] | None
    custom_metric: CustomMetric | None


def train(
    params: Params,
    dtrain: DMatrix,
    num_boost_round: int = 10,
    *,
    evals: Sequence[tuple[DMatrix, str]] | None = None,
    **told: Unpack[Told],
) -> Booster:
    """Train by XGBoost's parameters.

    Args:
        params: Parameters by name or alias; one that is not known is an error.
        dtrain: The data.
        num_boost_round: Rounds.
        evals: Sets to evaluate, with names; the last decides when to stop.
        **told: ``obj``, gradients of one's own; ``custom_metric``; ``maximize``;
            ``early_stopping_rounds``; ``evals_result``, a dict to fill; ``verbose_eval``, whether
            and how often to print, True by default; ``xgb_model``, to continue; ``callbacks``.

    Raises:
        TypeError: An argument that is not known; a callback that is none.
        ValueError: A parameter that is unknown, out of range, or not supported.

    Example:
        >>> rows = DMatrix([[0.0], [1.0]], label=[1.0, 2.0])
        >>> train({"min_child_weight": 0}, rows, 20).predict(rows).round(1).tolist()
        [1.0, 2.0]
    """
    check_told(told, Told.__annotations__, "train")
    obj, sets = told.get("obj"), list(evals or ())
    around = callbacks_of(told, default_verbose=True)
    log = Log(sets, told.get("custom_metric"), output_margin=callable(obj))
    booster = Booster(params, model_file=told.get("xgb_model"))
    for name in ("best_iteration", "best_score"):
        booster.set_attr(**{name: None})
    booster.watch(dtrain, sets, callable(obj))
    try:
        booster = run(booster, dtrain, around, log, rounds=num_boost_round, obj=obj)
    finally:
        booster.reset()
    result = told.get("evals_result")
    if result is not None:
        result.update(log.history)
    return booster


def check_told(told: Mapping[str, Any], known: Mapping[str, Any], function: str) -> None:
    """Raise a TypeError that names an argument the function does not take, if there is one."""
    strange = next((name for name in told if name not in known), None)
    if strange is not None:
        raise TypeError(f"{function}() got an unexpected keyword argument {strange!r}.")


def callbacks_of(
    told: Mapping[str, Any], *, default_verbose: bool, show_stdv: bool = False
) -> list[TrainingCallback]:
    """Return the callbacks given, and those that other arguments ask for.

    Raises:
        TypeError: A callback that is none.
    """
    around: list[TrainingCallback] = list(dict.fromkeys(told.get("callbacks") or ()))
    for one in around:
        if not isinstance(one, TrainingCallback):
            raise TypeError(
                f"callbacks must be TrainingCallbacks. Got {type(one).__name__}: subclass"
                " callback.TrainingCallback."
            )
    verbose = told.get("verbose_eval", default_verbose)
    if verbose:
        every = 1 if verbose is True else int(verbose)
        around.append(EvaluationMonitor(period=every, show_stdv=show_stdv))
    if told.get("early_stopping_rounds"):
        rounds, rising = told["early_stopping_rounds"], told.get("maximize")
        around.append(EarlyStopping(rounds=rounds, maximize=rising))
    return around


class Log:
    """What is evaluated after each round, and what came of it.

    Args:
        sets: Rows and names.
        metric: A script's own metric, or None.
        output_margin: Whether it is given margins instead of predictions.
    """

    def __init__(
        self,
        sets: Sequence[tuple[DMatrix, str]],
        metric: CustomMetric | None,
        *,
        output_margin: bool,
    ) -> None:
        self.history: EvalsLog = {}
        self._sets = sets
        self._metric = metric
        self._output_margin = output_margin

    def look(self, booster: Booster) -> None:
        """Evaluate the model as it is."""
        for name, value in booster.scores(self._sets, self._metric, self._output_margin):
            data, metric = _split(name, [name for _, name in self._sets])
            self.history.setdefault(data, {}).setdefault(metric, []).append(value)


def _split(name: str, sets: Sequence[str]) -> tuple[str, str]:
    data = max((one for one in sets if name.startswith(f"{one}-")), key=len)
    return data, name[len(data) + 1 :]


def run(
    booster: Booster,
    dtrain: DMatrix,
    around: Sequence[TrainingCallback],
    log: Log,
    *,
    rounds: int,
    obj: Slopes | None,
) -> Booster:
    """Return the model after some rounds, or after those until a callback stops.

    Args:
        booster: The model to begin with.
        dtrain: The rows.
        around: Who is called.
        log: What is evaluated.
        rounds: How many at most.
        obj: A script's own gradients, or None.
    """
    for one in around:
        booster = one.before_training(booster)
    for k in range(rounds):
        if any(one.before_iteration(booster, k, log.history) for one in around):
            break
        booster.update(dtrain, k, obj)
        log.look(booster)
        if any(one.after_iteration(booster, k, log.history) for one in around):
            break
    for one in around:
        booster = one.after_training(booster)
    return booster

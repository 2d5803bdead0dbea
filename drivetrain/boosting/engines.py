"""What advances by rounds, as the settings ask: trees or linear weights."""

from collections.abc import Mapping
from typing import Any

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.callbacks import History
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.linear.rounds import LinearRounds
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.rounds import Rounds
from drivetrain.boosting.running import Engine, Running, run_all
from drivetrain.boosting.training import Settings, Watch, boost, check_watched, ready


def engine_for(
    data: Dataset,
    objective: Objective,
    settings: Settings,
    *,
    sets: Mapping[str, Dataset] | None = None,
    start: Booster | LinearBooster | None = None,
) -> Engine[Any]:
    """Return the engine of the settings' booster.

    Args:
        data: What is learned, checked.
        objective: What is minimized.
        settings: How.
        sets: What is watched, by name.
        start: A model of the same kind to continue.

    Raises:
        ValueError: A model of the other kind.
    """
    _check_start(settings, start)
    if settings.booster == "gblinear":
        weights = start if isinstance(start, LinearBooster) else None
        return LinearRounds(data, objective, settings, sets=sets, start=weights)
    trees = start if isinstance(start, Booster) else None
    return Rounds(data, objective, settings, sets=sets, start=trees)


def boost_linear(
    data: Dataset,
    objective: Objective,
    settings: Settings,
    *,
    watch: Watch | None = None,
    start: LinearBooster | None = None,
) -> tuple[LinearBooster, History]:
    """Return a linear model of the data, and what was seen on the way.

    Args:
        data: Rows with labels; NaN counts nothing.
        objective: What is minimized.
        settings: How; ``settings.linear`` has the rules of the steps.
        watch: What to evaluate and when to stop; the best round's weights are returned.
        start: A model to continue.

    Raises:
        ValueError: Another booster, categories, or what ``boost`` refuses.

    Example:
        >>> import numpy as np
        >>> from drivetrain.boosting.dataset import Dataset
        >>> from drivetrain.boosting.objectives.squared import SquaredError
        >>> x = np.arange(20, dtype=np.float32)[:, None]
        >>> line = Dataset(x=x, label=3 * x)
        >>> settings = Settings(booster="gblinear", n_estimators=200)
        >>> model, _ = boost_linear(line, SquaredError(), settings)
        >>> round(float(model.weights[0, 0]), 2)
        3.0
    """
    if settings.booster != "gblinear":
        raise ValueError(f"boost_linear needs booster='gblinear'. Got {settings.booster!r}.")
    watch = watch or Watch()
    data = ready(data, objective)
    check_watched(watch.sets, objective)
    rounds = LinearRounds(data, objective, settings, sets=watch.sets, start=start)
    running = Running(rounds, watch, objective)
    run_all(running, settings.n_estimators, watch)
    return running.finish(), running.history


def boost_any(
    data: Dataset,
    objective: Objective,
    settings: Settings,
    *,
    watch: Watch | None = None,
    start: Booster | LinearBooster | None = None,
) -> tuple[Booster | LinearBooster, History]:
    """Return a model of trees or a linear one, as the settings have it; see ``boost``.

    Args:
        data: Rows with labels.
        objective: What is minimized.
        settings: How.
        watch: What to evaluate and when to stop.
        start: A model of the same kind to continue.

    Raises:
        ValueError: A model of the other kind to continue, or what ``boost`` refuses.
    """
    _check_start(settings, start)
    if settings.booster == "gblinear":
        weights = start if isinstance(start, LinearBooster) else None
        return boost_linear(data, objective, settings, watch=watch, start=weights)
    trees = start if isinstance(start, Booster) else None
    return boost(data, objective, settings, watch=watch, start=trees)


def _check_start(settings: Settings, start: Booster | LinearBooster | None) -> None:
    linear = settings.booster == "gblinear"
    if start is not None and isinstance(start, LinearBooster) != linear:
        kind = "a linear model" if linear else "a model of trees"
        raise ValueError(
            f"booster={settings.booster!r} continues {kind}. Got start of {type(start).__name__}."
        )

"""Boosting a linear model."""

from drivetrain.boosting.callbacks import History
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.linear.rounds import LinearRounds
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.running import Running, run_all
from drivetrain.boosting.training import Settings, Watch, ready


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
    rounds = LinearRounds(data, objective, settings, sets=watch.sets, start=start)
    running = Running(rounds, watch, objective)
    run_all(running, settings.n_estimators, watch)
    return running.finish(), running.history

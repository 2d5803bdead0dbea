"""The loop: gradients, a tree a group, margins; round after round."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset, check_values
from drivetrain.boosting.metrics import RISING, metric_named
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.rounds import Rounds
from drivetrain.core.checks import check_choice, check_integer, check_real
from drivetrain.trees.growing.settings import Growth

Floats = NDArray[np.float32]
#: Values of each metric on each evaluation set, round by round.
History = dict[str, dict[str, list[float]]]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How boosting runs.

    Attributes:
        n_estimators: Rounds; each grows one tree a group.
        learning_rate: What each tree's weights are multiplied by.
        growth: How a tree grows.
        max_bin: Most bins of a feature.
        subsample: Share of the rows a round uses.
        multi_strategy: ``one_output_per_tree``, or ``multi_output_tree`` for one tree a round
            with a vector of all outputs in each leaf.
        random_state: Seed; the same seed gives the same bits for any number of threads.
        threads: Threads.
    """

    n_estimators: int = 100
    learning_rate: float = 0.3
    growth: Growth = field(default_factory=Growth)
    max_bin: int = 255
    subsample: float = 1.0
    multi_strategy: str = "one_output_per_tree"
    random_state: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        check_integer("n_estimators", self.n_estimators, low=0)
        check_real("learning_rate", self.learning_rate, low=0)
        check_integer("max_bin", self.max_bin, low=2, high=65535)
        check_real("subsample", self.subsample, low=0, high=1, open_low=True)
        strategies = ("one_output_per_tree", "multi_output_tree")
        check_choice("multi_strategy", self.multi_strategy, strategies)
        check_integer("random_state", self.random_state, low=0)
        check_integer("threads", self.threads, low=1)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is evaluated after each round, and when to stop.

    Attributes:
        sets: Evaluation sets by name; the last decides about stopping.
        metrics: Names; the objective's own where empty. The last decides about stopping.
        patience: Rounds without a better value before stopping; 0 never stops.
        after_round: Called with the round's number and all values; True stops.
    """

    sets: Mapping[str, Dataset] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    patience: int = 0
    after_round: Callable[[int, History], bool] | None = None


def boost(
    data: Dataset,
    objective: Objective,
    settings: Settings,
    *,
    watch: Watch | None = None,
    start: Booster | None = None,
) -> tuple[Booster, History]:
    """Return a model of the data, and what was seen on the way.

    Args:
        data: Rows with labels.
        objective: What is minimized.
        settings: How.
        watch: What to evaluate and when to stop.
        start: A model to continue; its trees are kept.

    Raises:
        ValueError: No rows, no features, infinite values, labels the objective refuses.
    """
    check_dataset(data)
    objective.check(data)
    watch = watch or Watch()
    if data.weight is not None and not data.weight.all():
        # Rows of weight 0 have no influence at all, not on the cuts either.
        data = data.take(np.flatnonzero(data.weight))
    rounds = Rounds(data, objective, settings, start=start)
    metrics = watch.metrics or (objective.metric,)
    history: History = {name: {metric: [] for metric in metrics} for name in watch.sets}
    held = {name: rounds.margins_of(one) for name, one in watch.sets.items()}
    best: int | None = None
    for k in range(settings.n_estimators):
        forest = rounds.advance()
        for name, one in watch.sets.items():
            held[name] = rounds.add(forest, one, held[name])
            prediction = objective.predict(held[name])
            for metric in metrics:
                history[name][metric].append(metric_named(metric)(prediction, one))
        stop = watch.after_round is not None and watch.after_round(k, history)
        if watch.patience and history:
            best = _best(history[list(watch.sets)[-1]][metrics[-1]], metrics[-1])
            stop = stop or k - best >= watch.patience
        if stop:
            break
    return rounds.finish(best), history


def _best(values: list[float], metric: str) -> int:
    """Return the round of the best value, the first of equals; NaN is never best."""
    signed = np.array(values) * (-1 if metric.split("@")[0] in RISING else 1)
    return int(np.argmin(np.where(np.isnan(signed), np.inf, signed)))


def check_dataset(data: Dataset) -> None:
    """Raise a ValueError where training cannot begin: what is empty, infinite or negative."""
    if not len(data):
        raise ValueError("x must have at least one row. Got none.")
    if not data.n_features:
        raise ValueError("x must have at least one feature. Got none.")
    if data.table is None:
        check_values(data.x, data.categorical)
    if data.weight is not None:
        wrong = np.flatnonzero(~(data.weight >= 0) | np.isinf(data.weight))
        if len(wrong):
            got = f"{data.weight[wrong[0]]} in row {wrong[0]}"
            raise ValueError(f"weight must be >= 0 and finite. Got {got}.")
        if not data.weight.any():
            raise ValueError("weight must not be 0 for every row.")

"""What is called around the rounds: stopping, schedules, printing, or your own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from drivetrain.boosting.metrics import RISING
from drivetrain.core.checks import check_integer, check_real

#: Values of each metric on each evaluation set, round by round.
History = dict[str, dict[str, list[float]]]
#: The attribute of an unfinished model that holds the weights its best round had.
BEST_WEIGHTS = "best_weights"


class Run(Protocol):
    """A training in progress, or several side by side, as callbacks see it.

    Attributes:
        history: What has been seen so far.
        learning_rate: What the trees of the next round are multiplied by; may be set.
    """

    history: History
    learning_rate: float

    @property
    def number(self) -> int:
        """Rounds so far, those of a continued model among them."""
        ...

    def keep_best(self, number: int) -> None:
        """Remember that this round, from 0, is the best so far."""
        ...

    def snapshot(self) -> Any:
        """Return the model as it is now, with all its rounds."""
        ...


class Callback(Protocol):
    """What is called around training, as XGBoost's TrainingCallback."""

    def before_training(self, run: Run) -> None:
        """Begin."""
        ...

    def before_iteration(self, run: Run, number: int, history: History) -> bool:
        """Return whether to stop before the round of that number."""
        ...

    def after_iteration(self, run: Run, number: int, history: History) -> bool:
        """Return whether to stop after the round of that number."""
        ...

    def after_training(self, run: Run) -> None:
        """End."""
        ...


@dataclass(kw_only=True)
class EarlyStopping:
    """Stops when a metric has not become better for some rounds; the best round is used.

    Attributes:
        rounds: How many.
        metric_name: Which metric; the last where None.
        data_name: On which set; the last where None.
        maximize: Whether more is better; told by the metric's name where None.
        save_best: Whether the model ends with the best round; else later ones stay unused in it.
        min_delta: By how much a value must be better than the best.
    """

    rounds: int
    metric_name: str | None = None
    data_name: str | None = None
    maximize: bool | None = None
    save_best: bool = False
    min_delta: float = 0.0
    best: tuple[int, float] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        check_integer("rounds", self.rounds, low=1)
        check_real("min_delta", self.min_delta, low=0)

    def before_training(self, run: Run) -> None:
        """Begin anew, from what was seen before a checkpoint where there was one."""
        self.best = None
        values = self._values(run.history) if run.history else []
        for k in range(len(values)):
            self._look(run, run.number - len(values) + k, values[k])

    def before_iteration(self, run: Run, number: int, history: History) -> bool:
        """Return False."""
        return False

    def after_iteration(self, run: Run, number: int, history: History) -> bool:
        """Return whether the last value is ``rounds`` rounds from the best."""
        self._look(run, number, self._values(history)[-1])
        return self.best is not None and number - self.best[0] >= self.rounds

    def after_training(self, run: Run) -> None:
        """Do nothing."""

    def _values(self, history: History) -> list[float]:
        if not history:
            raise ValueError("Early stopping needs an evaluation set. Got none.")
        data = list(history)[-1] if self.data_name is None else self.data_name
        if data not in history:
            raise ValueError(f"data_name must be one of {', '.join(history)}. Got {data!r}.")
        metric = list(history[data])[-1] if self.metric_name is None else self.metric_name
        if metric not in history[data]:
            names = ", ".join(history[data])
            raise ValueError(f"metric_name must be one of {names}. Got {metric!r}.")
        self._rising = metric.split("@")[0] in RISING if self.maximize is None else self.maximize
        return history[data][metric]

    def _look(self, run: Run, number: int, value: float) -> None:
        signed = value if self._rising else -value
        held = -np.inf if self.best is None else self.best[1]
        # NaN is never better; the first value always is.
        if self.best is None and np.isnan(signed):
            signed = -np.inf
        elif self.best is not None and not signed - self.min_delta > held:
            return
        self.best = number, signed
        run.keep_best(number)


@dataclass(frozen=True, kw_only=True)
class LearningRates:
    """Sets the learning rate before each round.

    Attributes:
        rates: One a round, or a function of the round's number.
    """

    rates: Callable[[int], float] | Sequence[float]

    def before_training(self, run: Run) -> None:
        """Do nothing."""

    def before_iteration(self, run: Run, number: int, history: History) -> bool:
        """Set the rate; return False."""
        if not callable(self.rates) and number >= len(self.rates):
            raise ValueError(f"rates must hold a rate for round {number}. Got {len(self.rates)}.")
        rate = self.rates(number) if callable(self.rates) else self.rates[number]
        run.learning_rate = check_real("learning rate", rate, low=0)
        return False

    def after_iteration(self, run: Run, number: int, history: History) -> bool:
        """Return False."""
        return False

    def after_training(self, run: Run) -> None:
        """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Printing:
    """Prints the last values every few rounds, and after the last one, as XGBoost does.

    Attributes:
        every: Rounds between lines.
        write: What prints a line.
    """

    every: int = 1
    write: Callable[[str], object] = print
    _last: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        check_integer("every", self.every, low=1)

    def before_training(self, run: Run) -> None:
        """Begin."""
        self._last.clear()

    def before_iteration(self, run: Run, number: int, history: History) -> bool:
        """Return False."""
        return False

    def after_iteration(self, run: Run, number: int, history: History) -> bool:
        """Print where it is time; return False."""
        if number % self.every == 0:
            self._print(number, history)
        return False

    def after_training(self, run: Run) -> None:
        """Print the last round, if it was not."""
        number = run.number - 1
        if run.history and number >= 0 and number not in self._last[-1:]:
            self._print(number, run.history)

    def _print(self, number: int, history: History) -> None:
        self._last[:] = [number]
        values = [
            f"{name}-{metric}:{series[-1]:.5f}"
            for name, own in history.items()
            for metric, series in own.items()
            if series
        ]
        if values:
            self.write("\t".join([f"[{number}]", *values]))

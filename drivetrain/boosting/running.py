"""A training in progress: rounds, what is seen after each, and who is called."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.callbacks import Callback, EarlyStopping, History, Printing, Run
from drivetrain.boosting.metrics import metric_named
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.stages import evaluated

if TYPE_CHECKING:
    from drivetrain.boosting.training import Watch

Floats = NDArray[np.float32]
M_co = TypeVar("M_co", covariant=True)


class Engine(Protocol[M_co]):
    """What advances by rounds: trees or linear weights.

    Attributes:
        learning_rate: Of the next round.
    """

    learning_rate: float

    @property
    def number(self) -> int:
        """Rounds so far, those of a continued model among them."""
        ...

    def advance(self) -> None:
        """Do one round."""
        ...

    def margin_of(self, name: str) -> Floats:
        """Return the present margins of a watched set, (n, groups)."""
        ...

    def keep_best(self, number: int) -> None:
        """Remember that this round, from 0, is the best so far."""
        ...

    def snapshot(self) -> M_co:
        """Return the model with all its rounds."""
        ...

    def model(self, *, only_best: bool) -> M_co:
        """Return the model at the end, with or without the rounds after the best."""
        ...

    def close(self) -> None:
        """End the threads."""
        ...


class Running(Generic[M_co]):
    """One training; what its callbacks see.

    Args:
        engine: What advances.
        watch: What is evaluated.
        objective: Turns margins into predictions.
    """

    def __init__(self, engine: Engine[M_co], watch: "Watch", objective: Objective) -> None:
        self.engine = engine
        self._watch = watch
        self._objective = objective
        names = watch.metrics or (() if watch.custom else (objective.metric,))
        self._metrics = {name: metric_named(name, objective) for name in names}
        self.history: History = {
            name: {metric: [] for metric in (*self._metrics, *watch.custom)} for name in watch.sets
        }
        for name, own in (watch.history or {}).items():
            for metric, values in own.items():
                if metric in self.history.get(name, {}):
                    self.history[name][metric] += values

    @property
    def learning_rate(self) -> float:
        """What the trees of the next round are multiplied by."""
        return self.engine.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.engine.learning_rate = rate

    @property
    def number(self) -> int:
        """Rounds so far, those of a continued model among them."""
        return self.engine.number

    def keep_best(self, number: int) -> None:
        """Remember that this round, from 0, is the best so far."""
        self.engine.keep_best(number)

    def snapshot(self) -> M_co:
        """Return the model as it is now, with all its rounds."""
        return self.engine.snapshot()

    def advance(self) -> None:
        """Do one round and evaluate it."""
        self.engine.advance()
        for name, one in self._watch.sets.items():
            margin = self.engine.margin_of(name)
            seen = evaluated(self._objective, margin)
            for metric, value in self._metrics.items():
                self.history[name][metric].append(float(value(seen, one)))
            for metric, value in self._watch.custom.items():
                own = value(self._objective.predict(margin), one)
                self.history[name][metric].append(float(own))

    def finish(self) -> M_co:
        """Return the model."""
        return self.engine.model(only_best=any(c.save_best for c in stoppers(self._watch)))

    def close(self) -> None:
        """End the threads."""
        self.engine.close()


class Steps(Run, Protocol):
    """A run that can be advanced, and ended."""

    def advance(self) -> None:
        """Do one round and evaluate it."""
        ...

    def close(self) -> None:
        """End the threads."""
        ...


def stoppers(watch: "Watch") -> list[EarlyStopping]:
    """Return the callbacks that stop early."""
    return [one for one in watch.callbacks if isinstance(one, EarlyStopping)]


def callbacks_of(watch: "Watch") -> Sequence[Callback]:
    """Return all callbacks: those given, then those that the watch's own words ask for."""
    own: list[Callback] = list(watch.callbacks)
    if watch.verbose_eval:
        every = 1 if isinstance(watch.verbose_eval, bool) else watch.verbose_eval
        own.append(Printing(every=every))
    if watch.patience and watch.sets:
        own.append(EarlyStopping(rounds=watch.patience))
    return own


def run_all(run: Steps, rounds: int, watch: "Watch") -> None:
    """Advance by some rounds, or until somebody stops; end the threads whatever happens.

    Args:
        run: What advances.
        rounds: How often at most.
        watch: Who is called.
    """
    callbacks = callbacks_of(watch)
    try:
        for one in callbacks:
            one.before_training(run)
        for _ in range(rounds):
            number = run.number
            if _any(one.before_iteration(run, number, run.history) for one in callbacks):
                break
            run.advance()
            stops = _any(one.after_iteration(run, number, run.history) for one in callbacks)
            if watch.after_round is not None:
                stops = watch.after_round(number, run.history) or stops
            if stops:
                break
        for one in callbacks:
            one.after_training(run)
    finally:
        run.close()


def _any(answers: Iterable[bool]) -> bool:
    """Tell whether one answer is yes, having asked all."""
    return max(list(answers), default=False)

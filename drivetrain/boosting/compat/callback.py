"""What is called around the rounds of ``train`` and ``cv``, by XGBoost's names."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.boosting.compat.booster import Booster
from drivetrain.core.checks import check_integer, check_real

#: Values by set and metric, round by round; in ``cv`` pairs of mean and deviation.
EvalsLog = dict[str, dict[str, list[Any]]]
# Of which more is better, whatever follows an @.
_RISING = ("auc", "aucpr", "pre", "map", "ndcg")


class TrainingCallback:
    """What is called around training; subclass it and say what you want to be called for."""

    def before_training(self, model: Any) -> Any:
        """Begin; return the model."""
        return model

    def after_training(self, model: Any) -> Any:
        """End; return the model."""
        return model

    def before_iteration(self, model: Any, epoch: int, evals_log: EvalsLog) -> bool:
        """Return whether to stop before the round of that number."""
        return False

    def after_iteration(self, model: Any, epoch: int, evals_log: EvalsLog) -> bool:
        """Return whether to stop after the round of that number."""
        return False


class LearningRateScheduler(TrainingCallback):
    """Sets the learning rate after each round, for the next: the first keeps the parameter's.

    That is what XGBoost does; ``drivetrain.boosting.callbacks.LearningRates`` sets it before.

    Args:
        learning_rates: One a round, or a function of the round's number.
    """

    def __init__(self, learning_rates: Callable[[int], float] | Sequence[float]) -> None:
        if not callable(learning_rates):
            learning_rates = list(learning_rates)
        self.learning_rates = learning_rates

    def after_iteration(self, model: Any, epoch: int, evals_log: EvalsLog) -> bool:
        """Set the rate of the next round; return False.

        Raises:
            ValueError: There is no rate for the round.
        """
        rates = self.learning_rates
        if not callable(rates) and epoch >= len(rates):
            raise ValueError(
                f"learning_rates must hold a rate for round {epoch}. Got {len(rates)}."
            )
        model.set_param("learning_rate", rates(epoch) if callable(rates) else rates[epoch])
        return False


class EarlyStopping(TrainingCallback):
    """Stops when a metric has not become better for some rounds.

    Args:
        rounds: How many.
        metric_name: Which metric; the last where None.
        maximize: Whether more is better; told by the metric's name where None.
        save_best: Whether the model ends with the best round.
        data_name: On which set; the last where None.
        min_delta: By how much a value must be better than the best.
    """

    def __init__(
        self,
        *,
        rounds: int,
        metric_name: str | None = None,
        data_name: str | None = None,
        maximize: bool | None = None,
        save_best: bool = False,
        min_delta: float = 0.0,
    ) -> None:
        self.rounds = check_integer("rounds", rounds, low=1)
        self.metric_name = metric_name
        self.data = data_name
        self.maximize = maximize
        self.save_best = save_best
        self._min_delta = check_real("min_delta", min_delta, low=0)
        self.best: tuple[int, Any] | None = None
        self.starting_round = 0
        self.current_rounds = 0

    def before_training(self, model: Any) -> Any:
        """Begin anew, after the rounds of a continued model."""
        self.best, self.current_rounds = None, 0
        self.starting_round = model.num_boosted_rounds()
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: EvalsLog) -> bool:
        """Return whether the last ``rounds`` values were no better than the best.

        Raises:
            ValueError: There is no evaluation set, or none of that name.
        """
        if not evals_log:
            raise ValueError("Must have at least 1 validation dataset for early stopping.")
        data = self.data or list(evals_log)[-1]
        if data not in evals_log:
            raise ValueError(f"No dataset named: {data}")
        metric = self.metric_name or list(evals_log[data])[-1]
        if metric not in evals_log[data]:
            raise ValueError(f"No metric named: {metric}")
        return self._look(model, epoch + self.starting_round, evals_log[data][metric][-1], metric)

    def _look(self, model: Any, number: int, score: Any, metric: str) -> bool:
        value = score[0] if isinstance(score, tuple) else score
        if self.best is None or self._better(value, self._value(self.best[1]), metric):
            self.best, self.current_rounds = (number, score), 0
            model.set_attr(best_score=str(value), best_iteration=str(number))
        else:
            self.current_rounds += 1
        return self.current_rounds >= self.rounds

    def _value(self, score: Any) -> float:
        return float(score[0] if isinstance(score, tuple) else score)

    def _better(self, value: float, best: float, metric: str) -> bool:
        rising = self.maximize
        if rising is None:
            rising = metric != "mape" and metric.split("@")[0] in _RISING
        if rising:
            return bool(np.greater(value - self._min_delta, best))
        return bool(np.greater(best - self._min_delta, value))

    def after_training(self, model: Any) -> Any:
        """Return the model, without the rounds after the best where that was asked for.

        Raises:
            ValueError: That was asked for in ``cv``, which has no model.
        """
        if not self.save_best:
            return model
        if not isinstance(model, Booster):
            raise ValueError("`save_best` is not applicable to the `cv` function.")
        best, score = model.best_iteration, model.best_score
        model = model[: best + 1]
        model.best_iteration, model.best_score = best, score
        return model


class EvaluationMonitor(TrainingCallback):
    """Prints the metrics, as XGBoost does.

    Args:
        rank: Not read: there is one process.
        period: Rounds between lines; the last is always printed.
        show_stdv: Whether ``cv`` prints deviations.
        logger: What prints a line; it must end the line itself.
    """

    def __init__(
        self,
        rank: int = 0,
        period: int = 1,
        show_stdv: bool = False,
        logger: Callable[[str], object] | None = None,
    ) -> None:
        self.rank = rank
        self.period = check_integer("period", period, low=1)
        self.show_stdv = show_stdv
        self._logger = logger
        self._latest: str | None = None

    def after_iteration(self, model: Any, epoch: int, evals_log: EvalsLog) -> bool:
        """Print where it is time; return False."""
        if not evals_log:
            return False
        values = [
            self._told(data, metric, series[-1])
            for data, own in evals_log.items()
            for metric, series in own.items()
        ]
        text = "".join([f"[{epoch}]", *values]) + "\n"
        if epoch % self.period == 0:
            self._print(text)
            self._latest = None
        else:
            self._latest = text
        return False

    def after_training(self, model: Any) -> Any:
        """Print the last round, if it was not; return the model."""
        if self._latest is not None:
            self._print(self._latest)
            self._latest = None
        return model

    def _print(self, text: str) -> None:
        if self._logger is None:
            print(text, end="")
        else:
            self._logger(text)

    def _told(self, data: str, metric: str, score: Any) -> str:
        if not isinstance(score, tuple):
            return f"\t{data}-{metric}:{score:.5f}"
        spread = f"+{score[1]:.5f}" if self.show_stdv else ""
        return f"\t{data}-{metric}:{score[0]:.5f}{spread}"


class TrainingCheckPoint(TrainingCallback):
    """Writes the model every few rounds.

    Args:
        directory: Where.
        name: What file names begin with; the round's number follows.
        as_pickle: Refused: models are written as UBJSON.
        interval: Rounds between files.

    Raises:
        ValueError: A pickle was asked for.
    """

    def __init__(
        self,
        directory: str | Path,
        name: str = "model",
        as_pickle: bool = False,
        interval: int = 100,
    ) -> None:
        if as_pickle:
            raise ValueError("as_pickle is not offered: models are written as UBJSON.")
        self._path = Path(directory)
        self._name = name
        self._every = check_integer("interval", interval, low=1)
        self._start = 0
        self._epoch = 0

    def before_training(self, model: Any) -> Any:
        """Begin to count; return the model."""
        self._start = model.num_boosted_rounds()
        self._epoch = 0
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: EvalsLog) -> bool:
        """Write a file where it is time; return False."""
        if self._epoch == self._every:
            self._epoch = 0
            model.save_model(self._path / f"{self._name}_{epoch + self._start}.ubj")
        self._epoch += 1
        return False

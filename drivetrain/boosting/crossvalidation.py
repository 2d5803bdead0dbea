"""Cross-validation: a model a fold, all advanced side by side, round by round."""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.boosting.callbacks import History
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.engines import engine_for
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.running import Running, run_all
from drivetrain.boosting.training import Settings, Watch, ready
from drivetrain.core.checks import check_integer

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Folds:
    """How rows are held out in turn.

    Attributes:
        n: Folds.
        shuffle: Whether rows are dealt in random order.
        stratified: Whether each fold has each label as often as the others have.
        groups: What must not be torn apart, a number a row, (n,); the queries where there are
            queries and none are given.
        random_state: Seed.
    """

    n: int = 5
    shuffle: bool = True
    stratified: bool = False
    groups: ArrayLike | None = None
    random_state: int = 0

    def __post_init__(self) -> None:
        check_integer("n", self.n, low=2)
        check_integer("random_state", self.random_state, low=0)
        if self.stratified and self.groups is not None:
            raise ValueError("stratified folds keep no groups whole. Got stratified and groups.")

    def split(self, data: Dataset) -> list[tuple[Rows, Rows]]:
        """Return the rows of training and those held out, rising, for each fold.

        Raises:
            ValueError: Fewer rows or groups than folds.
        """
        groups = data.query_of_row if self.groups is None else np.asarray(self.groups)
        if groups is not None and groups.shape != (len(data),):
            raise ValueError(f"groups must be of shape {(len(data),)}. Got {groups.shape}.")
        fold = self._deal(data, groups)
        if len(np.unique(fold)) < self.n:
            what = "groups" if groups is not None else "rows"
            raise ValueError(f"{self.n} folds need as many {what}. Got {len(data)} rows.")
        return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(self.n)]

    def _deal(self, data: Dataset, groups: NDArray[Any] | None) -> Rows:
        """Return each row's fold, (n,)."""
        rng = np.random.default_rng([self.random_state, 0xF01D])
        n = len(data)
        fold = np.empty(n, np.int64)
        if groups is not None:
            names, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
            # The largest first, each to the fold that has least; equals in random order.
            order = rng.permutation(len(names)) if self.shuffle else np.arange(len(names))
            order = order[np.argsort(-sizes[order], kind="stable")]
            held, of_group = np.zeros(self.n, np.int64), np.empty(len(names), np.int64)
            for group in order:
                of_group[group] = held.argmin()
                held[of_group[group]] += sizes[group]
            return of_group[number]
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        if self.stratified:
            order = order[np.argsort(data.target[order], kind="stable")]
            fold[order] = np.arange(n) % self.n
        else:
            fold[order] = np.arange(n) * self.n // n
        return fold


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossValidated:
    """What cross-validation found.

    Attributes:
        means: Mean over the folds of each metric on ``train`` and ``test``, round by round.
        deviations: Their standard deviations.
        best_round: The round early stopping chose by the means; the values end with it.
        models: A model a fold.
    """

    means: History
    deviations: History
    best_round: int | None
    models: tuple[Any, ...]

    @property
    def table(self) -> dict[str, list[float]]:
        """The values under XGBoost's names: ``test-rmse-mean``, ``test-rmse-std``, ..."""
        out = {}
        for name, own in self.means.items():
            for metric, values in own.items():
                out[f"{name}-{metric}-mean"] = values
                out[f"{name}-{metric}-std"] = self.deviations[name][metric]
        return out


class SideBySide:
    """Trainings of all folds, as callbacks see them: one run whose values are means.

    Args:
        parts: The trainings.
    """

    def __init__(self, parts: list[Running[Any]]) -> None:
        self.parts = parts
        first = parts[0].history
        self.history: History = {name: {key: [] for key in own} for name, own in first.items()}
        self.deviations: History = {name: {key: [] for key in own} for name, own in first.items()}
        self.best_round: int | None = None

    @property
    def learning_rate(self) -> float:
        """What the next round is multiplied by, in every fold."""
        return self.parts[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        for part in self.parts:
            part.learning_rate = rate

    @property
    def number(self) -> int:
        """Rounds so far."""
        return self.parts[0].number

    def keep_best(self, number: int) -> None:
        """Remember that this round, from 0, is the best so far."""
        self.best_round = number
        for part in self.parts:
            part.keep_best(number)

    def snapshot(self) -> tuple[Any, ...]:
        """Return the models as they are now."""
        return tuple(part.snapshot() for part in self.parts)

    def advance(self) -> None:
        """Do one round of each."""
        for part in self.parts:
            part.advance()
        for name, own in self.history.items():
            for metric, values in own.items():
                last = [part.history[name][metric][-1] for part in self.parts]
                values.append(float(np.mean(last)))
                self.deviations[name][metric].append(float(np.std(last)))

    def close(self) -> None:
        """End the threads."""
        for part in self.parts:
            part.close()


def cv(
    data: Dataset,
    objective: Objective,
    settings: Settings,
    *,
    folds: Folds | list[tuple[Rows, Rows]] | None = None,
    watch: Watch | None = None,
) -> CrossValidated:
    """Return what models score on rows they have not seen, round by round.

    Args:
        data: Rows with labels.
        objective: What is minimized.
        settings: How.
        folds: How rows are held out, or pairs of rows (training, held out).
        watch: Metrics, patience and callbacks; it decides by the means over the folds.

    Raises:
        ValueError: Sets in the watch, fewer rows than folds, or what ``boost`` refuses.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> from drivetrain.boosting.objectives.squared import SquaredError
        >>> x, y = load_diabetes(return_X_y=True)
        >>> settings = Settings(n_estimators=30, learning_rate=0.1)
        >>> seen = cv(Dataset(x=x, label=y), SquaredError(), settings, folds=Folds(n=3))
        >>> 50 < seen.table["test-rmse-mean"][-1] < 65
        True
    """
    watch = watch or Watch()
    if watch.sets:
        raise ValueError(f"cv holds rows out itself: sets must be empty. Got {list(watch.sets)}.")
    pairs = (folds or Folds()).split(data) if not isinstance(folds, list) else folds
    parts: list[Running[Any]] = []
    for kept, held in pairs:
        rows = ready(data.take(kept), objective)
        own = replace(watch, sets={"train": rows, "test": data.take(held)})
        # An objective may keep what it has seen between rounds: each fold has its own.
        loss = deepcopy(objective)
        engine = engine_for(rows, loss, settings, sets=own.sets)
        parts.append(Running(engine, own, loss))
    run = SideBySide(parts)
    run_all(run, settings.n_estimators, replace(watch, sets={"train": data, "test": data}))
    end = None if run.best_round is None else run.best_round + 1
    return CrossValidated(
        means=_until(run.history, end),
        deviations=_until(run.deviations, end),
        best_round=run.best_round,
        models=tuple(part.finish() for part in parts),
    )


def _until(history: History, end: int | None) -> History:
    return {
        name: {metric: values[:end] for metric, values in own.items()}
        for name, own in history.items()
    }

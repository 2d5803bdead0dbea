"""The run: rounds under a bar, a held-out curve, Ctrl-C that keeps the best, going on later."""

import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.engines import boost_any
from drivetrain.boosting.metrics import RISING
from drivetrain.boosting.tables import Model
from drivetrain.boosting.training import History, Settings, Watch
from drivetrain.commands.boosted.rows import Parted
from drivetrain.core.progress import progress

#: Where a model keeps the curve and the settings of its run.
CURVES, RUN = "drivetrain.history", "drivetrain.run"
#: Names of the watched sets, and the most rows of the fitted ones that are watched.
FITTED, HELD, MOST = "fitted", "held out", 20_000
#: What may differ between a run and its continuation.
FREE = frozenset({"rounds", "early_stopping", "threads"})
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a run left.

    Attributes:
        model: All rounds; its best is marked.
        history: Values of each metric on each set, round by round.
        seconds: Of this run.
        interrupted: Whether somebody stopped it.
    """

    model: Model
    history: History
    seconds: float
    interrupted: bool

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return list(self.history[HELD])[-1]

    @property
    def curve(self) -> list[float]:
        """Its values on the held-out rows."""
        return self.history[HELD][self.metric]


def fit(
    parted: Parted,
    settings: Settings,
    *,
    metrics: tuple[str, ...],
    patience: int,
    start: Model | None = None,
    history: History | None = None,
) -> Fitted:
    """Return a model, watched on the held-out rows and on a sample of the fitted ones.

    Args:
        parted: The rows.
        settings: How; its rounds are those still to be grown.
        metrics: What is watched; the objective's own where empty.
        patience: Rounds without a better value before stopping; 0 for never.
        start: A model to go on from.
        history: What was seen of that model's rounds; they count for the patience.
    """
    if history and _exhausted(history, patience):
        settings = replace(settings, n_estimators=0)
    begun = time.perf_counter()
    with interruptible() as asked, progress("fit", settings.n_estimators) as advance:

        def after(number: int, now: History) -> bool:
            metric, values = list(now[HELD].items())[-1]
            best = best_round(values, metric)
            advance(f"{metric} {values[-1]:.5g}, best {values[best]:.5g}  {sparkline(values)}")
            return asked()

        watch = Watch(
            sets={FITTED: _sample(parted.train), HELD: parted.held},
            metrics=metrics,
            patience=patience,
            after_round=after,
            history=history,
        )
        model, seen = boost_any(parted.train, parted.objective, settings, watch=watch, start=start)
    return Fitted(
        model=model, history=seen, seconds=time.perf_counter() - begun, interrupted=asked()
    )


def _exhausted(seen: History, patience: int) -> bool:
    metric, values = list(seen[HELD].items())[-1]
    return bool(patience) and len(values) - 1 - best_round(values, metric) >= patience


def _sample(data: Dataset) -> Dataset:
    if len(data) <= MOST:
        return data
    return data.take(np.sort(np.random.default_rng(0).permutation(len(data))[:MOST]))


def best_round(values: list[float], metric: str) -> int:
    """Return the round of the best value, the first of equals; NaN is never best.

    Example:
        >>> best_round([3.0, 1.0, 2.0], "rmse"), best_round([0.5, 0.7, 0.7], "auc")
        (1, 1)
    """
    sign = -1 if metric.partition("@")[0] in RISING else 1
    return min(
        range(len(values)),
        key=lambda k: math.inf if math.isnan(values[k]) else sign * values[k],
    )


def sparkline(values: list[float], width: int = 12) -> str:
    """Return a curve as a line of blocks; nothing where the terminal has none.

    Example:
        >>> sparkline([8.0, 4.0, 2.0, 1.0]) in ("█▄▂▁", "")
        True
    """
    encoding = getattr(sys.stderr, "encoding", None) or ""
    known = [value for value in values if math.isfinite(value)]
    if not encoding.lower().startswith("utf") or not known:
        return ""
    picked = [known[round(k)] for k in np.linspace(0, len(known) - 1, min(width, len(known)))]
    low, high = min(picked), max(picked)
    span = (high - low) or 1.0
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in picked)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C only be asked about; the second one interrupts as ever."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def on_interrupt(number: int, frame: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def remembered(model: Model) -> tuple[History, dict[str, Any]]:
    """Return the curve and the settings of the run that made a model; empty where it kept none.

    Raises:
        ValueError: They are damaged.
    """
    try:
        history = json.loads(model.attributes.get(CURVES, "{}"))
        settings = json.loads(model.attributes.get(RUN, "{}"))
    except json.JSONDecodeError as error:
        raise ValueError(f"The model's record of its run is damaged: {error}.") from None
    return history, settings


def recorded(model: Model, history: History, told: Mapping[str, Any]) -> Model:
    """Return the model with the curve and the settings of its run among its attributes."""
    kept = {CURVES: json.dumps(history), RUN: json.dumps(told)}
    return replace(model, attributes=model.attributes | kept)


def check_start(model: Model, names: tuple[str, ...]) -> None:
    """Raise a ValueError unless a model to go on from has the table's features.

    Raises:
        ValueError: Another number of features, or other names.
    """
    if model.n_features != len(names):
        raise ValueError(
            f"start must have the table's {len(names)} features. Got {model.n_features}."
        )
    for own, other in zip(model.feature_names, names):
        if own != other:
            raise ValueError(f"start has the feature {own!r} where the table has {other!r}.")


def check_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise a ValueError that names the first setting in which a continued run differs."""
    told = json.loads(json.dumps(now))
    for name in sorted({*before, *told} - FREE):
        if before.get(name) != told.get(name):
            raise ValueError(
                f"resume: --{name.replace('_', '-')} was {before.get(name)!r} in the run that is "
                f"resumed. Got {told.get(name)!r}."
            )

"""What it costs: a glance in this run beside the peers, and the stored run of the benchmark."""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from drivetrain.bench.harness.case import Row
from drivetrain.bench.harness.store import Store
from drivetrain.bench.peers import lightgbm, xgboost
from drivetrain.bench.problems.trees import Table as Problem
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.core.errors import MissingDependency
from drivetrain.core.rooms import PACKAGE
from drivetrain.gallery.boosting_figures.task import Task, task
from drivetrain.gallery.page.draw import FULL, panel
from drivetrain.gallery.page.palette import BLUE, GRID, MUTED
from drivetrain.gallery.page.section import Figure, Number, Table
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.shap.explainer import Explainer

STORED = PACKAGE.parent / "docs" / "bench.jsonl"
OURS, ROUNDS, LEAVES, TIMES = "drivetrain", 30, 31, 3
#: Seconds of training, of predicting, and the error on held-out rows.
Measured = tuple[float, float, float]


def figure(seed: int) -> Figure:
    """Return the figure: seconds on this machine now, and the stored races."""
    here = task(seed)
    problem = Problem(
        x=here.train.x, y=here.train.target, held_x=here.held.x, held_y=here.held.target,
        binary=False,
    )  # fmt: skip
    found = measured(problem)
    rows = [row for row in Store(STORED).latest() if row.method == "boosting"]
    shap, one = _ours_alone(here)
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
    return Figure(
        title=_title(found),
        panels=(_dots({name: one[0] for name, one in found.items()}),),
        caption=f"{ROUNDS} trees of {LEAVES} leaves on {len(problem.y):,} {here.rows} x "
        f"{problem.x.shape[1]} numbers, binning included, one thread: medians of {TIMES} "
        f"interleaved rounds in one process; the machine's load was {load}. A glance: the table "
        "is the stored run of the benchmark, on the machine that it names."
        if rows
        else f"{ROUNDS} trees of {LEAVES} leaves, one thread; the machine's load was {load}.",
        table=_table(rows),
        numbers=(
            *_numbers(found),
            Number(
                what="one row predicted, one thread",
                ours=f"{one * 1e6:,.0f} µs",
                reference="≤ 100 µs",
                source="the aim",
            ),
            Number(
                what="exact Shapley values, one thread",
                ours=f"{shap * 1e6:,.0f} µs a row",
                reference="–",
                source="the stored run has XGBoost's",
            ),
        ),
        timed=True,
        sources=(here.source,),
    )


def _train_ours(problem: Problem) -> Any:
    growth = Growth(max_depth=0, max_leaves=LEAVES, grow_policy="lossguide")
    settings = Settings(n_estimators=ROUNDS, learning_rate=0.1, growth=growth)
    return boost(Dataset(x=problem.x, label=problem.y), SquaredError(), settings)[0]


def _contenders(problem: Problem) -> dict[str, tuple[Callable[[], Any], str]]:
    given: dict[str, Any] = {"leaves": LEAVES, "rounds": ROUNDS, "threads": 1}
    return {
        OURS: (lambda: _train_ours(problem), "predict"),
        "XGBoost hist": (lambda: xgboost.train(problem, **given), "inplace_predict"),
        "LightGBM": (lambda: lightgbm.train(problem, **given), "predict"),
        "LightGBM quantized": (
            lambda: lightgbm.train(problem, **given, quantized=True),
            "predict",
        ),
    }


def measured(problem: Problem) -> dict[str, Measured]:
    """Return what ours and each installed peer take, and their errors, by name."""
    models: dict[str, Any] = {}
    contenders = _contenders(problem)
    for name, (train, _) in contenders.items():
        try:
            models[name] = train()
        except MissingDependency:
            continue
    trained: dict[str, list[float]] = {name: [] for name in models}
    predicted: dict[str, list[float]] = {name: [] for name in models}
    error: dict[str, float] = {}
    for _ in range(TIMES):
        for name in models:
            train, predict = contenders[name]
            trained[name].append(_seconds(train))
            walk = getattr(models[name], predict)
            predicted[name].append(_seconds(partial(walk, problem.held_x)))
            off = np.asarray(walk(problem.held_x), float).reshape(-1) - problem.held_y
            error[name] = float(np.sqrt(np.mean(off**2)))
    return {
        name: (float(np.median(trained[name])), float(np.median(predicted[name])), error[name])
        for name in models
    }


def _seconds(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _ours_alone(here: Task) -> tuple[float, float]:
    """Return seconds a row of Shapley values, and seconds of predicting a single row."""
    settings = Settings(n_estimators=ROUNDS, learning_rate=0.1)
    model, _ = boost(here.plain.train, SquaredError(), settings)
    base = model.objective.to_margin(model.base_score)
    explainer = Explainer(model.used.scaled)
    x = here.held.x[:512]
    explainer.values(x[:64], base)
    shap = _seconds(lambda: explainer.values(x, base)) / len(x)
    model.predict(x[:1])
    one = float(np.median([_seconds(lambda: model.predict(x[:1])) for _ in range(200)]))
    return shap, one


def _numbers(found: dict[str, Measured]) -> list[Number]:
    ours = found[OURS]
    return [
        Number(
            what=what,
            ours=f"{ours[k] * 1000:,.0f} ms, RMSE {ours[2]:.3f}",
            reference=f"{other[k] * 1000:,.0f} ms, RMSE {other[2]:.3f}",
            source=f"{name}: {other[k] / ours[k]:.2f} × ours",
        )
        for k, what in ((0, f"train {ROUNDS} trees"), (1, "predict the held-out rows"))
        for name, other in found.items()
        if name != OURS
    ]


def _title(found: dict[str, Measured]) -> str:
    ours = found[OURS][0]
    others = {name: one[0] for name, one in found.items() if name != OURS}
    if not others:
        return f"{ROUNDS} trees in {ours:.2f} s; no peer is installed to race with"
    nearest = min(others, key=lambda name: others[name])
    ratio = others[nearest] / ours
    said = "as fast as" if 0.95 < ratio < 1.05 else ""
    said = said or (
        f"{ratio:.1f} times faster than" if ratio > 1 else f"{1 / ratio:.1f} times slower than"
    )
    return f"In this run, training is {said} {nearest}, the quickest other"


def _table(rows: list[Row]) -> Table | None:
    if not rows:
        return None
    own = {row.case: row for row in rows if row.ours}
    cells = [
        (
            row.what,
            row.contender,
            _time(own[row.case].seconds),
            _time(row.seconds),
            _ratio(row),
            _brief(row.words),
        )
        for row in rows
        if not row.ours and row.seconds is not None and row.case in own
    ]
    cells += [
        (row.what, "", f"{row.value:,.4g} {row.unit}".strip(), "", "", _brief(row.words))
        for row in rows
        if row.value is not None
    ]
    machine = rows[-1].machine
    return Table(
        header=("race or measure", "against", "ours", "its", "its / ours (goal)", "ours | theirs"),
        rows=tuple(cells),
        note=f"Stored: {machine.get('cpu', '')}, {machine.get('threads', '?')} threads of "
        f"{machine.get('cores', '?')} cores. drivetrain bench boosting measures it where you are.",
    )


def _ratio(row: Row) -> str:
    goal = "" if row.floor is None else f" ({row.floor:g})"
    return "" if row.ratio is None else f"{row.ratio:.2f} ×{goal}"


def _brief(words: str) -> str:
    for long, short in (("held-out loss", "loss"), (", theirs", " |"), ("sums off by", "sums off")):
        words = words.replace(long, short)
    return words.replace("| by ", "| ")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1000:,.3g} ms" if seconds < 1 else f"{seconds:,.2f} s"


def _dots(times: dict[str, float]) -> str:
    def paint(ax: Axes) -> None:
        for place, (name, value) in enumerate(times.items()):
            ink = BLUE if name == OURS else MUTED
            ax.hlines(place, 0, value, color=GRID, lw=5)
            ax.plot(value, place, "o", color=ink, ms=9)
            ax.text(value, place, f"    {1000 * value:,.0f} ms", color=ink, va="center")
        ax.set_yticks(range(len(times)), list(times))
        for label, name in zip(ax.get_yticklabels(), times, strict=True):
            label.set_color(BLUE if name == OURS else MUTED)
        ax.set(xlim=(0, max(times.values()) * 1.15), ylim=(len(times) - 0.5, -0.6))
        ax.set_xlabel(f"seconds for {ROUNDS} trees")
        ax.grid(axis="y", visible=False)

    said = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in times.items())
    return panel(
        paint, alt=f"Seconds of training: {said}.", width=FULL, height=90 + 36 * len(times)
    )

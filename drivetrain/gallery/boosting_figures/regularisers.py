"""What each penalty does to a tree: its leaves, their weights, and the error on other rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.gallery.boosting_figures.task import Task, rmse, task
from drivetrain.gallery.page.draw import THIRD, panel
from drivetrain.gallery.page.palette import BLUE, INK, MUTED, ORANGE
from drivetrain.gallery.page.section import Figure, Number, Table
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.reference import soft_threshold

ROWS, ROUNDS = 6000, 12
SWEEPS: dict[str, tuple[float, ...]] = {
    "reg_lambda": (0.0, 1.0, 10.0, 100.0, 1000.0),
    "reg_alpha": (0.0, 10.0, 100.0, 1000.0, 10000.0),
    "gamma": (0.0, 1e3, 1e4, 1e5, 1e6),
    "min_child_weight": (1.0, 10.0, 50.0, 200.0, 1000.0),
    "learning_rate": (0.03, 0.1, 0.3, 0.6, 1.0),
}
PAPER = {
    "reg_lambda": "λ",
    "reg_alpha": "α",
    "gamma": "γ",
    "min_child_weight": "least H of a leaf",
    "learning_rate": "η",
}


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a value of a setting gives: of the first tree, and of a dozen.

    Attributes:
        value: Of the setting.
        leaves: Of the first tree.
        largest: Its greatest absolute leaf, as stored.
        error: Of the model of a dozen trees, on held-out rows.
    """

    value: float
    leaves: int
    largest: float
    error: float


def figure(seed: int) -> Figure:
    """Return the figure: a panel a setting, and the leaf weight held to its equation."""
    here = task(seed)
    rows = here.train.take(np.arange(min(ROWS, len(here.train))))
    swept = {name: [_point(rows, here, name, value) for value in SWEEPS[name]] for name in SWEEPS}
    plain = swept["reg_lambda"][1]
    number = _by_hand(rows)
    return Figure(
        title="Each penalty prunes in its own way: fewer leaves, or smaller ones",
        panels=tuple(_panel(name, swept[name]) for name in SWEEPS),
        caption=f"{len(rows):,} {here.rows} in trees of depth 6. Blue: leaves of the first tree. "
        "Orange: its greatest leaf, as a share of the greatest without the penalty. λ and the "
        "least H prune by rows, α and γ by gain; η leaves the tree alone and makes every leaf "
        "smaller.",
        table=Table(
            header=("setting", "value", "leaves", "greatest leaf", f"RMSE, {ROUNDS} trees"),
            rows=tuple(
                (f"{name} ({PAPER[name]})" if not k else "", f"{one.value:g}", f"{one.leaves}",
                 f"{one.largest:.3f}", f"{one.error:.3f}")
                for name, points in swept.items() for k, one in enumerate(points)
            ),
            note=f"RMSE on {len(here.held):,} held-out rows. λ 1, η 0.1 elsewhere: "
            f"{plain.leaves} leaves.",
        ),
        numbers=(number,),
        sources=(here.source,),
    )  # fmt: skip


def _settings(rounds: int, name: str = "", value: float = 0.0, **growth: Any) -> Settings:
    given = {**growth} if name in ("", "learning_rate") else {**growth, name: value}
    rate = value if name == "learning_rate" else 0.1
    return Settings(n_estimators=rounds, learning_rate=rate, growth=Growth(**given))


def _point(rows: Dataset, here: Task, name: str, value: float) -> Point:
    model, _ = boost(rows, SquaredError(), _settings(ROUNDS, name, value))
    first = model.forest.take(slice(0, 1))
    return Point(
        value=value,
        leaves=int(first.is_leaf.sum()),
        largest=float(np.abs(first.value).max()),
        error=rmse(model, here.held),
    )


def _by_hand(rows: Dataset) -> Number:
    """Return the leaves of a tree with α, λ and η beside -T(G) / (H + λ) of their rows."""
    alpha, reg_lambda, rate = 50.0, 10.0, 0.1
    model, _ = boost(
        rows, SquaredError(), _settings(1, max_depth=3, reg_alpha=alpha, reg_lambda=reg_lambda)
    )
    off = _leaf_difference(model, rows, alpha, reg_lambda, rate)
    return Number(
        what="greatest difference of a leaf to −η T(G) / (H + λ), α 50, λ 10",
        ours=f"{off:.1e}",
        reference="0",
        source="eq. 5 of the paper on the leaf's rows; leaves are float32",
    )


def _leaf_difference(
    model: Booster, rows: Dataset, alpha: float, reg_lambda: float, rate: float
) -> float:
    at = model.leaves(rows.x)[:, 0]
    g = model.base_score.astype(np.float64)[0] - rows.target.astype(np.float64)
    worst = 0.0
    for node in np.unique(at):
        own = at == node
        wanted = -rate * soft_threshold(float(g[own].sum()), alpha) / (own.sum() + reg_lambda)
        worst = max(worst, abs(float(model.forest.value[node, 0]) - wanted))
    return worst


def _panel(name: str, points: Sequence[Point]) -> str:
    top = max(point.largest for point in points)

    def paint(ax: Axes) -> None:
        places = range(len(points))
        ax.plot(places, [point.leaves for point in points], "o-", color=BLUE)
        for place, point in zip(places, points):
            ax.text(place, point.leaves - 10, str(point.leaves), color=BLUE, ha="center", size=10)
        other = ax.twinx()
        other.plot(places, [point.largest / top for point in points], "s--", color=ORANGE, ms=5)
        other.set(ylim=(-0.06, 1.1))
        other.set_yticks([])
        other.spines[["top", "right"]].set_visible(False)
        other.grid(visible=False)
        ax.set(ylim=(-9, 84), xlim=(-0.4, len(points) - 0.6))
        ax.set_xticks(places, [f"{point.value:g}" for point in points])
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.grid(axis="y", visible=False)
        ax.set_title(f"{PAPER[name]}" if name != "min_child_weight" else "least H", color=INK)
        ax.set_xlabel(name, color=MUTED)

    said = ", ".join(f"{point.value:g}: {point.leaves} leaves" for point in points)
    return panel(paint, alt=f"{name}: {said}.", width=THIRD, height=230)

"""Ways to grow: exact, approximate and histogram trees, dropped trees, and no trees at all."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from drivetrain.boosting.dart import Dart
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.engines import boost_any
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, Watch
from drivetrain.gallery.boosting_figures.task import task
from drivetrain.gallery.page.draw import HALF, end_labels, panel
from drivetrain.gallery.page.palette import BLUE, GOLD, INK, MUTED, ORANGE, PURPLE, TEAL
from drivetrain.gallery.page.section import Figure, Table
from drivetrain.trees.growing.settings import Growth

ROWS, ROUNDS = 4000, 40
#: Those that differ in where they may split, and those that differ in what they add up.
SPLITS: dict[str, dict[str, Any]] = {
    "exact": {"tree_method": "exact"},
    "approx, global": {"tree_method": "approx", "max_bin": 32},
    "approx, local": {"tree_method": "approx", "sketch": "local", "max_bin": 32},
    "hist, 32 bins": {"max_bin": 32},
    "hist": {},
}
SUMS: dict[str, dict[str, Any]] = {
    "trees": {},
    "leaf by leaf": {"growth": Growth(max_depth=0, max_leaves=31, grow_policy="lossguide")},
    "symmetric": {"growth": Growth(max_depth=6, grow_policy="symmetric")},
    "dart": {"booster": "dart", "dart": Dart(rate_drop=0.1)},
    "linear": {"booster": "gblinear"},
}
_INKS = (BLUE, ORANGE, TEAL, PURPLE, GOLD, MUTED)


def figure(seed: int) -> Figure:
    """Return the figure: held-out error by round, way by way."""
    here = task(seed)
    train = Dataset(x=here.train.x[:ROWS], label=here.train.labels[:ROWS])
    held = Dataset(x=here.held.x, label=here.held.labels)
    curves = {name: curve(train, held, given) for name, given in {**SPLITS, **SUMS}.items()}
    end = {name: values[-1] for name, values in curves.items()}
    return Figure(
        title=f"Histograms end at RMSE {end['hist']:.2f}, exact trees at {end['exact']:.2f}; "
        f"32 cuts cost {end['hist, 32 bins'] - end['hist']:+.2f}".replace("-", "−"),
        panels=(
            _panel({name: curves[name] for name in SPLITS}, "where trees may split"),
            _panel({name: curves[name] for name in SUMS}, "what is added up"),
        ),
        caption=f"RMSE on {len(held):,} {here.rows} by round, fitted to {len(train):,} with a "
        "learning rate of 0.1. Exact trees try every value; approximate ones propose 32 cuts a "
        "tree (global) or a node (local), weighted by second derivatives; histograms cut once. "
        "Dart drops a tenth of the trees before each round; linear boosting fits one line.",
        table=Table(
            header=("way", f"RMSE, {ROUNDS} rounds", "best", "in round"),
            rows=tuple(
                (name, f"{values[-1]:.3f}", f"{min(values):.3f}", f"{int(np.argmin(values)) + 1}")
                for name, values in curves.items()
            ),
        ),
        sources=(here.source,),
    )


def curve(train: Dataset, held: Dataset, given: dict[str, Any]) -> list[float]:
    """Return the error on the held-out rows after each round."""
    settings = Settings(n_estimators=ROUNDS, learning_rate=0.1, **given)
    _, history = boost_any(train, SquaredError(), settings, watch=Watch(sets={"held": held}))
    return history["held"]["rmse"]


def _panel(curves: dict[str, list[float]], title: str) -> str:
    last = [values[-1] for values in curves.values()]
    lowest = min(min(values) for values in curves.values())

    def paint(ax: Axes) -> None:
        for ink, values in zip(_INKS, curves.values()):
            ax.plot(range(1, len(values) + 1), values, color=ink, lw=1.8)
        top = np.median([values[4] for values in curves.values()])
        ax.set(xlim=(1, ROUNDS), ylim=(lowest - 0.06 * (top - lowest), top), xlabel="rounds")
        ax.set_title(f"RMSE: {title}", color=INK)
        labels = [
            (min(value, float(top)), name, ink) for value, name, ink in zip(last, curves, _INKS)
        ]
        end_labels(ax, labels, size=11)

    said = ", ".join(f"{name} {value:.2f}" for name, value in zip(curves, last))
    return panel(paint, alt=f"RMSE after {ROUNDS} rounds: {said}.", width=HALF, height=300)

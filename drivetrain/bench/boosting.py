"""Training boosted trees beside XGBoost, LightGBM and scikit-learn."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from drivetrain.bench.harness.case import Case, Contender, Race
from drivetrain.bench.peers import lightgbm, xgboost, xgboost_newest
from drivetrain.bench.problems.trees import Table, collisions, flights
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.logistic import Logistic
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.trees.growing.settings import Growth

ROUNDS = 100
# Losses of trees grown on other cuts differ by this much either way; ours may not be worse.
SLACK = 0.002


def cases() -> Iterator[Case]:
    """Yield training on two tables, by size of trees and threads."""
    for name, load, floor, aim in (
        ("flights", flights, 1.5, 2.0),
        ("collisions", collisions, 1.2, 1.5),
    ):
        for leaves in (31, 255):
            for threads in (1, 2):
                yield _training(name, load, leaves=leaves, threads=threads, floor=floor, aim=aim)


def ours(table: Table, *, leaves: int, rounds: int, threads: int) -> Booster:
    """Return our model of the table, binning included."""
    growth = Growth(max_depth=0, max_leaves=leaves, grow_policy="lossguide")
    settings = Settings(n_estimators=rounds, learning_rate=0.1, growth=growth, threads=threads)
    data = Dataset(x=table.x, label=table.y[:, None])
    return boost(data, Logistic() if table.binary else SquaredError(), settings)[0]


def loss(table: Table, prediction: Any) -> float:
    """Return the held-out loss: log loss of probabilities, or the root of the mean square."""
    p = np.asarray(prediction, np.float64)
    if table.binary:
        return float(-np.mean(np.log(np.where(table.held_y == 1, p, 1 - p))))
    return float(np.sqrt(np.mean(np.square(p - table.held_y))))


class _Trained:
    """Trains when called, and tells the held-out loss of what came out."""

    def __init__(self, table: Table, train: Callable[[], Any], predict: str = "predict") -> None:
        self.table, self.train, self.predict = table, train, predict
        self.model: Any = None

    def run(self) -> None:
        self.model = self.train()

    def answer(self) -> float:
        return loss(self.table, getattr(self.model, self.predict)(self.table.held_x))

    def contender(self, name: str) -> Contender:
        return Contender(name=name, run=self.run, answer=self.answer)


def _no_worse(a: float, b: float) -> str:
    assert a <= b * (1 + SLACK), f"our held-out loss {a:.5f} is worse than {b:.5f}"
    return f"held-out loss {a:.5f}, theirs {b:.5f}"


def _training(
    name: str,
    load: Callable[[], Table],
    *,
    leaves: int,
    threads: int,
    floor: float,
    aim: float,
) -> Race:
    table = load()
    given: dict[str, Any] = {"leaves": leaves, "rounds": ROUNDS, "threads": threads}
    rows = f"{len(table.y):,} x {table.x.shape[1]}"
    return Race(
        name=f"train-{name}-{leaves}-threads-{threads}",
        what=f"Train {ROUNDS} trees of {leaves} leaves, {rows} {name}, {threads} thread(s)",
        ours=_Trained(table, lambda: ours(table, **given)).contender("drivetrain"),
        peers=_peers(table, given),
        equal=_no_worse,
        floor=floor,
        aim=aim,
        repeats=3 if name == "flights" else 1,
    )


def _peers(table: Table, given: dict[str, Any]) -> tuple[Callable[[], Contender], ...]:
    def by_xgboost() -> Contender:
        def train() -> Any:
            return xgboost.train(table, **given)

        return _Trained(table, train, "inplace_predict").contender("XGBoost 3.2 hist")

    def by_newest_xgboost() -> Contender:
        return xgboost_newest.trainer(table, lambda held: loss(table, held), **given)

    def by_lightgbm() -> Contender:
        return _Trained(table, lambda: lightgbm.train(table, **given)).contender("LightGBM")

    def by_lightgbm_quantized() -> Contender:
        def train() -> Any:
            return lightgbm.train(table, **given, quantized=True)

        return _Trained(table, train).contender("LightGBM quantized")

    return by_newest_xgboost, by_xgboost, by_lightgbm, by_lightgbm_quantized

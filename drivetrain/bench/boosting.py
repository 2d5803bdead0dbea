"""Boosted trees beside XGBoost and LightGBM: training, prediction, explanations."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from drivetrain.bench.harness.case import Case, Contender, Race
from drivetrain.bench.peers import lightgbm, xgboost
from drivetrain.bench.problems.trees import Table, collisions, flights
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.files.model import loads
from drivetrain.boosting.objectives.logistic import Logistic
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.shap.explainer import Explainer

ROUNDS = 100
# Losses of trees grown on other cuts differ by this much either way; ours may not be worse.
SLACK = 0.002


def cases() -> Iterator[Case]:
    """Yield training on two tables, by size of trees and threads; prediction; explanation."""
    for name, load, floor, aim in (
        ("flights", flights, 1.5, 2.0),
        ("collisions", collisions, 1.2, 1.5),
    ):
        for leaves in (31, 255):
            for threads in (1, 2):
                yield _training(name, load, leaves=leaves, threads=threads, floor=floor, aim=aim)
    yield from _prediction()
    yield from _explanation()


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

    def by_xgboost() -> Contender:
        def train() -> Any:
            return xgboost.train(table, **given)

        return _Trained(table, train, "inplace_predict").contender("XGBoost hist")

    def by_lightgbm() -> Contender:
        return _Trained(table, lambda: lightgbm.train(table, **given)).contender("LightGBM")

    def by_lightgbm_quantized() -> Contender:
        def train() -> Any:
            return lightgbm.train(table, **given, quantized=True)

        return _Trained(table, train).contender("LightGBM quantized")

    rows = f"{len(table.y):,} x {table.x.shape[1]}"
    return Race(
        name=f"train-{name}-{leaves}-threads-{threads}",
        what=f"Train {ROUNDS} trees of {leaves} leaves, {rows} {name}, {threads} thread(s)",
        ours=_Trained(table, lambda: ours(table, **given)).contender("drivetrain"),
        peers=(by_xgboost, by_lightgbm, by_lightgbm_quantized),
        equal=_no_worse,
        floor=floor,
        aim=aim,
        repeats=3 if name == "flights" else 1,
    )


def _same(a: Any, b: Any) -> str:
    difference = float(np.abs(np.asarray(a) - np.asarray(b)).max())
    assert difference == 0, f"predictions differ by {difference:.2g}"
    return "the same bits"


def _prediction() -> Iterator[Race]:
    """Yield XGBoost's own trees walked by both, a batch and one row at a time."""
    table = flights()
    for leaves in (31, 255):
        theirs = xgboost.train(table, leaves=leaves, rounds=ROUNDS, threads=2)
        theirs.set_param({"nthread": 1})
        model = loads(bytes(theirs.save_raw("ubj")))
        for rows, floor, aim in ((60_000, 2.0, 3.0), (1, 1.0, 5.0)):
            x = np.ascontiguousarray(table.held_x[:rows])
            yield Race(
                name=f"predict-{leaves}-rows-{rows}",
                what=f"Predict {rows:,} rows by {ROUNDS} trees of {leaves} leaves, 1 thread",
                ours=Contender(name="drivetrain", run=partial(model.predict, x)),
                peers=(_thunk(partial(theirs.inplace_predict, x), "XGBoost inplace_predict"),),
                equal=_same,
                floor=floor,
                aim=aim,
                work=(rows, "rows"),
            )


def _thunk(run: Callable[[], Any], name: str) -> Callable[[], Contender]:
    def build() -> Contender:
        return Contender(name=name, run=run)

    return build


def _explanation() -> Iterator[Race]:
    """Yield Shapley values of XGBoost's own trees, and of pairs."""
    table = flights()
    theirs = xgboost.train(table, leaves=31, rounds=ROUNDS, threads=2)
    theirs.set_param({"nthread": 1})
    model = loads(bytes(theirs.save_raw("ubj")))
    base = model.objective.to_margin(model.base_score)
    explainer = Explainer(model.forest)
    for name, rows, floor, aim in (("shap", 1000, 2.5, 4.0), ("shap-pairs", 100, 1.0, 2.0)):
        x = np.ascontiguousarray(table.held_x[:rows])
        given = xgboost.matrix(x, threads=1)
        pairs = name == "shap-pairs"
        call = explainer.interactions if pairs else explainer.values
        key = "pred_interactions" if pairs else "pred_contribs"
        margin = model.margin(x)[:, 0]
        yield Race(
            name=name,
            what=f"Exact Shapley values{' of pairs' if pairs else ''}, {rows} rows, 1 thread",
            ours=Contender(name="drivetrain", run=partial(_first_output, call, x, base)),
            peers=(_thunk(partial(theirs.predict, given, **{key: True}), "XGBoost 3.2"),),
            equal=partial(_as_exact, margin),
            floor=floor,
            aim=aim,
            work=(rows, "rows"),
            repeats=5,
        )


def _first_output(call: Callable[..., Any], x: Any, base: Any) -> Any:
    return call(x, base)[:, 0]


def _as_exact(margin: Any, a: Any, b: Any) -> str:
    """Demand that ours sum to the margins at least as exactly as theirs."""
    axes = tuple(range(1, a.ndim))
    off = [float(np.abs(v.sum(axis=axes) - margin).max()) for v in (a, b)]
    assert off[0] <= off[1] * 1.01, f"our sums are off by {off[0]:.2g}, theirs by {off[1]:.2g}"
    return f"sums off by {off[0]:.1e}, theirs by {off[1]:.1e}"

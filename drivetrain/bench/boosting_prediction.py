"""Prediction and explanation by boosted trees beside XGBoost and LightGBM: the same trees."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from drivetrain.bench.boosting import ROUNDS
from drivetrain.bench.harness.case import Case, Contender, Race
from drivetrain.bench.peers import lightgbm, xgboost, xgboost_newest
from drivetrain.bench.problems.trees import Table, flights
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.files.model import loads
from drivetrain.trees.shap.explainer import Explainer

BATCH = 60_000
# LightGBM's numbers are float64, ours float32: a leaf's value and each of 100 additions round
# by 2**-24 of the sum.
_FLOAT32 = (ROUNDS + 1) * 2.0**-24


def cases() -> Iterator[Case]:
    """Yield a batch and one row walked by XGBoost's trees and LightGBM's; explanations."""
    table = flights()
    for leaves in (31, 255):
        theirs = xgboost.train(table, leaves=leaves, rounds=ROUNDS, threads=2)
        theirs.set_param({"nthread": 1})
        file = bytes(theirs.save_raw("ubj"))
        yield from _by_xgboost(table, theirs, file, leaves)
        if leaves == 31:
            yield from _explanation(table, theirs, file)
        yield _by_lightgbm(table, leaves)


def _thunk(run: Callable[[], Any], name: str) -> Callable[[], Contender]:
    def build() -> Contender:
        return Contender(name=name, run=run)

    return build


def _same(a: Any, b: Any) -> str:
    difference = float(np.abs(np.asarray(a) - np.asarray(b)).max())
    assert difference == 0, f"predictions differ by {difference:.2g}"
    return "the same bits"


def _by_xgboost(table: Table, theirs: Any, file: bytes, leaves: int) -> Iterator[Race]:
    model = loads(file)
    for rows, floor, aim in ((BATCH, 2.0, 3.0), (1, 1.0, 5.0)):
        x = np.ascontiguousarray(table.held_x[:rows])

        def newest(x: Any = x) -> Contender:
            return xgboost_newest.walker(file, x, "predict")

        yield Race(
            name=f"predict-{leaves}-rows-{rows}",
            what=f"Predict {rows:,} rows by {ROUNDS} trees of {leaves} leaves, 1 thread",
            ours=Contender(name="drivetrain", run=partial(model.predict, x)),
            peers=(newest, _thunk(partial(theirs.inplace_predict, x), "XGBoost 3.2 inplace")),
            equal=_same,
            floor=floor,
            aim=aim,
            work=(rows, "rows"),
        )


def _by_lightgbm(table: Table, leaves: int) -> Race:
    theirs = lightgbm.train(table, leaves=leaves, rounds=ROUNDS, threads=2)
    model: Booster = loads(theirs.model_to_string().encode())
    x = np.ascontiguousarray(table.held_x[:BATCH])
    return Race(
        name=f"predict-lightgbm-{leaves}",
        what=f"Predict {BATCH:,} rows by LightGBM's {ROUNDS} trees of {leaves} leaves, 1 thread",
        ours=Contender(name="drivetrain", run=partial(model.predict, x)),
        peers=(_thunk(partial(theirs.predict, x, num_threads=1), "LightGBM"),),
        equal=_near,
        floor=5.0,
        aim=7.0,
        work=(BATCH, "rows"),
    )


def _near(a: Any, b: Any) -> str:
    off = float(np.abs(a - b).max())
    # Partial sums may exceed the end's: leaves of flights reach some hundreds of minutes.
    bound = _FLOAT32 * 4 * float(np.abs(b).max())
    assert off <= bound, f"predictions differ by {off:.2g}, more than {bound:.2g}"
    return f"largest difference {off:.1e}: float32 beside float64"


def _explanation(table: Table, theirs: Any, file: bytes) -> Iterator[Race]:
    """Yield Shapley values of XGBoost's own trees, and of pairs."""
    model = loads(file)
    base = model.objective.to_margin(model.base_score)
    explainer = Explainer(model.forest)
    for name, rows, floor, aim in (("shap", 1000, 2.5, 4.0), ("shap-pairs", 100, 2.0, 4.0)):
        x = np.ascontiguousarray(table.held_x[:rows])
        given = xgboost.matrix(x, threads=1)
        pairs = name == "shap-pairs"
        call = explainer.interactions if pairs else explainer.values
        key = "pred_interactions" if pairs else "pred_contribs"

        def newest(x: Any = x, task: str = name) -> Contender:
            return xgboost_newest.walker(file, x, task)

        yield Race(
            name=name,
            what=f"Exact Shapley values{' of pairs' if pairs else ''}, {rows} rows, 1 thread",
            ours=Contender(name="drivetrain", run=partial(_first_output, call, x, base)),
            # The goal is set against the newest, which is the fastest.
            peers=(newest, _thunk(partial(theirs.predict, given, **{key: True}), "XGBoost 3.2")),
            equal=partial(_as_exact, _exact_margin(model, x)),
            floor=floor,
            aim=aim,
            work=(rows, "rows"),
            repeats=5,
        )


def _first_output(call: Callable[..., Any], x: Any, base: Any) -> Any:
    return call(x, base)[:, 0]


def _exact_margin(model: Booster, x: Any) -> Any:
    """Return the margins summed in float64: a float32 sum is no judge of float32 errors."""
    forest = model.forest
    reached = forest.offsets[:-1] + model.leaves(x)
    base = model.objective.to_margin(model.base_score).astype(np.float64)
    return base[0] + forest.value[:, 0].astype(np.float64)[reached].sum(axis=1)


def _as_exact(margin: Any, a: Any, b: Any) -> str:
    """Demand that ours sum to the margins at least as exactly as theirs."""
    axes = tuple(range(1, a.ndim))
    off = [float(np.abs(v.sum(axis=axes, dtype=np.float64) - margin).max()) for v in (a, b)]
    assert off[0] <= off[1] * 1.01, f"our sums are off by {off[0]:.2g}, theirs by {off[1]:.2g}"
    return f"sums off by {off[0]:.1e}, theirs by {off[1]:.1e}"

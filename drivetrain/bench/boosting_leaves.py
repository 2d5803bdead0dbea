"""Vector leaves, linear leaves, symmetric trees and wide tables beside XGBoost and LightGBM."""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.bench.harness.case import Case, Contender, Race
from drivetrain.bench.peers import lightgbm, xgboost_trees
from drivetrain.bench.problems.trees import Table, flights
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.files.model import loads
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.prediction.predictor import Predictor

ROUNDS = 50
RATE = 0.1
BATCH = 60_000
VECTORS: dict[str, Any] = {"multi_strategy": "multi_output_tree"}
Floats = NDArray[np.float32]


def cases() -> Iterator[Case]:
    """Yield training and prediction with one thread, each at its peer's own loss or bits."""
    for outputs in (3, 10):
        yield _vectors(outputs)
    yield _vector_walk(3)
    yield _symmetric_walk()
    yield _lines()
    yield _wide()


@lru_cache(maxsize=1)
def targets(outputs: int) -> Table:
    """Return 200,000 rows of 20 columns with targets that share their bends."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(250_000, 20)).astype(np.float32)
    mixed = x @ rng.normal(size=(20, outputs)).astype(np.float32)
    noise = rng.normal(0, 0.3, mixed.shape)
    y = (np.tanh(mixed) + np.maximum(x[:, :1], 0) * x[:, 1:2] + noise).astype(np.float32)
    n = 200_000
    return Table(x=x[:n], y=y[:n], held_x=x[n:], held_y=y[n:], binary=False)


@lru_cache(maxsize=1)
def mostly_missing() -> Table:
    """Return 8,000 rows of 5,000 columns of which 2 % are filled."""
    rng = np.random.default_rng(0)
    x = np.full((10_000, 5_000), np.nan, np.float32)
    at = rng.random(x.shape, dtype=np.float32) < 0.02
    x[at] = rng.normal(size=int(at.sum()))
    filled = (~np.isnan(x[:, 50:100])).sum(axis=1)
    y = (np.nan_to_num(x[:, :50]).sum(axis=1) + filled).astype(np.float32)
    return Table(x=x[:8000], y=y[:8000], held_x=x[8000:], held_y=y[8000:], binary=False)


def trained(table: Table, growth: Growth, *, rounds: int = ROUNDS, **given: Any) -> Booster:
    """Return our model, from values to trees."""
    settings = Settings(n_estimators=rounds, learning_rate=RATE, growth=growth, **given)
    data = Dataset(x=table.x, label=table.y.reshape(len(table.x), -1))
    return boost(data, SquaredError(), settings)[0]


def by_xgboost(table: Table, *, rounds: int = ROUNDS, **given: Any) -> Any:
    """Return XGBoost's."""
    params = {"max_depth": 6, "eta": RATE, "nthread": 1, "tree_method": "hist", **given}
    return xgboost_trees.grown(table.x, table.y, params, rounds)


def _no_worse(predict: Callable[[Any, Floats], Floats], table: Table, slack: float) -> Any:
    """Return the test that our held-out error is at most so much above the peer's."""

    def equal(model: Booster, peer: Any) -> str:
        errors = [
            float(np.sqrt(np.mean(np.square(np.asarray(one) - table.held_y))))
            for one in (model.predict(table.held_x), predict(peer, table.held_x))
        ]
        assert errors[0] <= slack * errors[1], f"RMSE {errors[0]:.4f} beside {errors[1]:.4f}"
        return f"RMSE {errors[0]:.4f} beside {errors[1]:.4f}"

    return equal


def _walked(peer: Any, x: Floats) -> Floats:
    return peer.inplace_predict(x)


def _vectors(outputs: int) -> Race:
    table = targets(outputs)
    return Race(
        name=f"vectors-{outputs}",
        what=f"{ROUNDS} trees of {outputs} outputs a leaf, depth 6, 200,000 x 20, 1 thread",
        ours=Contender(
            name="drivetrain", run=partial(trained, table, Growth(max_depth=6), **VECTORS)
        ),
        peers=(lambda: Contender(name="XGBoost 3.2", run=partial(by_xgboost, table, **VECTORS)),),
        equal=_no_worse(_walked, table, 1.01),
        floor=1.2,
        aim=1.5,
        repeats=3,
    )


def _same(a: Any, b: Any) -> str:
    assert np.array_equal(a, b), "predictions differ"
    return "the same bits"


def _vector_walk(outputs: int) -> Race:
    table = targets(outputs)
    theirs = by_xgboost(table, **VECTORS)
    model = loads(bytes(theirs.save_raw("ubj")))
    x = np.ascontiguousarray(table.held_x[:BATCH])
    return Race(
        name=f"vectors-predict-{outputs}",
        what=f"Predict {len(x):,} rows by {ROUNDS} trees of {outputs} outputs a leaf, 1 thread",
        ours=Contender(name="drivetrain", run=partial(model.predict, x)),
        peers=(lambda: Contender(name="XGBoost 3.2", run=partial(_walked, theirs, x)),),
        equal=_same,
        floor=1.5,
        work=(len(x), "rows"),
    )


def _symmetric_walk() -> Race:
    table = flights()
    model = trained(table, Growth(max_depth=6, grow_policy="symmetric"))
    x = np.ascontiguousarray(table.held_x[:BATCH])
    start = model.objective.to_margin(model.base_score)
    levels, nodes = Predictor(model.forest), Predictor(model.forest)
    nodes.__dict__["_levels"] = None
    return Race(
        name="symmetric-predict",
        what=f"Predict {BATCH:,} rows by {ROUNDS} symmetric trees: by levels, or node by node",
        ours=Contender(name="by levels", run=partial(levels.margin, x, start)),
        peers=(lambda: Contender(name="node by node", run=partial(nodes.margin, x, start)),),
        equal=_same,
        floor=1.5,
        work=(BATCH, "rows"),
    )


def _lines() -> Race:
    table = flights()
    growth = Growth(max_depth=0, max_leaves=31, grow_policy="lossguide")
    lines: dict[str, Any] = {"linear_tree": True, "linear_lambda": 1.0}

    def peer() -> Contender:
        run = partial(lightgbm.lines, table, leaves=31, rounds=ROUNDS, linear_lambda=1.0)
        return Contender(name="LightGBM", run=run)

    return Race(
        name="lines",
        what=f"{ROUNDS} trees of 31 linear leaves on flights, 1 thread",
        ours=Contender(name="drivetrain", run=partial(trained, table, growth, **lines)),
        peers=(peer,),
        equal=_no_worse(lambda one, x: one.predict(x), table, 1.0),
        floor=1.0,
        repeats=3,
    )


def _wide() -> Race:
    table, few = mostly_missing(), 10
    return Race(
        name="wide",
        what=f"{few} trees of depth 6 on 8,000 x 5,000, 98 % missing, 1 thread",
        ours=Contender(
            name="drivetrain", run=partial(trained, table, Growth(max_depth=6), rounds=few)
        ),
        peers=(lambda: Contender(name="XGBoost 3.2", run=partial(by_xgboost, table, rounds=few)),),
        equal=_no_worse(_walked, table, 1.02),
        repeats=3,
    )

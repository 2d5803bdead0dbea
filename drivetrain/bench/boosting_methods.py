"""XGBoost's own trees by exact, approximate and float-histogram growth: node for node, and time."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from drivetrain.bench.harness.case import Case, Contender, Race
from drivetrain.bench.peers import xgboost_trees
from drivetrain.bench.problems.trees import flights
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.trees.growing.settings import Growth

ROUNDS = 20
BINS = 256
GROWTH = Growth(max_depth=6)
# How to ask for XGBoost's own trees.
METHODS: dict[str, dict[str, Any]] = {
    "exact": {"tree_method": "exact"},
    "hist": {"histogram": "float", "cuts": "quantile"},
    "approx": {"tree_method": "approx", "histogram": "float"},
}


def cases() -> Iterator[Case]:
    """Yield training by each method, one thread: XGBoost's sums depend on how many there are."""
    for method in METHODS:
        yield _race(method)


def ours(method: str) -> Booster:
    """Return our model of the flights, from values to trees."""
    table = flights()
    settings = Settings(
        n_estimators=ROUNDS, learning_rate=0.1, growth=GROWTH, max_bin=BINS, **METHODS[method]
    )
    return boost(Dataset(x=table.x, label=table.y[:, None]), SquaredError(), settings)[0]


def theirs(method: str) -> Any:
    """Return XGBoost's."""
    table = flights()
    params = xgboost_trees.params_of(GROWTH, method)
    params |= {"max_bin": BINS, "nthread": 1, "eta": 0.1}
    return xgboost_trees.grown(table.x, table.y, params, ROUNDS)


def equal(model: Booster, peer: Any) -> str:
    """Tell how many nodes are the same to the bit; all must be."""
    counts = [
        xgboost_trees.equal_nodes(model.forest, k, tree)
        for k, tree in enumerate(xgboost_trees.trees(peer))
    ]
    same, total = (int(v) for v in np.sum(counts, axis=0))
    assert same == total, f"{same} of {total} nodes are XGBoost's"
    return f"all {total} nodes are XGBoost's to the bit"


def _race(method: str) -> Race:
    return Race(
        name=f"nodes-{method}",
        what=f"{ROUNDS} trees of depth 6 on flights, tree_method={method!r}, 1 thread",
        ours=Contender(name="drivetrain", run=lambda: ours(method)),
        peers=(lambda: Contender(name="XGBoost 3.2", run=lambda: theirs(method)),),
        equal=equal,
        floor=1.0,
        repeats=3,
    )

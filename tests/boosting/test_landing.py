"""Rows walked through one tree land where prediction says, whatever the tree and the values."""

import numpy as np
import pytest

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.landing import add_tree, landed
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.trees.growing.settings import Growth

CASES = {
    "numbers": {},
    "leafwise": {"growth": Growth(max_depth=0, max_leaves=40, grow_policy="lossguide")},
    "stump": {"growth": Growth(max_depth=1)},
    "no split": {"growth": Growth(gamma=1e9)},
    "vectors": {"multi_strategy": "multi_output_tree"},
}


def table(n: int, *, kinds: bool = False, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 3] = rng.integers(0, 9, n)
    x[rng.random(x.shape) < 0.2] = np.nan
    y = np.nan_to_num(x[:, 0] * x[:, 1] + (x[:, 3] % 3))
    both = np.stack([y, -(y**2)], axis=1).astype(np.float32)
    return Dataset(x=x, label=both, categorical=np.array([0, 0, 0, kinds], bool))


@pytest.mark.parametrize(
    ("case", "kinds"), [*((case, False) for case in CASES), ("numbers", True), ("leafwise", True)]
)
def test_rows_land_where_prediction_says(case: str, kinds: bool) -> None:
    data = table(500, kinds=kinds)
    model, _ = boost(data, SquaredError(), Settings(n_estimators=2, **CASES[case]))  # type: ignore[arg-type]
    for n in (0, 1, 7, 8, 9, 300):
        other = table(n, kinds=kinds, seed=n + 1)
        if n > 8 and not kinds:
            # A watched set may hold what training refuses.
            other.x[3, 0], other.x[5, 1] = np.inf, -np.inf
        leaves = model.leaves(other.x)
        some = np.arange(0, n, 3)
        for t in range(len(model.forest)):
            tree = model.forest.take(slice(t, t + 1))
            assert np.array_equal(landed(other, tree), leaves[:, t])
            assert np.array_equal(landed(other, tree, rows=some, threads=2), leaves[some, t])


@pytest.mark.parametrize("case", CASES)
def test_trees_added_one_by_one_are_the_model(case: str) -> None:
    data = table(70_000)
    model, _ = boost(data, SquaredError(), Settings(n_estimators=3, **CASES[case]))  # type: ignore[arg-type]
    for threads in (1, 3):
        margin = np.empty((len(data), 2), np.float32)
        margin[:] = model.base_score
        for t in range(len(model.forest)):
            tree = model.forest.take(slice(t, t + 1))
            half = np.arange(len(data)) % 2 == 0
            for rows in (np.flatnonzero(half), np.flatnonzero(~half)):
                add_tree(data, tree, margin, rows=rows, threads=threads)
        assert margin.tobytes() == model.margin(data.x).tobytes()

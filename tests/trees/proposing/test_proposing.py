"""The approximate method: one proposal a tree, XGBoost's very nodes, on floats and on packed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.bench.peers import xgboost_trees
from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.floating.planter import FloatPlanter
from drivetrain.trees.growing.packed import PackedPlanter
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Planter
from drivetrain.trees.proposing.planter import ProposingPlanter

Array = np.ndarray
GROWTHS = {
    "default": Growth(),
    "lossguide": Growth(max_depth=0, max_leaves=20, grow_policy="lossguide", reg_alpha=0.1),
    "gamma": Growth(max_depth=5, gamma=1.0, min_child_weight=0.1),
}


def problem(seed: int, n: int) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    kinds = np.array([False, False, seed % 3 == 0])
    if kinds[2]:
        x[:, 2] = rng.integers(0, 9, n)
    x[rng.random(x.shape) < rng.choice([0, 0.2])] = np.nan
    g = rng.normal(size=n) + np.nan_to_num(np.sin(2 * x[:, 0]))
    return x.astype(np.float32), g.astype(np.float32), rng.random(n).astype(np.float32), kinds


def on_floats(growth: Growth):  # type: ignore[no-untyped-def]
    def grow_on(matrix: BinnedMatrix) -> Planter:
        return FloatPlanter(matrix, growth, sum_rows=True)

    return grow_on


@pytest.mark.peer
@pytest.mark.parametrize("name", GROWTHS)
@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**20),
    n=st.sampled_from([2, 20, 300, 3000]),
    bins=st.sampled_from([4, 32, 256]),
)
def test_every_node_is_xgboosts(name: str, seed: int, n: int, bins: int) -> None:
    pytest.importorskip("xgboost")
    x, g, h, kinds = problem(seed, n)
    theirs = xgboost_trees.tree(
        x, (g, h), GROWTHS[name], method="approx", bins=bins, categorical=kinds,
        objective="binary:logistic",
    )  # fmt: skip
    planter = ProposingPlanter(x, on_floats(GROWTHS[name]), bins=bins, categorical=kinds)
    tree = planter.plant(g[:, None], h[:, None], None, seed=0)
    planter.close()
    forest = tree.forest(tree.values.astype(np.float32))
    equal, total = xgboost_trees.equal_nodes(forest, 0, theirs)
    assert equal == total


def test_proposals_follow_the_hessians() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((2000, 1)).astype(np.float32)
    seen: list[Array] = []

    def grow_on(matrix: BinnedMatrix) -> Planter:
        seen.append(matrix.cuts.of(0).copy())
        return PackedPlanter(matrix, Growth())

    planter = ProposingPlanter(x, grow_on, bins=10, threads=2)
    g = rng.normal(size=(2000, 1)).astype(np.float32)
    for heavy in (0.0, 0.5):
        h = np.where(x >= heavy, 1, 0.01).astype(np.float32) * (1 + 0.001 * x)
        planter.plant(g, h, None, seed=0)
    planter.close()
    assert (seen[0][:-1] < 0.5).sum() in (4, 5)
    assert (seen[1][:-1] < 0.5).sum() <= 1


def test_one_proposal_lasts_where_hessians_do_not_change() -> None:
    rng = np.random.default_rng(0)
    x, g = rng.random((500, 2)).astype("f4"), rng.normal(size=(500, 1)).astype("f4")
    made = []

    def grow_on(matrix: BinnedMatrix) -> Planter:
        made.append(matrix)
        return PackedPlanter(matrix, Growth())

    weight = rng.random(500).astype(np.float32)
    planter = ProposingPlanter(x, grow_on, bins=16, weight=weight)
    for _ in range(3):
        planter.plant(g, weight[:, None], None, seed=0)
    assert len(made) == 1
    planter.plant(g, weight[:, None] * 2, np.arange(0, 500, 2, dtype=np.uint32), seed=0)
    planter.close()
    assert len(made) == 2

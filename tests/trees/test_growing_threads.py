"""Threads inside the kernel: the same bits for any number of them, and after a fork."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.trees.binning.cuts import find_cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix
from drivetrain.trees.growing.gradients import Gradients, pack_gradients
from drivetrain.trees.growing.grower import Grower, Grown
from drivetrain.trees.growing.masks import Masks, sample
from drivetrain.trees.growing.settings import Growth


def problem(seed: int, n: int, categories: int) -> tuple[BinnedMatrix, Gradients]:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 40, (n, 6)).astype(np.float32)
    x[:, 5] = rng.integers(0, categories + 1, n)
    x[rng.random(x.shape) < 0.05] = np.nan
    kinds = np.array([False] * 5 + [categories > 0])
    g = (rng.normal(size=n) + np.nan_to_num(x[:, 1]) / 9 + np.nan_to_num(x[:, 5])).astype("f4")
    h = rng.random(n).astype(np.float32) if seed % 2 else np.ones(1, np.float32)
    matrix = bin_matrix(x, find_cuts(x, max_bins=64, categorical=kinds))
    return matrix, pack_gradients(g, h, seed=seed)


def tree_of(grown: Grown) -> list[bytes]:
    """Return what a tree is, whatever the order its nodes were made in."""
    leaf = np.zeros(len(grown.rows), np.int64)
    for k, node in enumerate(grown.leaves):
        leaf[slice(*grown.span[node])] = k
    parts = [grown.rows, leaf, grown.values, grown.records[grown.leaves][:, [6, 7]]]
    return [np.ascontiguousarray(part).tobytes() for part in parts]


def grown(matrix: BinnedMatrix, growth: Growth, pairs: Gradients, threads: int) -> list[bytes]:
    grower = Grower(matrix, growth, threads=threads)
    rows = np.arange(1, len(matrix), 2, dtype=np.uint32)
    out = tree_of(grower.grow(pairs, seed=3)) + tree_of(grower.grow(pairs, rows, seed=3))
    grower.close()
    return out


GROWTHS = [
    Growth(max_depth=5),
    Growth(max_depth=0, max_leaves=31, grow_policy="lossguide"),
    Growth(max_depth=0, max_leaves=33, grow_policy="lossguide", colsample_bynode=0.5),
    Growth(max_depth=0, grow_policy="depthwise", min_child_weight=3.0, reg_alpha=1.0),
    Growth(max_leaves=20, monotone_constraints=(0, 1), interaction_constraints=((0, 1, 5), (2, 3))),
]


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**20),
    n=st.integers(2, 12_000),
    growth=st.sampled_from(GROWTHS),
    categories=st.sampled_from([0, 3, 12]),
    threads=st.sampled_from([2, 3, 5, 9]),
)
def test_any_number_of_threads_grows_the_same_bits(
    seed: int, n: int, growth: Growth, categories: int, threads: int
) -> None:
    matrix, pairs = problem(seed, n, categories)
    assert grown(matrix, growth, pairs, threads) == grown(matrix, growth, pairs, 1)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_looking_ahead_does_not_change_a_bit(batch: int) -> None:
    matrix, pairs = problem(1, 9000, 5)
    growth = Growth(max_depth=0, max_leaves=64, grow_policy="lossguide")
    one, other = Grower(matrix, growth), Grower(matrix, growth, threads=2)
    other.batch = batch
    assert tree_of(one.grow(pairs)) == tree_of(other.grow(pairs))
    other.close()


def test_a_tree_finds_more_room_than_it_began_with() -> None:
    matrix, pairs = problem(2, 8000, 4)
    growth = Growth(max_depth=0, min_child_weight=0.0, reg_lambda=0.0, colsample_bytree=0.9)
    grower = Grower(matrix, growth, threads=2)
    first = grower.grow(pairs)
    assert len(first.leaves) > 1000
    assert np.isfinite(first.records[:, :8]).all()
    assert tree_of(first) == tree_of(Grower(matrix, growth).grow(pairs))
    # And begins with it the next time.
    assert tree_of(grower.grow(pairs)) == tree_of(first)
    grower.close()


SHARES = {"colsample_bytree": 0.7, "colsample_bylevel": 0.8, "colsample_bynode": 0.5}


@pytest.mark.parametrize("groups", [(), ((0, 1, 5), (2, 3), (1, 4))])
def test_features_of_the_kernel_are_those_of_the_masks(groups: tuple[tuple[int, ...], ...]) -> None:
    matrix, pairs = problem(5, 5000, 0)
    growth = Growth(max_depth=5, interaction_constraints=groups, **SHARES)
    grower = Grower(matrix, growth)
    tree = grower.grow(pairs, seed=11)
    flags = grower._room.flags
    assert flags is not None
    masks, depth = Masks(growth, 6, 11), {0: 0}
    assert np.array_equal(flags[0, 0], masks.root())
    for node in range(len(tree.left)):
        first = int(tree.left[node])
        if first < 0:
            continue
        depth[first] = depth[first + 1] = depth[node] + 1
        feature = int(tree.records[node, 1])
        assert flags[node, 0, feature]
        expected = masks.children(node, feature, first, depth[first])
        assert np.array_equal(flags[first : first + 2, 0], expected)


@given(st.lists(st.booleans(), min_size=1, max_size=70), st.floats(0.01, 1.0), st.integers(0, 999))
@settings(deadline=None, max_examples=60)
def test_a_draw_keeps_its_share(given_flags: list[bool], share: float, key: int) -> None:
    flags = np.array(given_flags, np.uint8)
    drawn = sample(flags, share, [key, 1])
    size = int(flags.sum())
    assert drawn.sum() == min(size, max(1, int(share * size)))
    assert not (drawn & ~flags).any()


def test_a_draw_favours_no_feature() -> None:
    counts = sum(sample(np.ones(8, np.uint8), 0.5, [key]).astype(int) for key in range(4000))
    # 4000 draws of 4 in 8: mean 2000, standard deviation sqrt(4000/4) = 32; six of them.
    assert (np.abs(counts - 2000) < 6 * 32).all()


FORKED = """
import os, sys
import numpy as np
sys.path.insert(0, {path!r})
from test_growing_threads import Grower, Growth, problem, tree_of
{torch}
matrix, pairs = problem(1, 6000, 3)
grower = Grower(matrix, Growth(max_depth=6), threads=2)
before = tree_of(grower.grow(pairs))
child = os.fork()
if not child:
    same = tree_of(grower.grow(pairs)) == before
    fresh = Grower(matrix, Growth(max_depth=6), threads=3)
    same = same and tree_of(fresh.grow(pairs)) == before
    os._exit(0 if same else 1)
assert os.waitpid(child, 0)[1] == 0
assert tree_of(grower.grow(pairs)) == before
grower.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("torch", ["", "import torch; torch.ones(300, 300) @ torch.ones(300, 300)"])
def test_a_forked_child_grows_the_same_tree(torch: str) -> None:
    script = FORKED.format(path=os.path.dirname(__file__), torch=torch)
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr

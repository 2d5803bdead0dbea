"""The grower against the textbook's: the same leaves for the same gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.trees import reference
from drivetrain.trees.binning.cuts import find_cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix
from drivetrain.trees.forest import Forest
from drivetrain.trees.growing.gradients import pack_gradients
from drivetrain.trees.growing.grower import Grower, Grown
from drivetrain.trees.growing.planting import to_planted
from drivetrain.trees.growing.settings import Growth


def problem(seed: int, n: int, features: int) -> tuple[BinnedMatrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, rng.integers(2, 30, features), (n, features)).astype(np.float32)
    x[rng.random((n, features)) < rng.choice([0, 0.2], features)] = np.nan
    # Whole numbers would tie, and ties fall where the last bit of a gain says.
    g = rng.normal(0, 300, n).astype(np.float32)
    return bin_matrix(x, find_cuts(x, max_bins=255)), g


def _forest(grown: Grown, matrix: BinnedMatrix) -> Forest:
    planted = to_planted(grown, matrix.cuts)
    return planted.forest(planted.values.astype(np.float32))


def leaf_of(grown: Grown, n: int) -> np.ndarray:
    leaf = np.full(n, -1)
    for node in grown.leaves:
        begin, end = grown.span[node]
        leaf[grown.rows[begin:end]] = node
    return leaf


def same_groups(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = {(int(i), int(j)) for i, j in zip(a, b)}
    return len(pairs) == len({i for i, _ in pairs}) == len({j for _, j in pairs})


GROWTHS = [
    Growth(),
    Growth(max_depth=0, max_leaves=9, grow_policy="lossguide"),
    Growth(max_depth=3, max_leaves=5),
    Growth(max_depth=0, max_leaves=40, grow_policy="lossguide", reg_lambda=0.0),
    Growth(max_depth=4, reg_alpha=200.0, gamma=5000.0),
    Growth(max_depth=4, max_delta_step=20.0, min_child_weight=7.0),
]


@pytest.mark.parametrize("growth", GROWTHS)
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**20), n=st.integers(1, 400), features=st.integers(1, 6))
def test_leaves_are_the_textbooks(growth: Growth, seed: int, n: int, features: int) -> None:
    matrix, g = problem(seed, n, features)
    # The reference is given the steps that the gradients were rounded to: the sums are equal.
    pairs = pack_gradients(g, np.ones(1, np.float32), seed=seed)
    steps = (pairs.packed >> 32) * pairs.units[0]
    grown = Grower(matrix, growth).grow(pairs)
    expected = reference.grow(
        matrix.columns.T.astype(np.int64), steps, np.ones(n), matrix.missing, growth
    )
    assert same_groups(leaf_of(grown, n), expected)


@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
def test_threads_and_look_ahead_do_not_change_a_bit(policy: str) -> None:
    rng = np.random.default_rng(0)
    n = 150_000
    x = rng.normal(size=(n, 7)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    g = rng.normal(size=n).astype(np.float32) + np.nan_to_num(x[:, 0])
    h = rng.random(n).astype(np.float32)
    matrix = bin_matrix(x, find_cuts(x, max_bins=64))
    growth = Growth(max_depth=7, max_leaves=50, grow_policy=policy)  # type: ignore[arg-type]
    pairs = pack_gradients(g, h, seed=3)
    one = Grower(matrix, growth, threads=1)
    few = Grower(matrix, growth, threads=3)
    few.batch = 2
    a, b = one.grow(pairs), few.grow(pairs)
    few.close()
    assert same_groups(leaf_of(a, n), leaf_of(b, n))
    assert sorted(a.values.tolist()) == sorted(b.values.tolist())


def test_a_subset_of_rows_is_a_smaller_matrix() -> None:
    matrix, g = problem(5, 300, 4)
    rows = np.flatnonzero(np.arange(300) % 3 != 0).astype(np.uint32)
    pairs = pack_gradients(g, np.ones(1, np.float32), seed=1)
    growth = Growth(max_depth=4)
    grown = Grower(matrix, growth).grow(pairs, rows)
    steps = ((pairs.packed >> 32) * pairs.units[0])[rows]
    codes = matrix.columns.T[rows].astype(np.int64)
    expected = reference.grow(codes, steps, np.ones(len(rows)), matrix.missing, growth)
    assert same_groups(leaf_of(grown, 300)[rows], expected)
    assert set(leaf_of(grown, 300)[np.arange(300) % 3 == 0]) == {-1}


def test_monotone_constraints_hold_on_every_path() -> None:
    rng = np.random.default_rng(2)
    x = rng.random((4000, 3)).astype(np.float32)
    g = (np.sin(9 * x[:, 0]) + x[:, 1] + rng.normal(0, 0.3, 4000)).astype(np.float32)
    matrix = bin_matrix(x, find_cuts(x, max_bins=50))
    growth = Growth(max_depth=6, monotone_constraints=(1, 0, 0))
    pairs = pack_gradients(g, np.ones(1, np.float32), seed=0)
    grown = Grower(matrix, growth).grow(pairs)
    value = np.zeros(4000)
    for node, v in zip(grown.leaves, grown.values):
        value[grown.rows[slice(*grown.span[node])]] = v
    from drivetrain.trees.prediction.predictor import Predictor

    predictor = Predictor(_forest(grown, matrix))
    grid = np.linspace(0, 1, 200, dtype=np.float32)
    for other in rng.random((20, 2)).astype(np.float32):
        line = np.stack([grid, *(np.full(200, v, np.float32) for v in other)], axis=1)
        margin = predictor.margin(line, np.zeros(1, np.float32))[:, 0]
        assert (np.diff(margin) >= -1e-6).all()
    # The thresholds send every training row to the leaf it was grown in.
    assert np.array_equal(predictor.margin(x, np.zeros(1, np.float32))[:, 0], value.astype("f4"))


def test_leaf_weights_are_the_closed_form() -> None:
    matrix, g = problem(9, 500, 3)
    h = np.random.default_rng(1).random(500).astype(np.float32)
    growth = Growth(max_depth=3, reg_lambda=2.0, reg_alpha=30.0)
    grown = Grower(matrix, growth).grow(pack_gradients(g, h, seed=0))
    for node, value in zip(grown.leaves, grown.values):
        rows = grown.rows[slice(*grown.span[node])]
        exact = reference.weight(
            float(g[rows].sum(dtype=float)), float(h[rows].sum(dtype=float)), growth
        )
        # Leaves are summed in units of 2**-62 of the whole: far below float64's own rounding.
        assert value == pytest.approx(exact, rel=1e-12, abs=1e-15)


def categorical_matrix(seed: int, n: int, categories: int) -> tuple[BinnedMatrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.stack([rng.integers(0, categories, n), rng.normal(size=n)], axis=1).astype(np.float32)
    x[rng.random(n) < 0.1, 0] = np.nan
    kinds = np.array([True, False])
    return bin_matrix(x, find_cuts(x, max_bins=64, categorical=kinds)), x


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**20), categories=st.integers(2, 7), onehot=st.sampled_from([1, 4, 9]))
def test_categories_are_parted_as_well_as_any_subset_could(
    seed: int, categories: int, onehot: int
) -> None:
    """Sorted by weight, the best of all subsets is a run: Fisher 1958, for one-output losses."""
    n = 300
    matrix, x = categorical_matrix(seed, n, categories)
    g = np.random.default_rng(seed).normal(0, 10, n).astype(np.float32)
    g += np.where(np.isnan(x[:, 0]), 0, 7 * np.sin(x[:, 0])).astype(np.float32)
    growth = Growth(
        max_depth=1, max_cat_to_onehot=onehot, min_child_weight=0.0, reg_lambda=0.0,
        interaction_constraints=((0,),),
    )  # fmt: skip
    pairs = pack_gradients(g, np.ones(1, np.float32), seed=0)
    grown = Grower(matrix, growth).grow(pairs)
    steps = (pairs.packed >> 32) * pairs.units[0]
    code = matrix.columns[0].astype(np.int64)
    present = sorted(set(code.tolist()) - {matrix.missing})
    from itertools import combinations

    best = 0.0
    sizes = [1] if len(present) < onehot else range(1, len(present))
    for size in sizes:
        for chosen in combinations(present, size):
            for absent in (False, True):
                right = np.isin(code, [*chosen, *([matrix.missing] if absent else [])])
                if right.all() or not right.any():
                    continue
                parts = [(steps[side].sum() ** 2) / side.sum() for side in (right, ~right)]
                best = max(best, sum(parts) - steps.sum() ** 2 / n)
    if int(grown.records[0, 1]) == 0:
        # With one against the others, single categories are tried; else runs of the sorted.
        assert grown.records[0, 0] == pytest.approx(best, rel=1e-9, abs=1e-6)
    else:
        assert grown.records[0, 0] >= best * (1 - 1e-6)


def test_rows_go_where_the_planted_categories_send_them() -> None:
    from drivetrain.trees.prediction.predictor import Predictor

    matrix, x = categorical_matrix(3, 3000, 30)
    g = np.random.default_rng(0).normal(0, 1, 3000).astype(np.float32)
    g += np.nan_to_num(np.sin(x[:, 0] * 9)).astype(np.float32) + x[:, 1]
    pairs = pack_gradients(g, np.ones(1, np.float32), seed=0)
    grown = Grower(matrix, Growth(max_depth=6)).grow(pairs)
    forest = _forest(grown, matrix)
    assert forest.categorical.any() and not forest.categorical.all()
    value = np.zeros(3000, np.float32)
    for node, v in zip(grown.leaves, grown.values):
        value[grown.rows[slice(*grown.span[node])]] = v
    assert np.array_equal(Predictor(forest).margin(x, np.zeros(1, np.float32))[:, 0], value)


def splits_by_path(grown: Grown) -> list[set[int]]:
    """Return the features on the way to each leaf."""
    paths, found = [(0, frozenset[int]())], []
    while paths:
        node, used = paths.pop()
        if grown.left[node] < 0:
            found.append(set(used))
            continue
        deeper = used | {int(grown.records[node, 1])}
        paths += [(int(grown.left[node]), deeper), (int(grown.left[node]) + 1, deeper)]
    return found


def test_only_features_of_a_group_meet_on_a_path() -> None:
    matrix, g = problem(1, 400, 6)
    growth = Growth(max_depth=5, interaction_constraints=((0, 1), (2, 3, 4)), reg_lambda=0)
    grown = Grower(matrix, growth).grow(pack_gradients(g, np.ones(1, np.float32), seed=0))
    paths = splits_by_path(grown)
    assert any(len(path) > 1 for path in paths)
    assert all(path <= {0, 1} or path <= {2, 3, 4} or path == {5} for path in paths)


@pytest.mark.parametrize("which", ["bytree", "bylevel", "bynode"])
def test_features_are_drawn_by_place_and_not_by_order(which: str) -> None:
    matrix, g = problem(2, 400, 6)
    growth = Growth(max_depth=5, **{f"colsample_{which}": 0.5})
    pairs = pack_gradients(g, np.ones(1, np.float32), seed=0)
    one, few = Grower(matrix, growth), Grower(matrix, growth, threads=3)
    few.batch = 1
    leaves = [leaf_of(grower.grow(pairs, seed=4), 400) for grower in (one, few)]
    few.close()
    assert same_groups(*leaves)
    assert not same_groups(leaves[0], leaf_of(one.grow(pairs, seed=5), 400))
    used = set.union(*splits_by_path(one.grow(pairs, seed=4)))
    assert (len(used) <= 3) == (which == "bytree")


def test_shares_multiply_from_tree_to_level_to_node() -> None:
    from drivetrain.trees.growing.masks import Masks

    growth = Growth(colsample_bytree=0.5, colsample_bylevel=0.5, colsample_bynode=0.5)
    assert Masks(growth, 64, 0).root().sum() == 8


def test_sums_too_small_for_their_scale_are_packed_without_a_warning() -> None:
    # 2**30.9 / 4e-34 is beyond float32: the greatest float32 is the scale, and warnings are errors.
    rng = np.random.default_rng(8)
    g = (1e-36 * rng.normal(size=400)).astype(np.float32)
    h = (1e-36 * rng.uniform(0.5, 1.5, 400)).astype(np.float32)
    pairs = pack_gradients(g, h, seed=0)
    np.testing.assert_array_equal(pairs.units, 1.0 / float(np.finfo(np.float32).max))
    low = pairs.packed & 0xFFFFFFFF
    # Each pair is rounded to one of the two steps beside it, after a product rounded to 2**-24.
    slack = 1 + 1e3 * 2.0**-24
    assert np.all(np.abs((pairs.packed >> 32) * pairs.units[0] - g) <= slack * pairs.units[0])
    assert np.all(np.abs(low * pairs.units[1] - h) <= slack * pairs.units[1])

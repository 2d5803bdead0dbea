"""Random forests against scikit-learn's, which draw the same rows from the same seed."""

import numpy as np
import pytest
from sklearn import ensemble as theirs

from drivetrain.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)


def table(n: int = 300, features: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features)).astype(np.float32)
    return x, (x[:, 0] * 2 + np.sin(3 * x[:, 1]) + rng.normal(size=n)).astype(np.float64)


# All features at every node, so that no draw of features enters; leaves of several rows, so that
# each split's gain is its own.
SAME = {"n_estimators": 6, "max_features": None, "random_state": 3, "min_samples_leaf": 8}


@pytest.mark.parametrize(
    "given",
    [{}, {"max_samples": 0.5}, {"max_samples": 90}, {"bootstrap": False}, {"max_leaf_nodes": 9}],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_numbers_are_scikit_learns(given: dict[str, object], weighted: bool) -> None:
    x, y = table()
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float) if weighted else None
    told = SAME | given
    mine = RandomForestRegressor(tree_method="exact", **told).fit(x, y, weight)
    peer = theirs.RandomForestRegressor(**told).fit(x, y, weight)
    for a, b in zip(mine.estimators_samples_, peer.estimators_samples_):
        assert np.array_equal(a, b)
    # Means kept as float32, summed in float32.
    assert mine.predict(x) == pytest.approx(peer.predict(x), rel=1e-6, abs=1e-6)
    assert mine.feature_importances_ == pytest.approx(peer.feature_importances_, abs=1e-9)


@pytest.mark.parametrize("class_weight", [None, "balanced", "balanced_subsample"])
def test_classes_are_scikit_learns(class_weight: object) -> None:
    # One feature: cuts of two that gain alike are ties, which chance decides.
    x, y = table(seed=2, features=2)
    x = x[:, :1]
    told = SAME | {"class_weight": class_weight, "oob_score": True, "n_estimators": 30}
    mine = RandomForestClassifier(tree_method="exact", **told).fit(x, y > 1)
    peer = theirs.RandomForestClassifier(**told).fit(x, y > 1)
    # Weights that are no whole numbers are rounded: one tree of the thirty may break a tie
    # otherwise, and each row is left out of some ten.
    one, of_ten = (1 / 30, 1 / 5) if class_weight == "balanced_subsample" else (1e-6, 1e-6)
    assert mine.predict_proba(x) == pytest.approx(peer.predict_proba(x), abs=one)
    assert mine.oob_decision_function_ == pytest.approx(peer.oob_decision_function_, abs=of_ten)
    assert mine.oob_score_ == pytest.approx(peer.oob_score_, abs=of_ten / 10)


def test_out_of_bag_is_scikit_learns() -> None:
    x, y = table(seed=4)
    told = SAME | {"oob_score": True, "n_estimators": 40}
    mine = RandomForestRegressor(tree_method="exact", **told).fit(x, y)
    peer = theirs.RandomForestRegressor(**told).fit(x, y)
    assert mine.oob_score_ == pytest.approx(peer.oob_score_)
    assert mine.oob_prediction_ == pytest.approx(peer.oob_prediction_, rel=1e-6, abs=1e-6)


def test_several_numbers_are_scikit_learns() -> None:
    x, y = table(seed=5)
    both = np.stack([y, y**2, -3 * x[:, 2]], axis=1)
    told = SAME | {"oob_score": True, "n_estimators": 40}
    mine = RandomForestRegressor(tree_method="exact", **told).fit(x, both)
    peer = theirs.RandomForestRegressor(**told).fit(x, both)
    assert mine.predict(x) == pytest.approx(peer.predict(x), rel=1e-5, abs=1e-5)
    assert mine.oob_prediction_ == pytest.approx(peer.oob_prediction_, rel=1e-5, abs=1e-5)
    assert mine.feature_importances_ == pytest.approx(peer.feature_importances_, abs=1e-6)


@pytest.mark.parametrize("criterion", ["gini", "entropy"])
def test_several_columns_of_classes_are_scikit_learns(criterion: str) -> None:
    x, y = table(seed=6, features=2)
    x, other = x[:, :1], x[:, 1]
    both = np.stack([np.digitize(y, [-1, 1]), (other > 0) + 5, y > 0], axis=1)
    told = SAME | {"criterion": criterion}
    mine = RandomForestClassifier(tree_method="exact", **told).fit(x, both)
    peer = theirs.RandomForestClassifier(**told).fit(x, both)
    for a, b in zip(mine.predict_proba(x), peer.predict_proba(x)):
        assert a == pytest.approx(b, abs=1e-6)
    assert np.array_equal(mine.predict(x), peer.predict(x))


def test_rows_never_left_out_are_nan_with_a_warning() -> None:
    x, y = table(50)
    with pytest.warns(UserWarning, match="drawn by every tree"):
        model = RandomForestRegressor(2, oob_score=True, random_state=0).fit(x, y)
    never = np.isnan(model.oob_prediction_)
    drawn = [np.isin(np.arange(50), one) for one in model.estimators_samples_]
    assert np.array_equal(never, drawn[0] & drawn[1])
    assert np.isfinite(model.oob_score_)


@pytest.mark.parametrize("alpha", [0.002, 0.01, 0.1])
def test_pruning_is_scikit_learns(alpha: float) -> None:
    x, y = table(seed=8)
    told = SAME | {"ccp_alpha": alpha}
    mine = RandomForestRegressor(tree_method="exact", **told).fit(x, y)
    peer = theirs.RandomForestRegressor(**told).fit(x, y)
    nodes = [tree.tree_.node_count for tree in peer.estimators_]
    assert np.array_equal(np.diff(mine.forest_.offsets), nodes)
    assert mine.predict(x) == pytest.approx(peer.predict(x), rel=1e-6, abs=1e-6)
    assert mine.feature_importances_ == pytest.approx(peer.feature_importances_, abs=1e-6)


def test_an_exclusive_or_is_found_though_its_first_split_gains_nothing() -> None:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    model = RandomForestRegressor(3, bootstrap=False).fit(x, [0, 1, 1, 0])
    assert np.array_equal(model.predict(x), [0, 1, 1, 0])


def test_random_cuts_lie_between_the_extremes_and_fit_as_well_as_scikit_learns() -> None:
    x, y = table(2000, seed=9)
    told = {"n_estimators": 30, "min_samples_leaf": 3, "random_state": 0}
    mine = ExtraTreesRegressor(**told).fit(x[:1500], y[:1500])
    peer = theirs.ExtraTreesRegressor(**told).fit(x[:1500], y[:1500])
    forest = mine.forest_
    inner = forest.left >= 0
    for f in range(x.shape[1]):
        cuts = forest.threshold[inner & (forest.feature == f)]
        assert (cuts > x[:1500, f].min()).all() and (cuts <= x[:1500, f].max()).all()
    # The error of an R² of 500 rows is about 0.02.
    assert mine.score(x[1500:], y[1500:]) == pytest.approx(peer.score(x[1500:], y[1500:]), abs=0.04)


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_leaves_of_one_row_repeat_what_they_saw(kind: type) -> None:
    x, y = table(200)
    for target in (y > 0, np.digitize(y, [-1, 0, 1]), np.stack([y > 0, y > 1], axis=1)):
        for criterion in ("gini", "entropy"):
            model = kind(3, criterion=criterion, bootstrap=False).fit(x, target)
            assert np.array_equal(model.predict(x), target)


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_missing_values_tell_where_they_do(kind: type) -> None:
    x, _ = table(400)
    gone = np.random.default_rng(0).random(400) < 0.4
    x[gone, 2] = np.nan
    model = kind(5, bootstrap=False, max_features=None).fit(x, gone * 3.0)
    assert np.array_equal(model.predict(x), gone * 3.0)


def test_random_cuts_keep_constraints() -> None:
    x, y = table(500)
    model = ExtraTreesRegressor(10, monotonic_cst=[1, 0, 0, 0, -1], random_state=0).fit(x, y)
    line = np.zeros((50, 5), np.float32)
    for f, way in ((0, 1), (4, -1)):
        moved = line.copy()
        moved[:, f] = np.linspace(-2, 2, 50)
        # Sums of ten float32.
        assert (way * np.diff(model.predict(moved)) >= -1e-6).all()


def test_threads_change_nothing() -> None:
    x, y = table(400)
    one = RandomForestRegressor(8, random_state=1, max_features=2).fit(x, y)
    few = RandomForestRegressor(8, random_state=1, max_features=2, n_jobs=3).fit(x, y)
    assert np.array_equal(one.predict(x), few.predict(x))


def test_a_warm_start_ends_where_a_cold_one_does() -> None:
    x, y = table()
    cold = RandomForestRegressor(7, random_state=1).fit(x, y)
    warm = RandomForestRegressor(3, random_state=1, warm_start=True).fit(x, y)
    warm.set_params(n_estimators=7).fit(x, y)
    assert np.array_equal(cold.predict(x), warm.predict(x))
    with pytest.warns(UserWarning, match="no new trees"):
        warm.fit(x, y)
    with pytest.raises(ValueError, match="n_estimators must be >= the 7 trees"):
        warm.set_params(n_estimators=2).fit(x, y)


def test_paths_end_in_the_leaves() -> None:
    x, y = table(60)
    model = RandomForestRegressor(3, random_state=1, max_depth=4).fit(x, y)
    path, offsets = model.decision_path(x)
    leaves = model.apply(x) + offsets[:-1]
    assert all(path[i, leaf] for i in range(60) for leaf in leaves[i])
    depth = model.forest_.depths()
    assert np.array_equal(np.asarray(path.sum(axis=1))[:, 0], (depth[leaves] + 1).sum(axis=1))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"n_estimators": 0}, "n_estimators must be >= 1"),
        ({"criterion": "mse"}, "criterion must be one of"),
        ({"max_features": "auto"}, "max_features must be one of"),
        ({"max_features": 1.5}, "max_features must be > 0 and <= 1"),
        ({"min_samples_leaf": 0}, "min_samples_leaf must be >= 1"),
        ({"bootstrap": False, "oob_score": True}, "oob_score needs bootstrap=True"),
        ({"bootstrap": False, "max_samples": 3}, "max_samples needs bootstrap=True"),
        ({"monotonic_cst": [1]}, "monotonic_cst must have 5 entries"),
        ({"max_bin": 1}, "max_bin must be >= 2"),
        ({"tree_method": "approx"}, "tree_method must be one of"),
        ({"categorical_features": [9]}, "categorical_features must be places below 5"),
        ({"categorical_features": [0]}, "must hold whole numbers"),
    ],
    ids=str,
)
def test_bad_parameters_are_named(given: dict[str, object], words: str) -> None:
    x, y = table(30)
    with pytest.raises(ValueError, match=words):
        RandomForestRegressor(**given).fit(x, y)

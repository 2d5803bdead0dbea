"""Models whose leaves are vectors, whose trees are symmetric, or whose tables are wide."""

from pathlib import Path

import numpy as np
import pytest

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.files.model import load_model, save_model
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, Watch, boost
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.prediction.levels import find_levels
from drivetrain.trees.shap.explainer import Explainer

VECTORS = {"multi_strategy": "multi_output_tree"}


def targets(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Three targets that share their structure, of six features with values missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)).astype(np.float32)
    z = x.copy()
    x[rng.random(x.shape) < 0.1] = np.nan
    shared = np.where(z[:, 0] > 0, z[:, 1], -z[:, 1])
    y = np.stack([shared, shared + z[:, 2], 2 * shared - z[:, 3]], axis=1)
    return x, (y + rng.normal(0, 0.1, y.shape)).astype(np.float32)


def fit(x: np.ndarray, y: np.ndarray, objective: Objective, **given: object) -> Booster:
    settings = Settings(**{"n_estimators": 20, **given})  # type: ignore[arg-type]
    return boost(Dataset(x=x, label=y), objective, settings)[0]


@pytest.mark.parametrize("policy", ["depthwise", "lossguide", "symmetric"])
def test_training_margins_are_the_predictions(policy: str) -> None:
    x, y = targets(0, 700)
    growth = Growth(max_depth=4, max_leaves=12, grow_policy=policy)  # type: ignore[arg-type]
    for subsample in (1.0, 0.6):
        data = Dataset(x=x, label=y)
        settings = Settings(n_estimators=8, growth=growth, subsample=subsample, **VECTORS)  # type: ignore[arg-type]
        model, history = boost(data, SquaredError(), settings, watch=Watch(sets={"same": data}))
        seen = history["same"]["rmse"]
        assert len(model.forest) == 8 and model.forest.value.shape[1] == 3
        error = np.sqrt(np.mean(np.square(model.predict(x).astype(np.float64) - y)))
        # The same float32 margins, averaged in float64 in another order.
        assert error == pytest.approx(seen[-1], rel=1e-12)
        assert seen[-1] < seen[0]


def test_symmetric_models_are_symmetric_and_explained() -> None:
    x, y = targets(1, 900)
    growth = Growth(max_depth=4, grow_policy="symmetric")
    one = fit(x, y[:, :1], SquaredError(), growth=growth)
    assert find_levels(one.forest) is not None
    vectors = fit(x, y, SquaredError(), growth=growth, **VECTORS)
    for model in (one, vectors):
        base = model.objective.to_margin(model.base_score)
        phi = Explainer(model.forest).values(x[:60], base)
        # float32 products along paths of at most 4 features, over 20 trees.
        assert np.allclose(phi.sum(axis=2), model.margin(x[:60]), rtol=0, atol=2e-4)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_bit(threads: int) -> None:
    x, y = targets(2, 3000)
    for policy in ("depthwise", "symmetric"):
        growth = Growth(grow_policy=policy)  # type: ignore[arg-type]
        one = fit(x, y, SquaredError(), growth=growth, **VECTORS)
        few = fit(x, y, SquaredError(), growth=growth, threads=threads, **VECTORS)
        assert np.array_equal(one.forest.value, few.forest.value)
        assert np.array_equal(one.margin(x), few.margin(x, threads=threads))


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_files_keep_vectors_and_symmetry(tmp_path: Path, suffix: str) -> None:
    x, y = targets(3, 500)
    for policy in ("depthwise", "symmetric"):
        growth = Growth(max_depth=3, grow_policy=policy)  # type: ignore[arg-type]
        model = fit(x, y, SquaredError(), growth=growth, **VECTORS)
        save_model(model, tmp_path / f"model.{suffix}")
        again = load_model(tmp_path / f"model.{suffix}")
        assert np.array_equal(again.margin(x), model.margin(x))
        assert (find_levels(again.forest) is None) == (policy == "depthwise")


@pytest.mark.parametrize("features, bins", [(5000, 255), (600, 1000)])
def test_wide_sparse_columns_and_many_bins(features: int, bins: int) -> None:
    rng = np.random.default_rng(4)
    n, dense = 1000, features - 100
    x = np.full((n, features), np.nan, np.float32)
    at = rng.random((n, features)) < 0.02
    x[at] = rng.normal(size=int(at.sum()))
    x[:, dense] = rng.normal(size=n)
    x[:, 77] = np.where(rng.random(n) < 0.5, 1.0, np.nan)
    y = (np.sin(3 * x[:, dense]) + 2 * ~np.isnan(x[:, 77]))[:, None].astype(np.float32)
    growth = Growth(max_depth=4)
    given = {"growth": growth, "n_estimators": 10, "max_bin": bins, "learning_rate": 0.5}
    model = fit(x, y, SquaredError(), **given)
    used = model.forest.feature[~model.forest.is_leaf]
    assert {77, dense} <= set(used.tolist())
    # What ten trees of depth 4 leave of the sine; the missing values' step is told exactly.
    assert np.mean(np.square(model.predict(x) - y[:, 0])) < 0.05 * y.var()
    few = fit(x, y, SquaredError(), threads=2, **given)
    assert np.array_equal(few.margin(x), model.margin(x))


def test_more_bins_than_a_byte_find_finer_cuts() -> None:
    rng = np.random.default_rng(5)
    x = np.sort(rng.random((4000, 1)).astype(np.float32), axis=0)
    y = (x >= x[1237]).astype(np.float32)
    growth = Growth(max_depth=1, reg_lambda=0.0)
    fine = fit(x, y, SquaredError(), growth=growth, max_bin=4000, learning_rate=1.0, n_estimators=1)
    assert np.array_equal(fine.predict(x), y[:, 0])
    for policy, strategy in (("symmetric", "one_output_per_tree"), ("depthwise", VECTORS)):
        more = strategy if isinstance(strategy, dict) else {}
        growth = Growth(max_depth=1, reg_lambda=0.0, grow_policy=policy)  # type: ignore[arg-type]
        given = {"max_bin": 4000, "learning_rate": 1.0, "n_estimators": 1, **more}
        assert np.array_equal(fit(x, y, SquaredError(), growth=growth, **given).predict(x), y[:, 0])


PARITY = {
    "squares": (SquaredError(), "reg:squarederror", {}),
    "logistic": (Logistic(), "binary:logistic", {}),
    "classes": (Softmax(3), "multi:softprob", {"num_class": 3}),
}


@pytest.mark.peer
@pytest.mark.parametrize("kind", PARITY)
def test_vectors_lose_no_more_than_xgboosts(kind: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    objective, name, more = PARITY[kind]
    x, y = targets(6, 6000)
    if kind == "logistic":
        y = (y > 0).astype(np.float32)
    if kind == "classes":
        y = y.argmax(axis=1).astype(np.float32)[:, None]
    train, test = slice(0, 4000), slice(4000, None)
    settings = Settings(n_estimators=40, max_bin=256, **VECTORS)  # type: ignore[arg-type]
    ours, _ = boost(Dataset(x=x[train], label=y[train]), objective, settings)
    params = {"objective": name, "max_depth": 6, **VECTORS, **more}
    theirs = xgboost.train(params, xgboost.DMatrix(x[train], y[train]), 40)

    def loss(prediction: np.ndarray) -> float:
        if kind == "squares":
            return float(np.mean(np.square(prediction - y[test])))
        if kind == "logistic":
            p = np.clip(prediction, 1e-7, 1 - 1e-7)
            return -float(np.mean(np.where(y[test] == 1, np.log(p), np.log(1 - p))))
        picked = prediction[np.arange(2000), y[test][:, 0].astype(int)]
        return -float(np.mean(np.log(np.maximum(picked, 1e-7))))

    a, b = loss(ours.predict(x[test])), loss(theirs.predict(xgboost.DMatrix(x[test])))
    # Other cuts of the same columns: held-out losses of either side of one another.
    assert a < 1.05 * b


GROWTHS = {
    "plain": {},
    "penalties": {"reg_lambda": 0.5, "reg_alpha": 20.0, "gamma": 30.0},
    "least weight": {"min_child_weight": 60.0},
    "bounded": {"max_delta_step": 0.2},
}


@pytest.mark.peer
@pytest.mark.parametrize("rules", GROWTHS)
@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
def test_trees_are_xgboosts(rules: str, policy: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(7)
    # Few distinct values: both cut between all of them.
    x = rng.integers(0, 12, (3000, 5)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    z = np.nan_to_num(x)
    y = np.stack([z[:, 0] * z[:, 1], z[:, 1] - z[:, 2], z[:, 3] ** 2], axis=1) / 10
    y = (y + rng.normal(0, 1, y.shape)).astype(np.float32)
    given = {"max_depth": 5, "max_leaves": 14, "grow_policy": policy, **GROWTHS[rules]}
    growth = Growth(**given)  # type: ignore[arg-type]
    ours = fit(x, y, SquaredError(), growth=growth, n_estimators=1)
    params = {**given, **VECTORS, "base_score": ours.base_score.tolist(), "tree_method": "hist"}
    theirs = xgboost.train(params, xgboost.DMatrix(x, y), 1)
    own = fit(x, y, SquaredError(), growth=growth, n_estimators=1, **VECTORS)
    a, b = own.leaves(x)[:, 0], theirs.predict(xgboost.DMatrix(x), pred_leaf=True).reshape(-1)
    pairs = set(zip(a.tolist(), b.tolist()))
    assert len(pairs) == len(np.unique(a)) == len(np.unique(b)) > 4
    # float32 weights of float64 sums on either side.
    assert np.allclose(own.predict(x), theirs.predict(xgboost.DMatrix(x)), rtol=1e-5, atol=1e-5)


@pytest.mark.peer
@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_files_of_vectors_go_both_ways(tmp_path: Path, suffix: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    x, y = targets(8, 800)
    ours = fit(x, y, SquaredError(), growth=Growth(max_depth=4), **VECTORS)
    path = tmp_path / f"ours.{suffix}"
    save_model(ours, path)
    theirs = xgboost.Booster(model_file=path)
    assert np.array_equal(theirs.inplace_predict(x, predict_type="margin"), ours.margin(x))
    theirs = xgboost.train({"max_depth": 4, **VECTORS}, xgboost.DMatrix(x, y), 10)
    path = tmp_path / f"theirs.{suffix}"
    theirs.save_model(path)
    again = load_model(path)
    assert np.array_equal(theirs.inplace_predict(x, predict_type="margin"), again.margin(x))
    assert np.array_equal(
        theirs.predict(xgboost.DMatrix(x), pred_leaf=True).reshape(800, -1), again.leaves(x)
    )

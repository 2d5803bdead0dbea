"""Methods of growing end to end: XGBoost's models tree by tree, and losses of one kind."""

from ctypes.util import find_library
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from drivetrain.bench.peers import xgboost_trees
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, Watch, boost
from drivetrain.trees.growing.settings import Growth

METHODS: dict[str, dict[str, Any]] = {
    "hist": {"histogram": "float", "cuts": "quantile"},
    "exact": {"tree_method": "exact"},
    "approx": {"tree_method": "approx", "histogram": "float"},
}
EVERY: dict[str, dict[str, Any]] = {
    **METHODS,
    "packed quantiles": {"cuts": "quantile"},
    "float greedy": {"histogram": "float"},
    "approx packed": {"tree_method": "approx"},
    "approx local": {"tree_method": "approx", "sketch": "local", "max_bin": 32},
}


def diabetes(missing: float, weighted: bool) -> Dataset:
    x, y = load_diabetes(return_X_y=True)
    rng = np.random.default_rng(0)
    x = x.astype(np.float32)
    x[rng.random(x.shape) < missing] = np.nan
    weight = rng.random(len(y)).astype(np.float32) if weighted else None
    return Dataset(x=x, label=y.astype(np.float32)[:, None], weight=weight)


@pytest.mark.peer
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_node_of_every_tree_is_xgboosts(method: str, missing: float, weighted: bool) -> None:
    """Squared error: the gradients are float32 differences, the same in both."""
    xgboost = pytest.importorskip("xgboost")
    data = diabetes(missing, weighted)
    growth = Growth(max_depth=5, min_child_weight=2.0, reg_lambda=0.5)
    params = xgboost_trees.params_of(growth, method) | {"nthread": 1, "eta": 0.2, "max_bin": 256}
    matrix = xgboost.DMatrix(data.x, data.target, weight=data.weight, nthread=1)
    theirs = xgboost_trees.trees(xgboost.train(params, matrix, 25))
    settings = Settings(
        n_estimators=25, learning_rate=0.2, growth=growth, **{"max_bin": 256, **METHODS[method]}
    )
    model, _ = boost(data, SquaredError(), settings)
    counts = [xgboost_trees.equal_nodes(model.forest, k, theirs[k]) for k in range(25)]
    assert sum(equal for equal, _ in counts) == sum(total for _, total in counts) > 500


@pytest.mark.peer
@pytest.mark.parametrize(
    ("method", "classes"), [("hist", 2), ("exact", 2), ("approx", 2), ("hist", 4)]
)
def test_every_node_of_logistic_trees_is_xgboosts(method: str, classes: int) -> None:
    """Gradients go through exp: that of the C library, bit for bit, in both."""
    pytest.importorskip("xgboost")
    if find_library("m") != "libm.so.6":
        pytest.skip("XGBoost takes exp of the system: only glibc's bits are known")
    x, y = load_breast_cancer(return_X_y=True)
    x = x.astype(np.float32)
    x[np.random.default_rng(0).random(x.shape) < 0.1] = np.nan
    y = (y + (2 * (x[:, 0] > 14) if classes == 4 else 0)).astype(np.float32)
    growth = Growth(max_depth=4, min_child_weight=0.5)
    objective: Any = Logistic() if classes == 2 else Softmax(4)
    params = xgboost_trees.params_of(growth, method) | {"nthread": 1, "eta": 0.2, "max_bin": 256}
    params |= {"objective": objective.name} | ({"num_class": 4} if classes == 4 else {})
    theirs = xgboost_trees.trees(xgboost_trees.grown(x, y, params, 20))
    settings = Settings(
        n_estimators=20, learning_rate=0.2, growth=growth, **{"max_bin": 256, **METHODS[method]}
    )
    model, _ = boost(Dataset(x=x, label=y[:, None]), objective, settings)
    counts = [xgboost_trees.equal_nodes(model.forest, k, tree) for k, tree in enumerate(theirs)]
    assert sum(equal for equal, _ in counts) == sum(total for _, total in counts) > 300


@pytest.mark.parametrize("way", EVERY)
@pytest.mark.parametrize("binary", [False, True])
def test_every_way_learns_alike(way: str, binary: bool) -> None:
    x, y = (load_breast_cancer if binary else load_diabetes)(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    whole = Dataset(x=x[order].astype(np.float32), label=y[order].astype(np.float32)[:, None])
    half = len(y) // 2
    train, test = whole.take(np.arange(half)), whole.take(np.arange(half, len(y)))
    loss: Any = Logistic() if binary else SquaredError()

    def final(**given: Any) -> float:
        settings = Settings(n_estimators=40, learning_rate=0.1, **given)
        _, history = boost(train, loss, settings, watch=Watch(sets={"test": test}))
        values = history["test"]["logloss" if binary else "rmse"]
        assert values[-1] < values[0] * 0.95
        return values[-1]

    # Some 220 and 280 rows held out: the losses of trees on other cuts are within their noise.
    assert final(**EVERY[way]) < final() * (1.25 if binary else 1.05)


@pytest.mark.parametrize("way", EVERY)
def test_threads_change_no_bit(way: str) -> None:
    data = diabetes(0.1, True)

    def bits(threads: int) -> bytes:
        settings = Settings(n_estimators=3, threads=threads, subsample=0.8, **EVERY[way])
        return boost(data, SquaredError(), settings)[0].margin(data.x).tobytes()

    assert bits(1) == bits(3)


@pytest.mark.parametrize("way", ["hist", "approx", "approx packed"])
def test_categories_are_taken(way: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 12, (600, 2)).astype(np.float32)
    y = (x[:, :1] % 3 == 0).astype(np.float32)
    data = Dataset(x=x, label=y, categorical=np.array([True, False]))
    model, _ = boost(data, SquaredError(), Settings(n_estimators=10, **EVERY[way]))
    assert model.forest.categorical.any()
    assert np.abs(model.predict(x) - y[:, 0]).max() < 0.2


SYMMETRIC = Growth(grow_policy="symmetric")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tree_method": "best"}, "tree_method must be"),
        ({"sketch": "local"}, "sketch='local' is read by tree_method='approx' only"),
        ({"cuts": "quantile", "tree_method": "exact"}, "cuts is not read by tree_method='exact'"),
        ({"histogram": "double"}, "histogram must be"),
        ({"growth": SYMMETRIC, "tree_method": "exact"}, "'symmetric' needs tree_method='hist'"),
        ({"multi_strategy": "multi_output_tree", "histogram": "float"}, "histogram='packed'"),
    ],
)
def test_what_does_not_go_together_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tree_method": "exact"}, "tree_method='exact' takes no categorical features. Got 1"),
        ({"tree_method": "approx", "sketch": "local"}, "sketch='local' takes no categorical"),
    ],
)
def test_data_that_a_method_does_not_take_is_named(given: dict[str, Any], words: str) -> None:
    x = np.ones((9, 2), np.float32)
    data = Dataset(x=x, label=x[:, :1], categorical=np.array([True, False]))
    with pytest.raises(ValueError, match=words):
        boost(data, SquaredError(), Settings(**given))

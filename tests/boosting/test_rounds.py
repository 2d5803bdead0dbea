"""Several trees a round, as XGBoost has them; vectors for leaves; rows that a tree did not see."""

from pathlib import Path

import numpy as np
import pytest

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.chunks.datasets import dataset_from_arrays
from drivetrain.boosting.dart import Dart
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.files.model import load_model, loads, save_model
from drivetrain.boosting.objectives.logistic import Softmax
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.robust import AbsoluteError
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, Watch, boost
from drivetrain.trees.growing.settings import Growth

OBJECTIVES: dict[str, Objective] = {"squared": SquaredError(), "softprob": Softmax(3)}


def problem(kind: str, n: int = 600) -> Dataset:
    """Features of few values, so that everybody's bins are the values themselves."""
    rng = np.random.default_rng(7)
    x = rng.integers(0, 12, (n, 5)).astype(np.float32)
    signal = x[:, 0] + np.where(x[:, 1] > 5, x[:, 2], -x[:, 2]) + rng.normal(size=n)
    y = signal if kind == "squared" else np.digitize(signal, [2.0, 9.0])
    return Dataset(x=x, label=y.astype(np.float32))


def forest(**given: object) -> Settings:
    common: dict = {"n_estimators": 4, "num_parallel_tree": 5, "subsample": 0.7, "max_bin": 64}
    return Settings(**(common | given))


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_margins_of_training_are_those_of_the_model(kind: str) -> None:
    data, objective = problem(kind), OBJECTIVES[kind]
    seen: list[np.ndarray] = []

    def watch(prediction: np.ndarray, _: Dataset) -> float:
        seen.append(prediction)
        return 0.0

    other = problem(kind, 700)
    sets = {"train": data, "other": other}
    growth = Growth(colsample_bytree=0.6, colsample_bynode=0.7)
    model, _ = boost(
        data, objective, forest(growth=growth), watch=Watch(sets=sets, custom={"own": watch})
    )
    for one, given in zip(sets.values(), seen[-2:]):
        assert np.array_equal(given, model.predict(one.x))
    groups = 1 if kind == "squared" else 3
    assert model.rounds.tolist() == [0, 5 * groups, 10 * groups, 15 * groups, 20 * groups]
    assert model.forest.group[: 5 * groups].tolist() == np.repeat(np.arange(groups), 5).tolist()
    assert len(model) == 4 and len(model.first(2).forest) == 10 * groups


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_parallel_trees_differ_in_rows_and_columns(kind: str) -> None:
    data = problem(kind)
    rows = boost(data, OBJECTIVES[kind], forest())[0]
    columns_only = forest(subsample=1.0, growth=Growth(colsample_bytree=0.4))
    columns = boost(data, OBJECTIVES[kind], columns_only)[0]
    same = boost(data, OBJECTIVES[kind], forest(subsample=1.0))[0]
    for model, distinct in ((rows, True), (columns, True), (same, False)):
        first = model.leaves(data.x)[:, :5]
        pairs = {first[:, k].tobytes() for k in range(5)}
        assert (len(pairs) > 2) == distinct


def test_a_round_of_parallel_trees_is_the_mean_of_single_ones() -> None:
    data = problem("squared")
    many = boost(data, SquaredError(), forest(n_estimators=1, learning_rate=1.0))[0]
    base = many.margin(data.x) - many.base_score
    each = []
    for tree in range(5):
        one = many.forest.take(slice(tree, tree + 1))
        alone = Booster(
            forest=one,
            base_score=np.zeros(1, np.float32),
            objective=SquaredError(),
            rounds=np.array([0, 1]),
        )
        each.append(5 * alone.margin(data.x).astype(float))
    # Six float32 roundings of values near 10.
    assert np.mean(each, axis=0) == pytest.approx(base, abs=6 * 10 * 2**-23)


def test_medians_are_of_what_was_left_before_the_round() -> None:
    """Parallel trees do not see each other: on all rows they are the same tree twice."""
    data = problem("squared")
    two = forest(n_estimators=1, num_parallel_tree=2, subsample=1.0, learning_rate=0.8)
    model, _ = boost(data, AbsoluteError(), two)
    first, second = (model.forest.take(slice(k, k + 1)) for k in (0, 1))
    assert np.array_equal(first.value, second.value)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_it_goes_on_stops_and_takes_threads(kind: str, tmp_path: Path) -> None:
    data, objective = problem(kind), OBJECTIVES[kind]
    once, _ = boost(data, objective, forest(n_estimators=6))
    half, _ = boost(data, objective, forest(n_estimators=2, threads=2))
    save_model(half, tmp_path / "half.json")
    both, _ = boost(
        data, objective, forest(n_estimators=4), start=load_model(tmp_path / "half.json")
    )
    assert once.margin(data.x).tobytes() == both.margin(data.x).tobytes()
    held = problem(kind, 900).take(np.arange(600, 900))
    watch = Watch(sets={"t": held}, patience=3)
    stopped, history = boost(data, objective, forest(n_estimators=60), watch=watch)
    values = history["t"][objective.metric]
    assert stopped.best_round == int(np.argmin(values))
    assert len(stopped.used.forest) == (int(np.argmin(values)) + 1) * 5 * (
        1 + 2 * (kind != "squared")
    )


@pytest.mark.parametrize("kind", ["softprob"])
def test_vectors_for_leaves_share_the_rounds_face(kind: str) -> None:
    data = problem(kind)
    for parallel in (1, 2):
        given = forest(multi_strategy="multi_output_tree", num_parallel_tree=parallel)
        seen: list[np.ndarray] = []

        def keep(prediction: np.ndarray, _: Dataset, seen: list = seen) -> float:
            seen.append(prediction)
            return 0.0

        watch = Watch(sets={"train": data}, custom={"own": keep})
        model, _ = boost(data, OBJECTIVES[kind], given, watch=watch)
        assert np.array_equal(seen[-1], model.predict(data.x))
        assert model.rounds.tolist() == [parallel * k for k in range(5)]


OUTSIDE = {
    "subsample": {"subsample": 0.5},
    "forest": {"num_parallel_tree": 3, "subsample": 0.5},
    "goss": {"sampling_method": "goss"},
    "gradient_based": {"sampling_method": "gradient_based", "subsample": 0.5},
    "dart": {"booster": "dart", "dart": Dart(rate_drop=0.3), "subsample": 0.7},
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_values_outside_of_memory_change_nothing(kind: str) -> None:
    inside = problem("squared")
    outside = dataset_from_arrays(inside.x, inside.target, rows=90)
    given = Settings(n_estimators=5, **OUTSIDE[kind])  # type: ignore[arg-type]
    seen = []
    for data in (inside, outside):
        model, history = boost(data, SquaredError(), given, watch=Watch(sets={"t": data}))
        seen.append((model.margin(inside.x).tobytes(), history))
    assert seen[0] == seen[1]


# Beside XGBoost.


@pytest.mark.peer
@pytest.mark.parametrize("suffix", [".json", ".ubj"])
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_xgboost_reads_our_forests(kind: str, suffix: str, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    data = problem(kind)
    model, _ = boost(data, OBJECTIVES[kind], forest())
    save_model(model, tmp_path / f"m{suffix}")
    theirs = xgboost.Booster(model_file=str(tmp_path / f"m{suffix}"))
    margin = theirs.predict(xgboost.DMatrix(data.x), output_margin=True).reshape(len(data), -1)
    assert np.array_equal(margin, model.margin(data.x))
    assert theirs.num_boosted_rounds() == 4
    part = theirs.predict(xgboost.DMatrix(data.x), output_margin=True, iteration_range=(0, 2))
    assert np.array_equal(part.reshape(len(data), -1), model.first(2).margin(data.x))
    again = load_model(tmp_path / f"m{suffix}")
    assert np.array_equal(again.rounds, model.rounds)


@pytest.mark.peer
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_trees_are_xgboosts_where_nothing_is_drawn(kind: str) -> None:
    """On all rows the parallel trees of a round are one tree, each with a share of the rate."""
    xgboost = pytest.importorskip("xgboost")
    data = problem(kind)
    params = {
        "num_parallel_tree": 3, "eta": 0.5, "max_depth": 4, "tree_method": "hist", "nthread": 1,
        "objective": OBJECTIVES[kind].name,
    }  # fmt: skip
    if kind == "softprob":
        params["num_class"] = 3
    theirs = loads(
        bytes(xgboost.train(params, xgboost.DMatrix(data.x, data.target), 2).save_raw("ubj"))
    )
    given = forest(n_estimators=2, num_parallel_tree=3, subsample=1.0, learning_rate=0.5,
                   growth=Growth(max_depth=4))  # fmt: skip
    ours, _ = boost(data, OBJECTIVES[kind], given)
    assert np.array_equal(ours.rounds, theirs.rounds)
    assert np.array_equal(ours.forest.group, theirs.forest.group)
    # Gradients are rounded to about 2000 steps of their mean: leaves to a thousandth or so.
    off = np.abs(ours.margin(data.x) - theirs.margin(data.x))
    assert np.mean(off) < 2e-3 * np.abs(theirs.margin(data.x)).mean()


@pytest.mark.peer
def test_a_random_forest_is_as_good_as_xgboosts() -> None:
    xgboost = pytest.importorskip("xgboost")
    data, held = problem("squared"), problem("squared", 1600).take(np.arange(600, 1600))
    ours, theirs = [], []
    for seed in range(5):
        growth = Growth(max_depth=8, colsample_bynode=0.6)
        given = forest(n_estimators=1, num_parallel_tree=50, learning_rate=1.0, growth=growth,
                       random_state=seed)  # fmt: skip
        model, _ = boost(data, SquaredError(), given)
        ours.append(np.sqrt(np.mean((model.predict(held.x) - held.target) ** 2)))
        params = {
            "num_parallel_tree": 50, "eta": 1.0, "subsample": 0.7, "colsample_bynode": 0.6,
            "max_depth": 8, "seed": seed, "nthread": 1,
        }  # fmt: skip
        grown = xgboost.train(params, xgboost.DMatrix(data.x, data.target), 1)
        theirs.append(np.sqrt(np.mean((grown.predict(xgboost.DMatrix(held.x)) - held.target) ** 2)))
    a, b = np.array(ours), np.array(theirs)
    error = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 5)
    assert abs(a.mean() - b.mean()) < 4 * error

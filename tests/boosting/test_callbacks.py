"""What is called around the rounds: stopping, schedules, checkpoints, printing; and folds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.callbacks import EarlyStopping, History, LearningRates, Run
from drivetrain.boosting.checkpoints import Checkpoints, resume
from drivetrain.boosting.crossvalidation import Folds, cv
from drivetrain.boosting.dart import Dart
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.engines import boost_any
from drivetrain.boosting.files.model import load_model, save_model
from drivetrain.boosting.linear.settings import Linear
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, Watch, boost

BOOSTERS: dict[str, dict] = {
    "gbtree": {},
    "sampled": {"subsample": 0.6, "num_parallel_tree": 2},
    "goss": {"sampling_method": "goss"},
    "dart": {"booster": "dart", "dart": Dart(rate_drop=0.3)},
    "gblinear": {"booster": "gblinear", "linear": Linear(learning_rate=0.1)},
}


def problem(n: int = 400, seed: int = 0, *, binary: bool = False) -> Dataset:
    """Features of few values, so that everybody's bins are the values themselves."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 9, (n, 4)).astype(np.float32)
    y = x[:, 0] + np.where(x[:, 1] > 4, x[:, 2], 0) + 3 * rng.normal(size=n)
    label = y > 6 if binary else y
    return Dataset(x=x, label=label.astype(np.float32))


TRAIN, HELD = problem(), problem(seed=1)


class Recorder:
    """Notes every call."""

    def __init__(self, stop_before: int = 10**9, stop_after: int = 10**9) -> None:
        self.calls: list[str] = []
        self.stop_before, self.stop_after = stop_before, stop_after

    def before_training(self, run: Run) -> None:
        self.calls.append(f"begin {run.number}")

    def before_iteration(self, run: Run, number: int, history: History) -> bool:
        self.calls.append(f"before {number} {run.number}")
        return number == self.stop_before

    def after_iteration(self, run: Run, number: int, history: History) -> bool:
        self.calls.append(f"after {number} {len(history['t']['rmse'])}")
        return number == self.stop_after

    def after_training(self, run: Run) -> None:
        self.calls.append(f"end {run.number}")


def test_the_order_of_calls() -> None:
    seen = Recorder(stop_after=1)
    watch = Watch(sets={"t": HELD}, callbacks=(seen,))
    model, _ = boost(TRAIN, SquaredError(), Settings(n_estimators=9), watch=watch)
    assert seen.calls == ["begin 0", "before 0 0", "after 0 1", "before 1 1", "after 1 2", "end 2"]
    again = Recorder(stop_before=3)
    watch = Watch(sets={"t": HELD}, callbacks=(again,))
    more, _ = boost(TRAIN, SquaredError(), Settings(n_estimators=9), watch=watch, start=model)
    assert again.calls == ["begin 2", "before 2 2", "after 2 1", "before 3 3", "end 3"]
    assert len(more) == 3


def test_rates_change_by_round() -> None:
    rates = [0.5, 0.25, 0.125]
    for given_ in (rates, lambda k: 0.5**k / 2):
        watch = Watch(callbacks=(LearningRates(rates=given_),))
        model, _ = boost(TRAIN, SquaredError(), Settings(n_estimators=3), watch=watch)
        step = Settings(n_estimators=1, learning_rate=0.5)
        once, _ = boost(TRAIN, SquaredError(), step)
        assert np.array_equal(model.first(1).margin(TRAIN.x), once.margin(TRAIN.x))
        # A constant round's leaf is its mean residual: half, a quarter, an eighth are taken.
        assert len(model) == 3
    whole, _ = boost(TRAIN, SquaredError(), Settings(n_estimators=3, learning_rate=0.5))
    assert whole.margin(TRAIN.x).tobytes() != model.margin(TRAIN.x).tobytes()
    with pytest.raises(ValueError, match="rate for round 3"):
        boost(
            TRAIN,
            SquaredError(),
            Settings(n_estimators=4),
            watch=Watch(callbacks=(LearningRates(rates=rates),)),
        )


# Early stopping.


class Fake:
    """A run whose values are given."""

    def __init__(self) -> None:
        self.history: History = {}
        self.learning_rate = 0.1
        self.number = 0
        self.best: int | None = None

    def keep_best(self, number: int) -> None:
        self.best = number

    def snapshot(self) -> None:
        return None


def stopped(values: list[float], name: str = "rmse", **given_: object) -> tuple[int, int | None]:
    run = Fake()
    stop = EarlyStopping(**given_)  # type: ignore[arg-type]
    stop.before_training(run)
    for k, value in enumerate(values):
        run.history = {"t": {name: values[: k + 1]}}
        run.number = k + 1
        if stop.after_iteration(run, k, run.history):
            return k, run.best
        assert np.isnan(value) or run.best is not None
    return len(values), run.best


@settings(max_examples=60)
@given(
    st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=30),
    st.integers(1, 6),
    st.floats(0, 1),
    st.booleans(),
)
def test_it_stops_when_the_definition_says(
    values: list[float], rounds: int, delta: float, rising: bool
) -> None:
    best, at, end = values[0], 0, len(values)
    for k, value in enumerate(values):
        if k and (value - delta > best if rising else best - delta > value):
            best, at = value, k
        if k - at >= rounds:
            end = k
            break
    given_ = {"rounds": rounds, "min_delta": delta, "maximize": rising}
    assert stopped(values, **given_) == (end, at)


def test_the_metric_tells_which_way_is_better() -> None:
    rising = [0.5, 0.6, 0.7, 0.8]
    assert stopped(rising, "auc", rounds=2) == (4, 3)
    assert stopped(rising, "ndcg@3", rounds=2) == (4, 3)
    assert stopped(rising, "rmse", rounds=2) == (2, 0)
    assert stopped([np.nan, 1.0, np.nan, np.nan], "rmse", rounds=2) == (3, 1)


@pytest.mark.parametrize("kind", BOOSTERS)
def test_save_best_leaves_out_what_came_after(kind: str) -> None:
    given_ = Settings(n_estimators=80, learning_rate=0.5, **BOOSTERS[kind])
    stop = EarlyStopping(rounds=4, save_best=True, data_name="a", metric_name="mae")
    watch = Watch(sets={"a": HELD, "b": TRAIN}, metrics=("mae", "rmse"), callbacks=(stop,))
    model, history = boost_any(TRAIN, SquaredError(), given_, watch=watch)
    values = history["a"]["mae"]
    best = int(np.argmin(values))
    assert len(model) == best + 1 and model.best_round == best
    off = np.abs(model.predict(HELD.x) - HELD.target).mean()
    assert off == pytest.approx(min(values), rel=1e-5)


def test_what_early_stopping_cannot_find_is_named() -> None:
    for given_, words in (
        ({"data_name": "x"}, "data_name must be one of t"),
        ({"metric_name": "mae"}, "metric_name must be one of rmse"),
    ):
        watch = Watch(sets={"t": HELD}, callbacks=(EarlyStopping(rounds=2, **given_),))
        with pytest.raises(ValueError, match=words):
            boost(TRAIN, SquaredError(), Settings(n_estimators=2), watch=watch)
    watch = Watch(callbacks=(EarlyStopping(rounds=2),))
    with pytest.raises(ValueError, match="needs an evaluation set"):
        boost(TRAIN, SquaredError(), Settings(n_estimators=2), watch=watch)


# Continuing.


@pytest.mark.parametrize("kind", BOOSTERS)
def test_ten_rounds_and_ten_more_are_twenty(kind: str) -> None:
    def run(rounds: int, start: object = None) -> Booster:
        given_ = Settings(n_estimators=rounds, **BOOSTERS[kind])
        return boost_any(TRAIN, SquaredError(), given_, start=start)[0]  # type: ignore[arg-type, return-value]

    once, twice = run(20), run(10, run(10))
    assert once.margin(HELD.x).tobytes() == twice.margin(HELD.x).tobytes()
    assert len(once) == len(twice) == 20


@pytest.mark.parametrize("kind", BOOSTERS)
def test_a_checkpoint_goes_on_with_nothing_lost(kind: str, tmp_path: Path) -> None:
    """Stopping before and after the checkpoint: the best round, the values, the bits."""

    def watch(*more: object, history: History | None = None) -> Watch:
        stop = EarlyStopping(rounds=12)
        return Watch(sets={"t": HELD}, callbacks=(stop, *more), history=history)  # type: ignore[arg-type]

    given_ = Settings(n_estimators=60, learning_rate=0.4, **BOOSTERS[kind])
    whole, seen = boost_any(TRAIN, SquaredError(), given_, watch=watch())
    rounds = len(seen["t"]["rmse"])
    save = Checkpoints(directory=tmp_path / kind, every=rounds - 3)
    cut = Settings(n_estimators=rounds - 2, learning_rate=0.4, **BOOSTERS[kind])
    boost_any(TRAIN, SquaredError(), cut, watch=watch(save))
    files = sorted(path.name for path in (tmp_path / kind).iterdir())
    assert files == [f"model_{rounds - 3}.ubj"]
    model, history = resume(tmp_path / kind / files[0])
    assert len(model) == rounds - 3 and "history" not in model.attributes
    rest = Settings(n_estimators=60 - len(model), learning_rate=0.4, **BOOSTERS[kind])
    on, again = boost_any(TRAIN, SquaredError(), rest, watch=watch(history=history), start=model)
    # Metrics of float32 margins: a linear model's, a tree's: the same bits.
    assert again == seen
    assert on.best_round == whole.best_round and len(on) == len(whole)
    assert on.margin(HELD.x).tobytes() == whole.margin(HELD.x).tobytes()
    assert on.attributes == whole.attributes


@pytest.mark.parametrize("kind", ["gbtree", "gblinear"])
def test_a_model_that_cannot_go_on_is_named(kind: str) -> None:
    given_ = Settings(n_estimators=1, booster=kind)  # type: ignore[arg-type]
    model, _ = boost_any(TRAIN, SquaredError(), given_)
    narrow = Dataset(x=TRAIN.x[:, :2], label=TRAIN.label)
    with pytest.raises(ValueError, match=r"model's 4 features\. Got 2"):
        boost_any(narrow, SquaredError(), given_, start=model)
    classes = Dataset(x=TRAIN.x, label=(TRAIN.labels > 5).astype(np.float32))
    with pytest.raises(ValueError, match=r"must have 2 outputs.*Got a model of 1"):
        boost_any(classes, Softmax(2), given_, start=model)


def test_what_a_ranker_learned_of_places_goes_on_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4)).astype(np.float32)
    y = np.clip(np.round(x[:, 0] + rng.normal(size=400) + 2), 0, 4).astype(np.float32)
    data = Dataset(x=x, label=y, group_offsets=np.arange(0, 401, 20))

    def loss(**given_: object) -> Objective:
        return objective_named("rank:ndcg", {"lambdarank_unbiased": True} | given_)

    once, _ = boost(data, loss(), Settings(n_estimators=6))
    half, _ = boost(data, loss(), Settings(n_estimators=3))
    save_model(half, tmp_path / "half.ubj")
    start = load_model(tmp_path / "half.ubj")
    both, _ = boost(data, loss(), Settings(n_estimators=3), start=start)
    assert once.margin(x).tobytes() == both.margin(x).tobytes()
    # Another loss has nothing to go on from.
    other = loss(lambdarank_bias_norm=2.0)
    again, _ = boost(data, other, Settings(n_estimators=3), start=start)
    fresh = {one.tobytes() for one in (again.margin(x), both.margin(x))}
    assert len(fresh) == 2


def test_a_model_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    model, _ = boost(TRAIN, SquaredError(), Settings(n_estimators=1))
    save_model(model, tmp_path / "m.json")
    with pytest.raises(ValueError, match="no checkpoint"):
        resume(tmp_path / "m.json")


def test_the_best_round_counts_all_rounds() -> None:
    half, _ = boost(TRAIN, SquaredError(), Settings(n_estimators=3, learning_rate=0.1))
    watch = Watch(sets={"t": HELD}, patience=5)
    model, history = boost(TRAIN, SquaredError(), Settings(), watch=watch, start=half)
    assert model.best_round == 3 + int(np.argmin(history["t"]["rmse"]))
    plain, _ = boost(TRAIN, SquaredError(), Settings(n_estimators=1), start=model)
    assert plain.best_round is None


# Values and their printing.


def test_several_metrics_and_your_own(capsys: pytest.CaptureFixture[str]) -> None:
    def largest(prediction: np.ndarray, data: Dataset) -> float:
        return float(np.abs(prediction - data.target).max())

    watch = Watch(
        sets={"a": TRAIN, "b": HELD},
        metrics=("rmse", "mae"),
        custom={"largest": largest},
        verbose_eval=2,
    )
    model, history = boost(TRAIN, SquaredError(), Settings(n_estimators=4), watch=watch)
    assert list(history["a"]) == ["rmse", "mae", "largest"] and len(history["b"]["mae"]) == 4
    assert history["b"]["largest"][-1] == pytest.approx(largest(model.predict(HELD.x), HELD))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["[0]", "[2]", "[3]"]
    last = history["b"]["largest"][-1]
    assert lines[-1].endswith(f"\tb-largest:{last:.5f}")


# Folds.


@settings(max_examples=30)
@given(st.integers(2, 6), st.integers(12, 60), st.integers(0, 99), st.sampled_from("psgq"))
def test_folds_hold_every_row_out_once(n: int, rows: int, seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows).astype(np.float32)
    groups = np.sort(rng.permutation(np.arange(rows) % 9))
    data = Dataset(
        x=np.zeros((rows, 1), np.float32),
        label=label,
        group_offsets=np.append(0, np.cumsum(np.bincount(groups))) if kind == "q" else None,
    )
    folds = Folds(
        n=n, stratified=kind == "s", groups=groups if kind == "g" else None, random_state=seed
    )
    pairs = folds.split(data)
    held = np.concatenate([b for _, b in pairs])
    assert np.array_equal(np.sort(held), np.arange(rows)) and len(pairs) == n
    for a, b in pairs:
        assert not set(a) & set(b) and (np.diff(a) > 0).all()
        if kind in "gq":
            assert not set(groups[a]) & set(groups[b])
    sizes = [len(b) for _, b in pairs]
    if kind in "ps":
        assert max(sizes) - min(sizes) <= 1
    if kind == "s":
        ones = [label[b].sum() for _, b in pairs]
        assert max(ones) - min(ones) <= 1


def test_cv_is_training_on_each_fold() -> None:
    folds = Folds(n=3, random_state=5)
    given_ = Settings(n_estimators=6)
    seen = cv(TRAIN, SquaredError(), given_, folds=folds, watch=Watch(metrics=("rmse", "mae")))
    values = []
    for (kept, held), model in zip(folds.split(TRAIN), seen.models):
        watch = Watch(sets={"test": TRAIN.take(held)}, metrics=("mae",))
        alone, history = boost(TRAIN.take(kept), SquaredError(), given_, watch=watch)
        values.append(history["test"]["mae"])
        assert alone.margin(HELD.x).tobytes() == model.margin(HELD.x).tobytes()
    assert seen.means["test"]["mae"] == np.mean(values, axis=0).tolist()
    assert seen.table["test-mae-std"] == np.std(values, axis=0).tolist()
    assert list(seen.table)[:2] == ["train-rmse-mean", "train-rmse-std"]


@pytest.mark.parametrize("kind", BOOSTERS)
def test_cv_stops_by_the_mean(kind: str) -> None:
    given_ = Settings(n_estimators=70, learning_rate=0.5, **BOOSTERS[kind])
    stop = EarlyStopping(rounds=5, save_best=True)
    seen = cv(TRAIN, SquaredError(), given_, folds=Folds(n=3), watch=Watch(callbacks=(stop,)))
    values = seen.table["test-rmse-mean"]
    assert seen.best_round == int(np.argmin(values)) == len(values) - 1
    assert all(len(model) == len(values) for model in seen.models)


def test_cv_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="sets must be empty"):
        cv(TRAIN, SquaredError(), Settings(), watch=Watch(sets={"t": HELD}))
    with pytest.raises(ValueError, match="5 folds need as many rows"):
        cv(TRAIN.take(np.arange(3)), SquaredError(), Settings())
    with pytest.raises(ValueError, match="stratified"):
        Folds(stratified=True, groups=np.zeros(3))
    with pytest.raises(ValueError, match="continues a linear model"):
        model, _ = boost(TRAIN, SquaredError(), Settings(n_estimators=1))
        boost_any(TRAIN, SquaredError(), Settings(booster="gblinear"), start=model)


# Beside XGBoost.


@pytest.mark.peer
@pytest.mark.parametrize("rounds", [3, 10])
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_it_stops_where_xgboost_stops(seed: int, binary: bool, rounds: int) -> None:
    """Same bins, same trees: the curves agree to the rounding of gradients, and so the rounds."""
    xgboost = pytest.importorskip("xgboost")
    train, held = (problem(300, 2 * seed + k, binary=binary) for k in (0, 1))
    objective = Logistic() if binary else SquaredError()
    watch = Watch(sets={"t": held}, patience=rounds)
    model, history = boost(train, objective, Settings(n_estimators=200), watch=watch)
    seen: dict = {}
    theirs = xgboost.train(
        {"objective": objective.name, "nthread": 1, "tree_method": "hist"},
        xgboost.DMatrix(train.x, train.target),
        200,
        evals=[(xgboost.DMatrix(held.x, held.target), "t")],
        early_stopping_rounds=rounds,
        evals_result=seen,
        verbose_eval=False,
    )
    assert model.best_round == theirs.best_iteration
    assert len(history["t"][objective.metric]) == len(seen["t"][objective.metric])


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["gbtree", "gblinear"])
@pytest.mark.filterwarnings("ignore")
def test_cv_scores_as_xgboosts_on_the_same_folds(kind: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    pairs = Folds(n=3).split(TRAIN)
    given_ = Settings(n_estimators=12, **BOOSTERS[kind])
    watch = Watch(callbacks=(EarlyStopping(rounds=4),))
    ours = cv(TRAIN, SquaredError(), given_, folds=pairs, watch=watch)
    params = {"booster": kind, "eta": 0.3 if kind == "gbtree" else 0.1, "nthread": 1}
    theirs = xgboost.cv(
        params,
        xgboost.DMatrix(TRAIN.x, TRAIN.target),
        12,
        folds=pairs,
        early_stopping_rounds=4,
        as_pandas=False,
    )
    assert list(ours.table) == list(theirs)
    for name, values in theirs.items():
        assert len(ours.table[name]) == len(values)
        if name.endswith("mean"):
            # Gradients are rounded to about 2000 steps of their mean.
            assert ours.table[name] == pytest.approx(values, rel=2e-3)

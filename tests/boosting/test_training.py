"""Boosting end to end: it learns real data, repeats its bits, stops, continues, and refuses."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, Watch, boost
from drivetrain.trees.growing.settings import Growth


def halves(loaded: tuple[np.ndarray, np.ndarray]) -> tuple[Dataset, Dataset]:
    x, y = loaded
    order = np.random.default_rng(0).permutation(len(x))
    data = Dataset(
        x=np.ascontiguousarray(x[order], np.float32), label=y[order, None].astype(np.float32)
    )
    half = len(x) // 2
    return data.take(np.arange(half)), data.take(np.arange(half, len(x)))


CASES = {
    "diabetes": (load_diabetes, SquaredError(), "rmse"),
    "breast cancer": (load_breast_cancer, Logistic(), "logloss"),
    "digits": (load_digits, Softmax(10), "mlogloss"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_learns_as_well_as_xgboost(case: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    load, objective, metric = CASES[case]
    train, test = halves(load(return_X_y=True))
    settings = Settings(n_estimators=40, learning_rate=0.1)
    model, history = boost(train, objective, settings, watch=Watch(sets={"test": test}))
    params = {"objective": objective.name, "eta": 0.1, "nthread": 1, "eval_metric": metric}
    if case == "digits":
        params["num_class"] = 10
    seen: dict = {}
    xgboost.train(
        params,
        xgboost.DMatrix(train.x, train.target),
        40,
        evals=[(xgboost.DMatrix(test.x, test.target), "test")],
        evals_result=seen,
        verbose_eval=False,
    )
    # Cuts differ, so trees do: the losses are of one kind, not the same.
    assert history["test"][metric][-1] < seen["test"][metric][-1] * 1.05
    assert history["test"][metric][-1] < history["test"][metric][0]
    assert model.predict(test.x).shape[0] == len(test)


@pytest.mark.parametrize("case", CASES)
def test_margins_kept_by_leaf_are_those_of_walking(case: str) -> None:
    load, objective, _ = CASES[case]
    train, _ = halves(load(return_X_y=True))
    settings = Settings(n_estimators=5, subsample=0.6)
    watch = Watch(sets={"train": train})
    model, history = boost(train, objective, settings, watch=watch)
    again, _ = boost(train, objective, settings)
    assert np.array_equal(model.margin(train.x), again.margin(train.x))
    assert len(history["train"][objective.metric]) == 5


@pytest.mark.parametrize("subsample", [1.0, 0.5])
def test_threads_do_not_change_a_bit(subsample: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(90_000, 6)).astype(np.float32)
    y = (x[:, :1] * x[:, 1:2] + rng.normal(size=(90_000, 1))).astype(np.float32)
    data = Dataset(x=x, label=y)
    growth = Growth(max_depth=0, max_leaves=31, grow_policy="lossguide")

    def bits(threads: int) -> bytes:
        settings = Settings(n_estimators=4, growth=growth, threads=threads, subsample=subsample)
        return boost(data, SquaredError(), settings)[0].margin(x).tobytes()

    assert bits(1) == bits(2) == bits(3)


def test_continued_training_is_training_once() -> None:
    train, _ = halves(load_diabetes(return_X_y=True))
    once, _ = boost(train, SquaredError(), Settings(n_estimators=8))
    half, _ = boost(train, SquaredError(), Settings(n_estimators=4))
    both, _ = boost(train, SquaredError(), Settings(n_estimators=4), start=half)
    assert np.array_equal(once.margin(train.x), both.margin(train.x))


def test_early_stopping_keeps_the_best_round() -> None:
    train, test = halves(load_diabetes(return_X_y=True))
    watch = Watch(sets={"test": test}, patience=5)
    model, history = boost(train, SquaredError(), Settings(n_estimators=300), watch=watch)
    values = history["test"]["rmse"]
    assert model.best_round == int(np.argmin(values)) == len(values) - 6
    kept = model.first(model.best_round + 1)
    assert np.array_equal(model.predict(test.x), kept.predict(test.x))
    off = model.predict(test.x) - test.target
    assert np.sqrt(np.mean(off.astype(float) ** 2)) == pytest.approx(min(values), rel=1e-6)


def test_a_row_of_weight_two_is_two_rows() -> None:
    train, _ = halves(load_diabetes(return_X_y=True))
    twice = train.take(np.repeat(np.arange(len(train)), 2))
    heavy = Dataset(x=train.x, label=train.label, weight=np.full(len(train), 2, np.float32))
    a, _ = boost(twice, SquaredError(), Settings(n_estimators=1))
    b, _ = boost(heavy, SquaredError(), Settings(n_estimators=1))
    # Steps are drawn a row: the sums agree to a step of each of the rows.
    assert a.margin(train.x) == pytest.approx(b.margin(train.x), rel=1e-5)


def _bad(**changes: object) -> Dataset:
    good: dict = {"x": np.ones((3, 2), np.float32), "label": np.ones((3, 1), np.float32)}
    return Dataset(**(good | changes))


@pytest.mark.parametrize(
    ("data", "objective", "words"),
    [
        (_bad(x=np.ones((0, 2)), label=np.ones((0, 1))), SquaredError(), "at least one row"),
        (_bad(x=np.ones((3, 0), np.float32)), SquaredError(), "at least one feature"),
        (_bad(x=np.full((3, 2), np.inf, np.float32)), SquaredError(), "must not be infinite"),
        (_bad(weight=np.array([1, -1, 1], np.float32)), SquaredError(), "-1.0 in row 1"),
        (_bad(weight=np.zeros(3, np.float32)), SquaredError(), "0 for every row"),
        (_bad(label=np.array([[0], [np.nan], [1]], np.float32)), SquaredError(), "nan in row 1"),
        (_bad(label=np.array([[0], [2], [1]], np.float32)), Logistic(), "between 0 and 1. Got 2.0"),
        (_bad(label=np.array([[0], [1.5], [1]], np.float32)), Softmax(3), "from 0 to 2. Got 1.5"),
        (_bad(label=None), SquaredError(), "label is missing"),
    ],
)
def test_what_cannot_be_learned_is_named(data: Dataset, objective: Objective, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        boost(data, objective, Settings(n_estimators=1))


def test_constant_and_empty_columns_and_one_row_are_fitted() -> None:
    x = np.full((1, 2), np.nan, np.float32)
    model, _ = boost(
        Dataset(x=x, label=np.full((1, 1), 7, np.float32)), SquaredError(), Settings(n_estimators=2)
    )
    assert model.predict(x).tolist() == [7.0]

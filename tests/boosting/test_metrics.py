"""Metrics: their definitions by hand, XGBoost's values, and names that are not there."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from drivetrain.boosting import reference
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.metrics import RISING, metric_named
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.queries import offsets_of

RNG = np.random.default_rng(0)
N = 400
PROBABILITY = np.round(RNG.random(N), 2).astype(np.float32)
BINARY = (RNG.random(N) < 0.2 + 0.5 * PROBABILITY).astype(np.float32)
WEIGHT = RNG.uniform(0.2, 3, N).astype(np.float32)
POSITIVE = np.exp(RNG.normal(size=N)).astype(np.float32)
CLASSES = RNG.integers(0, 4, N).astype(np.float32)
SHARES = RNG.dirichlet(np.ones(4), N).astype(np.float32)
QID = np.repeat(np.arange(20), 20)
GRADES = RNG.integers(0, 5, N).astype(np.float32)


def data(label: np.ndarray, weight: np.ndarray | None = None, **more: object) -> Dataset:
    return Dataset(x=np.zeros((N, 1)), label=label, weight=weight, **more)  # type: ignore[arg-type]


def test_areas_are_scikit_learns() -> None:
    for weight in (None, WEIGHT):
        got = metric_named("auc")(PROBABILITY, data(BINARY, weight))
        assert got == pytest.approx(roc_auc_score(BINARY, PROBABILITY, sample_weight=weight))
    # Interpolated between thresholds, not stepped: near it, not equal.
    stepped = average_precision_score(BINARY, PROBABILITY)
    assert metric_named("aucpr")(PROBABILITY, data(BINARY)) == pytest.approx(stepped, abs=0.01)


def test_precision_area_is_its_integral() -> None:
    """Two thresholds: counts (1, 1) and (2, 4) of true and false positives, of 2 and 4."""
    y = np.zeros(N, np.float32)
    y[0] = y[2] = 1
    p = np.zeros(N, np.float32)
    p[:2], p[2:6] = 1, 0.5
    small = Dataset(x=np.zeros((6, 1)), label=y[:6])
    r = np.linspace(0, 1, 200_001)[1:]
    tp = 2 * r
    # From (0, 0) to (1, 1) along a line, and from there to (2, 4) along another.
    fp = np.where(tp <= 1, tp, 1 + 3 * (tp - 1))
    exact = np.mean(tp / (tp + fp))
    assert metric_named("aucpr")(p[:6], small) == pytest.approx(exact, abs=1e-5)


def test_one_class_has_no_area() -> None:
    for name in ("auc", "aucpr"):
        assert np.isnan(metric_named(name)(PROBABILITY, data(np.ones(N))))
        assert np.isnan(metric_named(name)(SHARES, data(np.zeros(N))))


@pytest.mark.parametrize("most", [3, 10, 20])
def test_lists_are_the_references(most: int) -> None:
    score = RNG.normal(size=N).astype(np.float32)
    ranked = data(GRADES, group_offsets=offsets_of(QID))
    relevant = data(BINARY, group_offsets=offsets_of(QID))
    orders = [np.argsort(-score[q == QID], kind="stable").tolist() for q in range(20)]
    grades, hits = GRADES.reshape(20, 20).astype(float), BINARY.reshape(20, 20).astype(float)
    exact = np.mean([reference.ndcg(o, 2**g - 1, most) for o, g in zip(orders, grades)])
    assert metric_named(f"ndcg@{most}")(score, ranked) == pytest.approx(exact, rel=1e-12)
    plain = objective_named("rank:ndcg", {"ndcg_exp_gain": False})
    exact = np.mean([reference.ndcg(o, g, most) for o, g in zip(orders, grades)])
    assert metric_named(f"ndcg@{most}", plain)(score, ranked) == pytest.approx(exact, rel=1e-12)
    exact = np.mean([g[o][:most].mean() for o, g in zip(orders, hits)])
    assert metric_named(f"pre@{most}")(score, relevant) == pytest.approx(exact, rel=1e-12)
    if most == 20:
        exact = np.mean([reference.average_precision(o, g) for o, g in zip(orders, hits)])
        assert metric_named("map")(score, relevant) == pytest.approx(exact, rel=1e-12)


def test_what_has_nothing_relevant_counts_one_or_nothing() -> None:
    bare = data(np.zeros(N), group_offsets=offsets_of(QID))
    for name in ("ndcg", "map", "ndcg@5", "map@5"):
        assert metric_named(name)(PROBABILITY, bare) == 1
        assert metric_named(name + "-")(PROBABILITY, bare) == 0


def test_a_perfect_list_counts_one() -> None:
    for name, label in (("ndcg", GRADES), ("map", BINARY), ("auc", BINARY)):
        own = data(label, group_offsets=None if name == "auc" else offsets_of(QID))
        assert metric_named(name)(label, own) == pytest.approx(1, abs=1e-15)


def test_several_labels_are_averaged() -> None:
    labels = np.stack([BINARY, 1 - BINARY], 1)
    both = np.stack([PROBABILITY, PROBABILITY], 1)
    for name in ("logloss", "error", "auc"):
        each = [metric_named(name)(PROBABILITY, data(one)) for one in labels.T]
        assert metric_named(name)(both, data(labels)) == pytest.approx(np.mean(each))


ELEMENTWISE = [
    ("rmse", POSITIVE, PROBABILITY),
    ("rmsle", POSITIVE, PROBABILITY),
    ("mae", POSITIVE, PROBABILITY),
    ("mape", POSITIVE, PROBABILITY),
    ("mphe", POSITIVE, PROBABILITY),
    ("logloss", BINARY, PROBABILITY),
    ("error", BINARY, PROBABILITY),
    ("error@0.3", BINARY, PROBABILITY),
    ("auc", BINARY, PROBABILITY),
    ("aucpr", BINARY, PROBABILITY),
    ("poisson-nloglik", np.floor(POSITIVE), POSITIVE[::-1]),
    ("gamma-nloglik", POSITIVE, POSITIVE[::-1]),
    ("gamma-deviance", POSITIVE, POSITIVE[::-1]),
    ("tweedie-nloglik@1.3", POSITIVE, POSITIVE[::-1]),
    ("mlogloss", CLASSES, SHARES),
    ("merror", CLASSES, SHARES),
    ("auc", CLASSES, SHARES),
    ("aucpr", CLASSES, SHARES),
]


def theirs(name: str, own: Dataset, prediction: np.ndarray, **more: object) -> float:
    """XGBoost's value of a metric: of a model without trees whose base margin is the prediction."""
    xgboost = pytest.importorskip("xgboost")
    weight = own.weight
    if own.group_offsets is not None and weight is not None:
        weight = weight[own.group_offsets[:-1]]
    margin = np.log(prediction) if prediction.ndim == 2 else prediction
    matrix = xgboost.DMatrix(
        own.x, own.label, weight=weight, base_margin=margin, qid=own.query_of_row
    )
    params = {"objective": "reg:squarederror", "eval_metric": name, "max_depth": 1, "eta": 0}
    if prediction.ndim == 2:
        params |= {"objective": "multi:softprob", "num_class": prediction.shape[1]}
    seen: dict = {}
    evals = [(matrix, "it")]
    xgboost.train(
        params | more, matrix, 1, evals=evals, evals_result=seen, verbose_eval=False
    )  # fmt: skip
    return float(seen["it"][name][0])


@pytest.mark.peer
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(("name", "label", "prediction"), ELEMENTWISE)
def test_means_are_xgboosts(
    name: str, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None
) -> None:
    own = data(label, weight)
    # XGBoost adds float32 terms of up to 1e3.
    expected = theirs(name, own, prediction)
    assert metric_named(name)(prediction, own) == pytest.approx(expected, rel=3e-6)


@pytest.mark.peer
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "name",
    [*("ndcg", "ndcg@5", "ndcg@3-", "map", "map@5", "map@4-", "pre", "pre@5", "auc", "aucpr")],
)
def test_metrics_of_lists_are_xgboosts(name: str, weighted: bool) -> None:
    label = GRADES if name.startswith("ndcg") else BINARY
    weight = np.repeat(np.linspace(0.5, 2, 20), 20) if weighted else None
    own = data(label, weight, group_offsets=offsets_of(QID))
    assert metric_named(name)(PROBABILITY, own) == pytest.approx(
        theirs(name, own, PROBABILITY, objective="rank:pairwise"), rel=1e-6
    )


@pytest.mark.peer
def test_the_objective_tells_the_metrics_numbers() -> None:
    heads = np.sort(RNG.normal(size=(N, 2)), axis=1).astype(np.float32)
    loss = objective_named("reg:quantileerror", {"quantile_alpha": [0.2, 0.7]})
    xgboost = pytest.importorskip("xgboost")
    matrix = xgboost.DMatrix(np.zeros((N, 1)), POSITIVE, base_margin=heads)
    params = {"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.7], "eta": 0}
    seen: dict = {}
    evals = [(matrix, "it")]
    xgboost.train(params, matrix, 1, evals=evals, evals_result=seen, verbose_eval=False)
    expected = seen["it"][loss.metric][0]
    assert metric_named(loss.metric, loss)(heads, data(POSITIVE)) == pytest.approx(
        expected, rel=1e-6
    )
    slope = objective_named("reg:pseudohubererror", {"huber_slope": 2.0})
    own = metric_named("mphe", slope)(PROBABILITY, data(POSITIVE))
    assert own == metric_named("mphe@2")(PROBABILITY, data(POSITIVE))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rsme", "Did you mean 'rmse'"),
        ("quantile@x", "numbers after the @"),
        ("ndcg@x", "number of places after the @"),
        ("map@0", "number of places"),
        ("quantile", "Unknown metric 'quantile'"),
        ("error@1,2", "numbers after"),
    ],
)
def test_wrong_names_are_named(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        metric_named(name)


@pytest.mark.parametrize(
    ("name", "prediction", "own", "words"),
    [
        ("rmse", SHARES, data(BINARY), "a prediction a label"),
        ("mlogloss", SHARES, data(CLASSES + 1), "from 0 to 3. Got 4.0"),
        ("mlogloss", PROBABILITY, data(CLASSES), "a prediction a class"),
        ("ndcg", PROBABILITY, data(POSITIVE), "whole number from 0 to 31"),
        ("map", PROBABILITY, data(GRADES), "0 or 1"),
    ],
)
def test_what_does_not_fit_is_named(
    name: str, prediction: np.ndarray, own: Dataset, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        metric_named(name)(prediction, own)


def test_rising_metrics_are_known() -> None:
    assert {"auc", "ndcg", "map", "pre", "aucpr"} < RISING and "rmse" not in RISING

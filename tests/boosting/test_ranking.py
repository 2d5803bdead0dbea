"""LambdaMART: the equations pair by pair, XGBoost's pairs, queries kept whole, bias of places."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.boosting import reference
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.metrics import metric_named
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.objectives.ranking import _numba as kernels
from drivetrain.boosting.queries import offsets_of
from drivetrain.boosting.training import Settings, Watch, boost

NAMES = ("rank:ndcg", "rank:map", "rank:pairwise")


def listed(
    name: str, queries: int = 12, seed: int = 0, most: int = 70
) -> tuple[Dataset, np.ndarray]:
    """Queries of 1 to ``most`` rows, labels that fit, and margins."""
    rng = np.random.default_rng(seed)
    qid = np.repeat(np.arange(queries), rng.integers(1, most, queries))
    y = rng.integers(0, 2 if name == "rank:map" else 5, len(qid)).astype(np.float32)
    x = np.stack([np.arange(len(qid)), y + rng.normal(size=len(qid))], 1).astype(np.float32)
    data = Dataset(x=x, label=y, group_offsets=offsets_of(qid))
    # Ties of scores among the rows: the order of the rows decides.
    score = np.round(rng.normal(size=(len(qid), 1)), 1).astype(np.float32)
    return data, score


@pytest.mark.parametrize("name", NAMES)
def test_lambdas_are_the_equations(name: str) -> None:
    data, score = listed(name)
    g, h = objective_named(name, {}).gradients(score, data)
    assert data.group_offsets is not None
    for a, b in zip(data.group_offsets, data.group_offsets[1:]):
        f, y = score[a:b, 0].astype(float), data.target[a:b].astype(float)
        slope, bend = reference.lambdarank(name, f, y)
        # Differences of float32 scores, and float32 sums of up to 70 pairs.
        scale = max(np.abs(slope).max(), 1e-6)
        assert g[a:b, 0] == pytest.approx(slope, rel=2e-5, abs=2e-6 * scale)
        assert h[a:b, 0] == pytest.approx(bend, rel=2e-5, abs=1e-9)


def test_pairwise_lambdas_are_the_slopes_of_the_loss() -> None:
    """Without any normalization the loss is Σ log(1 + e^(f_j - f_i)), which can be differenced."""
    data, score = listed("rank:pairwise", queries=1, most=20)
    plain = {"lambdarank_normalization": False, "lambdarank_score_normalization": False}
    g, h = objective_named("rank:pairwise", plain).gradients(score, data)
    y = data.target
    above = y[:, None] > y

    def loss(f: np.ndarray) -> float:
        return float(np.logaddexp(0, f - f[:, None])[above].sum())

    f, step = score[:, 0].astype(float), 1e-4
    for k in range(len(f)):
        e = np.eye(len(f))[k] * step
        up, down = loss(f + e), loss(f - e)
        # Central differences err by step² and by 1e-16/step² of sums of about 100.
        assert g[k, 0] == pytest.approx((up - down) / (2 * step), abs=1e-5)
        # XGBoost's h is twice the second derivative.
        assert h[k, 0] == pytest.approx(2 * (up + down - 2 * loss(f)) / step**2, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(0, 3), st.integers(0, 1000))
def test_sorting_is_stable(n: int, digits: int, seed: int) -> None:
    key = np.round(np.random.default_rng(seed).normal(size=n), digits).astype(np.float32)
    order, spare = np.empty(n, np.int64), np.empty(n, np.int64)
    kernels.descend(key, order, spare)
    assert np.array_equal(order, np.argsort(-key, kind="stable"))


@pytest.mark.parametrize(
    "given", [{}, {"lambdarank_pair_method": "mean"}, {"lambdarank_unbiased": 1}]
)
def test_threads_do_not_change_a_bit(given: dict) -> None:
    data, score = listed("rank:ndcg", queries=40)
    stages = [objective_named("rank:ndcg", given).stage(data, threads=k) for k in (1, 3)]
    for number in range(3):
        one, three = (stage.gradients(score + number, number) for stage in stages)
        assert np.array_equal(one[0], three[0]) and np.array_equal(one[1], three[1])
    assert stages[0].objective == stages[1].objective


def test_a_query_of_weight_two_pulls_twice_as_hard_as_one_of_weight_one() -> None:
    data, score = listed("rank:ndcg", queries=2, most=30)
    loss = objective_named("rank:ndcg", {})
    plain = loss.gradients(score, data)[0]
    heavy = Dataset(x=data.x, label=data.label, weight=[1, 2], group_offsets=data.group_offsets)
    cut = data.group_offsets[1]
    g = loss.gradients(score, heavy)[0]
    # Weights are divided by their mean, 3/2; each product is rounded to float32.
    np.testing.assert_allclose(g[:cut], plain[:cut] * (2 / 3), rtol=3e-7)
    np.testing.assert_allclose(g[cut:], plain[cut:] * (4 / 3), rtol=3e-7)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_to_rank_and_stops_on_whole_queries(name: str) -> None:
    data, _ = listed(name, queries=60)
    train, test = data.take_queries(np.arange(40)), data.take_queries(np.arange(40, 60))
    assert len(train) + len(test) == len(data)
    watch = Watch(sets={"test": test}, patience=5)
    model, history = boost(
        train, objective_named(name, {}), Settings(n_estimators=60, learning_rate=0.05), watch=watch
    )
    ((metric, values),) = history["test"].items()
    assert model.best_round == int(np.argmax(values))
    # Far better than the order of the rows, which has nothing to do with the labels.
    assert max(values) > metric_named(metric)(np.zeros(len(test), np.float32), test) + 0.1


def test_the_place_of_a_click_is_accounted_for() -> None:
    """Clicks fall with the place whatever the row is: the estimate finds how fast."""
    rng = np.random.default_rng(0)
    queries, shown = 400, 8
    good = rng.random((queries, shown)) < 0.4
    seen = rng.random((queries, shown)) < 1 / np.arange(1, shown + 1)
    x = np.stack([good.reshape(-1) + 0.3 * rng.normal(size=queries * shown)], 1)
    data = Dataset(
        x=x, label=(good & seen).reshape(-1), group_offsets=np.arange(queries + 1) * shown
    )
    loss = objective_named("rank:ndcg", {"lambdarank_unbiased": True, "lambdarank_bias_norm": 0})
    model, _ = boost(data, loss, Settings(n_estimators=20, learning_rate=0.1))
    bias = np.array(model.objective.t_plus[:shown])
    assert bias[0] == 1 and (np.diff(bias[:5]) < 0).all()


def _bad(**changes: object) -> Dataset:
    good: dict = {"x": np.ones((4, 1)), "label": [0, 1, 2, 0], "group_offsets": [0, 2, 4]}
    return Dataset(**(good | changes))


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("rank:ndcg", {"group_offsets": None}, "needs queries"),
        ("rank:ndcg", {"label": [0, 1.5, 2, 0]}, "whole number from 0 to 31.*Got 1.5 in row 1"),
        ("rank:ndcg", {"label": [0, 1, 32, 0]}, "Got 32.0 in row 2"),
        ("rank:map", {}, "0 or 1 for rank:map. Got 2.0 in row 2"),
        ("rank:pairwise", {"label": [0, np.nan, 1, 0]}, "Got nan in row 1"),
        ("rank:ndcg", {"weight": [1, 1, 1, 2]}, "same in all rows of a query. Got 2.0 in row 3"),
        ("rank:ndcg", {"label": np.ones((4, 2))}, "one label a row. Got 2"),
    ],
)
def test_what_cannot_be_ranked_is_named(name: str, changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        boost(_bad(**changes), objective_named(name, {}), Settings(n_estimators=1))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: offsets_of([1, 1, 0]), "qid must not fall.*Got 0 after 1 in row 2"),
        (lambda: offsets_of([1, 1.5]), "whole numbers"),
        (lambda: _bad(group_offsets=[0, 3]), "rise from 0 to 4"),
        (lambda: _bad(group_offsets=[0, 3, 2, 4]), "rise from 0 to 4"),
        (lambda: _bad(weight=[1, 2, 3]), "weight must have 4 rows. Got 3"),
        (lambda: _bad().take(np.array([3, 0])), "rising order"),
        (lambda: _bad(group_offsets=None).take_queries(np.array([0])), "no queries"),
        (lambda: objective_named("rank:ndcg", {"lambdarank_pair_method": "all"}), "pair_method"),
        (lambda: objective_named("rank:ndcg", {"lambdarank_num_pair_per_sample": 0}), ">= 1"),
        (lambda: objective_named("rank:ndcg", {"lambdarank_unbiased": 2}), "true or false"),
    ],
)
def test_wrong_queries_and_parameters_are_named(call, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=words):
        call()


GIVEN = [
    {},
    {"lambdarank_num_pair_per_sample": 3},
    {"lambdarank_pair_method": "mean", "lambdarank_num_pair_per_sample": 4},
    {"lambdarank_score_normalization": 0},
    {"lambdarank_normalization": 0},
]


@pytest.mark.peer
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_lambdas_are_xgboosts(name: str, given: dict, weighted: bool) -> None:
    """A deep tree on the row's number: each leaf tells Σh and Σg/Σh of its rows."""
    xgboost = pytest.importorskip("xgboost")
    data, score = listed(name)
    weight = np.linspace(0.5, 2, len(data.group_offsets) - 1) if weighted else None
    matrix = xgboost.DMatrix(
        data.x[:, :1], data.target, base_margin=score, qid=data.query_of_row, weight=weight
    )
    params = {"objective": name, "eta": 1, "lambda": 0, "min_child_weight": 0, "max_depth": 30}
    tree = xgboost.train({**params, "tree_method": "exact", **given}, matrix, 1)
    leaf = tree.predict(matrix, pred_leaf=True).reshape(-1).astype(int)
    table = tree.trees_to_dataframe()
    held = table[table.Feature == "Leaf"].set_index("Node")
    mine = Dataset(x=data.x, label=data.label, weight=weight, group_offsets=data.group_offsets)
    g, h = objective_named(name, given).gradients(score, mine)
    nodes = held.index.to_numpy()
    assert len(nodes) > 50
    bend, slope = (np.bincount(leaf, one[:, 0])[nodes] for one in (h, g))
    # Both round each row to float32, XGBoost each pair: 70 pairs of 6e-8.
    assert bend == pytest.approx(held.Cover.to_numpy(), rel=5e-6, abs=1e-6 * bend.max())
    real = bend > 1e-4 * bend.max()
    value = held.Gain.to_numpy()[real]
    assert -(slope / bend)[real] == pytest.approx(value, rel=2e-5, abs=2e-5)


@pytest.mark.peer
@pytest.mark.parametrize("method", ["topk", "mean"])
def test_the_bias_of_places_is_xgboosts(method: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    data, _ = listed("rank:ndcg", queries=50, most=30)
    given = {"lambdarank_unbiased": True, "lambdarank_pair_method": method}
    matrix = xgboost.DMatrix(data.x, data.target, qid=data.query_of_row)
    theirs = xgboost.train({"objective": "rank:ndcg", "max_depth": 1, **given}, matrix, 1)
    held = json.loads(bytes(theirs.save_raw("json")))["learner"]["objective"]
    stage = objective_named("rank:ndcg", given).stage(data)
    stage.gradients(np.zeros((len(data), 1), np.float32), 0)
    assert stage.objective.t_plus == pytest.approx(held["ti+"], rel=1e-5)
    assert stage.objective.t_minus == pytest.approx(held["tj-"], rel=1e-5)
    again = objective_named("rank:ndcg", held["lambdarank_param"] | held)
    assert again.t_plus == pytest.approx(stage.objective.t_plus, rel=1e-5)


@pytest.mark.peer
@pytest.mark.parametrize("name", NAMES)
def test_it_ranks_as_well_as_xgboost(name: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    data, _ = listed(name, queries=80)
    train, test = data.take_queries(np.arange(60)), data.take_queries(np.arange(60, 80))
    watch = Watch(sets={"test": test})
    settings = Settings(n_estimators=30, learning_rate=0.1)
    _, history = boost(train, objective_named(name, {}), settings, watch=watch)
    seen: dict = {}
    pair = [xgboost.DMatrix(one.x, one.target, qid=one.query_of_row) for one in (train, test)]
    params = {"objective": name, "eta": 0.1, "nthread": 1}
    evals = [(pair[1], "test")]
    xgboost.train(params, pair[0], 30, evals=evals, evals_result=seen, verbose_eval=False)
    assert list(history["test"]) == list(seen["test"])
    (ours,), (theirs,) = history["test"].values(), seen["test"].values()
    # Cuts differ, so trees do: the curves are of one kind, not the same.
    assert np.mean(ours[-10:]) > np.mean(theirs[-10:]) - 0.02

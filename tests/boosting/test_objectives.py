"""Losses: derivatives of what they say, XGBoost's gradients and base scores, labels refused."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from drivetrain.boosting import reference
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.metrics import metric_named
from drivetrain.boosting.objectives.named import objective_named, stored
from drivetrain.boosting.objectives.robust import quantile
from drivetrain.boosting.training import Settings, boost
from drivetrain.trees.growing.settings import Growth

Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]


def pinball(alpha: float) -> Loss:
    return lambda f, y: np.maximum(alpha * (y - f), (alpha - 1) * (y - f))


# Name, parameters, the loss in the margin; None where h is by convention no derivative.
LOSSES: dict[str, tuple[dict, Loss, bool]] = {
    "reg:squarederror": ({}, lambda f, y: (f - y) ** 2 / 2, True),
    "binary:logistic": ({}, lambda f, y: np.logaddexp(0, f) - y * f, True),
    "reg:squaredlogerror": ({}, lambda f, y: (np.log1p(f) - np.log1p(y)) ** 2 / 2, False),
    "binary:logitraw": ({}, lambda f, y: np.logaddexp(0, f) - y * f, True),
    "binary:hinge": ({}, lambda f, y: np.maximum(0, 1 - (2 * y - 1) * f), False),
    "count:poisson": ({}, lambda f, y: np.exp(f) - y * f, False),
    "reg:gamma": ({}, lambda f, y: y * np.exp(-f) + f, True),
    "reg:tweedie": (
        {"tweedie_variance_power": 1.3},
        lambda f, y: -y * np.exp(-0.3 * f) / -0.3 + np.exp(0.7 * f) / 0.7,
        True,
    ),
    "reg:pseudohubererror": (
        {"huber_slope": 2.0},
        lambda f, y: 4 * (np.sqrt(1 + ((f - y) / 2) ** 2) - 1),
        True,
    ),
    "reg:absoluteerror": ({}, lambda f, y: np.abs(f - y), False),
    "reg:quantileerror": ({"quantile_alpha": 0.3}, pinball(0.3), False),
    "reg:expectileerror": (
        {"expectile_alpha": 0.3},
        lambda f, y: np.where(f > y, 0.7, 0.3) * (f - y) ** 2 / 2,
        True,
    ),
}


# Every objective, with parameters that are not the usual ones.
FILED: dict[str, dict] = {
    "reg:squarederror": {},
    "reg:squaredlogerror": {},
    "reg:logistic": {"scale_pos_weight": 2.5},
    "binary:logistic": {"scale_pos_weight": 2.5},
    "binary:logitraw": {},
    "binary:hinge": {},
    "count:poisson": {"max_delta_step": 0.4},
    "reg:gamma": {},
    "reg:tweedie": {"tweedie_variance_power": 1.25},
    "reg:absoluteerror": {},
    "reg:quantileerror": {"quantile_alpha": [0.1, 0.75]},
    "reg:expectileerror": {"expectile_alpha": [0.1, 0.75]},
    "reg:pseudohubererror": {"huber_slope": 1.5},
    "multi:softprob": {"num_class": 2},
    "multi:softmax": {"num_class": 2},
    "rank:ndcg": {"lambdarank_num_pair_per_sample": 7, "ndcg_exp_gain": False},
    "rank:map": {"lambdarank_pair_method": "mean", "lambdarank_normalization": False},
    "rank:pairwise": {"lambdarank_score_normalization": False, "lambdarank_bias_norm": 0.5},
    "survival:cox": {},
    "survival:aft": {"aft_loss_distribution": "extreme", "aft_loss_distribution_scale": 1.5},
}


def labels(name: str, n: int = 200) -> np.ndarray:
    y = np.exp(np.random.default_rng(1).normal(size=n))
    if name == "count:poisson":
        y = np.floor(y)
    if name.startswith("binary"):
        y = y > 1
    return y.astype(np.float32)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_the_derivatives(name: str) -> None:
    given, loss, second = LOSSES[name]
    y = labels(name)
    f = np.random.default_rng(2).normal(size=len(y)).astype(np.float32)
    f = np.abs(f) if name == "reg:squaredlogerror" else f
    data = Dataset(x=np.zeros((len(y), 1), np.float32), label=y[:, None])
    g, h = objective_named(name, given).gradients(f[:, None], data)
    step = 1e-4
    wide, tall = f.astype(float), y.astype(float)
    slope = (loss(wide + step, tall) - loss(wide - step, tall)) / (2 * step)
    # Central differences err by step² f'''/6 and 1e-16/step; float32 by 1e-7 of the terms.
    np.testing.assert_allclose(g[:, 0], slope, rtol=2e-5, atol=2e-5)
    if second:
        bend = loss(wide + step, tall) + loss(wide - step, tall) - 2 * loss(wide, tall)
        np.testing.assert_allclose(
            np.broadcast_to(h, g.shape)[:, 0], bend / step**2, rtol=1e-3, atol=1e-3
        )


@pytest.mark.peer
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [name for name in LOSSES if "expectile" not in name])
def test_base_scores_are_xgboosts(name: str, weighted: bool) -> None:
    xgboost = pytest.importorskip("xgboost")
    y = labels(name)
    weight = np.arange(1, len(y) + 1, dtype=np.float32) if weighted else None
    x = np.random.default_rng(0).normal(size=(len(y), 2)).astype(np.float32)
    given = LOSSES[name][0] | ({"scale_pos_weight": 2.0} if name.startswith("binary:log") else {})
    matrix = xgboost.DMatrix(x, y, weight=weight)
    booster = xgboost.train({"objective": name, **given}, matrix, 1)
    text = booster.save_config()
    theirs = json.loads(text)["learner"]["learner_model_param"]["base_score"]
    data = Dataset(x=x, label=y[:, None], weight=weight)
    ours = objective_named(name, given).start(data)
    assert ours == pytest.approx([float(theirs.strip("[]"))], rel=3e-7)


@pytest.mark.peer
@pytest.mark.parametrize(
    "name", [n for n in LOSSES if not any(part in n for part in ("absolute", "quantile", "expect"))]
)
def test_gradients_are_xgboosts(name: str) -> None:
    """One row, one leaf: -g/(h + λ) at two λ gives g and h."""
    xgboost = pytest.importorskip("xgboost")
    given = LOSSES[name][0]
    objective = objective_named(name, given)
    low = -0.5 if name == "reg:squaredlogerror" else -1.5
    for y, f in zip(labels(name, 6), np.linspace(low, 1.5, 6, dtype=np.float32)):
        matrix = xgboost.DMatrix(np.zeros((1, 1)), [y], base_margin=[f])
        leaves = []
        for penalty in (1.0, 3.0):
            params = {"objective": name, "eta": 1, "lambda": penalty, "min_child_weight": 0}
            params |= {"max_delta_step": 1000 if name != "count:poisson" else 0.7} | given
            booster = xgboost.train(params, matrix, 1)
            leaves.append(float(booster.predict(matrix, output_margin=True)[0] - f))
        data = Dataset(x=np.zeros((1, 1), np.float32), label=np.full((1, 1), y, np.float32))
        g, h = (float(v[0, 0]) for v in objective.gradients(np.full((1, 1), f, np.float32), data))
        for penalty, leaf in zip((1.0, 3.0), leaves):
            expected = -g / (h + penalty)
            if name == "count:poisson":
                expected = float(np.clip(expected, -0.7, 0.7))
            # A difference of two float32 margins of size 3.
            assert leaf == pytest.approx(expected, rel=2e-5, abs=1e-6)


EQUATIONS = {
    "reg:squarederror": reference.squared_error,
    "reg:squaredlogerror": reference.squared_log_error,
    "binary:logistic": reference.logistic,
    "binary:hinge": reference.hinge,
    "reg:gamma": reference.gamma,
    "reg:tweedie": reference.tweedie(1.3),
    "reg:pseudohubererror": reference.pseudo_huber(2.0),
    "reg:expectileerror": reference.expectile(0.3),
    "count:poisson": reference.poisson,
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", EQUATIONS)
def test_gradients_are_the_equations(name: str, weighted: bool) -> None:
    y = labels(name)
    weight = np.linspace(0.5, 2, len(y)).astype(np.float32) if weighted else None
    f = np.random.default_rng(2).normal(size=len(y)).astype(np.float32)
    f = np.abs(f) if name == "reg:squaredlogerror" else f
    data = Dataset(x=np.zeros((len(y), 1), np.float32), label=y, weight=weight)
    g, h = objective_named(name, LOSSES[name][0]).gradients(f[:, None], data)
    exact = np.array([EQUATIONS[name](float(a), float(b)) for a, b in zip(f, y)])
    w = 1.0 if weight is None else weight.astype(float)
    # A few roundings of float32 terms of size up to 30.
    assert g[:, 0] == pytest.approx(exact[:, 1] * w, rel=2e-6, abs=4e-6)
    bend = np.broadcast_to(h, g.shape)[:, 0]
    if name == "count:poisson":
        bend = bend / np.exp(0.7)
    elif name == "reg:squaredlogerror":
        exact[:, 2] = np.maximum(exact[:, 2], 1e-6)
    assert bend == pytest.approx(exact[:, 2] * w, rel=4e-6, abs=4e-6)


@pytest.mark.peer
@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_starts_where_xgboost_does(weighted: bool) -> None:
    xgboost = pytest.importorskip("xgboost")
    y = np.random.default_rng(0).choice(4, 300, p=[0.5, 0.3, 0.15, 0.05]).astype(np.float32)
    weight = np.linspace(0.5, 2, 300) if weighted else None
    params = {"objective": "multi:softprob", "num_class": 4}
    booster = xgboost.train(params, xgboost.DMatrix(np.zeros((300, 1)), y, weight=weight), 1)
    held = json.loads(booster.save_config())["learner"]["learner_model_param"]["base_score"]
    expected = [float(part) for part in held.strip("[]").split(",")]
    data = Dataset(x=np.zeros((300, 1)), label=y, weight=weight)
    # float32 sums of 300 shares, of logarithms about 1.
    assert objective_named("multi:softprob", params).start(data) == pytest.approx(
        expected, rel=2e-6, abs=1e-6
    )


def test_a_class_without_rows_is_learned_around() -> None:
    data = Dataset(x=np.arange(6.0)[:, None], label=[0, 0, 0, 2, 2, 2])
    model, _ = boost(data, objective_named("multi:softprob", {"num_class": 3}), Settings())
    assert model.predict(data.x).argmax(axis=1).tolist() == [0, 0, 0, 2, 2, 2]


def test_several_labels_are_several_models() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3)).astype(np.float32)
    both = np.stack([x[:, 0] > 0, x[:, 1] * x[:, 2] > 0], 1).astype(np.float32)
    loss = objective_named("binary:logistic", {})
    together, _ = boost(Dataset(x=x, label=both), loss, Settings(n_estimators=10))
    for k in range(2):
        alone, _ = boost(Dataset(x=x, label=both[:, k]), loss, Settings(n_estimators=10))
        # Rounding of gradients is drawn anew for each tree: near ties may fall otherwise.
        off = together.predict(x)[:, k] - alone.predict(x)
        assert np.sqrt(np.mean(off**2)) < 0.05
        assert ((together.predict(x)[:, k] > 0.5) == both[:, k]).mean() > 0.95


def test_hinge_and_logitraw_predict_as_they_say() -> None:
    x = np.linspace(-1, 1, 200, dtype=np.float32)[:, None]
    data = Dataset(x=x, label=x[:, 0] > 0)
    model, _ = boost(data, objective_named("binary:hinge", {}), Settings(n_estimators=10))
    assert np.array_equal(model.predict(x), (model.margin(x)[:, 0] > 0).astype(np.float32))
    assert (model.predict(x) == data.target).mean() > 0.98
    raw, _ = boost(data, objective_named("binary:logitraw", {}), Settings(n_estimators=10))
    assert np.array_equal(raw.predict(x), raw.margin(x)[:, 0])
    assert raw.base_score.tolist() == [0.5]


@pytest.mark.parametrize("name", FILED)
def test_what_files_hold_is_read_back(name: str) -> None:
    loss = objective_named(name, FILED[name])
    held = stored(loss)
    assert held["name"] == name
    given = {
        key: value
        for part in held.values()
        if isinstance(part, dict)
        for key, value in part.items()
    }
    lists = {key: held[key] for key in ("ti+", "tj-") if key in held}
    assert all(isinstance(value, str) for value in given.values())
    assert objective_named(name, given | lists) == loss


@pytest.mark.peer
@pytest.mark.parametrize("name", [name for name in FILED if "expectile" not in name])
def test_what_files_hold_is_xgboosts(name: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    label = np.array([1, 0, 1, 0], np.float32) + (name == "reg:gamma")
    matrix = xgboost.DMatrix(np.arange(4.0)[:, None], label)
    if name.startswith("rank"):
        matrix.set_group([4])
    if name == "survival:aft":
        matrix.set_float_info("label_lower_bound", label + 1)
        matrix.set_float_info("label_upper_bound", label + 1)
    theirs = xgboost.train({"objective": name, **FILED[name]}, matrix, 1)
    held = json.loads(bytes(theirs.save_raw("json")))["learner"]["objective"]
    ours = stored(objective_named(name, FILED[name]))
    assert ours.keys() - {"ti+", "tj-"} == held.keys() - {"ti+", "tj-"}
    for block, values in held.items():
        if isinstance(values, dict):
            assert ours[block].keys() == values.keys()
            for key, value in values.items():
                # Numbers are printed by other rules: 0.699999988 and 0.7 are one float32.
                assert _same(ours[block][key], value)


def _same(ours: str, theirs: str) -> bool:
    try:
        numbers = [[np.float32(v) for v in one.strip("[]").split(",")] for one in (ours, theirs)]
    except ValueError:
        return ours == theirs
    return numbers[0] == numbers[1]


@pytest.mark.parametrize("alphas", [(0.1, 0.5, 0.9), (0.5,)])
def test_quantiles_cover_their_share_and_do_not_cross(alphas: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(6000, 2)).astype(np.float32)
    y = (x[:, 0] + (0.2 + x[:, 1]) * rng.normal(size=6000)).astype(np.float32)
    objective = objective_named("reg:quantileerror", {"quantile_alpha": alphas})
    data = Dataset(x=x, label=y[:, None])
    model, _ = boost(data, objective, Settings(n_estimators=40, learning_rate=0.2))
    heads = model.predict(x).reshape(len(x), -1)
    assert (np.diff(heads, axis=1) >= 0).all()
    # 6000 rows: three standard errors of a share are at most .02; the fit adds its own.
    assert (y[:, None] <= heads).mean(axis=0) == pytest.approx(alphas, abs=0.04)


def test_expectiles_are_their_loss_differenced_and_do_not_cross() -> None:
    rng = np.random.default_rng(0)
    alphas = (0.1, 0.4, 0.8)
    loss = objective_named("reg:expectileerror", {"expectile_alpha": alphas})
    y = rng.normal(size=(100, 1))
    margin = rng.normal(size=(100, 3)).astype(np.float32)
    g, h = loss.gradients(margin, Dataset(x=np.zeros((100, 1)), label=y))
    y = y.astype(np.float32).astype(float)

    def value(m: np.ndarray) -> np.ndarray:
        p = np.cumsum(np.concatenate([m[:, :1], np.logaddexp(0, m[:, 1:]) + 1e-6], 1), 1)
        off = p - y
        return (np.where(off > 0, 1 - np.array(alphas), alphas) * off**2 / 2).sum(axis=1)

    for k in range(3):
        e = np.eye(3)[k] * 1e-5
        slope = (value(margin + e) - value(margin - e)) / 2e-5
        # Central differences err by 1e-10 where no residual changes sign; float32 by 1e-6.
        assert g[:, k] == pytest.approx(slope, rel=1e-5, abs=5e-6)
    assert (h > 0).all()
    x = rng.uniform(size=(3000, 2)).astype(np.float32)
    target = x[:, 0] + (0.2 + x[:, 1]) * rng.normal(size=3000)
    model, _ = boost(Dataset(x=x, label=target), loss, Settings(n_estimators=30, learning_rate=0.2))
    heads = model.predict(x)
    assert (np.diff(heads, axis=1) > 0).all()
    # The α-expectile is where the squares below weigh (1 - α)/α times those above.
    for k, alpha in enumerate(alphas):
        off = target - heads[:, k]
        below, above = -off[off < 0].sum(), off[off > 0].sum()
        assert above / (above + below) == pytest.approx(1 - alpha, abs=0.05)


def test_expectiles_are_those_of_xgboost_3_4() -> None:
    x, y = np.arange(6.0)[:, None], [0, 1, 2, 3, 10, 4]
    loss = objective_named("reg:expectileerror", {"expectile_alpha": [0.1, 0.4, 0.8]})
    settings = Settings(
        n_estimators=2, tree_method="exact", growth=Growth(max_depth=1, min_child_weight=0)
    )
    model, _ = boost(Dataset(x=x, label=y), loss, settings)
    # As printed by 3.4.1: six rows, two rounds, exact greedy, depth 1.
    assert model.base_score == pytest.approx([1.7894737, 2.875, 5.166667], rel=3e-7)
    assert model.predict(x)[[0, 5]] == pytest.approx(
        np.array([[1.0655313, 1.6509255, 3.25648], [2.9806929, 4.965362, 8.005928]]), rel=1e-6
    )


def test_the_median_of_a_leaf_is_its_rows() -> None:
    x = np.repeat([[0.0], [1.0]], 5, axis=0).astype(np.float32)
    y = np.array([1, 2, 3, 4, 100, 10, 20, 30, 40, 1000], np.float32)
    objective = objective_named("reg:absoluteerror", {})
    settings = Settings(n_estimators=1, learning_rate=1.0)
    model, _ = boost(Dataset(x=x, label=y[:, None]), objective, settings)
    assert model.predict(x).tolist() == [3.0] * 5 + [30.0] * 5


def test_quantile_is_xgboosts_definition() -> None:
    values = np.array([5, 1, 4, 2, 3], np.float32)
    # α (n + 1) = 1.5: halfway between the first and second of the sorted.
    assert quantile(values, 0.25) == pytest.approx(1.5)
    assert quantile(values, 0.01) == 1 and quantile(values, 0.99) == 5
    assert quantile(values, 0.5, np.array([9, 1, 1, 1, 1], np.float32)) == 5


@pytest.mark.parametrize(
    ("name", "given", "wrong", "words"),
    [
        ("count:poisson", {}, -1, ">= 0 and finite. Got -1.0 in row 1"),
        ("reg:gamma", {}, 0, "> 0 and finite. Got 0.0 in row 1"),
        ("reg:tweedie", {}, np.inf, "Got inf in row 1"),
        ("reg:absoluteerror", {}, np.nan, "Got nan in row 1"),
        ("reg:squaredlogerror", {}, -1, "> -1 and finite. Got -1.0 in row 1"),
        ("binary:hinge", {}, 0.5, "0 or 1. Got 0.5 in row 1"),
        ("binary:logitraw", {}, 2, "between 0 and 1. Got 2.0 in row 1"),
    ],
)
def test_labels_outside_are_named(name: str, given: dict, wrong: float, words: str) -> None:
    data = Dataset(x=np.zeros((2, 1), np.float32), label=np.array([[1], [wrong]], np.float32))
    with pytest.raises(ValueError, match=words):
        boost(data, objective_named(name, given), Settings(n_estimators=1))


@pytest.mark.parametrize("name", ["reg:quantileerror", "reg:expectileerror", "multi:softprob"])
def test_several_labels_are_refused_where_they_mean_nothing(name: str) -> None:
    data = Dataset(x=np.zeros((2, 1)), label=np.ones((2, 2)))
    with pytest.raises(ValueError, match=f"{name} takes one label a row. Got 2"):
        boost(data, objective_named(name, FILED[name]), Settings(n_estimators=1))


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("reg:squareerror", {}, "Did you mean 'reg:squarederror'"),
        ("multi:softprob", {}, "needs the parameter 'num_class'"),
        ("reg:tweedie", {"tweedie_variance_power": 2}, "must be > 1 and < 2"),
        ("reg:quantileerror", {"quantile_alpha": [0.9, 0.1]}, "must rise"),
        ("reg:quantileerror", {"quantile_alpha": 1.0}, "quantile_alpha must be > 0 and < 1"),
        ("reg:pseudohubererror", {"huber_slope": 0}, "huber_slope must be > 0"),
    ],
)
def test_wrong_parameters_are_named(name: str, given: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        objective_named(name, given)


@pytest.mark.parametrize(("name", "words"), [("rsme", "'rmse'"), ("quantile@x", "numbers after")])
def test_wrong_metrics_are_named(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        metric_named(name)

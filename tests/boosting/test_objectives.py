"""Losses: derivatives of what they say, XGBoost's gradients and base scores, labels refused."""

from collections.abc import Callable

import numpy as np
import pytest

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.metrics import metric_named
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.objectives.robust import quantile
from drivetrain.boosting.training import Settings, boost

Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]


def pinball(alpha: float) -> Loss:
    return lambda f, y: np.maximum(alpha * (y - f), (alpha - 1) * (y - f))


# Name, parameters, the loss in the margin; None where h is by convention no derivative.
LOSSES: dict[str, tuple[dict, Loss, bool]] = {
    "reg:squarederror": ({}, lambda f, y: (f - y) ** 2 / 2, True),
    "binary:logistic": ({}, lambda f, y: np.logaddexp(0, f) - y * f, True),
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
    given = LOSSES[name][0] | ({"scale_pos_weight": 2.0} if name.startswith("binary") else {})
    matrix = xgboost.DMatrix(x, y, weight=weight)
    booster = xgboost.train({"objective": name, **given}, matrix, 1)
    text = booster.save_config()
    import json

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
    for y, f in zip(labels(name, 6), np.linspace(-1.5, 1.5, 6, dtype=np.float32)):
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
    ],
)
def test_labels_outside_are_named(name: str, given: dict, wrong: float, words: str) -> None:
    data = Dataset(x=np.zeros((2, 1), np.float32), label=np.array([[1], [wrong]], np.float32))
    with pytest.raises(ValueError, match=words):
        boost(data, objective_named(name, given), Settings(n_estimators=1))


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

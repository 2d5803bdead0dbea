"""Linear boosting: the reference's weights, XGBoost's to the bit, its files, its face."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.engines import boost_linear
from drivetrain.boosting.files.linear import dumps_any, load_any, loads_any, save_any
from drivetrain.boosting.linear import reference
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.linear.settings import Linear
from drivetrain.boosting.objectives.counts import Poisson
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.robust import AbsoluteError
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, Watch, boost

OBJECTIVES = {
    "squared": SquaredError(),
    "logistic": Logistic(),
    "softprob": Softmax(3),
    "poisson": Poisson(),
}


def problem(kind: str, n: int = 300, features: int = 5, *, weighted: bool = False) -> Dataset:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(n, features)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    signal = np.nan_to_num(x) @ np.linspace(1, -1, features) + rng.normal(size=n) * 0.1
    y = {
        "squared": signal,
        "logistic": signal > 0.2,
        "poisson": rng.poisson(np.exp(0.5 * signal)),
    }.get(kind, np.digitize(signal, [-0.5, 0.6]))
    weight = rng.integers(1, 4, n).astype(np.float32) if weighted else None
    return Dataset(x=x, label=y.astype(np.float32)[:, None], weight=weight)


def linear(rounds: int = 15, threads: int = 1, seed: int = 0, **given_: object) -> Settings:
    rules = Linear(**({"updater": "coord_descent"} | given_))  # type: ignore[arg-type]
    return Settings(
        booster="gblinear", n_estimators=rounds, linear=rules, threads=threads, random_state=seed
    )


# The equations.


def test_golden_steps() -> None:
    # w - G2/H2 = 1 + 3/4 >= 0: max(-(−3+1)/4, -1) = 1/2.
    assert reference.step(-4.0, 3.0, 1.0, alpha=1.0, lam=1.0) == 0.5
    # The penalty holds a weight at 0: max(-(−.5+1)/2, -0) = 0.
    assert reference.step(-0.5, 2.0, 0.0, alpha=1.0, lam=0.0) == 0
    # Downhill past 0 stops at 0: max(-(9+0)/2, -1) = -1 only if w - G2/H2 >= 0; here it is not.
    assert reference.step(9.0, 2.0, 1.0, alpha=0.0, lam=0.0) == -4.5
    assert reference.step(5.0, 1e-6, 1.0, alpha=0.0, lam=0.0) == 0
    assert reference.bias_step(np.array([1.0, 2.0]), np.array([2.0, 4.0])) == -0.5


@settings(max_examples=30)
@given(
    st.integers(0, 10**6),
    st.integers(1, 6),
    st.floats(0, 0.3),
    st.floats(0, 0.3),
    st.sampled_from(["cyclic", "shuffle", "random", "thrifty", "greedy"]),
)
def test_kernels_equal_the_reference(
    seed: int, features: int, alpha: float, lam: float, selector: str
) -> None:
    from drivetrain.boosting.linear import _numba as kernels

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, features)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    g, h = rng.normal(size=40).astype(np.float32), rng.random(40).astype(np.float32)
    w = rng.normal(size=features).astype(np.float32)
    penalty = np.array([alpha, lam]) * 40
    g64, w64 = g.astype(float), w.astype(float)
    x64, h64 = x.astype(float), h.astype(float)
    out = np.empty(features, np.float32)
    kernels.changes(x.T.copy(), g, h, w, penalty, out)
    # 40 products of size < 20 rounded to float32, divided by an H of about 10.
    close = {"abs": 40 * 20 * 2**-24, "rel": 1e-4}
    assert out == pytest.approx(reference.changes(x64, g64, h64, w64, penalty), **close)
    order = {
        "shuffle": rng.permutation(features),
        "random": rng.integers(0, features, features),
        "thrifty": np.argsort(-abs(out)),
        "greedy": np.array([abs(out).argmax()]),
    }.get(selector, np.arange(features))
    kernels.descend(x.T.copy(), g, h, w, order, np.float32(0.5), penalty)
    reference.descend(x64, g64, h64, w64, order.tolist(), eta=0.5, penalty=penalty)
    assert w == pytest.approx(w64, **close)
    assert g == pytest.approx(g64, abs=1e-3)


@pytest.mark.parametrize("selector", ["cyclic", "shuffle", "random", "greedy", "thrifty"])
def test_it_ends_at_the_elastic_net(selector: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    y = (x @ np.array([2, 0.05, -1, 0.0]) + 3 + rng.normal(size=200) * 0.1).astype(np.float32)
    alpha, lam = 0.1, 0.05
    given_ = linear(600, feature_selector=selector, reg_alpha=alpha, reg_lambda=lam)
    model, _ = boost_linear(Dataset(x=x, label=y[:, None]), SquaredError(), given_)
    # Penalties times n: 1/2 |y - f|² / n + α |w|₁ + λ/2 |w|², which is scikit-learn's.
    net = ElasticNet(alpha=alpha + lam, l1_ratio=alpha / (alpha + lam), tol=1e-10)
    net.fit(x.astype(float), y)
    # The minimum is flat to float32's square root, and reached up to its rounding: 200 rows.
    assert model.weights[:, 0] == pytest.approx(net.coef_, abs=2e-5)
    whole = model.bias[0] + model.base_score[0]
    assert whole == pytest.approx(net.intercept_, abs=2e-5)


# The face.


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_it_learns_and_explains(kind: str) -> None:
    data, objective = problem(kind), OBJECTIVES[kind]
    model, history = boost_linear(data, objective, linear(40), watch=Watch(sets={"t": data}))
    values = history["t"][objective.metric]
    assert values[-1] < 0.9 * values[0]
    margin = model.margin(data.x)
    # Sums of 6 float32 against the same in float64.
    assert model.contributions(data.x).sum(axis=2) == pytest.approx(margin, abs=1e-5)
    pairs = model.interactions(data.x)
    assert np.array_equal(pairs.sum(axis=3), model.contributions(data.x))
    assert len(model) == 40 and model.used is model and model.first(40) is model
    with pytest.raises(ValueError, match=r"must be 40\. Got 3"):
        model.first(3)
    with pytest.raises(ValueError, match=r"model's 5 features\. Got 2"):
        model.predict(data.x[:, :2])


@pytest.mark.parametrize("kind", ["squared", "softprob"])
@pytest.mark.parametrize("selector", ["cyclic", "random", "greedy"])
def test_the_same_bits_however_it_is_run(kind: str, selector: str, tmp_path: Path) -> None:
    data, objective = problem(kind), OBJECTIVES[kind]
    once, _ = boost_linear(data, objective, linear(9, feature_selector=selector))
    threaded, _ = boost_linear(data, objective, linear(9, threads=3, feature_selector=selector))
    half, _ = boost_linear(data, objective, linear(4, feature_selector=selector))
    save_any(half, tmp_path / "half.json")
    start = load_any(tmp_path / "half.json")
    assert isinstance(start, LinearBooster)
    both, _ = boost_linear(data, objective, linear(5, feature_selector=selector), start=start)
    assert once.weights.tobytes() == threaded.weights.tobytes() == both.weights.tobytes()
    assert once.bias.tobytes() == threaded.bias.tobytes() == both.bias.tobytes()
    assert len(both) == 9


def test_early_stopping_returns_the_best_weights() -> None:
    data = problem("squared")
    turned = Dataset(x=data.x, label=data.labels * 0.4)
    watch = Watch(sets={"t": turned}, patience=3)
    model, history = boost_linear(data, SquaredError(), linear(50, learning_rate=0.05), watch=watch)
    values = history["t"]["rmse"]
    assert model.best_round == int(np.argmin(values)) == len(values) - 4
    off = model.predict(turned.x) - turned.target
    assert np.sqrt(np.mean(off.astype(float) ** 2)) == pytest.approx(min(values), rel=1e-6)


def test_medians_and_base_margins() -> None:
    data = problem("squared")
    model, history = boost_linear(
        data, AbsoluteError(), linear(60, learning_rate=0.3), watch=Watch(sets={"t": data})
    )
    assert history["t"]["mae"][-1] < history["t"]["mae"][0]
    moved = Dataset(x=data.x, label=data.labels + 5, base_margin=np.full((300, 1), 5, np.float32))
    again, _ = boost_linear(moved, SquaredError(), linear(60))
    plain = boost_linear(data, SquaredError(), linear(60))[0]
    # The same minimum from another start: to float32's square root.
    assert again.weights == pytest.approx(plain.weights, abs=1e-4)
    assert len(model.margin(data.x, base_margin=moved.base_margin)) == 300


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: linear(feature_selector="thrfty"), "Did you mean 'thrifty'"),
        (lambda: Linear(feature_selector="greedy"), "updater='shotgun'.*'greedy'"),
        (lambda: linear(top_k=3), "top_k=3 with feature_selector='cyclic'"),
        (lambda: Settings(linear=Linear(reg_alpha=1)), "booster='gblinear' only. Got.*'gbtree'"),
        (lambda: Settings(booster="gblinear", num_parallel_tree=2), "num_parallel_tree.*Got 2"),
        (lambda: Settings(booster="gblinear", subsample=0.5), "booster='gblinear'.*subsample=0.5"),
        (lambda: Settings(booster="gblinear", tree_method="exact"), "'gblinear'.*'exact'"),
        (lambda: boost(problem("squared"), SquaredError(), linear()), "boost_linear"),
        (lambda: boost_linear(problem("squared"), SquaredError(), Settings()), "Got 'gbtree'"),
        (
            lambda: boost_linear(
                Dataset(
                    x=np.ones((2, 1)), label=np.ones(2), categorical=np.array([True])
                ),
                SquaredError(),
                linear(),
            ),
            "categories in column 0",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(call: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()  # type: ignore[operator]


# The files.


@pytest.mark.parametrize("suffix", [".json", ".ubj"])
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_what_is_written_is_read(kind: str, suffix: str, tmp_path: Path) -> None:
    data = problem(kind)
    model, _ = boost_linear(data, OBJECTIVES[kind], linear())
    save_any(model, tmp_path / f"m{suffix}")
    again = load_any(tmp_path / f"m{suffix}")
    assert isinstance(again, LinearBooster) and len(again) == 15
    assert again.margin(data.x).tobytes() == model.margin(data.x).tobytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": [1.0]}, "weights must hold 6 finite numbers. Got 1"),
        ({"weights": [1.0] * 5 + [float("nan")]}, "finite"),
        ({"weights": "x"}, "numbers in 'weights'"),
        ({"boosted_rounds": -1}, "boosted_rounds must be a whole number"),
    ],
)
def test_a_damaged_file_is_named(change: dict, words: str, tmp_path: Path) -> None:
    model, _ = boost_linear(problem("squared"), SquaredError(), linear())
    save_any(model, tmp_path / "m.json")
    whole = json.loads((tmp_path / "m.json").read_text())
    whole["learner"]["gradient_booster"]["model"] |= change
    with pytest.raises(ValueError, match=words):
        loads_any(json.dumps(whole).encode())


@functools.cache
def _texts() -> dict[bool, bytes]:
    model, _ = boost_linear(problem("softprob"), OBJECTIVES["softprob"], linear(2))
    return {style == "ubj": dumps_any(model, style) for style in ("ubj", "json")}


@settings(max_examples=150)
@given(at=st.integers(0, 10**9), flip=st.integers(1, 255), cut=st.booleans(), kind=st.booleans())
def test_a_damaged_file_is_an_error_or_a_model(at: int, flip: int, cut: bool, kind: bool) -> None:
    text = bytearray(_texts()[kind])
    at %= len(text)
    if cut:
        text = text[:at]
    else:
        text[at] ^= flip
    try:
        model = loads_any(bytes(text))
    except ValueError as error:
        assert "\n" not in str(error)
        return
    with np.errstate(all="ignore"):
        assert len(model.margin(np.zeros((3, model.n_features), np.float32))) == 3


# Beside XGBoost.

LIMIT = pytest.mark.filterwarnings("ignore")


def theirs_and_data(kind: str, *, weighted: bool = False, **given_: object) -> tuple:
    xgboost = pytest.importorskip("xgboost")
    data = problem(kind, weighted=weighted)
    params = {
        "booster": "gblinear",
        "objective": OBJECTIVES[kind].name,
        "nthread": 1,
        "verbosity": 0,
        "updater": "coord_descent",
    } | given_
    if kind == "softprob":
        params["num_class"] = 3
    matrix = xgboost.DMatrix(data.x, data.target, weight=data.weight)
    return xgboost.train(params, matrix, 15), matrix, data


@LIMIT
@pytest.mark.peer
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"updater": "shotgun", "reg_lambda": 0.1},
        {"reg_alpha": 0.05, "reg_lambda": 0.02, "learning_rate": 0.3},
        {"feature_selector": "greedy"},
        {"feature_selector": "greedy", "top_k": 2},
        {"feature_selector": "thrifty", "top_k": 3, "reg_alpha": 0.01},
    ],
    ids=str,
)
def test_weights_are_xgboosts(kind: str, rules: dict, weighted: bool) -> None:
    theirs, _, data = theirs_and_data(kind, weighted=weighted, **rules)
    held = loads_any(bytes(theirs.save_raw("json")))
    assert isinstance(held, LinearBooster)
    ours, _ = boost_linear(data, OBJECTIVES[kind], linear(**rules))
    # Gradients of logistic and the like differ in the last bit of exp, 2^-23 of values near 1; a
    # round's step takes it over, and steps shrink to the minimum: 15 of them at most add up.
    assert ours.weights == pytest.approx(held.weights, rel=15 * 2**-22, abs=15 * 2**-23)
    if kind == "squared" and not weighted:
        assert ours.base_score == pytest.approx(held.base_score, rel=2**-22)


@LIMIT
@pytest.mark.peer
@pytest.mark.parametrize("raw", ["json", "ubj"])
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_we_predict_xgboosts_models_to_the_bit(kind: str, raw: str) -> None:
    theirs, matrix, data = theirs_and_data(kind)
    held = loads_any(bytes(theirs.save_raw(raw)))
    margin = theirs.predict(matrix, output_margin=True).reshape(len(data), -1)
    assert np.array_equal(held.margin(data.x), margin)
    given_ = theirs.predict(matrix, pred_contribs=True)
    assert isinstance(held, LinearBooster)
    ours = held.contributions(data.x).reshape(given_.shape)
    assert ours == pytest.approx(given_, rel=2**-22, abs=1e-7)


@LIMIT
@pytest.mark.peer
@pytest.mark.parametrize("suffix", [".json", ".ubj"])
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_xgboost_predicts_our_models_to_the_bit(kind: str, suffix: str, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    data = problem(kind)
    model, _ = boost_linear(data, OBJECTIVES[kind], linear())
    save_any(model, tmp_path / f"m{suffix}")
    theirs = xgboost.Booster(model_file=str(tmp_path / f"m{suffix}"))
    margin = theirs.predict(xgboost.DMatrix(data.x), output_margin=True)
    assert np.array_equal(margin.reshape(len(data), -1), model.margin(data.x))
    assert theirs.num_boosted_rounds() == 15

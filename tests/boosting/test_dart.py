"""DART: weights as XGBoost's, margins that trees leave without a trace, files both ways."""

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes

from drivetrain.boosting import scores
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dart import Dart, choose_dropped, weigh_anew
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.files.linear import dumps_any, loads_any
from drivetrain.boosting.files.model import load_model, loads, save_model
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.robust import AbsoluteError
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, Watch, boost
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.shap.explainer import Explainer

OBJECTIVES = {"squared": SquaredError(), "logistic": Logistic(), "softprob": Softmax(3)}
DROPPING = Dart(rate_drop=0.4, one_drop=True)


def problem(kind: str, n: int = 300) -> Dataset:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    signal = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) ** 2
    y = {"squared": signal, "logistic": signal > 0.5}.get(kind, np.digitize(signal, [0.2, 1.0]))
    return Dataset(x=x, label=y.astype(np.float32)[:, None])


def dart(**given: object) -> Settings:
    common: dict = {"n_estimators": 12, "booster": "dart", "dart": DROPPING}
    return Settings(**(common | given))


def fitted(kind: str, **given: object) -> Booster:
    return boost(problem(kind), OBJECTIVES[kind], dart(**given))[0]


# The rules.


def test_golden_weights() -> None:
    """XGBoost 3.2: eta .5, every tree dropped in every round, two normalizations."""
    held = np.empty(0, np.float32)
    for _ in range(3):
        drop = np.arange(len(held))
        held = weigh_anew(Dart(), held, drop, new=1, learning_rate=0.5)
    # 1 -> x 1/1.5 -> x 2/2.5; 1/1.5 -> x 2/2.5; 1/2.5.
    assert held == pytest.approx([1 / 1.5 * 0.8, 1 / 1.5 * 0.8, 0.4], rel=2e-7)
    forest = Dart(normalize_type="forest")
    held = weigh_anew(forest, np.ones(2, np.float32), np.array([1]), new=2, learning_rate=0.5)
    assert held == pytest.approx([1, 0.8, 0.8, 0.8], rel=1e-7)


@given(st.integers(1, 50), st.floats(0, 1), st.integers(0, 99))
@settings(max_examples=40)
def test_dropping_keeps_to_its_rules(trees: int, rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.random(trees).astype(np.float32)
    for kind in ("uniform", "weighted"):
        rules = Dart(rate_drop=rate, one_drop=True, sample_type=kind)  # type: ignore[arg-type]
        chosen = choose_dropped(rules, weights, rng)
        assert len(chosen) >= 1 and (np.diff(chosen) > 0).all() and chosen.max() < trees
    never = Dart(rate_drop=rate, one_drop=True, skip_drop=1.0)
    assert not len(choose_dropped(never, weights, rng)) and not never.drops


def test_weighted_drops_go_by_weight() -> None:
    rng = np.random.default_rng(0)
    weights = np.array([1, 3], np.float32)
    rules = Dart(rate_drop=0.2, sample_type="weighted")
    counts = np.zeros(2)
    for _ in range(8000):
        counts[choose_dropped(rules, weights, rng)] += 1
    # Chances .2 * 2 * (1/4, 3/4); five standard deviations of a share of 8000.
    share = np.array([0.1, 0.3])
    assert (abs(counts / 8000 - share) < 5 * np.sqrt(share * (1 - share) / 8000)).all()


# The margins.


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [*((kind, "one_output_per_tree") for kind in OBJECTIVES), ("softprob", "multi_output_tree")],
)
def test_the_margins_of_training_are_those_of_the_model(kind: str, strategy: str) -> None:
    data = problem(kind)
    seen: list[np.ndarray] = []

    def watch(margin: np.ndarray, _: Dataset) -> float:
        seen.append(margin)
        return 0.0

    other = problem(kind, 450)
    sets = {"train": data, "other": other}
    model, _ = boost(
        data,
        OBJECTIVES[kind],
        dart(subsample=0.7, multi_strategy=strategy),
        watch=Watch(sets=sets, custom={"own": watch}),
    )
    # A sum of 12 trees in float32 against one in whole steps: 12 roundings of its size.
    for one, given_ in zip(sets.values(), seen[-2:]):
        assert given_ == pytest.approx(model.predict(one.x), rel=12 * 2**-23, abs=12 * 2**-23)
    assert model.weights is not None and len(set(model.weights.tolist())) > 2


def test_without_drops_it_is_gradient_boosting() -> None:
    data = problem("squared")
    plain, _ = boost(data, SquaredError(), Settings(n_estimators=8))
    for rules in (Dart(), Dart(rate_drop=0.5, skip_drop=1.0)):
        same, _ = boost(data, SquaredError(), dart(n_estimators=8, dart=rules))
        assert same.margin(data.x).tobytes() == plain.margin(data.x).tobytes()
        assert same.weights is not None and (same.weights == 1).all()


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("parallel", [1, 3])
def test_it_goes_on_as_if_never_stopped(kind: str, parallel: int, tmp_path: Path) -> None:
    data, objective = problem(kind), OBJECTIVES[kind]
    once = fitted(kind, num_parallel_tree=parallel, subsample=0.8)
    half = fitted(kind, num_parallel_tree=parallel, subsample=0.8, n_estimators=5)
    save_model(half, tmp_path / "half.ubj")
    rest = dart(num_parallel_tree=parallel, subsample=0.8, n_estimators=7)
    both, _ = boost(data, objective, rest, start=load_model(tmp_path / "half.ubj"))
    assert both.margin(data.x).tobytes() == once.margin(data.x).tobytes()
    assert np.array_equal(both.weights, once.weights)


def test_without_room_for_leaves_rows_are_walked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted("softprob", subsample=0.6)
    monkeypatch.setattr(scores, "_ROOM", 4000)
    again = fitted("softprob", subsample=0.6)
    x = problem("softprob").x
    assert whole.margin(x).tobytes() == again.margin(x).tobytes()


def test_a_leaf_that_steps_cannot_hold_is_named() -> None:
    """Labels near 1 and leaves of 10^6: the rate is a million."""
    data = problem("squared")
    with pytest.raises(ValueError, match="Lower learning_rate"):
        boost(data, SquaredError(), dart(learning_rate=1e6))


def test_threads_do_not_change_a_bit() -> None:
    one, two = (fitted("squared", threads=k, subsample=0.5) for k in (1, 2))
    x = problem("squared").x
    assert one.margin(x).tobytes() == two.margin(x).tobytes()


def test_leaves_that_are_medians_are_renewed_without_the_dropped_trees() -> None:
    data = problem("squared")
    model, history = boost(
        data, AbsoluteError(), dart(n_estimators=30), watch=Watch(sets={"train": data})
    )
    values = history["train"]["mae"]
    assert values[-1] < 0.6 * values[0] and len(model) == 30


def test_the_best_round_is_kept_as_it_stood() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)).astype(np.float32)
    y = (x[:, :1] + rng.normal(size=(400, 1)) * 2).astype(np.float32)
    train = Dataset(x=x[:200], label=y[:200])
    held = Dataset(x=x[200:], label=y[200:])
    model, history = boost(
        train, SquaredError(), dart(n_estimators=60), watch=Watch(sets={"t": held}, patience=8)
    )
    values = history["t"]["rmse"]
    assert model.best_round == int(np.argmin(values)) < len(values) - 1
    off = model.predict(held.x) - held.target
    assert np.sqrt(np.mean(off.astype(float) ** 2)) == pytest.approx(min(values), rel=1e-5)


def test_first_shapley_values_and_leaves_go_with_the_weights() -> None:
    data = problem("squared")
    model = fitted("squared")
    assert model.first(4).weights is not None and len(model.first(4).weights) == 4
    rows = data.x[:40]
    for start in (None, np.full((40, 1), 7, np.float32)):
        margin = model.margin(rows, base_margin=start)
        values = model.contributions(rows, base_margin=start)
        # Sums of 12 trees in float32.
        assert values.sum(axis=2) == pytest.approx(margin, abs=12 * 8 * 2**-22)
        pairs = model.interactions(rows, base_margin=start, threads=2)
        assert pairs.sum(axis=3) == pytest.approx(values, abs=1e-6)
    assert model.leaves(data.x).shape == (len(data), 12)
    with pytest.raises(ValueError, match="a number a tree, 12"):
        Booster(
            forest=model.forest,
            base_score=model.base_score,
            objective=model.objective,
            rounds=model.rounds,
            weights=np.ones(3, np.float32),
        )


@functools.cache
def _texts() -> dict[bool, bytes]:
    model = fitted("squared", n_estimators=2, growth=Growth(max_depth=2))
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


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"booster": "gbtree"}, "booster='dart' only. Got booster='gbtree'"),
        ({"dart": {"rate_drop": 2}}, "rate_drop must be"),
        ({"dart": {"sample_type": "weigthed"}}, "Did you mean 'weighted'"),
        ({"booster": "drat"}, "Did you mean 'dart'"),
    ],
)
def test_what_cannot_be_is_named(given_: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rules = given_.get("dart")
        dart(**(given_ | ({"dart": Dart(**rules)} if rules else {})))


# Beside XGBoost.


@pytest.mark.peer
@pytest.mark.parametrize("raw", ["json", "ubj"])
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_we_predict_xgboosts_darts_to_the_bit(kind: str, raw: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    data = problem(kind)
    params = {"booster": "dart", "rate_drop": 0.4, "objective": OBJECTIVES[kind].name, "nthread": 1}
    if kind == "softprob":
        params["num_class"] = 3
    theirs = xgboost.train(params, xgboost.DMatrix(data.x, data.target), 9)
    ours = loads(bytes(theirs.save_raw(raw)))
    margin = theirs.predict(xgboost.DMatrix(data.x), output_margin=True)
    assert np.array_equal(ours.margin(data.x), margin.reshape(len(data), -1))


@pytest.mark.peer
@pytest.mark.parametrize("suffix", [".json", ".ubj"])
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_xgboost_predicts_our_darts_to_the_bit(kind: str, suffix: str, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    model, x = fitted(kind, num_parallel_tree=2), problem(kind).x
    save_model(model, tmp_path / f"m{suffix}")
    theirs = xgboost.Booster(model_file=str(tmp_path / f"m{suffix}"))
    margin = theirs.predict(xgboost.DMatrix(x), output_margin=True).reshape(len(x), -1)
    assert np.array_equal(margin, model.margin(x))
    assert theirs.num_boosted_rounds() == len(model) == 12
    contributions = theirs.predict(xgboost.DMatrix(x), pred_contribs=True)
    base = model.objective.to_margin(model.base_score)
    ours = Explainer(model.scaled).values(x, base).reshape(contributions.shape)
    # Both are float32 sums over 24 trees and their paths.
    assert ours == pytest.approx(contributions, abs=2e-5)


@pytest.mark.peer
@pytest.mark.parametrize("normalize", ["tree", "forest"])
@pytest.mark.parametrize("kind", ["squared", "softprob"])
def test_weights_are_xgboosts(kind: str, normalize: str) -> None:
    """With every tree dropped in every round nothing is left to chance."""
    xgboost = pytest.importorskip("xgboost")
    data = problem(kind)
    params = {
        "booster": "dart",
        "rate_drop": 1.0,
        "normalize_type": normalize,
        "num_parallel_tree": 2,
        "objective": OBJECTIVES[kind].name,
        "nthread": 1,
    }
    if kind == "softprob":
        params["num_class"] = 3
    theirs = loads(
        bytes(xgboost.train(params, xgboost.DMatrix(data.x, data.target), 6).save_raw("json"))
    )
    rules = Dart(rate_drop=1.0, normalize_type=normalize)  # type: ignore[arg-type]
    ours = fitted(kind, dart=rules, n_estimators=6, num_parallel_tree=2)
    assert np.array_equal(ours.weights, theirs.weights)
    assert np.array_equal(ours.rounds, theirs.rounds)
    assert np.array_equal(ours.forest.group, theirs.forest.group)


@pytest.mark.peer
def test_it_learns_as_xgboosts_dart_does() -> None:
    """The same loss within the spread over seeds: ours lies among XGBoost's, give or take."""
    xgboost = pytest.importorskip("xgboost")
    x, y = load_diabetes(return_X_y=True)
    x, y = x.astype(np.float32), y.astype(np.float32)
    train, held = Dataset(x=x[::2], label=y[::2, None]), Dataset(x=x[1::2], label=y[1::2, None])
    ours, theirs = [], []
    for seed in range(12):
        rules = Dart(rate_drop=0.2, skip_drop=0.3)
        given_ = dart(
            n_estimators=40, learning_rate=0.2, dart=rules, random_state=seed, subsample=0.8,
            growth=Growth(max_depth=3),
        )  # fmt: skip
        history = boost(train, SquaredError(), given_, watch=Watch(sets={"t": held}))[1]
        ours.append(history["t"]["rmse"])
        seen: dict = {}
        params = {
            "booster": "dart", "rate_drop": 0.2, "skip_drop": 0.3, "eta": 0.2, "seed": seed,
            "nthread": 1, "max_depth": 3, "subsample": 0.8,
        }  # fmt: skip
        xgboost.train(
            params,
            xgboost.DMatrix(train.x, train.target),
            40,
            evals=[(xgboost.DMatrix(held.x, held.target), "t")],
            evals_result=seen,
            verbose_eval=False,
        )
        theirs.append(seen["t"]["rmse"])
    a, b = np.array(ours), np.array(theirs)
    # Means of 12 runs: 4 standard errors of their difference, at three points of the curve.
    for k in (5, 20, 39):
        error = np.sqrt((a[:, k].var(ddof=1) + b[:, k].var(ddof=1)) / 12)
        assert abs(a[:, k].mean() - b[:, k].mean()) < 4 * error

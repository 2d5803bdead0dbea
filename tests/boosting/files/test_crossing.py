"""Every objective and booster crosses over to XGBoost and back; words and types survive."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.files.model import encode, load_model, loads, save_model, to_object
from drivetrain.boosting.objectives.named import objective_named, stored
from drivetrain.boosting.training import Settings, boost
from drivetrain.trees.shap.explainer import Explainer

N = 240
OBJECTIVES: dict[str, dict[str, Any]] = {
    "reg:squarederror": {},
    "reg:squaredlogerror": {},
    "reg:logistic": {},
    "reg:pseudohubererror": {"huber_slope": 1.5},
    "reg:absoluteerror": {},
    "reg:quantileerror": {"quantile_alpha": [0.2, 0.7]},
    "reg:gamma": {},
    "reg:tweedie": {"tweedie_variance_power": 1.3},
    "binary:logistic": {"scale_pos_weight": 2.0},
    "binary:logitraw": {},
    "binary:hinge": {},
    "count:poisson": {"max_delta_step": 0.9},
    "multi:softprob": {"num_class": 3},
    "multi:softmax": {"num_class": 3},
    "rank:ndcg": {"ndcg_exp_gain": False, "lambdarank_num_pair_per_sample": 4},
    "rank:pairwise": {"lambdarank_pair_method": "mean"},
    "rank:map": {},
    "survival:cox": {},
    "survival:aft": {"aft_loss_distribution": "logistic", "aft_loss_distribution_scale": 1.3},
}


def problem(objective: str) -> Dataset:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(N, 4)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    signal = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) ** 2
    y = np.abs(signal) + 0.1
    known: dict[str, Any] = {}
    if objective.startswith(("binary", "reg:log", "rank:map")):
        y = (signal > 0.5).astype(float)
    elif objective.startswith(("multi", "rank")):
        y = np.digitize(signal, [0.2, 1.0])
    if objective.startswith("rank"):
        known["group_offsets"] = np.array([0, 80, 160, 240])
    if objective == "survival:aft":
        known["label_bounds"] = np.stack([y, y * 1.5], axis=1)
    return Dataset(x=x, label=y.astype(np.float32), **known)


def fitted(objective: str) -> Booster:
    built = objective_named(objective, OBJECTIVES[objective])
    return boost(problem(objective), built, Settings(n_estimators=4))[0]


@pytest.mark.parametrize("suffix", [".json", ".ubj"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_is_kept(objective: str, suffix: str, tmp_path: Path) -> None:
    model = fitted(objective)
    path = tmp_path / f"m{suffix}"
    save_model(model, path)
    again = load_model(path)
    assert again.objective == model.objective
    assert np.array_equal(again.base_score, model.base_score)
    assert np.array_equal(again.predict(problem(objective).x), model.predict(problem(objective).x))


@pytest.mark.peer
@pytest.mark.parametrize("suffix", [".json", ".ubj"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_xgboost_reads_ours(objective: str, suffix: str, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    model, x = fitted(objective), problem(objective).x
    path = tmp_path / f"m{suffix}"
    save_model(model, path)
    theirs = xgboost.Booster(model_file=str(path))
    margin = theirs.predict(xgboost.DMatrix(x), output_margin=True).reshape(N, -1)
    assert np.array_equal(margin, model.margin(x))
    # exp of float32 differs in its last bits between libraries.
    assert theirs.predict(xgboost.DMatrix(x)) == pytest.approx(model.predict(x), rel=5e-7)
    # What they keep of it they give back as they got it.
    kept = json.loads(theirs.save_raw("json"))["learner"]["objective"]
    sent = json.loads(json.dumps(stored(model.objective)))
    assert {k: set(v) for k, v in kept.items()} == {k: set(v) for k, v in sent.items()}
    assert loads(bytes(theirs.save_raw("ubj"))).objective == model.objective


@pytest.mark.peer
@pytest.mark.parametrize("raw", ["json", "ubj"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_we_read_xgboosts(objective: str, raw: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    data = problem(objective)
    theirs_data = xgboost.DMatrix(data.x, data.target)
    if data.group_offsets is not None:
        theirs_data.set_group(np.diff(data.group_offsets))
    if data.label_bounds is not None:
        theirs_data.set_float_info("label_lower_bound", data.label_bounds[:, 0])
        theirs_data.set_float_info("label_upper_bound", data.label_bounds[:, 1])
    params = {"objective": objective, "max_depth": 4, **OBJECTIVES[objective]}
    theirs = xgboost.train(params, theirs_data, 5)
    ours = loads(bytes(theirs.save_raw(raw)))
    plain = xgboost.DMatrix(data.x)
    margin = theirs.predict(plain, output_margin=True).reshape(N, -1)
    assert np.array_equal(ours.margin(data.x), margin)
    assert ours.predict(data.x) == pytest.approx(theirs.predict(plain), rel=5e-7)
    assert ours.objective == objective_named(objective, OBJECTIVES[objective])


def _with_words(last: str = "愛") -> Booster:
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=N), rng.integers(0, 3, N), rng.integers(0, 4, N)], axis=1)
    y = x[:, 0] + (x[:, 1] == 1) + (x[:, 2] == 2)
    data = Dataset(
        x=x.astype(np.float32),
        label=y.astype(np.float32),
        feature_names=("a", "tree", "size"),
        feature_types=("float", "c", "c"),
        categorical=np.array([False, True, True]),
        categories=((), ("oak", "Esche", last), (40, -3, 7, 2**40)),
    )
    return boost(data, objective_named("reg:squarederror", {}), Settings(n_estimators=3))[0]


@pytest.mark.parametrize("suffix", [".json", ".ubj"])
def test_words_and_types_are_kept(suffix: str, tmp_path: Path) -> None:
    model = _with_words()
    path = tmp_path / f"m{suffix}"
    save_model(model, path)
    again = load_model(path)
    assert again.categories == model.categories
    assert again.feature_types == ("float", "c", "c")
    assert again.categorical is not None and again.categorical.tolist() == [False, True, True]


@pytest.mark.peer
@pytest.mark.parametrize("suffix", [".json", ".ubj"])
def test_xgboost_numbers_words_as_our_files_say(suffix: str, tmp_path: Path) -> None:
    """A frame whose categories stand in another order is renumbered by the file's.

    Only ASCII: XGBoost 3.2 cuts a frame's other words at the wrong bytes.
    """
    xgboost, pandas = pytest.importorskip("xgboost"), pytest.importorskip("pandas")
    model = _with_words("elm")
    save_model(model, tmp_path / f"m{suffix}")
    theirs = xgboost.Booster(model_file=str(tmp_path / f"m{suffix}"))
    kept = json.loads(theirs.save_raw("json"))["learner"]["gradient_booster"]["model"]["cats"]
    ours = to_object(model)["learner"]["gradient_booster"]["model"]["cats"]
    assert kept == json.loads(json.dumps(ours, default=lambda array: array.tolist()))
    rows = np.array([[0.1, 0, 0], [0.2, 1, 1], [-1.0, 2, 2], [1.0, 1, 3]], np.float32)
    words, sizes = model.categories[1], model.categories[2]
    frame = pandas.DataFrame({
        "a": rows[:, 0],
        "tree": pandas.Categorical([words[int(k)] for k in rows[:, 1]], sorted(map(str, words))),
        "size": pandas.Categorical([sizes[int(k)] for k in rows[:, 2]]),
    })  # fmt: skip
    told = theirs.predict(xgboost.DMatrix(frame, enable_categorical=True))
    assert np.array_equal(told, model.predict(rows))


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "i4", "i8", "str"])
def test_we_read_xgboosts_words(kind: str) -> None:
    xgboost, pandas = pytest.importorskip("xgboost"), pytest.importorskip("pandas")
    values = ["oak", "b", "a"] if kind == "str" else np.array([5, 3, 100], kind)
    rng = np.random.default_rng(0)
    column = pandas.Categorical.from_codes(rng.integers(0, 3, 90), pandas.Index(values))
    frame = pandas.DataFrame({"a": rng.normal(size=90), "c": column})
    data = xgboost.DMatrix(frame, rng.normal(size=90), enable_categorical=True)
    theirs = xgboost.train({"max_depth": 2}, data, 2)
    for raw in ("json", "ubj"):
        ours = loads(bytes(theirs.save_raw(raw)))
        assert ours.categories == ((), tuple(values)) and ours.feature_types == ("float", "c")


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:.*manually specified the `updater`")
def test_models_of_every_booster_are_read() -> None:
    xgboost = pytest.importorskip("xgboost")
    data = problem("reg:squarederror")
    wide = np.stack([data.target, data.target**2], axis=1)
    given = {
        "parallel": ({"num_parallel_tree": 3, "subsample": 0.6}, data.target),
        "dart": ({"booster": "dart", "rate_drop": 0.5}, data.target),
        "vector": ({"multi_strategy": "multi_output_tree"}, wide),
        "outputs": ({}, wide),
        "pruned": ({"tree_method": "exact", "gamma": 2.0}, data.target),
        "all pruned": ({"tree_method": "exact", "gamma": 1e9}, data.target),
        "updated": ({"updater": "grow_colmaker,prune", "gamma": 1.0}, data.target),
    }
    for name, (params, y) in given.items():
        theirs = xgboost.train(params, xgboost.DMatrix(data.x, y), 5)
        told = theirs.predict(xgboost.DMatrix(data.x)).reshape(N, -1)
        for raw in ("json", "ubj"):
            ours = loads(bytes(theirs.save_raw(raw)))
            assert np.array_equal(ours.margin(data.x), told), name
            # And back: what we write of it is what they wrote.
            again = loads(json.dumps(to_object(ours), default=_listed).encode())
            assert np.array_equal(again.margin(data.x), told), name


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:.*manually specified the `updater`")
def test_xgboost_works_on_with_our_files(tmp_path: Path) -> None:
    """It explains, slices, refreshes and continues them: what we leave out it does not need."""
    xgboost = pytest.importorskip("xgboost")
    # To go on training it wants the file's words in the data: numbers alone go with none.
    model = replace(_with_words(), categories=())
    path = tmp_path / "m.ubj"
    save_model(model, path)
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=N), rng.integers(0, 3, N), rng.integers(0, 4, N)], axis=1)
    x = x.astype(np.float32)
    label = model.predict(x) + 1
    data = xgboost.DMatrix(
        x, label, feature_names=["a", "tree", "size"], feature_types=["float", "c", "c"]
    )
    theirs = xgboost.Booster(model_file=str(path))
    base = model.objective.to_margin(model.base_score)
    explainer = Explainer(model.forest)
    # Shares are of size 1 and summed in float32 there, over three trees of some fifty leaves.
    far = 50 * 3 * float(np.finfo(np.float32).eps)
    shares = theirs.predict(data, pred_contribs=True)
    assert np.abs(shares - explainer.values(x, base)[:, 0]).max() < far
    pairs = theirs.predict(data, pred_interactions=True)
    assert np.abs(pairs - explainer.interactions(x, base)[:, 0]).max() < far
    rough = theirs.predict(data, pred_contribs=True, approx_contribs=True)
    assert np.abs(rough.sum(axis=1) - theirs.predict(data)).max() < far
    assert np.array_equal(theirs[:2].predict(data), model.first(2).predict(x))
    longer = loads(bytes(xgboost.train({}, data, 2, xgb_model=str(path)).save_raw("ubj")))
    assert len(longer) == 5
    assert np.array_equal(longer.first(3).margin(x), model.margin(x))
    update = {"process_type": "update", "updater": "refresh"}
    again = xgboost.train(update, data, 3, xgb_model=str(path))
    assert len(loads(bytes(again.save_raw("ubj")))) == 3


@settings(deadline=None, max_examples=150)
@given(at=st.integers(0, 10**9), flip=st.integers(1, 255), cut=st.booleans(), kind=st.booleans())
def test_damage_around_words_and_weights_is_an_error_or_a_model(
    at: int, flip: int, cut: bool, kind: bool
) -> None:
    text = bytearray(_TEXTS[kind])
    at %= len(text)
    if cut:
        text = text[:at]
    else:
        text[at] ^= flip
    try:
        model = loads(bytes(text))
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert model.margin(np.ones((3, model.n_features), np.float32)).shape[0] == 3


def _texts() -> dict[bool, bytes]:
    """Return a model of dropped trees with words, in both forms."""
    model = _with_words()
    weights = np.array([0.5, 1, 0.25], np.float32)
    return {
        kind: encode(to_object(replace(model, weights=weights)), "ubj" if kind else "json")
        for kind in (True, False)
    }


_TEXTS = _texts()


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else float(value)


def _changed(change: Any) -> bytes:
    whole = json.loads(json.dumps(to_object(_with_words()), default=_listed))
    change(whole, whole["learner"], whole["learner"]["gradient_booster"]["model"])
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w, le, m: w.update(version=[4, 0, 1]), "version of the model is 4.0.1"),
        (lambda w, le, m: le.update(feature_types=["c"]), "feature_types must hold 3 words"),
        (lambda w, le, m: le.update(feature_types=7), "a list in 'feature_types'. Got int"),
        (lambda w, le, m: le.update(feature_names="abc"), "a list in 'feature_names'. Got str"),
        (lambda w, le, m: le.update(attributes=[1]), "object 'attributes'. Got list"),
        (lambda w, le, m: m.update(cats=[]), "cats must have a list 'enc' of 3"),
        (lambda w, le, m: m["cats"]["enc"].pop(), "cats must have a list 'enc' of 3"),
        (lambda w, le, m: m["cats"]["enc"].__setitem__(1, 0), "cats column 1 must be an object"),
        (lambda w, le, m: m["cats"]["enc"][2].update(type=99), "cats column 2 has a type"),
        (lambda w, le, m: m["cats"]["enc"][1]["offsets"].append(4), "column 1 must have offsets"),
        (lambda w, le, m: m["cats"]["enc"][1]["values"].__setitem__(0, 300), "numbers of int8"),
        (lambda w, le, m: m["cats"]["enc"][1].pop("values"), "no 'values'"),
    ],
)
def test_what_is_wrong_around_the_trees_is_named(change: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        loads(_changed(change))
    assert "\n" not in str(caught.value)


def _deleted(change: Any) -> bytes:
    """Return a model whose first tree has a deleted node at its end, and a change."""

    def damage(whole: Any, learner: Any, model: Any) -> None:
        tree = model["trees"][0]
        for name, value in tree.items():
            if isinstance(value, list) and not name.startswith("categories"):
                value.append({"split_indices": 2147483647}.get(name, -1 if "child" in name else 0))
        change(tree)

    return _changed(damage)


def test_deleted_nodes_are_left_out_wherever_they_stand() -> None:
    model = _with_words()
    again = loads(_deleted(lambda tree: None))
    assert np.array_equal(again.forest.left, model.forest.left)
    assert np.array_equal(again.forest.sets, model.forest.sets)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t["left_children"].__setitem__(-1, 1), "deleted node with children"),
        (lambda t: t["left_children"].__setitem__(0, len(t["parents"]) - 1), "outside of nodes"),
        (lambda t: t["left_children"].__setitem__(0, 10**6), "outside of nodes"),
        (lambda t: t["right_children"].__setitem__(0, -5), "outside of nodes"),
        (lambda t: t["split_indices"].__setitem__(0, 2147483647), "deleted node with children"),
    ],
)
def test_what_is_wrong_with_deleted_nodes_is_named(change: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        loads(_deleted(change))


def test_older_files_are_read() -> None:
    """Scalar base score, no rounds, no types, no version of before 1.7."""

    def older(whole: Any, learner: Any, model: Any) -> None:
        learner["learner_model_param"]["base_score"] = "2.5E-1"
        model.pop("iteration_indptr")
        model.pop("cats")
        learner.pop("feature_names")
        learner.pop("feature_types")
        whole["version"] = [1, 5, 2]

    model = _with_words()
    again = loads(_changed(older))
    x = np.array([[0.3, 1, 2]], np.float32)
    assert again.base_score.tolist() == [0.25] and len(again) == 3
    moved = replace(model, base_score=np.array([0.25], np.float32))
    assert np.array_equal(again.margin(x), moved.margin(x))


def test_words_cut_amid_a_letter_are_forgotten() -> None:
    """XGBoost 3.2 writes é, ü as two bytes under offsets 0, 1, 2: the model is still read."""
    again = loads(_changed(lambda w, le, m: m["cats"]["enc"][1]["values"].__setitem__(0, -1)))
    assert again.categories[1] == () and again.categories[2] == (40, -3, 7, 2**40)


_NEWEST = Path(__file__).parents[3] / ".venv-newest" / "bin" / "python"
_WRITE = """
import sys
import numpy as np
import xgboost

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 3)).astype("f4")
x[:, 2] = rng.integers(0, 6, 200)
x[rng.random(x.shape) < 0.1] = np.nan
y = np.nan_to_num(x[:, 0] * x[:, 1]) + (x[:, 2] == 2)
given = {
    "reg:squarederror": {}, "reg:expectileerror": {"expectile_alpha": [0.2, 0.6]},
    "reg:quantileerror": {"quantile_alpha": [0.2, 0.6]}, "reg:absoluteerror": {},
    "multi:softprob": {"num_class": 3},
}
for name, params in given.items():
    label = np.digitize(y, [0, 1]) if "multi" in name else y
    data = xgboost.DMatrix(x, label, feature_types=["q", "q", "c"])
    model = xgboost.train({"objective": name, "max_depth": 3, **params}, data, 3)
    stem = sys.argv[1] + "/" + name.replace(":", "_")
    model.save_model(stem + ".json")
    model.save_model(stem + ".ubj")
    np.savez(stem + ".npz", x=x, margin=model.predict(data, output_margin=True))
"""


@pytest.mark.peer
@pytest.mark.skipif(not _NEWEST.exists(), reason="no environment with the newest XGBoost")
def test_models_of_the_newest_xgboost_are_read(tmp_path: Path) -> None:
    subprocess.run([_NEWEST, "-c", _WRITE, str(tmp_path)], check=True, capture_output=True)
    read = 0
    for path in [*tmp_path.glob("*.json"), *tmp_path.glob("*.ubj")]:
        with np.load(path.with_suffix(".npz")) as held:
            ours = load_model(path)
            assert np.array_equal(ours.margin(held["x"]), held["margin"].reshape(200, -1)), path
            read += 1
    assert read == 10

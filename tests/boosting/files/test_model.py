"""Models cross over to XGBoost and back with the bits of their predictions; damage is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.files import ubjson
from drivetrain.boosting.files.model import load_model, loads, save_model, to_object
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost

OBJECTIVES = {
    "squared": SquaredError(),
    "logistic": Logistic(),
    "softprob": Softmax(3),
    "softmax": Softmax(3, name="multi:softmax"),
}


def problem(kind: str) -> Dataset:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    x[rng.random(x.shape) < 0.15] = np.nan
    signal = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) ** 2
    y = {"squared": signal, "logistic": signal > 0.5}.get(kind, np.digitize(signal, [0.2, 1.0]))
    return Dataset(x=x, label=y.astype(np.float32)[:, None], feature_names=("a", "b", "c", "d"))


def fitted(kind: str) -> Booster:
    return boost(problem(kind), OBJECTIVES[kind], Settings(n_estimators=6))[0]


@pytest.mark.parametrize("suffix", [".json", ".ubj"])
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_what_is_written_is_read(kind: str, suffix: str, tmp_path: Path) -> None:
    model, x = fitted(kind), problem(kind).x
    path = tmp_path / f"model{suffix}"
    save_model(model, path)
    again = load_model(path)
    assert np.array_equal(model.predict(x), again.predict(x))
    assert again.feature_names == ("a", "b", "c", "d") and len(again) == len(model)
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


@pytest.mark.peer
@pytest.mark.parametrize("suffix", [".json", ".ubj"])
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_xgboost_predicts_our_models_to_the_bit(kind: str, suffix: str, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    model, x = fitted(kind), problem(kind).x
    path = tmp_path / f"model{suffix}"
    save_model(model, path)
    theirs = xgboost.Booster(model_file=str(path))
    data = xgboost.DMatrix(x, feature_names=list("abcd"))
    margin = theirs.predict(data, output_margin=True).reshape(len(x), -1)
    assert np.array_equal(margin, model.margin(x))
    if kind == "softmax":
        assert np.array_equal(theirs.predict(data), model.predict(x))
    else:
        # exp of float32 differs in its last bit between libraries.
        assert theirs.predict(data) == pytest.approx(model.predict(x), rel=4e-7)


@pytest.mark.peer
@pytest.mark.parametrize("raw", ["json", "ubj"])
@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("method", ["hist", "exact", "approx"])
def test_we_predict_xgboosts_models_to_the_bit(kind: str, raw: str, method: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    data = problem(kind)
    params = {"objective": OBJECTIVES[kind].name, "tree_method": method, "max_depth": 5}
    if kind.startswith("soft"):
        params["num_class"] = 3
    theirs = xgboost.train(params, xgboost.DMatrix(data.x, data.target), 7)
    ours = loads(bytes(theirs.save_raw(raw)))
    margin = theirs.predict(xgboost.DMatrix(data.x), output_margin=True)
    assert np.array_equal(ours.margin(data.x), margin.reshape(len(data), -1))


@pytest.mark.peer
def test_we_predict_categorical_and_vector_leaf_models_to_the_bit() -> None:
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    x = np.stack([rng.integers(0, 9, 400), rng.normal(size=400)], axis=1).astype(np.float32)
    y = np.stack([(x[:, 0] % 3 == 0) + x[:, 1], x[:, 1] ** 2], axis=1)
    data = xgboost.DMatrix(x, y[:, 0], feature_types=["c", "q"], enable_categorical=True)
    theirs = xgboost.train({"max_cat_to_onehot": 3, "max_depth": 4}, data, 5)
    ours = loads(bytes(theirs.save_raw("ubj")))
    assert ours.forest.categorical.any()
    assert np.array_equal(ours.margin(x)[:, 0], theirs.predict(data))
    plain = xgboost.DMatrix(x, y)
    params = {"multi_strategy": "multi_output_tree", "tree_method": "hist"}
    theirs = xgboost.train(params, plain, 5)
    ours = loads(bytes(theirs.save_raw("json")))
    assert np.array_equal(ours.margin(x), theirs.predict(plain))


@settings(deadline=None, max_examples=200)
@given(at=st.integers(0, 10**9), flip=st.integers(1, 255), cut=st.booleans(), kind=st.booleans())
def test_a_damaged_file_is_an_error_or_a_model(at: int, flip: int, cut: bool, kind: bool) -> None:
    """Whatever is read predicts without a read out of bounds: every index was checked."""
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
    x = np.ones((3, model.n_features), np.float32)
    assert model.margin(x).shape[0] == 3


def _texts() -> dict[bool, bytes]:
    whole = to_object(fitted("logistic"))
    plain = json.dumps(whole, default=lambda value: value.astype(float).tolist())
    return {True: ubjson.encode(whole), False: plain.encode()}


_TEXTS = _texts()


def _broken(change: object) -> bytes:
    whole = json.loads(_TEXTS[False])
    model = whole["learner"]["gradient_booster"]["model"]
    change(whole["learner"], model, model["trees"][0])  # type: ignore[operator]
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda learner, model, tree: tree["left_children"].__setitem__(0, 0), "outside of nodes"),
        (lambda learner, model, tree: tree["left_children"].__setitem__(0, 2), "nobody's child"),
        (lambda learner, model, tree: tree["left_children"].__setitem__(0, 10**6), "outside of"),
        (lambda learner, model, tree: tree["split_indices"].__setitem__(0, 4), "feature 4 of 4"),
        (lambda learner, model, tree: tree["split_conditions"].pop(), "nodes but"),
        (lambda learner, model, tree: tree.pop("right_children"), "no 'right_children'"),
        (lambda learner, model, tree: model.update(tree_info=[7] * 6), "below 1 for each tree"),
        (lambda learner, model, tree: model.update(iteration_indptr=[0, 9]), "rise from 0 to 6"),
        (lambda learner, model, tree: learner.pop("objective"), "object 'objective'"),
        (lambda learner, model, tree: learner["objective"].update(name="x"), "Unknown objective"),
        (
            lambda learner, model, tree: learner["learner_model_param"].update(base_score="[a]"),
            "base_score must hold numbers",
        ),
        (
            lambda learner, model, tree: learner["learner_model_param"].update(num_feature="-1"),
            "num_feature must be a whole number",
        ),
    ],
)
def test_what_is_wrong_with_a_model_is_named(change: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        loads(_broken(change))


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"{}", b"null", b"\x80\x04K\x01.", b'{"a": 1}'])
def test_what_is_no_model_is_refused(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_bytes(text)
    with pytest.raises(ValueError, match=r"m\.json"):
        load_model(tmp_path / "m.json")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_ubjson_holds_any_value(value: object) -> None:
    assert ubjson.decode(ubjson.encode(value)) == value


@given(st.binary(max_size=60))
def test_ubjson_reads_any_bytes_or_refuses(text: bytes) -> None:
    try:
        ubjson.decode(text)
    except ValueError as error:
        assert "UBJSON" in str(error)


def test_objective_is_kept(tmp_path: Path) -> None:
    objective: Objective = Logistic(scale_pos_weight=2.5)
    model = boost(problem("logistic"), objective, Settings(n_estimators=1))[0]
    save_model(model, tmp_path / "m.ubj")
    assert load_model(tmp_path / "m.ubj").objective == objective

"""LightGBM's text models predict here as there; damage is named."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.files.lightgbm import read_lightgbm
from drivetrain.boosting.files.lightgbm_trees import read_tree
from drivetrain.boosting.files.trees import FileError
from drivetrain.trees.prediction.predictor import Predictor

EPS = float(np.finfo(np.float32).eps)
# Trained by LightGBM 4.7: two numeric features and a categorical one, missing values, 4 trees.
TEXT = (Path(__file__).parent / "lightgbm_model.txt").read_text()


def table(n: int = 600, *, zeros: bool = False) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[rng.random(x.shape) < 0.15] = 0 if zeros else np.nan
    x[:, 2] = rng.integers(0, 70, n)
    x[:, 3] = np.round(x[:, 3] * 3)
    return x


def target(x: np.ndarray) -> np.ndarray:
    return np.nan_to_num(x[:, 0]) + (x[:, 2] % 3 == 0) + np.nan_to_num(x[:, 3]) ** 2 / 4


def hostile(x: np.ndarray) -> np.ndarray:
    """The rows, and rows at the borders: NaN, zeros, extremes, categories never seen."""
    odd = np.array([np.nan, 0.0, -0.0, 1e-36, -1e-36, 3e38, -3e38, 1e30, 0.5], np.float32)
    extra = np.stack([np.roll(odd, k) for k in range(4)], axis=1)
    extra[:, 2] = [np.nan, -1, 71, 500, 2**23, 0, 3, 31, 32]
    return np.concatenate([x, extra])


def same(theirs: Any, ours: Booster, x: np.ndarray) -> None:
    """Compare margins within what float32 leaves and their float32 sums may be off."""
    raw = theirs.predict(x, raw_score=True).reshape(len(x), -1)
    text = theirs.model_to_string()
    told = re.search(r"^objective=.*sigmoid:(\S+)", text, re.M)
    factor = float(told[1]) if told else 1.0
    if "average_output" in text:
        # Its raw score is the sum of the trees, its prediction their mean.
        factor /= len(ours)
    trees = len(ours.forest)
    reached = ours.leaves(x)
    size = np.zeros(len(x))
    for t in range(trees):
        size += np.abs(ours.forest.value[ours.forest.offsets[t] + reached[:, t], 0])
    # Half a unit for each rounding: of T leaves, and of T sums none above the sum of all sizes.
    bound = EPS / 2 * (trees + 1) * size[:, None]
    margin = ours.margin(x)
    assert (np.abs(margin - factor * raw) <= bound).all()
    wanted = theirs.predict(x).reshape(len(x), -1)
    got = ours.predict(x).reshape(len(x), -1).astype(float)
    # Sigmoid and softmax do not widen an error; exp multiplies it. Their own error: 8 units.
    assert (np.abs(got - wanted) <= (2 * bound + 8 * EPS) * np.maximum(1, np.abs(wanted))).all()


OBJECTIVES: dict[str, dict[str, Any]] = {
    "regression": {},
    "regression_l1": {},
    "huber": {"alpha": 0.7},
    "fair": {},
    "mape": {},
    "quantile": {"alpha": 0.3},
    "poisson": {},
    "gamma": {},
    "tweedie": {"tweedie_variance_power": 1.3},
    "binary": {"sigmoid": 1.7},
    "cross_entropy": {},
    "multiclass": {"num_class": 3},
    "multiclassova": {"num_class": 3, "sigmoid": 0.8},
    "lambdarank": {},
    "rank_xendcg": {},
}


def trained(params: dict[str, Any], x: np.ndarray, y: np.ndarray, **how: Any) -> Any:
    lightgbm = pytest.importorskip("lightgbm")
    given = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3, "num_leaves": 12} | params
    rounds = how.pop("rounds", 6)
    data = lightgbm.Dataset(x, y, params={"verbose": -1}, **how)
    return lightgbm.train(given, data, rounds)


def labels(objective: str, x: np.ndarray) -> np.ndarray:
    y = target(x)
    if objective.startswith("multi") or "rank" in objective:
        return np.digitize(y, [0.2, 1.2])
    if objective == "binary":
        return (y > 0.5).astype(int)
    return np.clip(np.abs(y) / 9, 0.01, 1) if objective == "cross_entropy" else np.abs(y) + 0.1


@pytest.mark.peer
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_predictions_are_lightgbms(objective: str) -> None:
    x = table()
    more = {"group": [200] * 3} if "rank" in objective else {}
    params = {"objective": objective, **OBJECTIVES[objective]}
    theirs = trained(params, x, labels(objective, x), categorical_feature=[2], **more)
    same(theirs, read_lightgbm(theirs.model_to_string()), hostile(x))


VARIANTS: dict[str, dict[str, Any]] = {
    "no missing values": {"use_missing": False},
    "dart": {"boosting": "dart", "drop_rate": 0.5},
    "goss": {"data_sample_strategy": "goss"},
    "forest": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    "one leaf": {"min_data_in_leaf": 1000},
    "extra": {"extra_trees": True, "max_bin": 7},
    "one category each": {"max_cat_to_onehot": 100},
    "quantised": {"use_quantized_grad": True},
    "large": {"num_leaves": 200, "min_data_in_leaf": 1},
}


@pytest.mark.peer
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("objective", ["regression", "multiclass"])
def test_every_way_of_training_is_read(variant: str, objective: str) -> None:
    x = table()
    params = {"objective": objective, **OBJECTIVES[objective], **VARIANTS[variant]}
    theirs = trained(params, x, labels(objective, x), categorical_feature=[2])
    same(theirs, read_lightgbm(theirs.model_to_string()), hostile(x))


@pytest.mark.peer
def test_missing_values_met_only_later_are_zeros_as_in_lightgbm() -> None:
    """Trained without NaN, its nodes take NaN for 0: missing type None."""
    x = np.nan_to_num(table())
    theirs = trained({"objective": "regression"}, x, target(x))
    same(theirs, read_lightgbm(theirs.model_to_string()), hostile(x))


@pytest.mark.peer
def test_zeros_that_are_missing_are_read_or_refused() -> None:
    x = table(zeros=True)
    # Zeros lie where their value lies: nothing is torn.
    y = np.where(x[:, 0] < 0.3, 1.0, 2.0)
    theirs = trained({"objective": "regression", "zero_as_missing": True}, x, y, rounds=1)
    assert "decision_type=6" in theirs.model_to_string()
    same(theirs, read_lightgbm(theirs.model_to_string()), hostile(x))
    y = np.where(x[:, 0] == 0, 5.0, x[:, 0])
    theirs = trained({"objective": "regression", "zero_as_missing": True}, x, y)
    with pytest.raises(FileError, match="sends zeros as missing values"):
        read_lightgbm(theirs.model_to_string())


@pytest.mark.peer
def test_pandas_categories_are_kept() -> None:
    pandas = pytest.importorskip("pandas")
    codes = np.random.default_rng(0).integers(0, 40, 500)
    frame = pandas.DataFrame({
        "a": np.arange(500.0),
        "tree": pandas.Categorical.from_codes(codes, [f"w{k}" for k in range(40)]),
    })  # fmt: skip
    theirs = trained({"objective": "regression"}, frame, codes % 5)
    ours = read_lightgbm(theirs.model_to_string())
    assert ours.feature_names == ("a", "tree")
    assert ours.categories == ((), tuple(f"w{k}" for k in range(40)))
    x = np.stack([np.arange(500), codes], axis=1).astype(np.float32)
    assert ours.predict(x) == pytest.approx(theirs.predict(frame), rel=1e-5)


@pytest.mark.peer
def test_a_custom_objective_is_read_as_margins() -> None:
    x = table()

    def loss(margin: np.ndarray, data: Any) -> tuple[np.ndarray, np.ndarray]:
        return margin - data.get_label(), np.ones(len(margin))

    theirs = trained({"objective": loss}, x, target(x))
    same(theirs, read_lightgbm(theirs.model_to_string()), hostile(x))


@pytest.mark.peer
@pytest.mark.parametrize("boosting", ["gbdt", "rf"])
def test_linear_leaves_are_read(boosting: str) -> None:
    x = table()
    forest = {"bagging_freq": 1, "bagging_fraction": 0.6} if boosting == "rf" else {}
    params = {"objective": "regression", "linear_tree": True, "boosting": boosting, **forest}
    theirs = trained(params, x, target(x), categorical_feature=[2])
    ours = read_lightgbm(theirs.model_to_string())
    assert ours.forest.terms is not None and len(ours.forest.terms.feature)
    # Lines are summed in double on both sides, and rounded once a tree: values are of size 10.
    assert np.abs(ours.predict(x) - theirs.predict(x)).max() < EPS / 2 * 7 * 20


def test_a_stored_model_predicts_its_stored_values() -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith("#")]
    values = np.array([line[1:].split() for line in lines], float)
    ours = read_lightgbm(TEXT)
    assert len(ours) == 4 and ours.feature_names == ("a", "b", "c")
    assert ours.categorical is not None and ours.categorical.tolist() == [False, False, True]
    # Four leaves and sums of one size: four roundings.
    assert ours.predict(values[:, :3].astype("f4")) == pytest.approx(values[:, 3], rel=4 * EPS)


LINES = "is_linear=1\nnum_features=1 0 0 0 0\nleaf_const=0 0 0 0 0"


@settings(deadline=None, max_examples=200)
@given(
    threshold=st.floats(allow_nan=False),
    steps=st.integers(-2, 2),
    missing=st.integers(0, 2),
    left=st.booleans(),
)
def test_a_split_sends_every_float32_as_lightgbm_does(
    threshold: float, steps: int, missing: int, left: bool
) -> None:
    """LightGBM's rule, x <= t in double, beside ours; at t itself, and a few float32 around."""
    tree = {
        "num_leaves": "2",
        "split_feature": "0",
        "split_gain": "1",
        "threshold": repr(threshold),
        "decision_type": str(2 * left + 4 * missing),
        "left_child": "-1",
        "right_child": "-2",
        "leaf_value": "1 2",
    }
    with np.errstate(over="ignore", under="ignore"):
        x = np.float32(threshold)
        for _ in range(abs(steps)):
            x = np.nextafter(x, np.float32(np.sign(steps) * np.inf))
    rows = np.array([[x], [0], [-0.0], [np.nan]], np.float32)
    rows = rows[~np.isinf(rows[:, 0])]
    try:
        forest = read_tree(tree, "tree", group=0, shape=(1, 1), factor=1.0)
    except FileError:
        tiny = float(np.float32(1e-35))
        assert missing == 1 and {threshold >= -tiny, threshold >= tiny} != {left}
        return
    got = Predictor(forest).margin(rows, np.zeros(1, np.float32))[:, 0]

    def rule(value: float) -> bool:
        value = 0.0 if np.isnan(value) and missing != 2 else value
        if (missing == 1 and abs(value) <= float(np.float32(1e-35))) or np.isnan(value):
            return left
        return value <= threshold

    assert got.tolist() == [1.0 if rule(float(value)) else 2.0 for value in rows[:, 0]]


CHANGES = [
    ("num_leaves=", "num_leaves=9", "numbers in"),
    ("num_leaves=", "num_leaves=99999999999", "whole number in num_leaves"),
    ("num_leaves=", "num_leaves=0", "1 leaf or more"),
    ("split_feature=", "split_feature=7 0 0 0", "feature 7 of 3"),
    ("left_child=", "left_child=0 0 0 0", "child"),
    ("left_child=", "left_child=99 1 2 3", "child outside"),
    ("threshold=", "threshold=nan 0 0 0", "NaN in threshold"),
    ("decision_type=", "decision_type=255 0 0 0", "decision_type"),
    ("leaf_value=", "leaf_value=1 2 inf 3 4", "not finite"),
    ("leaf_value=", "leaf_value=1 2 1e300 3 4", "not finite"),
    ("cat_boundaries=", "cat_boundaries=1 0", "rise from 0"),
    ("cat_threshold=", "cat_threshold=-1 0", "32-bit words"),
    ("is_linear=", "is_linear=1", "5 numbers in num_features"),
    ("is_linear=", "is_linear=1\nnum_features=9 0 0 0 0", "0 to 3 features a leaf"),
    ("is_linear=", f"{LINES}\nleaf_features=7\nleaf_coeff=1", "feature 7 of 3"),
    ("is_linear=", f"{LINES}\nleaf_features=1\nleaf_coeff=inf", "line that is not finite"),
    ("version=", "version=v9", "v2, v3 or v4"),
    ("max_feature_idx=", "max_feature_idx=900000000", "900000001 names"),
    ("num_tree_per_iteration=", "num_tree_per_iteration=3", "whole rounds of 3"),
    ("objective=", "objective=regression sqrt", "not known"),
    ("objective=", "objective=cross_entropy_lambda", "not known"),
    ("objective=", "objective=multiclass num_class:3", "num_class:1"),
    ("objective=", "objective=binary sigmoid:-1", "sigmoid must be a number > 0"),
    ("end of trees", "", "is missing"),
    ("Tree=0", "Tree=1", "tree 0 or 'end of trees' is missing"),
    ("tree_sizes=", "tree_sizes=1", "a size for each of 4"),
    ("pandas_categorical:", "pandas_categorical:[", "must be JSON"),
    ("version=", "version=v4\nversion=v4", "twice"),
]


@pytest.mark.parametrize(("line", "instead", "words"), CHANGES)
def test_what_is_wrong_is_named(line: str, instead: str, words: str) -> None:
    lines = TEXT.splitlines()
    at = next(k for k, one in enumerate(lines) if one.startswith(line))
    lines[at] = instead
    with pytest.raises(FileError, match=words) as caught:
        read_lightgbm("\n".join(lines))
    assert "\n" not in str(caught.value)


PIECES = ["", "-1", "0", "nan", "inf", "1e400", "99999999999999999999", "=", "Tree=0", "\x00", " "]


@settings(deadline=None, max_examples=400)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 12), st.sampled_from(PIECES) | st.text()),
        min_size=1,
        max_size=4,
    )
)
def test_a_damaged_text_is_an_error_or_a_model(edits: list[tuple[int, int, str]]) -> None:
    text = TEXT
    for at, cut, piece in edits:
        at %= len(text) + 1
        text = text[:at] + piece + text[at + cut :]
    try:
        model = read_lightgbm(text)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert model.margin(np.ones((3, model.n_features), np.float32)).shape[0] == 3

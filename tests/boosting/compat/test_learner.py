"""A script written for xgboost runs on ours by its import alone."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_breast_cancer

from drivetrain.boosting import compat

SCRIPT = """
dtrain = xgb.DMatrix(x[::2], label=y[::2], feature_names=names)
dtest = xgb.DMatrix(x[1::2], label=y[1::2], feature_names=names)
params = {"objective": "binary:logistic", "eta": 0.1, "max_depth": 4}
params["eval_metric"] = ["auc", "logloss"]
seen = {}
booster = xgb.train(
    params, dtrain, num_boost_round=200, evals=[(dtrain, "train"), (dtest, "test")],
    early_stopping_rounds=10, evals_result=seen, **quiet,
)
p = booster.predict(dtest, iteration_range=(0, booster.best_iteration + 1))
contributions = booster.predict(dtest, pred_contribs=True)
score = booster.get_score(importance_type="gain")
booster.save_model(folder / "m.json")
again = xgb.Booster(model_file=str(folder / "m.json"))
"""


def run(xgb: ModuleType, folder: Path, quiet: dict) -> dict:
    x, y = load_breast_cancer(return_X_y=True)
    held: dict = {"xgb": xgb, "x": x, "y": y, "folder": folder, "quiet": quiet}
    held["names"] = [f"c{k}" for k in range(x.shape[1])]
    exec(SCRIPT, held)
    return held


def test_a_script_runs(tmp_path: Path) -> None:
    held = run(compat, tmp_path, {})
    booster, p, y = held["booster"], held["p"], held["y"][1::2]
    assert set(held["seen"]) == {"train", "test"} and set(held["seen"]["test"]) == {
        "auc",
        "logloss",
    }
    assert booster.best_score == min(held["seen"]["test"]["logloss"])
    assert ((p > 0.5) == y).mean() > 0.93
    assert held["contributions"].shape == (len(y), 31)
    assert max(held["score"], key=held["score"].get) in {"c7", "c20", "c22", "c23", "c27"}
    assert np.array_equal(held["again"].predict(held["dtest"]), booster.predict(held["dtest"]))


@pytest.mark.peer
def test_the_same_script_runs_on_xgboost(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    theirs = run(xgboost, tmp_path, {"verbose_eval": False})
    ours = run(compat, tmp_path, {})
    assert ours["booster"].best_score < theirs["booster"].best_score * 1.1
    assert np.corrcoef(ours["p"], theirs["p"])[0, 1] > 0.98


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["weight", "gain", "cover", "total_gain", "total_cover"])
def test_importances_of_xgboosts_model_are_its_own(kind: str, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    theirs = run(xgboost, tmp_path, {"verbose_eval": False})["booster"]
    theirs.save_model(tmp_path / "t.ubj")
    ours = compat.Booster(model_file=tmp_path / "t.ubj").get_score(importance_type=kind)
    assert ours == pytest.approx(theirs.get_score(importance_type=kind), rel=1e-5)


def test_absent_entries_of_a_sparse_matrix_are_missing() -> None:
    x = csr_matrix(np.array([[0.0, 2.0], [3.0, 0.0]]))
    assert np.array_equal(
        compat.DMatrix(x).data.x, np.array([[np.nan, 2], [3, np.nan]], np.float32), equal_nan=True
    )


def _data() -> compat.DMatrix:
    return compat.DMatrix(np.arange(20.0).reshape(10, 2), label=np.arange(10.0))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"num_boost_round": 5}, "Unknown parameter 'num_boost_round'"),
        ({"max_dept": 5}, "Did you mean 'max_depth'"),
        ({"booster": "dartt"}, "Did you mean 'dart'"),
        ({"device": "cuda"}, "device must be cpu. Got 'cuda'"),
        ({"eta": -1}, "learning_rate must be >= 0"),
    ],
)
def test_what_is_not_done_is_said(params: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compat.train(params, _data(), 1)


def test_other_features_than_the_models_are_refused() -> None:
    booster = compat.train({}, _data(), 1)
    with pytest.raises(ValueError, match=r"the model's 2 features\. Got 3"):
        booster.predict(compat.DMatrix(np.zeros((1, 3))))
    named = compat.DMatrix(np.zeros((4, 2)), label=[0, 1, 2, 3], feature_names=["a", "b"])
    with pytest.raises(ValueError, match=r"'a' in place 0\. Got 'b'"):
        compat.train({}, named, 1).predict(
            compat.DMatrix(np.zeros((1, 2)), feature_names=["b", "a"])
        )
    with pytest.raises(ValueError, match="This Booster is empty"):
        compat.Booster().predict(_data())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"label": [1.0]}, "label must have 10 rows. Got 1"),
        ({"weight": [1.0]}, "weight must have 10 rows. Got 1"),
        ({"feature_names": ["a"]}, "feature_names must have 2 entries. Got 1"),
    ],
)
def test_lengths_that_do_not_fit_are_named(given: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compat.DMatrix(np.zeros((10, 2)), **given)

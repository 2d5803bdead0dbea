"""XGBoost's surface: dumps to the letter, rows in batches, words stored, what is refused."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from drivetrain.boosting import compat
from drivetrain.boosting.compat.config import config_context, get_config, set_config
from drivetrain.boosting.files.model import loads

RNG = np.random.default_rng(0)
X = np.round(RNG.random((200, 3)), 2)
Y = X[:, 0] + (X[:, 1] > 0.5)


def rows(**given: Any) -> compat.DMatrix:
    return compat.DMatrix(X, Y, **given)


def trained(rounds: int = 3, **given: Any) -> compat.Booster:
    return compat.train({"max_depth": 3, "nthread": 1, **given}, rows(), rounds)


def mixed() -> pd.DataFrame:
    frame = pd.DataFrame({"real": X[:, 0], "whole": (X[:, 1] * 10).astype(int)})
    frame["flag"] = X[:, 2] > 0.4
    frame["kind"] = pd.Categorical(np.array(list("abcdef"))[(X[:, 0] * 5.9).astype(int)])
    frame.loc[::7, "real"] = np.nan
    return frame


@pytest.mark.peer
@pytest.mark.parametrize("style", ["text", "json", "dot"])
@pytest.mark.parametrize("stats", [False, True])
def test_dumps_are_xgboosts_to_the_letter(style: str, stats: bool, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    data = xgboost.DMatrix(mixed(), Y, enable_categorical=True)
    theirs = xgboost.train({"max_depth": 5, "nthread": 1}, data, 12)
    ours = compat.Booster(model_file=theirs.save_raw())
    given = {"with_stats": stats, "dump_format": style}
    assert ours.get_dump(**given) == theirs.get_dump(**given)
    ours.dump_model(tmp_path / "ours", **given)
    theirs.dump_model(tmp_path / "theirs", **given)
    assert (tmp_path / "ours").read_text() == (tmp_path / "theirs").read_text()
    assert ours.feature_types == theirs.feature_types


@pytest.mark.peer
def test_nodes_are_xgboosts() -> None:
    xgboost = pytest.importorskip("xgboost")
    # Whose own trees_to_dataframe cannot read columns of true and false.
    frame = mixed().drop(columns="flag")
    data = xgboost.DMatrix(frame, Y, enable_categorical=True)
    theirs = xgboost.train({"max_depth": 4, "nthread": 1}, data, 6)
    ours = compat.Booster(model_file=theirs.save_raw())
    pd.testing.assert_frame_equal(ours.trees_to_dataframe(), theirs.trees_to_dataframe())
    for name in ("real", "whole"):
        split = theirs.get_split_value_histogram(name, as_pandas=False)
        own = ours.get_split_value_histogram(name, as_pandas=False)
        np.testing.assert_allclose(own, split, rtol=1e-6)


def test_feature_maps_name_the_features(tmp_path: Path) -> None:
    (tmp_path / "map").write_text("0 zero q\n1\tone\tint\n")
    dump = trained().get_dump(fmap=tmp_path / "map")
    assert any("[zero<" in tree for tree in dump)
    (tmp_path / "map").write_text("0 zero\n")
    with pytest.raises(ValueError, match="line 1 must be 'number name type'"):
        trained().get_dump(fmap=tmp_path / "map")


def test_frames_of_polars_are_read_alike() -> None:
    ours = compat.DMatrix(mixed(), Y, enable_categorical=True)
    other = pl.from_pandas(mixed()).with_columns(pl.col("kind").cast(pl.Enum(list("abcdef"))))
    theirs = compat.DMatrix(other, Y, enable_categorical=True)
    assert ours.feature_types == theirs.feature_types == ["float", "int", "i", "c"]
    assert np.array_equal(ours.data.x, theirs.data.x, equal_nan=True)
    assert ours.get_categories() == {"kind": tuple("abcdef")}


def test_an_unknown_category_is_in_no_set_and_is_named() -> None:
    data = compat.DMatrix(mixed(), Y, enable_categorical=True)
    booster = compat.train({"nthread": 1}, data, 3)
    assert booster.get_categories() == {"kind": tuple("abcdef")}
    strange = mixed().assign(kind=pd.Categorical(["zz"] * 200))
    with pytest.warns(UserWarning, match="'kind' has a category that training did not see: 'zz'"):
        p = booster.predict(compat.DMatrix(strange, enable_categorical=True))
    assert np.isfinite(p).all()


class Parts(compat.DataIter):
    """Two hundred rows in four batches."""

    at = 0

    def next(self, input_data: Callable[..., None]) -> bool:
        if self.at == 4:
            return False
        part = slice(50 * self.at, 50 * self.at + 50)
        input_data(data=X[part], label=Y[part], weight=np.ones(50))
        self.at += 1
        return True

    def reset(self) -> None:
        self.at = 0


def test_rows_in_batches_give_the_same_bits(tmp_path: Path) -> None:
    whole = trained().predict(rows())
    gathered = compat.train(
        {"max_depth": 3, "nthread": 1}, compat.QuantileDMatrix(Parts(), max_bin=64), 3
    )
    assert np.array_equal(gathered.predict(rows()), whole)
    kept = compat.ExtMemQuantileDMatrix(Parts(str(tmp_path / "cache")))
    outside = compat.train({"max_depth": 3, "nthread": 1}, kept, 3, evals=[(kept, "train")],
                           verbose_eval=False)  # fmt: skip
    assert np.array_equal(outside.predict(rows()), whole)
    assert np.array_equal(outside.predict(kept), whole)
    assert (kept.num_row(), kept.num_col()) == (200, 3)


def test_words_copies_and_slices() -> None:
    booster = trained(5)
    booster.set_attr(a="1", b=2)
    booster.set_attr(a=None)
    assert booster.attributes() == {"b": "2"} and booster.attr("a") is None
    part = booster[1:4:2]
    assert part.num_boosted_rounds() == 2
    ranges = [booster.predict(rows(), iteration_range=r) for r in ((1, 2), (3, 4))]
    base = booster.model.base_score[0]
    assert part.predict(rows()) == pytest.approx(sum(ranges) - base, abs=1e-6)
    thawed = pickle.loads(pickle.dumps(booster))
    assert np.array_equal(thawed.predict(rows()), booster.predict(rows()))
    assert thawed.attributes() == {"b": "2"}
    assert len(loads(bytes(booster.save_raw("json")))) == 5


def test_a_configuration_comes_back() -> None:
    booster = trained(eta=0.5, alpha=0.1)
    told = json.loads(booster.save_config())["learner"]
    assert told["objective"]["name"] == "reg:squarederror"
    assert told["params"]["learning_rate"] == 0.5
    other = compat.Booster()
    other.load_config(booster.save_config())
    assert json.loads(booster.save_config())["learner"]["params"] == other._params
    before = get_config()
    with config_context(verbosity=2):
        assert get_config()["verbosity"] == 2
    assert get_config() == before
    with pytest.raises(ValueError, match="Unknown configuration 'verbose'"):
        set_config(verbose=1)


def test_training_goes_on_after_parameters_change() -> None:
    booster = compat.Booster({"max_depth": 1, "nthread": 1})
    data = rows()
    booster.update(data, 0)
    booster.set_param({"max_depth": 4})
    booster.update(data, 1)
    depths = [dump.count("\t") for dump in booster.get_dump()]
    assert depths[1] > depths[0] == 2
    assert booster.num_boosted_rounds() == 2


def call(name: str, *given: Any, **told: Any) -> Callable[[], object]:
    return lambda: getattr(trained(), name)(*given, **told)


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (lambda: rows().save_binary("x"), "save_binary is not offered"),
        (lambda: rows().get_quantile_cut(), "get_quantile_cut is not offered"),
        (lambda: compat.plot_importance(trained()), "is not offered here"),
        (lambda: compat.plot_tree(trained()), "is not offered here"),
        (lambda: rows(feature_weights=[1, 1, 1]), "feature_weights is not offered"),
        (lambda: rows(feature_types=["q"]), "feature_types must have 3 entries. Got 1"),
        (lambda: rows(feature_types=["x"] * 3), "feature_types must be of q, float"),
        (lambda: rows(group=[100]), "group must hold sizes that sum to 200 rows. Got 100"),
        (lambda: rows(qid=[1, 0] * 100), "qid must not fall"),
        (lambda: rows(labels=Y), "Unknown field 'labels'. Did you mean 'label'"),
        (lambda: rows(group=[200]).slice([0]), "pass allow_groups=True"),
        (lambda: rows().get_float_info("weights"), "Did you mean 'weight'"),
        (lambda: compat.DMatrix(mixed(), Y), "Pass enable_categorical=True"),
        (lambda: trained()[9], "round must be below 3. Got 9"),
        (lambda: trained()["a"], "takes a round or a slice"),
        (lambda: trained()[3:], "A slice must keep a round"),
        (call("predict", rows(), iteration_range=(0, 9)), "iteration_range must be >= 0 and <= 3"),
        (call("predict", rows(), approx_contribs=True), "approx_contribs is not offered"),
        (call("inplace_predict", X, predict_type="leaf"), "predict_type must be one of"),
        (call("save_raw", "deprecated"), "raw_format must be one of"),
        (call("get_dump", dump_format="yaml"), "dump_format must be one of"),
        (call("get_score", importance_type="split"), "importance_type must be one of"),
        (call("boost", rows()), "boost needs grad and hess"),
        (call("boost", rows(), grad=[1.0], hess=[1.0]), "must give g and h of shape"),
        (call("load_config", "{}"), "config must be what save_config returned"),
        (lambda: trained().best_iteration, "only defined when early stopping"),
        (lambda: compat.train({}, rows(), 1, eval=[]), "unexpected keyword argument 'eval'"),
        (lambda: compat.train({}, rows(), 1, callbacks=[print]), "must be TrainingCallbacks"),
        (lambda: compat.cv({}, rows(), 1, nfold=1), "nfold must be >= 2"),
        (lambda: compat.train({}, rows(), 1, early_stopping_rounds=1), "at least 1 validation"),
        (lambda: compat.callback.TrainingCheckPoint(".", as_pickle=True), "not offered"),
        (lambda: compat.train({"rate_drop": 0.1}, rows(), 1), "booster='dart'"),
        (lambda: compat.train({"updater": "shotgun"}, rows(), 1), "booster='gblinear' only"),
        (lambda: compat.train({"interaction_constraints": "[[0"}, rows(), 1), "lists of features"),
        (lambda: compat.train({"base_score": [1, 2]}, rows(), 1), "1 or 1 numbers. Got 2"),
        (lambda: compat.train({}, rows(), 1, obj=lambda p, d: p), "must return grad and hess"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_is_wrong_or_not_offered_is_said(do: Callable[[], object], words: str) -> None:
    kinds = (ValueError, TypeError, NotImplementedError, IndexError, AttributeError)
    with pytest.raises(kinds, match=words.replace("(", r"\(")) as caught:
        do()
    assert "\n" not in str(caught.value)


@pytest.mark.peer
def test_xgboosts_own_trees_may_be_asked_for() -> None:
    xgboost = pytest.importorskip("xgboost")
    x = RNG.normal(size=(1000, 4))
    x[RNG.random(x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) ** 2
    params = {"max_depth": 5, "nthread": 1, "max_bin": 256}
    theirs = xgboost.train(params, xgboost.DMatrix(x, y), 5)
    alike = {**params, "histogram": "float", "cuts": "quantile"}
    ours = compat.train(alike, compat.DMatrix(x, y), 5)
    assert ours.get_dump() == theirs.get_dump()
    assert np.array_equal(ours.predict(compat.DMatrix(x)), theirs.predict(xgboost.DMatrix(x)))

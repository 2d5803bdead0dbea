"""Estimators on data frames, sparse matrices and tensors: the same model of the same values."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse

from drivetrain.boosting import BoostedTreesClassifier, BoostedTreesRegressor

RNG = np.random.default_rng(0)
X = np.round(RNG.random((300, 3)), 2)
TOWN = np.array(["oslo", "rome", "bonn", "lima"])[(X[:, 0] * 3.99).astype(int)]
Y = np.select([TOWN == "rome", TOWN == "lima"], [4.0, -3.0], 0.0) + X[:, 1]


def model(**given: Any) -> BoostedTreesRegressor:
    return BoostedTreesRegressor(n_estimators=20, max_depth=3, n_jobs=1, **given)


def as_pandas() -> pd.DataFrame:
    return pd.DataFrame({"town": pd.Categorical(TOWN), "a": X[:, 1], "b": X[:, 2]})


FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "words": lambda frame: frame.astype({"town": str}),
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_words_are_categories_in_any_frame(kind: str) -> None:
    frame = FRAMES[kind](as_pandas())
    fitted = model().fit(frame, Y)
    assert fitted.score(frame, Y) > 0.99
    assert fitted.booster_.categories[0] == ("bonn", "lima", "oslo", "rome")
    assert list(fitted.feature_names_in_) == ["town", "a", "b"]
    assert np.array_equal(fitted.predict(frame), model().fit(as_pandas(), Y).predict(as_pandas()))


@pytest.mark.parametrize("kind", FRAMES)
def test_what_words_mean_is_kept(kind: str) -> None:
    fitted = model().fit(as_pandas(), Y)
    few = FRAMES[kind](as_pandas().loc[TOWN == "rome"].assign(town="rome"))
    assert np.array_equal(fitted.predict(few), fitted.predict(as_pandas())[TOWN == "rome"])


def test_an_unknown_category_is_an_error_or_missing() -> None:
    strange = as_pandas().assign(town="paris")
    fitted = model().fit(as_pandas(), Y)
    with pytest.raises(ValueError, match=r"'town' has a category.*'paris' in row 0. Known are"):
        fitted.predict(strange)
    lenient = model(unknown_category="missing").fit(as_pandas(), Y)
    empty = as_pandas().assign(town=pd.Categorical([None] * 300, categories=["rome"]))
    assert np.array_equal(lenient.predict(strange), lenient.predict(empty))
    with pytest.raises(ValueError, match="unknown_category must be one of"):
        model(unknown_category="skip").fit(as_pandas(), Y)


def test_other_columns_than_at_fit_are_named() -> None:
    fitted = model().fit(as_pandas(), Y)
    with pytest.raises(ValueError, match="must be in the same order"):
        fitted.predict(as_pandas()[["a", "town", "b"]])
    with pytest.raises(ValueError, match="zz"):
        fitted.predict(as_pandas().rename(columns={"a": "zz"}))
    with pytest.raises(TypeError, match="Column 'a' holds words"):
        fitted.predict(as_pandas().assign(a="x"))
    with pytest.raises(TypeError, match="Column 'a' holds Datetime"):
        model().fit(as_pandas().assign(a=pd.Timestamp("2020-01-01")), Y)


def test_columns_of_numbers_may_be_categories() -> None:
    codes = (X[:, 0] * 3.99).astype(int)
    by_name = pd.DataFrame({"town": codes, "a": X[:, 1]})
    fitted = model(categorical_features=["town"]).fit(by_name, Y)
    by_place = model(categorical_features=[0]).fit(by_name.to_numpy(), Y)
    by_mask = model(categorical_features=[True, False]).fit(by_name.to_numpy(), Y)
    assert fitted.booster_.forest.categorical.any()
    assert np.array_equal(fitted.predict(by_name), by_place.predict(by_name.to_numpy()))
    assert np.array_equal(by_mask.predict(by_name.to_numpy()), fitted.predict(by_name))
    with pytest.raises(TypeError, match="Column 'town' holds"):
        model(categorical_features=None).fit(as_pandas(), Y)


def test_nulls_of_any_kind_are_missing() -> None:
    gaps = RNG.random(300) < 0.2
    plain = np.where(gaps[:, None] & [True, False], np.nan, X[:, 1:])
    whole = pd.DataFrame(plain, columns=["a", "b"])
    nullable = whole.astype({"a": "Float64", "b": "Float64"})
    fitted = model().fit(plain, Y)
    for frame in (whole, nullable, pl.from_pandas(whole)):
        assert np.array_equal(model().fit(frame, Y).predict(frame), fitted.predict(plain))


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_absent_entries_are_missing(kind: Callable[[Any], Any]) -> None:
    x = np.where(X > 0.5, X, 0)
    gaps = np.where(x == 0, np.nan, x)
    fitted = model().fit(kind(x), Y)
    assert np.array_equal(fitted.predict(kind(x)), model().fit(gaps, Y).predict(gaps))


def test_tensors_are_arrays() -> None:
    fitted = model().fit(torch.tensor(X), torch.tensor(Y))
    assert np.array_equal(fitted.predict(torch.tensor(X)), model().fit(X, Y).predict(X))


def test_evaluation_sets_are_read_as_x_was() -> None:
    fitted = model(early_stopping_rounds=5).fit(
        as_pandas()[:200], Y[:200], eval_set=[(as_pandas()[200:], Y[200:])]
    )
    last = fitted.evals_result_["validation_0"]["rmse"]
    off = fitted.predict(as_pandas()[200:]) - Y[200:]
    assert fitted.best_score_ == pytest.approx(np.sqrt(np.mean(off**2)), rel=1e-5) == min(last)


def test_names_are_checked_by_kind() -> None:
    fitted = BoostedTreesClassifier(n_estimators=3, n_jobs=1).fit(as_pandas()[["a"]], TOWN)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.predict(X[:, 1:2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.predict(as_pandas()[["a"]])

"""Training from chunks equals training in memory, to the bit, wherever the bins are kept."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.chunks import stripes
from drivetrain.boosting.chunks.datasets import dataset_from_arrays, dataset_from_chunks
from drivetrain.boosting.dart import Dart
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.engines import boost_linear
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.robust import AbsoluteError
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, Watch, boost
from drivetrain.boosting.walking import walked
from drivetrain.trees.growing.settings import Growth

N = 1500


def in_memory(n: int = N, seed: int = 0, **more: Any) -> Dataset:
    """Rows with missing values, ties, a constant, an empty and a categorical column."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)).astype(np.float32)
    x[:, 1] = np.round(x[:, 1], 1)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[:, 2] = 5
    x[:, 3] = np.nan
    x[:, 4] = rng.integers(0, 9, n)
    y = np.nan_to_num(x[:, 0]) * np.nan_to_num(x[:, 1]) + (x[:, 4] % 3 == 0)
    kinds = np.arange(6) == 4
    return Dataset(x=x, label=y.astype(np.float32), categorical=kinds, **more)


def chunks_of(data: Dataset, sizes: list[int]) -> Callable[[], Iterator[dict[str, Any]]]:
    known = {name: getattr(data, name) for name in ("label", "weight", "base_margin")}

    def read() -> Iterator[dict[str, Any]]:
        a = 0
        for size in [*sizes, len(data)]:
            some = slice(a, a + size)
            a += size
            held = {name: column[some] for name, column in known.items() if column is not None}
            if len(data.x[some]) or not a:
                yield {"x": data.x[some], **held}

    return read


def out_of_core(data: Dataset, sizes: list[int], **how: Any) -> Dataset:
    return dataset_from_chunks(chunks_of(data, sizes), categorical=data.categorical, **how)


def same(a: Booster, b: Booster) -> None:
    for name, array in vars(a.forest).items():
        assert np.array_equal(array, getattr(b.forest, name)), name
    assert np.array_equal(a.base_score, b.base_score)


METHODS = {
    "plain": Settings(n_estimators=4),
    "subsample": Settings(n_estimators=4, subsample=0.6),
    "threads": Settings(n_estimators=3, threads=3, subsample=0.7),
    "wide": Settings(n_estimators=3, max_bin=1000),
    "coarse": Settings(n_estimators=4, max_bin=7, growth=Growth(max_depth=3, reg_alpha=0.1)),
    "columns": Settings(n_estimators=3, growth=Growth(colsample_bynode=0.6, max_leaves=9)),
    "quantile cuts": Settings(n_estimators=3, cuts="quantile", max_bin=16),
    "floats": Settings(n_estimators=3, histogram="float", cuts="quantile", max_bin=256),
    "forest": Settings(n_estimators=2, num_parallel_tree=3, subsample=0.5),
    "goss": Settings(n_estimators=4, sampling_method="goss"),
    "gradient based": Settings(n_estimators=4, sampling_method="gradient_based", subsample=0.5),
    "dart": Settings(n_estimators=5, booster="dart", dart=Dart(rate_drop=0.5), subsample=0.8),
}


@pytest.mark.parametrize("kept", ["memory", "one disk", "three disks"])
@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_the_same_bits(
    method: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Blocks of a page, so that even this table is spread over the disks.
    monkeypatch.setattr(stripes, "BLOCK", 1 << 16)
    data = in_memory()
    cache = {
        "memory": None,
        "one disk": tmp_path,
        "three disks": [tmp_path / name for name in "abc"],
    }[kept]
    chunked = out_of_core(data, [400, 1, 700], cache=cache, memory=50_000)
    expected, _ = boost(data, SquaredError(), METHODS[method])
    got, _ = boost(chunked, SquaredError(), METHODS[method])
    same(expected, got)


def test_blocks_are_spread_over_the_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripes, "BLOCK", 1 << 12)
    folders = [tmp_path / name for name in "abc"]
    data = in_memory()
    boost(out_of_core(data, [700], cache=folders), SquaredError(), Settings(n_estimators=1))
    sizes = [sum(f.stat().st_size for f in folder.rglob("rows.*")) for folder in folders]
    # 1500 rows of 32 bytes: twelve blocks of 4096, four a disk.
    assert sizes == [4 << 12] * 3


@pytest.mark.parametrize("objective", [Logistic(), Softmax(3), AbsoluteError()])
def test_other_objectives_and_weights(objective: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    weight = rng.integers(0, 3, N).astype(np.float32)
    data = in_memory(weight=weight)
    label = (data.labels > 0.4).astype(np.float32) + (data.labels > 1)
    if not isinstance(objective, Softmax):
        label = np.minimum(label, 1)
    data = replace(data, label=label.astype(np.float32))
    how = Settings(n_estimators=3, subsample=0.8)
    expected, _ = boost(data, objective, how)
    got, _ = boost(out_of_core(data, [500], cache=tmp_path), objective, how)
    same(expected, got)


@pytest.mark.parametrize(
    "how",
    [
        Settings(n_estimators=3, multi_strategy="multi_output_tree", subsample=0.7),
        Settings(n_estimators=3, growth=Growth(grow_policy="symmetric", max_depth=4)),
    ],
)
def test_other_trees_grow_on_chunks(how: Settings, tmp_path: Path) -> None:
    data = in_memory()
    label = np.concatenate([data.labels, data.labels**2], axis=1)
    data = replace(data, label=label, categorical=None)
    expected, _ = boost(data, SquaredError(), how)
    got, _ = boost(out_of_core(data, [500], cache=tmp_path), SquaredError(), how)
    same(expected, got)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (Settings(tree_method="exact"), "tree_method='exact' needs x in memory"),
        (Settings(tree_method="approx"), "tree_method='approx' needs x in memory"),
        (Settings(linear_tree=True), "linear_tree=True needs x in memory"),
    ],
)
def test_what_needs_values_is_refused(how: Settings, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        boost(out_of_core(in_memory(50), []), SquaredError(), how)


def test_linear_models_refuse_chunks() -> None:
    data = out_of_core(in_memory(50), [])
    with pytest.raises(ValueError, match="'gblinear' needs x in memory"):
        boost_linear(data, SquaredError(), Settings(booster="gblinear"))


@pytest.mark.parametrize("reference", [False, True])
def test_watching_chunks_sees_what_watching_arrays_sees(reference: bool) -> None:
    train, test = in_memory(), in_memory(700, seed=1)
    x = test.x.copy()
    # Values beyond all that training saw.
    x[:3, 0], x[3:6, 0] = 1e6, -1e6
    test = replace(test, x=x)
    how = Settings(n_estimators=5)
    expected = boost(train, SquaredError(), how, watch=Watch(sets={"test": test}))
    chunked = out_of_core(train, [400])
    other = out_of_core(test, [300], reference=chunked if reference else None)
    got = boost(chunked, SquaredError(), how, watch=Watch(sets={"test": other}))
    same(expected[0], got[0])
    assert expected[1] == got[1]


def test_an_unseen_category_is_walked_by_its_value() -> None:
    train, test = in_memory(), in_memory(700, seed=1)
    x = test.x.copy()
    x[::2, 4] = 40
    test = replace(test, x=x)
    chunked = out_of_core(train, [400])
    model, _ = boost(chunked, SquaredError(), Settings(n_estimators=5))
    other = out_of_core(test, [300], reference=chunked)
    zero = np.zeros((700, 1), np.float32)
    assert np.array_equal(walked(test, model.forest, zero), walked(other, model.forest, zero))


def test_a_model_is_continued_out_of_core() -> None:
    data = in_memory()
    first, _ = boost(data, SquaredError(), Settings(n_estimators=3, max_bin=20))
    how = Settings(n_estimators=3, subsample=0.5)
    expected, _ = boost(data, SquaredError(), how, start=first)
    got, _ = boost(out_of_core(data, [640]), SquaredError(), how, start=first)
    same(expected, got)


def test_base_margins_come_in_chunks() -> None:
    margin = np.random.default_rng(0).normal(size=N).astype(np.float32)
    data = in_memory(base_margin=margin)
    how = Settings(n_estimators=3)
    same(
        boost(data, SquaredError(), how)[0],
        boost(out_of_core(data, [1, 999]), SquaredError(), how)[0],
    )


@pytest.mark.parametrize("kind", ["memmap", "npy"])
def test_arrays_on_disk(kind: str, tmp_path: Path) -> None:
    data = in_memory()
    wide = data.x.astype(np.float64)
    if kind == "npy":
        np.save(tmp_path / "x.npy", wide)
        np.save(tmp_path / "y.npy", data.labels)
        given_x: Any = tmp_path / "x.npy"
        given_y: Any = str(tmp_path / "y.npy")
    else:
        given_x = np.memmap(tmp_path / "x", np.float64, "w+", shape=wide.shape)
        given_x[:] = wide
        given_y = data.labels
    chunked = dataset_from_arrays(given_x, given_y, rows=333, categorical=data.categorical)
    how = Settings(n_estimators=3)
    same(boost(data, SquaredError(), how)[0], boost(chunked, SquaredError(), how)[0])


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.integers(0, 90), max_size=6),
    n=st.integers(1, 200),
    memory=st.integers(0, 20_000),
    max_bin=st.sampled_from([2, 5, 255, 300]),
    seed=st.integers(0, 99),
)
def test_any_chunks_give_the_same_model(
    sizes: list[int], n: int, memory: int, max_bin: int, seed: int
) -> None:
    data = in_memory(n, seed)
    how = Settings(n_estimators=2, max_bin=max_bin, subsample=0.7)
    chunked = out_of_core(data, sizes, memory=memory)
    same(boost(data, SquaredError(), how)[0], boost(chunked, SquaredError(), how)[0])

"""Every kind of table becomes the same numbers; what is no number is named."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from drivetrain.boosting.frames.reading import read_table
from drivetrain.boosting.frames.table import Columns, Table

NAN = np.nan
WORDS = ["x", None, "y", "x"]
NUMBERS = {"int": [1, 2, 3, 4], "float": [0.5, None, 2.0, -1.0], "bool": [True, False, True, True]}


def as_pandas() -> pd.DataFrame:
    frame = pd.DataFrame(NUMBERS)
    return frame.assign(word=WORDS, category=pd.Categorical(WORDS, categories=["y", "x", "unused"]))


def as_nullable() -> pd.DataFrame:
    frame = as_pandas()
    types = {"int": "Int64", "float": "Float64", "bool": "boolean", "word": "string"}
    return frame.astype(types)


def as_polars() -> pl.DataFrame:
    frame = pl.DataFrame({**NUMBERS, "word": WORDS, "category": WORDS})
    return frame.with_columns(pl.col("category").cast(pl.Enum(["y", "x", "unused"])))


def as_arrow() -> pa.Table:
    category = pa.DictionaryArray.from_arrays(
        pa.array([1, None, 0, 1], pa.int32()), pa.array(["y", "x", "unused"])
    )
    return pa.table({**NUMBERS, "word": WORDS, "category": category})


FRAMES = {"pandas": as_pandas, "nullable": as_nullable, "polars": as_polars, "arrow": as_arrow}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_all_frames_are_the_same_table(make: object) -> None:
    table = read_table(make())  # type: ignore[operator]
    expected = np.array([[1, 0.5, 1, 0], [2, NAN, 0, NAN], [3, 2, 1, 1], [4, -1, 1, 0]], np.float32)
    assert np.array_equal(table.x[:, :4], expected, equal_nan=True)
    assert table.x.dtype == np.float32 and table.x.flags.c_contiguous
    columns = table.columns
    assert columns.names == ("int", "float", "bool", "word", "category")
    assert columns.categorical is not None and columns.categorical.tolist() == [0, 0, 0, 1, 1]
    assert columns.words(3) == ("x", "y")
    assert table.types == ("int", "float", "i", "c", "c")
    # The numbers of the categories may differ between libraries; what they stand for may not.
    held = columns.words(4)
    meant = [None if np.isnan(v) else held[int(v)] for v in table.x[:, 4]]
    assert meant == WORDS


def test_declared_categories_keep_their_order_and_the_unused() -> None:
    for make in (as_pandas, as_nullable, as_polars):
        assert read_table(make()).columns.words(4) == ("y", "x", "unused")


@pytest.mark.parametrize("first", FRAMES)
@pytest.mark.parametrize("second", FRAMES)
def test_a_models_categories_are_applied_to_any_frame(first: str, second: str) -> None:
    fitted, other = read_table(FRAMES[first]()), FRAMES[second]()
    again = read_table(other, known=fitted.columns)
    assert np.array_equal(again.x, fitted.x, equal_nan=True)


def test_physical_numbers_of_a_shared_polars_cache_do_not_matter() -> None:
    pl.Series(["zz", "yy"], dtype=pl.Categorical)
    a = read_table(pl.DataFrame({"a": pl.Series(["q", "p"], dtype=pl.Categorical)}))
    assert a.columns.words(0) == ("p", "q") and a.x[:, 0].tolist() == [1, 0]


def test_categories_may_be_numbers() -> None:
    fitted = read_table(pd.DataFrame({"a": pd.Categorical([30, 10, None, 10])}))
    assert fitted.columns.words(0) == (10, 30)
    assert np.array_equal(fitted.x[:, 0], [1, 0, NAN, 0], equal_nan=True)
    plain = read_table(pd.DataFrame({"a": [10, 30]}), known=fitted.columns)
    assert plain.x[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    "kind", ["csr_array", "csc_array", "coo_matrix", "csr_matrix", "lil_array"]
)
def test_absent_entries_are_missing_and_stored_zeros_are_values(kind: str) -> None:
    coordinates = ([0, 0, 2], [0, 2, 1])
    held = sparse.coo_array((np.array([1.5, 0.0, -2.0]), coordinates), (3, 3))
    expected = np.array([[1.5, NAN, 0], [NAN, NAN, NAN], [NAN, -2, NAN]], np.float32)
    assert np.array_equal(read_table(getattr(sparse, kind)(held)).x, expected, equal_nan=True)


@settings(deadline=None, max_examples=30)
@given(
    rows=st.integers(0, 40),
    columns=st.integers(1, 6),
    share=st.floats(0, 1),
    kind=st.sampled_from(["csr", "csc"]),
)
def test_sparse_is_what_dense_was(rows: int, columns: int, share: float, kind: str) -> None:
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, columns)).astype(np.float32)
    x[rng.random(x.shape) < share] = 0
    spread = read_table(sparse.csr_array(x).asformat(kind)).x
    assert np.array_equal(spread, np.where(x == 0, np.float32(NAN), x), equal_nan=True)


def test_duplicate_entries_are_summed_and_the_matrix_stays_as_it_was() -> None:
    held = sparse.csr_array((np.ones(3), np.array([1, 1, 0]), np.array([0, 3])), (1, 2))
    assert read_table(held).x.tolist() == [[1, 2]] and held.nnz == 3


def test_tensors_lists_and_objects_are_arrays() -> None:
    x = [[1.0, 2.0], [3.0, 4.0]]
    for given_ in (x, torch.tensor(x, requires_grad=True), torch.tensor(x).bfloat16()):
        assert read_table(given_).x.tolist() == x
    assert np.array_equal(
        read_table(np.array([[1, None]], object)).x, np.array([[1, NAN]], "f4"), equal_nan=True
    )


def test_a_value_may_stand_for_missing() -> None:
    assert np.array_equal(
        read_table(pd.DataFrame({"a": [1, -9]}), missing=-9).x[:, 0], [1, NAN], equal_nan=True
    )
    # The numbers of categories are no values.
    words = read_table(pd.DataFrame({"a": ["u", "v"]}), missing=0)
    assert words.x[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    "chosen", [[1], ["b"], [False, True], np.array([1]), np.array([False, True])], ids=str
)
def test_columns_are_chosen_as_scikit_learn_does(chosen: object) -> None:
    frame = pd.DataFrame({"a": [0, 1], "b": [3, 2]})
    columns = read_table(frame, categorical=chosen).columns  # type: ignore[arg-type]
    assert columns.categorical is not None and columns.categorical.tolist() == [False, True]
    assert columns.words(1) == ()


def test_an_array_has_categories_where_it_is_told() -> None:
    assert read_table(np.eye(2)).columns.categorical is None
    columns = read_table(np.eye(2), categorical=[0]).columns
    assert columns.categorical is not None and columns.categorical.tolist() == [True, False]


KNOWN = read_table(pd.DataFrame({"w": ["x", "y"], "n": [1.0, 2.0]})).columns


@pytest.mark.parametrize(
    ("data", "told", "words"),
    [
        (pd.DataFrame({"d": pd.to_datetime(["2020-01-01"])}), {}, "Column 'd' holds Datetime"),
        (pl.DataFrame({"d": [datetime.date(2020, 1, 1)]}), {}, "Column 'd' holds Date"),
        (pa.table({"d": [datetime.timedelta(1)]}), {}, "Column 'd' holds Duration"),
        (pl.DataFrame({"l": [[1, 2]]}), {}, "Column 'l' holds List"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), {}, "must not name a column twice"),
        (pd.DataFrame({"m": [1, "a"]}), {}, "Column 'm' mixes kinds of values: 'a' in row 1"),
        (pd.DataFrame({"o": [1, object()]}), {}, "Column 'o' holds objects"),
        (pd.DataFrame({"w": ["x"]}), {"categorical": None}, "Column 'w' holds words: make it"),
        (np.array([["x"]]), {}, "data must hold real numbers"),
        (np.array([["x"]], object), {}, "data must hold numbers: could not convert"),
        (np.zeros(3), {}, "data must be 2-d"),
        (sparse.coo_array(np.zeros(3)), {}, "data must be 2-d"),
        (sparse.csr_array(np.eye(2) * 1j), {}, "real numbers. Got dtype complex"),
        (np.eye(2), {"categorical": ["a"]}, "names no column: 'a'. The table has no names"),
        (np.eye(2), {"categorical": [2]}, "categorical_features must be >= 0 and <= 1. Got 2"),
        (np.eye(2), {"categorical": [True]}, "as a mask must have 2 entries. Got 1"),
        (np.eye(2), {"categorical": "from_type"}, "Did you mean 'from_dtype'"),
        (pd.DataFrame({"ab": [1]}), {"categorical": ["ba"]}, "names no column: 'ba'"),
        (pd.DataFrame({"w": ["z"], "n": [1.0]}), {"known": KNOWN}, "did not see: 'z' in row 0"),
        (pd.DataFrame({"n": [1.0], "w": ["x"]}), {"known": KNOWN}, "'w' in place 0. Got 'n'"),
        (pd.DataFrame({"w": ["x"]}), {"known": KNOWN}, "2 columns. Got 1. 'n' is missing"),
        (pd.DataFrame({"w": ["x"], "n": ["u"]}), {"known": KNOWN}, "Column 'n' holds words"),
        (pd.DataFrame({"w": [3.0], "n": [1.0]}), {"known": KNOWN}, "did not see: 3.0 in row 0"),
        (np.eye(2), {"unknown": "ignore"}, "unknown must be one of"),
    ],
)
def test_what_is_no_table_is_named(data: object, told: dict, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        read_table(data, **told)
    assert "\n" not in str(caught.value)


def test_words_where_whole_numbers_were_categories_are_refused() -> None:
    known = Columns(names=("a",), categorical=np.array([True]))
    with pytest.raises(TypeError, match=r"Column 'a' was whole numbers at fit\. Got words"):
        read_table(pd.DataFrame({"a": ["u"]}), known=known)


def test_an_unknown_category_may_be_missing() -> None:
    table = read_table(
        pd.DataFrame({"w": ["z", "y"], "n": [1.0, 2.0]}), known=KNOWN, unknown="missing"
    )
    assert np.array_equal(table.x[:, 0], [NAN, 1], equal_nan=True)


def test_a_table_of_numbers_has_no_categories() -> None:
    table: Table = read_table(pd.DataFrame({"a": [1.0]}))
    assert table.columns.categorical is None and table.given["categories"] == ()

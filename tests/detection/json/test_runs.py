"""Runs of numbers in a list, against Python's json, bit for bit; what is none is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.json.document import read_sections
from drivetrain.detection.json.failure import BrokenJson
from drivetrain.detection.json.schema import Schema
from drivetrain.detection.json.source import Source

SCHEMA = Schema(entry="entry", integers=("id",), points="keypoints")
WIDTH = 6


def document(lists: list[list[str]], between: str) -> bytes:
    rows = [f'{{"id":{i},"keypoints":[{between.join(one)}]}}' for i, one in enumerate(lists)]
    return ("[" + ", ".join(rows) + "]").encode()


def points(text: bytes) -> np.ndarray:
    return read_sections(Source("text", text), {"annotations": SCHEMA})["annotations"].points


def short(digits: str, point: int) -> str:
    return str(int(digits[:point])) + (f".{digits[point:]}" if digits[point:] else "")


DIGITS = st.text("0123456789", min_size=1, max_size=9)
SHORT = st.builds(short, DIGITS, st.integers(1, 9))
NUMBER = st.one_of(
    SHORT,
    SHORT.map(lambda x: "-" + x),
    st.sampled_from(["0", "-0", "0.0", "-0.0", "1e3", "2.5E-3", "7e+2", "1234567", "12345678"]),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
LISTS = st.lists(st.lists(NUMBER, min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=12)
BETWEEN = st.sampled_from([",", ", ", " ,\n", ",\n       ", ",\n              "])


@given(LISTS, BETWEEN)
@settings(max_examples=60, deadline=None)
def test_numbers_of_lists_are_those_of_python(lists: list[list[str]], between: str) -> None:
    lists = [["1.5"] * WIDTH, ["2"] * WIDTH, *lists]
    wanted = np.array([[float(json.loads(x)) for x in one] for one in lists])
    wanted[wanted == 0] = [
        0.0 if x == "-0" else float(x) for one in lists for x in one if float(x) == 0
    ]
    got = points(document(lists, between))
    assert np.array_equal(got.view(np.int64), wanted.view(np.int64)), (got, wanted)


@pytest.mark.parametrize(
    "wrong", ["1.", ".5", "01", "00.5", "-", "+1", "1e", "1.e3", "1..2", "1.2.3"]
)
@pytest.mark.parametrize("place", range(WIDTH))
def test_what_is_no_number_is_refused(wrong: str, place: int) -> None:
    last = ["1.5"] * WIDTH
    last[place] = wrong
    with pytest.raises(BrokenJson):
        points(document([["1.5"] * WIDTH] * 3 + [last] + [["1.5"] * WIDTH], ","))


@pytest.mark.parametrize("many", [1, 5, 7])
def test_lists_that_are_shorter_or_longer(many: int) -> None:
    text = document([["1.5"] * WIDTH] * 3 + [["2.5"] * many], ",")
    columns = read_sections(Source("text", text), {"annotations": SCHEMA})["annotations"]
    assert [row for row, _ in columns.faults] == [3]


def test_a_file_that_ends_in_a_run() -> None:
    text = document([["1.5", "20", "3.25", "4", "5", "6"]] * 3, ",")
    whole = points(text)
    for cut in range(len(text) - 60, len(text)):
        with pytest.raises(BrokenJson):
            points(text[:cut])
    assert whole.tolist() == [[1.5, 20.0, 3.25, 4.0, 5.0, 6.0]] * 3

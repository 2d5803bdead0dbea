"""Checks of arguments: what passes, what is refused, and in which words."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.checks import (
    check_array,
    check_choice,
    check_finite,
    check_integer,
    check_real,
    check_same_length,
)


def message(kind: type[Exception], call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(kind) as caught:
        call(*args, **kwargs)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    "value",
    [
        2,
        2.0,
        np.float32(2),
        np.int8(2),
        np.array(2.0),
        torch.tensor(2.0),
        Decimal(2),
        Fraction(4, 2),
    ],
)
def test_real_accepts_numbers_of_all_kinds(value: Any) -> None:
    checked = check_real("lr", value, low=0, high=3)
    assert checked == 2.0
    assert type(checked) is float


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.True_,
        "2",
        b"2",
        None,
        1j,
        [2.0],
        np.array([2.0]),
        torch.ones(1),
        torch.ones(2),
        {},
        object(),
        [[1], [2, 3]],
    ],
)
def test_real_refuses_what_is_no_number(value: Any) -> None:
    text = message(TypeError, check_real, "lr", value)
    assert text.startswith(f"lr must be a real number. Got {type(value).__name__}: ")


@pytest.mark.parametrize(
    ("value", "bounds", "text"),
    [
        (-1, {"low": 0}, "lr must be >= 0. Got -1."),
        (0, {"low": 0, "open_low": True}, "lr must be > 0. Got 0."),
        (1, {"low": 0, "high": 1, "open_high": True}, "lr must be >= 0 and < 1. Got 1."),
        (2, {"high": 1}, "lr must be <= 1. Got 2."),
        (math.nan, {}, "lr must be not NaN. Got nan."),
        (math.nan, {"low": 0}, "lr must be >= 0. Got nan."),
        (math.inf, {"high": 1e300}, "lr must be <= 1e+300. Got inf."),
        (10**400, {"high": 1}, "lr must be <= 1. Got inf."),
        (-(10**400), {"low": 0}, "lr must be >= 0. Got -inf."),
        (1.0000000001, {"high": 1}, "lr must be <= 1. Got 1.0000000001."),
    ],
)
def test_real_says_the_interval(value: Any, bounds: dict[str, Any], text: str) -> None:
    assert message(ValueError, check_real, "lr", value, **bounds) == text


@given(st.floats(allow_nan=False), st.floats(-10, 10), st.floats(0, 10))
def test_real_passes_exactly_the_closed_interval(value: float, low: float, width: float) -> None:
    high = low + width
    if low <= value <= high:
        assert check_real("x", value, low=low, high=high) == value
    else:
        message(ValueError, check_real, "x", value, low=low, high=high)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integer_accepts_integers(value: Any) -> None:
    checked = check_integer("n", value, low=3, high=3)
    assert checked == 3
    assert type(checked) is int


@pytest.mark.parametrize("value", [3.0, True, np.True_, "3", None, np.array(3), torch.tensor(3)])
def test_integer_refuses_the_rest(value: Any) -> None:
    assert message(TypeError, check_integer, "n", value).startswith("n must be an integer. Got ")


def test_integer_says_the_interval() -> None:
    assert message(ValueError, check_integer, "n", 0, low=1) == "n must be >= 1. Got 0."
    assert message(ValueError, check_integer, "n", 9, low=1, high=8) == (
        "n must be >= 1 and <= 8. Got 9."
    )


def test_integer_of_any_size() -> None:
    huge = 10**400
    assert check_integer("n", huge, low=1) == huge
    text = message(ValueError, check_integer, "n", huge, high=2**63 - 1)
    assert text.startswith(f"n must be <= {2**63 - 1}. Got 1000")
    assert len(text) < 120


def test_choice_names_the_nearest() -> None:
    assert check_choice("decay", "lr", ("lr", "schedule")) == "lr"
    assert message(ValueError, check_choice, "decay", "shedule", ("lr", "schedule")) == (
        "decay must be one of 'lr', 'schedule'. Got 'shedule'. Did you mean 'schedule'?"
    )


@pytest.mark.parametrize("value", [None, 3, np.array(["lr", "x"]), ["lr"], torch.ones(3)])
def test_choice_refuses_what_is_no_word(value: Any) -> None:
    text = message(ValueError, check_choice, "decay", value, ("lr", "schedule"))
    assert text.startswith("decay must be one of 'lr', 'schedule'. Got ")


@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        (1.0, 2.0),
        np.array([1, 2], np.int8),
        np.array([2, 1])[::-1],
        np.array([1, 2], ">f4"),
        torch.tensor([1.0, 2.0]),
        np.ma.masked_array([1.0, 2.0]),
        range(1, 3),
    ],
)
def test_array_turns_numbers_into_float64(value: Any) -> None:
    checked = check_array("x", value, ndim=1)
    assert checked.dtype == np.dtype("=f8")
    assert checked.tolist() == [1.0, 2.0]


def test_array_does_not_copy_without_need() -> None:
    array = np.arange(6.0).reshape(2, 3)[:, ::2]
    assert check_array("x", array, finite=True) is array
    tensor = torch.arange(3.0, dtype=torch.float64)
    assert np.shares_memory(check_array("x", tensor), tensor.numpy())


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (["a"], "x must hold real numbers. Got dtype <U1."),
        ([1j], "x must hold real numbers. Got dtype complex128."),
        ([None], "x must hold real numbers. Got dtype object."),
        ([10**400], "x must hold real numbers. Got dtype object."),
        (np.array(["2020"], "M8[Y]"), "x must hold real numbers. Got dtype datetime64[Y]."),
        (np.ma.masked_array([1.0, 2.0], [0, 1]), "x must not be masked"),
        (torch.ones(2, requires_grad=True), "x cannot become a numpy array: "),
        (torch.ones(2, dtype=torch.bfloat16), "x cannot become a numpy array: "),
    ],
)
def test_array_refuses_what_is_not_numeric(value: Any, got: str) -> None:
    assert message(TypeError, check_array, "x", value).startswith(got)


def test_array_refuses_ragged_rows() -> None:
    text = message(ValueError, check_array, "x", [[1, 2], [3]])
    assert text == "x must be rectangular. Got rows of unequal length."


def test_array_says_the_rank() -> None:
    assert message(ValueError, check_array, "x", np.ones((2, 3)), ndim=1) == (
        "x must be 1-d. Got shape (2, 3)."
    )
    assert message(ValueError, check_array, "x", 1.0, ndim=(1, 2)) == (
        "x must be 1-d or 2-d. Got shape ()."
    )
    assert check_array("x", 1.0, ndim=0).shape == ()
    assert check_array("x", [], ndim=1).shape == (0,)


@pytest.mark.parametrize(
    ("value", "dtype", "got"),
    [
        ([1.5], np.int64, "x must hold whole numbers of int64. Got 1.5."),
        ([0, 300], np.uint8, "x must hold whole numbers of uint8. Got 300."),
        ([-1], np.uint32, "x must hold whole numbers of uint32. Got -1."),
        ([np.nan], np.int64, "x must hold whole numbers of int64. Got nan."),
        ([1e30], np.int64, "x must hold whole numbers of int64. Got 1e+30."),
        ([2.0**63], np.int64, "x must hold whole numbers of int64. Got 9.223372036854776e+18."),
    ],
)
def test_array_never_truncates_to_integers(value: Any, dtype: Any, got: str) -> None:
    assert message(ValueError, check_array, "x", value, dtype=dtype) == got


def test_array_accepts_whole_floats_as_integers() -> None:
    checked = check_array("x", [1.0, 2.0], dtype=np.int32)
    assert checked.dtype == np.int32
    assert checked.tolist() == [1, 2]


def test_array_too_large_for_float32_is_infinite_and_said_so() -> None:
    assert check_array("x", [1e300], dtype=np.float32).tolist() == [np.inf]
    text = message(ValueError, check_array, "x", [1e300], dtype=np.float32, finite=True)
    assert text == "x must be finite. Got inf at position 0 (1 in all)."


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_finite_names_the_first_position(bad: float) -> None:
    array = np.zeros((3, 4))
    array[1, 2] = array[2, 0] = bad
    text = message(ValueError, check_finite, "x", array)
    assert text == f"x must be finite. Got {bad} at position (1, 2) (2 in all)."
    assert message(ValueError, check_finite, "x", array.T).count("(0, 2)") == 1


def test_finite_is_not_fooled_by_sums() -> None:
    check_finite("x", np.full(4, 1.7e308))
    check_finite("x", np.array([]))
    check_finite("x", np.arange(3))
    check_finite("x", np.full(70_000, 60_000, np.float16))
    assert "nan" in message(ValueError, check_finite, "x", np.array(np.nan))
    assert "inf" in message(ValueError, check_finite, "x", np.array([np.inf, -np.inf]))


def test_same_length_names_all_with_their_shapes() -> None:
    assert check_same_length(x=np.ones((3, 2)), y=np.ones(3)) == 3
    text = message(ValueError, check_same_length, x=np.ones((3, 2)), y=np.ones(4))
    assert text == "x and y must have the same length. Got x (3, 2), y (4,)."

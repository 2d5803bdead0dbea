"""Checks of the black boxes that searches are given."""

from typing import Any

from drivetrain.core.checks import check_array


def check_function(name: str, value: Any) -> None:
    """Raise a TypeError unless ``value`` can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be a function. Got {type(value).__name__}.")


def one_value(value: Any) -> float:
    """Return what a black box gave for one point, as a float.

    Raises:
        TypeError: Not a number.
        ValueError: Not one number.
    """
    if isinstance(value, float):
        return value
    return float(check_array("f(x)", value, ndim=0))

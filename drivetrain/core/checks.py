"""Checks of arguments, and the wording of what they say when they fail.

Each returns the checked value in its canonical type, so a caller writes
``lr = check_real("lr", lr, low=0)``.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from drivetrain.core.errors import did_you_mean


def _interval(low: float | None, high: float | None, open_low: bool, open_high: bool) -> str:
    parts = []
    if low is not None:
        parts.append(f"{'>' if open_low else '>='} {low:g}")
    if high is not None:
        parts.append(f"{'<' if open_high else '<='} {high:g}")
    return " and ".join(parts)


def _outside(
    value: float, low: float | None, high: float | None, open_low: bool, open_high: bool
) -> bool:
    if math.isnan(value):
        return True
    below = low is not None and (value <= low if open_low else value < low)
    above = high is not None and (value >= high if open_high else value > high)
    return below or above


def check_real(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Return ``value`` as a float inside the interval; NaN never is.

    Raises:
        TypeError: Not a real number (a bool is none, a 0-d array or tensor is one).
        ValueError: Outside the interval.
    """
    try:
        if isinstance(value, (bool, str, bytes)):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must be a real number. Got {type(value).__name__}: {_brief(value)}."
        ) from None
    if _outside(number, low, high, open_low, open_high):
        wanted = _interval(low, high, open_low, open_high) or "not NaN"
        raise ValueError(f"{name} must be {wanted}. Got {number:g}.")
    return number


def check_integer(name: str, value: Any, *, low: int | None = None, high: int | None = None) -> int:
    """Return ``value`` as an int inside the closed interval.

    Raises:
        TypeError: Not an integer (1.0 and True are none).
        ValueError: Outside the interval.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer. Got {type(value).__name__}: {_brief(value)}.")
    if _outside(int(value), low, high, False, False):
        raise ValueError(f"{name} must be {_interval(low, high, False, False)}. Got {value}.")
    return int(value)


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return ``value`` if it is one of the choices.

    Raises:
        ValueError: It is none of them; the nearest is named.
    """
    listed = list(choices)
    if value not in listed:
        expected = ", ".join(repr(choice) for choice in listed)
        raise ValueError(
            f"{name} must be one of {expected}. Got {value!r}.{did_you_mean(str(value), listed)}"
        )
    return str(value)


def check_array(
    name: str,
    value: ArrayLike,
    *,
    ndim: int | tuple[int, ...] | None = None,
    dtype: DTypeLike = np.float64,
    finite: bool = False,
) -> NDArray[Any]:
    """Return ``value`` as a numeric array of the given dtype; a view where no copy is needed.

    Args:
        name: What the caller calls it.
        value: Anything numpy turns into numbers: arrays of any strides, lists, CPU tensors.
        ndim: The rank, or the ranks, that are allowed.
        dtype: What comes back. Complex and text input is refused, never truncated.
        finite: Whether NaN and infinities are refused.

    Raises:
        TypeError: Not numeric.
        ValueError: Wrong rank, or not finite (the first position is named).
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers. Got dtype {array.dtype}.")
    ranks = (ndim,) if isinstance(ndim, int) else ndim
    if ranks is not None and array.ndim not in ranks:
        wanted = " or ".join(f"{rank}-d" for rank in ranks)
        raise ValueError(f"{name} must be {wanted}. Got shape {array.shape}.")
    array = array.astype(dtype, copy=False)
    if finite:
        check_finite(name, array)
    return array


def check_finite(name: str, array: NDArray[Any]) -> None:
    """Raise a ValueError that names the first NaN or infinity of ``array``, if it has one."""
    # A sum is not finite if any term is not: one pass without a temporary, as the common case
    # deserves. It may also overflow, so the exact test follows before anything is said.
    with np.errstate(over="ignore", invalid="ignore"):
        if not array.size or np.isfinite(np.sum(array)):
            return
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        position = tuple(int(i) for i in np.unravel_index(bad[0], array.shape))
        shown = position[0] if len(position) == 1 else position
        what = array.reshape(-1)[bad[0]]
        raise ValueError(
            f"{name} must be finite. Got {what} at position {shown} ({bad.size} in all)."
        )


def check_same_length(**arrays: NDArray[Any]) -> int:
    """Return the common first dimension of the named arrays.

    Raises:
        ValueError: They differ; all are named with their shapes.
    """
    lengths = {len(array) for array in arrays.values()}
    if len(lengths) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"{' and '.join(arrays)} must have the same length. Got {shapes}.")
    return lengths.pop()


def _brief(value: Any, width: int = 60) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= width else text[: width - 3] + "..."

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
        if isinstance(value, (bool, np.bool_, str, bytes)) or np.ndim(value):
            raise TypeError
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must be a real number. Got {type(value).__name__}: {_brief(value)}."
        ) from None
    if _outside(number, low, high, open_low, open_high):
        wanted = _interval(low, high, open_low, open_high) or "not NaN"
        raise ValueError(f"{name} must be {wanted}. Got {_exact(number)}.")
    return number


def check_integer(name: str, value: Any, *, low: int | None = None, high: int | None = None) -> int:
    """Return ``value`` as an int inside the closed interval.

    Raises:
        TypeError: Not an integer (1.0 and True are none).
        ValueError: Outside the interval.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer. Got {type(value).__name__}: {_brief(value)}.")
    number = int(value)
    if (low is not None and number < low) or (high is not None and number > high):
        bounds = [f">= {low}"] * (low is not None) + [f"<= {high}"] * (high is not None)
        raise ValueError(f"{name} must be {' and '.join(bounds)}. Got {_brief(number)}.")
    return number


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return ``value`` if it is one of the choices.

    Raises:
        ValueError: It is none of them; the nearest is named.
    """
    listed = list(choices)
    if not isinstance(value, str) or value not in listed:
        expected = ", ".join(repr(choice) for choice in listed)
        raise ValueError(
            f"{name} must be one of {expected}. Got {_brief(value)}."
            f"{did_you_mean(str(value), listed)}"
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
        dtype: What comes back. Complex numbers, text, masks and, where whole numbers are
            asked for, fractions are refused, never truncated.
        finite: Whether NaN and infinities are refused.

    Raises:
        TypeError: Not numeric.
        ValueError: Wrong rank, not finite (the first position is named), rows of unequal
            length, or numbers that ``dtype`` cannot hold.
    """
    array = _as_array(name, value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers. Got dtype {array.dtype}.")
    ranks = (ndim,) if isinstance(ndim, int) else ndim
    if ranks is not None and array.ndim not in ranks:
        wanted = " or ".join(f"{rank}-d" for rank in ranks)
        raise ValueError(f"{name} must be {wanted}. Got shape {array.shape}.")
    array = _cast(name, array, np.dtype(dtype))
    if finite:
        check_finite(name, array)
    return array


def _as_array(name: str, value: ArrayLike) -> NDArray[Any]:
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(f"{name} must not be masked: fill or drop the masked values first.")
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be rectangular. Got rows of unequal length.") from None
    except (TypeError, RuntimeError) as error:
        # Tensors on another device, or with a gradient, or of a kind numpy lacks.
        raise TypeError(f"{name} cannot become a numpy array: {error}") from None


def _cast(name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    # Too large for a narrower float becomes infinite, as IEEE 754 has it.
    with np.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(dtype, copy=False)
    if dtype.kind in "iu" and cast is not array and not np.array_equal(cast, array):
        wrong = array[cast != array].reshape(-1)[0]
        raise ValueError(f"{name} must hold whole numbers of {dtype}. Got {wrong}.")
    return cast


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


def _exact(number: float) -> str:
    short = f"{number:g}"
    return short if float(short) == number or math.isnan(number) else repr(number)


def _brief(value: Any, width: int = 60) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= width else text[: width - 3] + "..."

"""What users feed a stream: numbers, arrays of any strides, tensors, iterators of blocks."""

import math
import warnings
from array import array
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.streams._numba import BLOCK
from drivetrain.core.checks import check_array, check_finite

POLICIES = ("raise", "omit", "propagate")
_PIECE = 65536


def as_observations(x: Any, *, ndim: int | tuple[int, ...]) -> NDArray[Any]:
    """Return ``x`` as a numeric array of one of the ranks, without copying float arrays.

    Raises:
        TypeError: Not real numbers.
        ValueError: Another rank, masked values, or a tensor that is not on the CPU.
    """
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        count = int(np.sum(np.ma.getmaskarray(x)))
        raise ValueError(
            f"x must have no masked values. Got {count}: give x.compressed(), or x.filled(np.nan) "
            "with nan_policy='omit'."
        )
    if type(x).__module__ == "torch":
        if x.device.type != "cpu":
            raise ValueError(f"x must be on the CPU. Got a tensor on {x.device}: give x.cpu().")
        x = x.detach()
        x = x.float() if x.is_floating_point() and x.element_size() < 4 else x
    try:
        values = np.asarray(x)
    except ValueError:
        raise ValueError("x must be a rectangular array of numbers. Got ragged lists.") from None
    dtype = values.dtype if values.dtype in (np.float64, np.float32) else None
    if dtype is None and values.dtype.kind in "fiub":
        # Left as it is: pieces() converts it a little at a time.
        return _ranked(values, ndim)
    return _ranked(check_array("x", values, dtype=dtype or np.float64), ndim)


def _ranked(values: NDArray[Any], ndim: int | tuple[int, ...]) -> NDArray[Any]:
    ranks = (ndim,) if isinstance(ndim, int) else ndim
    if values.ndim not in ranks:
        wanted = " or ".join(f"{rank}-d" for rank in ranks)
        raise ValueError(f"x must be {wanted}. Got shape {values.shape}.")
    return values


def pieces(values: NDArray[Any], *, float32: bool = False) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (start, contiguous rows) of float64, or of float32 where the kernel takes it too.

    Contiguous floats come back whole; anything else is converted a piece at a time, so no
    temporary as large as the input exists.
    """
    wanted = (np.float64, np.float32) if float32 else (np.float64,)
    if values.dtype in wanted and values.flags.c_contiguous:
        yield 0, values
        return
    dtype = values.dtype if values.dtype in wanted else np.float64
    rows = max(BLOCK, _PIECE // max(1, math.prod(values.shape[1:])) // BLOCK * BLOCK)
    for start in range(0, len(values), rows):
        yield start, np.ascontiguousarray(values[start : start + rows], dtype=dtype)


def admit(values: NDArray[Any], nan_policy: str, position: int = 0) -> NDArray[Any]:
    """Return the rows the policy lets in; ``omit`` drops those with a NaN or infinity.

    Args:
        values: Any rank >= 1.
        nan_policy: ``raise``, ``omit`` or ``propagate``.
        position: In the stream, of a row that came alone.

    Raises:
        ValueError: The policy is ``raise`` and a value is not finite; its position is named.
    """
    if nan_policy == "raise":
        if values.shape == (1,) and not np.isfinite(values[0]):
            raise not_finite(float(values[0]), position)
        check_finite("x", values)
    elif nan_policy == "omit":
        finite = np.isfinite(values)
        if not finite.all():
            return values[finite.reshape(len(values), -1).all(axis=1)]
    return values


def draw(items: Iterator[Any], update: Callable[[Any], object]) -> None:
    """Update with each item of an iterator; runs of floats are gathered into blocks on the way.

    Up to ``BLOCK`` floats are drawn before they are used. What was drawn before the iterator
    failed is used too, so the stream then stands where a loop over the items would stand.
    """
    for item in items:
        if item.__class__ is not float:
            update(item)
            continue
        run = [item]
        try:
            run.extend(islice(items, BLOCK - 1))
        finally:
            # Anything else goes one at a time, so that errors are those of the loop.
            for block in (np.fromiter(run, np.float64, len(run)),) if _summable(run) else run:
                update(block)


def _summable(run: list[Any]) -> bool:
    """Return whether these are numbers with a finite sum: no NaN, no infinity, no array."""
    try:
        total = sum(run)
    except (TypeError, ValueError, OverflowError):
        return False
    # The sum of floats and a numpy scalar, an array or a tensor is none of Python's floats.
    return total.__class__ is float and math.isfinite(total)


def not_finite(value: float, position: int | tuple[int, ...]) -> ValueError:
    """Return the error that names a NaN or an infinity and where it stands."""
    return ValueError(f"x must be finite. Got {value} at position {position}.")


def as_weights(weights: Any, length: int) -> NDArray[np.float64]:
    """Return one finite weight >= 0 an observation, contiguous.

    Raises:
        ValueError: Another length, negative, or not finite; the position is named.
    """
    values = check_array("weights", weights, ndim=(0, 1), finite=False)
    if values.ndim == 0:
        values = np.full(length, float(values))
    if len(values) != length:
        raise ValueError(f"weights must have length {length}, as x has. Got {len(values)}.")
    check_finite("weights", values)
    if length and values.min() < 0:
        first = int(np.argmax(values < 0))
        raise ValueError(f"weights must be >= 0. Got {values[first]:g} at position {first}.")
    return np.ascontiguousarray(values)


class Pending:
    """Single observations on their way to a block of fixed size.

    However a stream is cut into updates, the same values meet in the same blocks, so a batch
    equals the loop of single updates to the bit.
    """

    __slots__ = ("size", "values")

    def __init__(self, size: int = BLOCK) -> None:
        self.size = size
        self.values = array("d")

    def split(self, x: NDArray[Any]) -> tuple[list[NDArray[Any]], NDArray[Any]]:
        """Return the runs of full blocks that ``x`` completes, and what is left over.

        Nothing changes until ``replace`` is given the left-over, so a refusal loses nothing.
        """
        held, runs, start = len(self.values), [], 0
        if held + len(x) < self.size:
            return [], np.concatenate([self.peek(), x]) if held else x
        if held:
            start = self.size - held
            runs.append(np.concatenate([self.peek(), x[:start]]).astype(np.float64, copy=False))
        stop = start + (len(x) - start) // self.size * self.size
        if stop > start:
            runs.append(x[start:stop])
        return runs, x[stop:]

    def replace(self, values: NDArray[Any]) -> None:
        """Hold these values instead."""
        del self.values[:]
        self.values.frombytes(np.ascontiguousarray(values, dtype=np.float64).tobytes())

    def peek(self) -> NDArray[np.float64]:
        """Return a copy of what waits."""
        return np.array(self.values, dtype=np.float64)


def warn_no_answer(what: str) -> None:
    """Warn that a statistic is NaN, and why."""
    warnings.warn(what, RuntimeWarning, stacklevel=4)

"""What the accumulators share: points and blocks of a path, and matrices not known yet."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.inference.estimate import Estimate
from drivetrain.approximation.inference.pivots import Pivot
from drivetrain.core.checks import check_array

Array = NDArray[np.float64]


def as_point(name: str, value: ArrayLike) -> Array:
    """Return a copy of a finite vector; a number becomes a vector of one."""
    return np.atleast_1d(check_array(name, value, ndim=(0, 1), finite=True)).copy()


def as_block(name: str, value: ArrayLike, p: int) -> Array:
    """Return iterates as a contiguous (m, p) array, checked."""
    block = check_array(name, value, ndim=(0, 1, 2), finite=True)
    if block.ndim < 2:
        block = block.reshape(-1, 1) if p == 1 else block.reshape(1, -1)
    if block.shape[1] != p:
        raise ValueError(f"{name} must have {p} coordinates. Got shape {np.shape(value)}.")
    return np.ascontiguousarray(block)


def unknown_matrix(p: int) -> Array:
    """Return a (p, p) matrix of NaN."""
    return np.full((p, p), np.nan)


def nothing_yet(p: int, pivot: Pivot, method: str) -> Estimate:
    """Return the estimate before the first step: NaN all over."""
    return Estimate(np.full(p, np.nan), unknown_matrix(p), pivot, method, 0)

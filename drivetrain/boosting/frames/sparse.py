"""Sparse matrices spread out: what is absent is missing, what is stored is a value, 0 too."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows whose numbers are written out at a time: the index of a block stays in cache.
_BLOCK = 1 << 14


def dense(matrix: Any) -> NDArray[np.float32]:
    """Return a scipy sparse matrix or array as float32, NaN where no entry is stored.

    Columns of a CSC matrix are written one by one, rows of any other (as CSR) block by block;
    no other copy as large as the matrix is made.

    Args:
        matrix: (n, F).

    Raises:
        TypeError: Complex numbers.
        ValueError: Not two-dimensional.
    """
    if matrix.ndim != 2:
        raise ValueError(f"data must be 2-d. Got shape {matrix.shape}.")
    if matrix.dtype.kind not in "fiub":
        raise TypeError(f"data must hold real numbers. Got dtype {matrix.dtype}.")
    held = matrix if matrix.format in ("csc", "csr") else matrix.tocsr()
    if not held.has_canonical_format:
        held = held.copy()
        held.sum_duplicates()
    out = np.full(held.shape, np.nan, np.float32)
    with np.errstate(over="ignore"):
        (_columns if held.format == "csc" else _rows)(held, out)
    return out


def _columns(held: Any, out: NDArray[np.float32]) -> None:
    for k in range(held.shape[1]):
        span = slice(held.indptr[k], held.indptr[k + 1])
        out[held.indices[span], k] = held.data[span]


def _rows(held: Any, out: NDArray[np.float32]) -> None:
    for begin in range(0, held.shape[0], _BLOCK):
        ends = held.indptr[begin : begin + _BLOCK + 1]
        span = slice(ends[0], ends[-1])
        rows = np.repeat(np.arange(begin, begin + len(ends) - 1), np.diff(ends))
        out[rows, held.indices[span]] = held.data[span]

"""The data as bins, in both layouts: by row for histograms, by feature for partitions."""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning._numba import bin_block
from drivetrain.trees.binning.cuts import Cuts

Bins = NDArray[np.uint8] | NDArray[np.uint16]

_BLOCK = 2048
# A row begins on a half cache line, so that few rows straddle two.
_ALIGN = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class BinnedMatrix:
    """n rows of F features as bin codes.

    Attributes:
        cuts: What the codes mean.
        rows: By row, (n, stride), C order.
        columns: By feature, (F, n), C order.
        shift: Codes are below 2**shift.
        has_missing: Whether a feature has missing values, (F,).
    """

    cuts: Cuts
    rows: Bins
    columns: Bins
    shift: int
    has_missing: NDArray[np.bool_]

    def __len__(self) -> int:
        return self.columns.shape[1]

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.columns)

    @property
    def missing(self) -> int:
        """The code of a missing value: the greatest."""
        return (1 << self.shift) - 1


def code_bits(cuts: Cuts) -> int:
    """Return how many bits hold every bin and the code for missing: 8 or more."""
    most = int(cuts.n_bins.max(initial=1))
    return max(8, int(most).bit_length())


def bin_matrix(
    x: NDArray[np.float32], cuts: Cuts, *, executor: Executor | None = None
) -> BinnedMatrix:
    """Return the bins of ``x``.

    Args:
        x: Values, (n, F); NaN is missing.
        cuts: The cuts of the F features.
        executor: Where blocks of rows are binned in parallel.
    """
    n, features = x.shape
    shift = code_bits(cuts)
    dtype = np.dtype(np.uint8 if shift == 8 else np.uint16)
    stride = -(-features * dtype.itemsize // _ALIGN) * _ALIGN // dtype.itemsize
    rows = np.zeros((n, stride), dtype)
    columns = np.empty((features, n), dtype)
    # The last cut of a feature is not searched: what lies above it belongs to the last bin.
    searched = np.full((features, (1 << shift) - 1), np.inf, np.float32)
    for f in range(features):
        inner = cuts.of(f)[:-1]
        searched[f, : len(inner)] = inner

    def one(start: int) -> None:
        block = np.ascontiguousarray(x[start : start + _BLOCK], np.float32)
        values, places = np.empty(len(block), np.float32), np.empty(len(block), np.uint32)
        missing = (1 << shift) - 1
        bin_block(block, searched, shift, missing, rows, columns, start, values, places)

    list((executor.map if executor else map)(one, range(0, n, _BLOCK)))
    code = (1 << shift) - 1
    has_missing = np.fromiter(
        (bool((column == code).any()) for column in columns), np.bool_, features
    )
    return BinnedMatrix(cuts=cuts, rows=rows, columns=columns, shift=shift, has_missing=has_missing)

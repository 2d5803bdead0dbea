"""Cuts of columns that do not fit into memory together: a few at a time, each one whole."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.cuts import Cuts

Floats = NDArray[np.float32]

# Bytes a row: of a gathered column, and of cutting one (sorted, its distinct values, counts).
_GATHERED = 4
_CUTTING = 20


def cut_by_columns(
    blocks: Callable[[], Iterator[tuple[int, Floats]]],
    shape: tuple[int, int],
    find: Callable[..., Cuts],
    *,
    categorical: NDArray[np.bool_],
    memory: int,
    threads: int = 1,
) -> Cuts:
    """Return the cuts of all columns, the same as of the whole table.

    Every pass over the blocks gathers as many whole columns as the memory holds.

    Args:
        blocks: Yields the rows, from the first on, each time it is called.
        shape: Rows and columns, (n, F).
        find: Returns the cuts of some columns: `drivetrain.trees.binning.cuts.find_cuts`.
        categorical: Which columns hold categories, (F,).
        memory: Bytes to use; one column at a time where they are too few for that.
        threads: Threads that cut columns.
    """
    n, features = shape
    width = max(1, (memory - threads * _CUTTING * n) // (_GATHERED * max(n, 1)))
    found: list[Cuts] = []
    with ThreadPoolExecutor(threads) as executor:
        for begin in range(0, features, width):
            end = min(features, begin + width)
            # By column in memory: each is cut where it lies.
            held = np.empty((end - begin, n), np.float32)
            for first, x in blocks():
                held[:, first : first + len(x)] = x[:, begin:end].T
            kinds = categorical[begin:end]
            found.append(find(held.T, categorical=kinds, executor=executor))
    sizes = np.concatenate([one.n_bins for one in found])
    return Cuts(
        values=np.concatenate([one.values for one in found]),
        offsets=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]),
        lowest=np.concatenate([one.lowest for one in found]),
        categorical=categorical,
    )

"""Which leaf of one tree rows reach: what a round asks of rows its tree was not grown on.

A forest is packed and its rows are turned into keys before they walk; that pays for many trees
(`drivetrain.boosting.walking`). A single tree is walked here on the values as they lie.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting._numba import land
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.walking import walked
from drivetrain.trees.forest import Forest

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
# Rows a thread takes at a time.
_PIECE = 1 << 15


def add_tree(
    data: Dataset, tree: Forest, margin: Floats, *, rows: Rows | None = None, threads: int = 1
) -> None:
    """Add one tree's leaf values to margins in place, in float32.

    Args:
        data: The rows, in memory or not.
        tree: A forest of one.
        margin: Where they stand, (n, groups), all rows of the data.
        rows: Numbers of the rows it is added for, rising; all where None.
        threads: Threads; the bits do not depend on them.
    """
    if tree.terms is not None:
        at = slice(None) if rows is None else rows
        start = np.ascontiguousarray(margin[at])
        margin[at] = walked(data, tree, start, rows=rows, threads=threads)
        return
    leaf = landed(data, tree, rows=rows, threads=threads)
    group = int(tree.group[0])
    if group < 0:
        margin[slice(None) if rows is None else rows] += tree.value[leaf]
    elif rows is None:
        margin[:, group] += tree.value[leaf, 0]
    else:
        margin[rows, group] += tree.value[leaf, 0]


def landed(
    data: Dataset, tree: Forest, *, rows: Rows | None = None, threads: int = 1
) -> NDArray[np.int32]:
    """Return the node of the leaf that each row reaches.

    Args:
        data: The rows, in memory or not.
        tree: A forest of one.
        rows: Numbers of rows, rising; all where None.
        threads: Threads.
    """
    inner = tree.left >= 0
    adjacent = (tree.right[inner] == tree.left[inner] + 1).all()
    if data.table is not None or tree.categorical.any() or not adjacent:
        return _by_number(data, tree, rows, threads)
    numbers = np.arange(len(data)) if rows is None else rows
    nodes, threshold = _packed(tree, inner)
    leaf = np.empty(len(numbers), np.int32)
    flat, width = data.x.reshape(-1), data.n_features

    def work(begin: int) -> None:
        part = slice(begin, begin + _PIECE)
        land(flat, width, numbers[part], nodes, threshold, leaf[part])

    begins = range(0, len(numbers), _PIECE)
    if threads == 1 or len(begins) < 2:
        for begin in begins:
            work(begin)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, begins))
    return leaf


def _packed(tree: Forest, inner: NDArray[np.bool_]) -> tuple[NDArray[np.uint64], Floats]:
    own = np.arange(len(inner))
    child = np.where(inner, tree.left, own).astype(np.uint64)
    feature = np.where(inner, tree.feature, 0).astype(np.uint64)
    stays = (~inner | tree.default_left).astype(np.uint64)
    threshold = np.where(inner, tree.threshold, np.float32(np.nan))
    return (stays << np.uint64(63)) | (feature << np.uint64(32)) | child, threshold


def _by_number(data: Dataset, tree: Forest, rows: Rows | None, threads: int) -> NDArray[np.int32]:
    """Return the same from the sum of a tree whose leaf values are their nodes' numbers."""
    numbers = np.arange(len(tree.left), dtype=np.float32)[:, None]
    group = np.zeros(1, np.int32)
    numbered = replace(tree, value=numbers, group=group, n_groups=1, terms=None)
    start = np.zeros((len(data) if rows is None else len(rows), 1), np.float32)
    return walked(data, numbered, start, rows=rows, threads=threads)[:, 0].astype(np.int32)

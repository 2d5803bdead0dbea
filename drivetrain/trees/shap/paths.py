"""The way to each leaf, one condition a feature: an interval or a set of categories."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.forest import Forest


@dataclass(frozen=True, kw_only=True, eq=False)
class Paths:
    """Conditions of all leaves in a row; L leaves, E conditions.

    Attributes:
        offsets: Where each leaf's conditions begin, (L + 1,).
        leaf: Node number of each leaf, (L,).
        feature: The feature of each condition, (E,).
        low: It holds for low <= x, (E,).
        high: And x < high, (E,).
        absent: Whether a missing value satisfies it, (E,).
        share: Product of the covers' shares along the path at this feature, (E,).
        table: Row of ``tables`` of a categorical condition, else -1, (E,).
        tables: Whether each category satisfies the condition; the last column stands for those
            no split names, (rows, categories + 1).
    """

    offsets: NDArray[np.int64]
    leaf: NDArray[np.int64]
    feature: NDArray[np.int32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    absent: NDArray[np.bool_]
    share: NDArray[np.float64]
    table: NDArray[np.int64]
    tables: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Steps:
    """Every split on every leaf's path: which leaf, which node, which side."""

    leaf: NDArray[np.int64]
    node: NDArray[np.int64]
    child: NDArray[np.int64]
    to_left: NDArray[np.bool_]


def find_paths(forest: Forest) -> Paths:
    """Return the merged conditions of all leaves, leaves in the order of their nodes."""
    leaves = np.flatnonzero(forest.is_leaf)
    steps = _climb(forest, leaves)
    feature = forest.feature[steps.node]
    order = np.lexsort((feature, steps.leaf))
    leaf, node = steps.leaf[order], steps.node[order]
    to_left, child, feature = steps.to_left[order], steps.child[order], feature[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (leaf[1:] != leaf[:-1]) | (feature[1:] != feature[:-1])
    starts = np.flatnonzero(new)
    bound = forest.threshold[node]
    plain = ~forest.categorical[node]
    low = np.where(plain & ~to_left, bound, -np.inf).astype(np.float32)
    high = np.where(plain & to_left, bound, np.inf).astype(np.float32)
    table, tables = _tables(forest, node, to_left, starts)
    counts = np.bincount(leaf[starts], minlength=len(leaves))
    return Paths(
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        leaf=leaves,
        feature=feature[starts],
        low=_reduce(np.maximum, low, starts),
        high=_reduce(np.minimum, high, starts),
        absent=_reduce(np.logical_and, forest.default_left[node] == to_left, starts),
        share=_reduce(np.multiply, _shares(forest, node, child), starts),
        table=table,
        tables=tables,
    )


def _climb(forest: Forest, leaves: NDArray[np.int64]) -> _Steps:
    """Climb from all leaves at once, a step a time, to their roots."""
    tree = np.repeat(np.arange(len(forest)), np.diff(forest.offsets))
    base = forest.offsets[:-1][tree]
    inner = np.flatnonzero(~forest.is_leaf)
    parent = np.full(len(tree), -1, np.int64)
    parent[base[inner] + forest.left[inner]] = inner
    parent[base[inner] + forest.right[inner]] = inner
    is_left = np.zeros(len(tree), np.bool_)
    is_left[base[inner] + forest.left[inner]] = True
    number, at = np.arange(len(leaves)), leaves
    found: list[tuple[NDArray[np.int64], ...]] = []
    while True:
        up = parent[at]
        number, at, up = number[up >= 0], at[up >= 0], up[up >= 0]
        if not len(at):
            break
        found.append((number, up, at))
        at = up
    columns = zip(*found) if found else ([np.empty(0, np.int64)],) * 3
    leaf, node, child = (np.concatenate(list(column)) for column in columns)
    return _Steps(leaf=leaf, node=node, child=child, to_left=is_left[child])


def _shares(
    forest: Forest, node: NDArray[np.int64], child: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return each child's part of its parent's cover; a half where the parent has none."""
    whole = forest.cover[node].astype(np.float64)
    part = forest.cover[child].astype(np.float64)
    return np.divide(part, whole, out=np.full(len(whole), 0.5), where=whole > 0)


def _reduce(how: np.ufunc, values: NDArray, starts: NDArray[np.int64]) -> NDArray:
    return how.reduceat(values, starts) if len(starts) else values


def _tables(
    forest: Forest, node: NDArray[np.int64], to_left: NDArray[np.bool_], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return which categories satisfy each merged categorical condition."""
    of = np.full(len(starts), -1, np.int64)
    chosen = np.flatnonzero(forest.categorical[node])
    if not len(chosen):
        return of, np.zeros((1, 1), np.bool_)
    width = int(forest.sets.max(initial=-1)) + 2
    held = np.zeros((len(chosen), width), np.bool_)
    for row, k in enumerate(chosen):
        at = node[k]
        held[row, forest.sets[forest.set_offsets[at] : forest.set_offsets[at + 1]]] = True
    held ^= to_left[chosen, None]
    group = np.searchsorted(starts, chosen, side="right") - 1
    firsts = np.flatnonzero(np.diff(group, prepend=-1))
    of[group[firsts]] = np.arange(len(firsts))
    return of, np.logical_and.reduceat(held, firsts, axis=0)

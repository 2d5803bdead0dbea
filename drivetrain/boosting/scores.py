"""Margins between rounds: of the rows that are learned from and of those that are watched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting._numba import add_steps, number_rows
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dart import Dart, choose_dropped, weigh_anew
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.landing import add_tree, landed
from drivetrain.boosting.walking import walked
from drivetrain.trees.forest import Forest, join
from drivetrain.trees.growing._numba import add_value
from drivetrain.trees.linear_leaves.lines import add_lines
from drivetrain.trees.planter import Planted

Floats = NDArray[np.float32]
Leaves = NDArray[Any]
# Bytes of leaf numbers kept for dropping trees; beyond them rows are walked again.
_ROOM = 1 << 31
# A step is this much of the largest label or starting margin, and 2^18 times as much still fits.
_STEP = 2.0**-44


@dataclass(frozen=True, kw_only=True, eq=False)
class GrownTree:
    """A tree and the rows it was grown on.

    Attributes:
        forest: The tree, its leaf values shrunk.
        planted: Where its rows ended.
        values: Leaf values, shrunk, (L, K).
        group: The output it adds to; -1 for all of them.
        whole: Whether it saw every row.
    """

    forest: Forest
    planted: Planted
    values: Floats
    group: int
    whole: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """Whose margins are kept.

    Attributes:
        data: The rows that are learned from.
        sets: The rows that are watched, by name.
        begin: Returns the margins of rows before any tree, (n, groups).
        model: Trees that are there already.
        threads: Threads.
    """

    data: Dataset
    sets: Mapping[str, Dataset]
    begin: Callable[[Dataset], Floats]
    model: Booster | None
    threads: int


class Scores(Protocol):
    """Margins that grow with the trees."""

    def before(self, number: int) -> Floats:
        """Return the margins that a round's gradients are taken at, (n, groups)."""
        ...

    def add(self, tree: GrownTree) -> None:
        """Take up a tree while the places of its rows are known: the next tree's overwrite them."""
        ...

    def after(self, grown: Sequence[Forest], learning_rate: float) -> None:
        """End a round of these trees."""
        ...

    def margin(self, name: str) -> Floats:
        """Return the margins of a watched set, (n, groups)."""
        ...

    @property
    def weights(self) -> Floats | None:
        """A weight a tree, or None for 1 each."""
        ...


class PlainScores:
    """Sums of leaf values in float32, tree by tree: the order of prediction, so the same bits.

    Args:
        watched: Whose margins.
    """

    def __init__(self, watched: Watched) -> None:
        self._of = watched
        self._training = self._begin(watched.data)
        self._held = {
            name: self._training if one is watched.data else self._begin(one)
            for name, one in watched.sets.items()
        }
        self._weights = None if watched.model is None else watched.model.weights

    def _begin(self, data: Dataset) -> Floats:
        margin, model = self._of.begin(data), self._of.model
        if model is None or not len(model.forest):
            return margin
        return walked(data, model.scaled, margin, threads=self._of.threads)

    def before(self, number: int) -> Floats:
        """Return the margins of the training rows, (n, groups)."""
        return self._training

    def after(self, grown: Sequence[Forest], learning_rate: float) -> None:
        """Add a round's trees to the margins of the watched sets."""
        threads = self._of.threads
        for name, one in self._of.sets.items():
            if one is self._of.data:
                continue
            if len(grown) == 1:
                add_tree(one, grown[0], self._held[name], threads=threads)
            else:
                self._held[name] = walked(one, join(grown), self._held[name], threads=threads)
        if self._weights is not None:
            self._weights = np.append(self._weights, np.ones(len(grown), np.float32))

    def add(self, tree: GrownTree) -> None:
        """Add by leaf for the rows the tree was grown on, by walking for others."""
        if tree.forest.terms is not None:
            add_lines(tree.planted, tree.forest, self._of.data.x, self._training)
        else:
            self._add_leaves(tree)
        if not tree.whole:
            others = left_out(tree.planted, len(self._training))
            of = self._of
            add_tree(of.data, tree.forest, self._training, rows=others, threads=of.threads)

    def _add_leaves(self, tree: GrownTree) -> None:
        width = tree.values.shape[1]
        for k in range(width):
            group = k if tree.group < 0 else tree.group
            column = self._training[:, group]
            own = column if column.flags.c_contiguous else np.ascontiguousarray(column)
            for leaf in range(len(tree.values)):
                add_value(own, tree.planted.rows_of(leaf), tree.values[leaf, k])
            if own is not column:
                self._training[:, group] = own

    def margin(self, name: str) -> Floats:
        """Return the margins of a watched set, (n, groups)."""
        return self._held[name]

    @property
    def weights(self) -> Floats | None:
        """The weights of a model that had some, and 1 for each new tree; else None."""
        return self._weights


class DartScores:
    """Sums that trees can be taken out of: whole steps, exact in any order.

    The margins depend on the trees and their weights alone, not on how they came about, so
    training goes on from a file as if it had never stopped. Each row's leaf in each tree is
    kept: a round costs two passes a dropped tree, not one a tree.

    Args:
        dart: How trees are dropped.
        seed: Draws them.
        watched: Whose margins.
    """

    def __init__(self, dart: Dart, seed: int, watched: Watched) -> None:
        self._dart, self._seed = dart, seed
        self._data = watched.data
        begun = watched.begin(watched.data)
        label = np.zeros(1) if watched.data.label is None else watched.data.label
        # Survival times may have no upper bound.
        known = np.abs(label[np.isfinite(label)])
        top = max(float(known.max(initial=0)), float(np.abs(begun).max()))
        step = _STEP * 2.0 ** np.ceil(np.log2(top)) if top > 0 else _STEP
        self._own = Sums(watched.data, begun, step, watched.threads)
        self._held = {
            name: self._own
            if one is watched.data
            else Sums(one, watched.begin(one), step, watched.threads)
            for name, one in watched.sets.items()
        }
        self._weights = np.empty(0, np.float32)
        self._dropped = np.empty(0, np.int64)
        model = watched.model
        if model is not None and len(model.forest):
            ones = np.ones(len(model.forest), np.float32)
            self._weights = ones if model.weights is None else model.weights.copy()
            trees = [model.forest.take(slice(t, t + 1)) for t in range(len(ones))]
            for sums in self._all():
                for t, tree in enumerate(trees):
                    sums.take_up(tree, None)
                    sums.add(t, self._weights[t])

    def _all(self) -> list["Sums"]:
        return list({id(one): one for one in (self._own, *self._held.values())}.values())

    def before(self, number: int) -> Floats:
        """Drop trees; return the margins of the training rows without them, (n, groups)."""
        rng = np.random.default_rng([self._seed, number, 0xDA27])
        self._dropped = choose_dropped(self._dart, self._weights, rng)
        for sums in self._all():
            for t in self._dropped:
                sums.add(int(t), self._weights[t], sign=-1)
        return self._own.margin()

    def add(self, tree: GrownTree) -> None:
        """Keep a tree and every row's leaf in it."""
        for sums in self._all():
            sums.take_up(tree.forest, tree if sums is self._own else None)

    def after(self, grown: Sequence[Forest], learning_rate: float) -> None:
        """Weigh all trees anew and add the dropped and the new ones."""
        first = len(self._weights)
        self._weights = weigh_anew(
            self._dart, self._weights, self._dropped, new=len(grown), learning_rate=learning_rate
        )
        for sums in self._all():
            for t in (*self._dropped, *range(first, first + len(grown))):
                sums.add(int(t), self._weights[t])

    def margin(self, name: str) -> Floats:
        """Return the margins of a watched set, (n, groups)."""
        return self._held[name].margin()

    @property
    def weights(self) -> Floats | None:
        """A weight a tree."""
        return self._weights


class Sums:
    """What trees add to the rows of one data set, in whole steps.

    Args:
        data: The rows.
        begun: Their margins before any tree, (n, groups).
        step: What a step is worth.
        threads: Threads.
    """

    def __init__(self, data: Dataset, begun: Floats, step: float, threads: int) -> None:
        self._data, self._begun, self._step, self._threads = data, begun, step, threads
        self._steps = np.zeros(begun.shape[::-1], np.int64)
        self._trees: list[Forest] = []
        self._leaf: list[Leaves | None] = []
        self._bytes = 0

    def take_up(self, tree: Forest, grown: GrownTree | None) -> None:
        """Keep a tree and the leaves of all rows in it.

        Args:
            tree: The tree.
            grown: Where its rows ended, if these are the rows it was grown on.
        """
        self._trees.append(tree)
        leaf = self._leaves(tree, grown)
        self._bytes += leaf.nbytes
        self._leaf.append(leaf if self._bytes <= _ROOM else None)

    def _leaves(self, tree: Forest, grown: GrownTree | None) -> Leaves:
        n = len(self._data)
        kind = np.uint16 if len(tree.left) <= 1 << 16 else np.uint32
        if grown is None:
            return landed(self._data, tree, threads=self._threads).astype(kind)
        leaf: Leaves = np.empty(n, kind)
        for k, node in enumerate(grown.planted.leaves):
            number_rows(leaf, grown.planted.rows_of(k), int(node))
        if not grown.whole:
            others = left_out(grown.planted, n)
            leaf[others] = landed(self._data, tree, rows=others, threads=self._threads)
        return leaf

    def add(self, number: int, weight: np.float32, *, sign: int = 1) -> None:
        """Add a tree under a weight, or take it out.

        Raises:
            ValueError: A leaf too large for steps.
        """
        tree, leaf = self._trees[number], self._leaf[number]
        if leaf is None:
            leaf = self._leaves(tree, None)
        # The product is rounded to float32, as in prediction.
        steps = np.rint((tree.value * weight).astype(np.float64) / self._step)
        if not np.abs(steps).max() < 2.0**62:
            raise ValueError(
                f"booster 'dart' cannot sum a leaf of {np.abs(tree.value).max():g}: it is 2^18 "
                "times the largest label. Lower learning_rate."
            )
        whole = sign * steps.astype(np.int64)
        group = int(tree.group[0])
        for k in range(whole.shape[1]):
            row = self._steps[k if group < 0 else group]
            add_steps(row, leaf, np.ascontiguousarray(whole[:, k]))

    def margin(self) -> Floats:
        """Return the margins, (n, groups)."""
        return (self._begun + self._steps.T * self._step).astype(np.float32)


def left_out(planted: Planted, n: int) -> NDArray[np.int64]:
    """Return the rows a tree was not grown on, rising."""
    out = np.ones(n, np.bool_)
    out[planted.rows] = False
    return np.flatnonzero(out)

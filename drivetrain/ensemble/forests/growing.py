"""Grows the trees of a forest, and scores rows by the trees that did not draw them."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_choice, check_integer
from drivetrain.ensemble.forests.drawing import Drawing
from drivetrain.ensemble.forests.parameters import MOST_BINS, ForestParameters, kinds_of, rules_of
from drivetrain.trees.binning.cuts import find_cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix
from drivetrain.trees.deep.grower import DeepGrower, DeepTree, Grower, grow_all
from drivetrain.trees.deep.pruning import pruned
from drivetrain.trees.deep.random.grower import RandomGrower
from drivetrain.trees.deep.targets import Target
from drivetrain.trees.forest import Forest
from drivetrain.trees.prediction.predictor import Predictor

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


def binned(
    given: ForestParameters,
    x: Floats,
    kinds: NDArray[np.bool_],
    *,
    held: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> BinnedMatrix:
    """Return the table as bins: a value each where the method is ``exact``.

    Args:
        given: The parameters.
        x: Values, (n, F).
        kinds: Which features are categorical, (F,).
        held: Rows that count, (n,); all where None.
        threads: Threads.

    Raises:
        ValueError: More distinct values than bins there can be; categories that are no whole
            numbers.
    """
    check_choice("tree_method", given.tree_method, ("hist", "exact"))
    exact = given.tree_method == "exact"
    bins = MOST_BINS if exact else check_integer("max_bin", given.max_bin, low=2, high=MOST_BINS)
    for k in np.flatnonzero(kinds):
        _check_categories(x[:, k], int(k))
    with ThreadPoolExecutor(threads) as pool:
        cuts = find_cuts(
            x if held is None else x[held], max_bins=bins, categorical=kinds, executor=pool
        )
        most = int(cuts.n_bins.max(initial=1))
        if exact and most >= MOST_BINS:
            f = int(cuts.n_bins.argmax())
            raise ValueError(
                f"tree_method='exact' takes fewer than {MOST_BINS} distinct values of a feature. "
                f"Feature {f} has more: round it, or set tree_method='hist'."
            )
        return bin_matrix(x, cuts, executor=pool)


def values_of(matrix: BinnedMatrix, x: Floats) -> Floats:
    """Return the value of every bin, in the cuts' order, of bins that hold one value each.

    Args:
        matrix: The table as bins.
        x: Its values, (n, F).
    """
    out = np.zeros(len(matrix.cuts.values), np.float32)
    for f, column in enumerate(matrix.columns):
        there = np.flatnonzero(column != matrix.missing)
        out[int(matrix.cuts.offsets[f]) + column[there].astype(np.int64)] = x[there, f]
    return out


def _check_categories(column: Floats, feature: int) -> None:
    held = column[~np.isnan(column)]
    if held.size and (held.min() < 0 or held.max() >= MOST_BINS or (held != np.floor(held)).any()):
        raise ValueError(
            f"categorical feature {feature} must hold whole numbers from 0 to {MOST_BINS - 1}."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What the trees of a forest are grown by.

    Attributes:
        grower: Grows one.
        drawing: How it draws its rows.
        threads: Trees grown at once.
        alpha: What a leaf costs where trees are pruned; 0 where they are not.
    """

    grower: Grower
    drawing: Drawing
    threads: int
    alpha: float = 0.0

    def grow(self, seeds: Sequence[int]) -> list[DeepTree]:
        """Return a tree a seed."""
        drawing, alpha = self.drawing, self.alpha

        def drawn(number: int) -> tuple[NDArray[np.uint32], Doubles]:
            return drawing.sample(seeds[number])

        grown = grow_all(self.grower, drawn, seeds, threads=self.threads)
        return [pruned(tree, alpha) for tree in grown] if alpha else list(grown)


def grower_of(
    given: ForestParameters,
    x: Floats,
    target: Target,
    *,
    names: NDArray[Any] | None,
    held: NDArray[np.bool_] | None,
    threads: int,
) -> Grower:
    """Return what grows trees of bins, or by random cuts of the values themselves.

    Args:
        given: The parameters.
        x: Values, (n, F).
        target: What is fitted.
        names: Names of the features, where they have any.
        held: Rows that count, (n,); all where None.
        threads: Threads.

    Raises:
        ValueError: As `binned`; random cuts of categories.
    """
    rules = rules_of(given, *x.shape)
    kinds = kinds_of(given.categorical_features, x.shape[1], names)
    if given.splits_at_random:
        if kinds.any():
            raise ValueError("categorical_features need splits that are searched, not random ones.")
        return RandomGrower(x, target, rules)
    matrix = binned(given, x, kinds, held=held, threads=threads)
    values = values_of(matrix, x) if given.tree_method == "exact" else None
    return DeepGrower(matrix, target, rules, values)


def outside(
    forest: Forest, seeds: Sequence[int], drawing: Drawing, x: Floats, threads: int
) -> tuple[Doubles, NDArray[np.int64]]:
    """Return each row's sum of predictions by trees that did not draw it, and their number.

    Args:
        forest: The trees.
        seeds: What they drew by.
        drawing: How.
        x: Values, (n, F).
        threads: Threads; the numbers do not depend on them.

    Returns:
        Sums, (n, K), and counts, (n,).
    """
    outputs = forest.n_groups
    sums, counts = np.zeros((len(x), outputs)), np.zeros(len(x), np.int64)
    start = np.zeros(outputs, np.float32)

    def one(number: int) -> tuple[NDArray[np.int64], Floats]:
        rows = drawing.left_out(seeds[number])
        return rows, Predictor(forest.take(slice(number, number + 1))).margin(x[rows], start)

    for rows, found in _each(one, len(forest), threads):
        sums[rows] += found
        counts[rows] += 1
    if (counts == 0).any():
        warnings.warn(
            f"{int((counts == 0).sum())} of {len(x)} rows were drawn by every tree: they have no "
            "out-of-bag prediction (NaN) and do not count in the score. More trees help.",
            stacklevel=4,
        )
    return sums, counts


def _each(
    work: Callable[[int], tuple[NDArray[np.int64], Floats]], count: int, threads: int
) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    if threads == 1:
        yield from map(work, range(count))
        return
    with ThreadPoolExecutor(threads) as pool:
        # A few at a time: what all trees predict at once would not fit.
        for a in range(0, count, 4 * threads):
            yield from pool.map(work, range(a, min(count, a + 4 * threads)))

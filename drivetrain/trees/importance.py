"""How much each feature matters to a forest: counted in its splits, permuted, or shared out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_array, check_choice, check_integer
from drivetrain.trees.forest import Forest
from drivetrain.trees.shap.explainer import Explainer

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: What splits can be counted by, under XGBoost's names.
SPLIT_KINDS = ("weight", "gain", "cover", "total_gain", "total_cover")

_ROWS = 1 << 12


def split_importance(forest: Forest, kind: str = "weight") -> Floats:
    """Return the importance of every feature in the splits of all trees, (F,).

    The bits are XGBoost's: float32 sums over the nodes in the order its walk visits them.

    Args:
        forest: The trees.
        kind: ``weight`` is the number of splits, ``total_gain`` and ``total_cover`` the sums of
            their gains and covers, ``gain`` and ``cover`` the means.

    Returns:
        0 for features that no node splits on.

    Raises:
        ValueError: Another kind.
    """
    check_choice("kind", kind, SPLIT_KINDS)
    nodes = _walk_order(forest)
    feature = forest.feature[nodes]
    counts = np.bincount(feature, minlength=forest.n_features).astype(np.float32)
    if kind == "weight":
        return counts
    column: Floats = (forest.gain if kind.endswith("gain") else forest.cover)[nodes]
    totals = np.zeros(forest.n_features, np.float32)
    for f in np.unique(feature):
        # One after another, as no sum of numpy's is.
        totals[f] = np.add.accumulate(column[feature == f])[-1]
    if kind.startswith("total"):
        return totals
    return np.asarray(totals / np.maximum(counts, np.float32(1)), np.float32)


def _walk_order(forest: Forest) -> NDArray[np.int64]:
    """Return the inner nodes as XGBoost walks them: a node, its right side, its left side."""
    base = forest.offsets[:-1]
    level, start = base.copy(), base.copy()
    levels = []
    while len(level):
        inner = forest.left[level] >= 0
        level, start = level[inner], start[inner]
        left, right = start + forest.left[level], start + forest.right[level]
        levels.append((level, left, right))
        level, start = np.concatenate([left, right]), np.concatenate([start, start])
    below = np.zeros(len(forest.left), np.int64)
    for node, left, right in reversed(levels):
        below[node] = 1 + below[left] + below[right]
    place = np.zeros(len(forest.left), np.int64)
    place[base] = np.concatenate([[0], np.cumsum(below[base])])[:-1]
    for node, left, right in levels:
        place[right] = place[node] + 1
        place[left] = place[node] + 1 + below[right]
    nodes = np.flatnonzero(forest.left >= 0)
    return nodes[np.argsort(place[nodes], kind="stable")]


@dataclass(frozen=True, kw_only=True, eq=False)
class Permuted:
    """How much worse a score becomes where a feature's values are shuffled among the rows.

    Attributes:
        importances: Of each feature in each shuffle, (F, repeats).
        score: Without shuffling.
    """

    importances: Doubles
    score: float

    @property
    def mean(self) -> Doubles:
        """Mean over the shuffles, (F,)."""
        return self.importances.mean(axis=1)

    @property
    def std(self) -> Doubles:
        """Standard deviation over the shuffles, (F,)."""
        return self.importances.std(axis=1)


def permutation_importance(
    score: Callable[[Floats], float],
    x: Floats,
    *,
    rising: bool = True,
    n_repeats: int = 5,
    random_state: int = 0,
    threads: int = 1,
) -> Permuted:
    """Return how much a score suffers where one feature no longer belongs to its row.

    Args:
        score: Scores rows of values, (n, F); it may be called from several threads at once.
        x: Values, (n, F); they are not changed.
        rising: Whether more is better; the importance is positive where a feature helps.
        n_repeats: Shuffles of each feature.
        random_state: Seed; each feature and repeat draws its own shuffle from it.
        threads: Threads; the numbers do not depend on them.

    Raises:
        ValueError: No rows, or a number out of range.

    References:
        Breiman, Random Forests, Machine Learning 45 (2001), section 10.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
        >>> found = permutation_importance(lambda rows: float(rows[:, 0] @ x[:, 0]), x)
        >>> bool(found.mean[0] > 1), found.mean[1]
        (True, np.float64(0.0))
    """
    check_integer("n_repeats", n_repeats, low=1)
    check_integer("random_state", random_state, low=0)
    check_integer("threads", threads, low=1)
    values = check_array("x", x, ndim=2, dtype=np.float32)
    if not len(values):
        raise ValueError("x must have at least one row. Got none.")
    whole = float(score(np.ascontiguousarray(values)))
    features = values.shape[1]
    out = np.empty((features, n_repeats))
    sign = 1.0 if rising else -1.0

    def some(chosen: range) -> None:
        # Each thread has rows of its own, one column shuffled at a time.
        own = np.array(values, np.float32, order="C")
        for f in chosen:
            for repeat in range(n_repeats):
                rng = np.random.default_rng([random_state, f, repeat])
                own[:, f] = values[rng.permutation(len(values)), f]
                out[f, repeat] = sign * (whole - float(score(own)))
            own[:, f] = values[:, f]

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, (range(k, features, threads) for k in range(min(threads, features)))))
    return Permuted(importances=out, score=whole)


def shap_importance(forest: Forest, x: Floats, *, threads: int = 1) -> Doubles:
    """Return the mean absolute Shapley value of every feature for each output, (groups, F).

    Args:
        forest: The trees, with the covers they were grown on.
        x: Rows to explain, (n, F).
        threads: Threads; the numbers do not depend on them.

    Raises:
        ValueError: No rows, or of another number of features; linear leaves.

    References:
        Lundberg, Erion, Lee: Consistent Individualized Feature Attribution for Tree Ensembles,
        2018, arXiv:1802.03888, section 4.
    """
    values = forest.table(x)
    if not len(values):
        raise ValueError("x must have at least one row. Got none.")
    explainer = Explainer(forest, threads=threads)
    base = np.zeros(forest.n_groups, np.float32)
    total = np.zeros((forest.n_groups, forest.n_features))
    for a in range(0, len(values), _ROWS):
        shares = explainer.values(values[a : a + _ROWS], base)
        total += np.abs(shares[:, :, :-1]).sum(axis=0)
    return total / len(values)

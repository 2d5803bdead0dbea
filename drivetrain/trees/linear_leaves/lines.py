"""Lines for the leaves of a tree: moments of all leaves, then small regressions, by size."""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.forest import Forest, Terms
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.linear_leaves._numba import add_to_margin, moments
from drivetrain.trees.planter import Gradient, Planted
from drivetrain.trees.vector import reference

Floats = NDArray[np.float64]
# Directions of a leaf's features in which they vary less than this share are left out: the
# moments are sums of float64 and know no more.
_FLAT = 1e-9
_RUNS = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class _Moments:
    """What `moments` writes."""

    complete: NDArray[np.int64]
    sums: Floats
    means: Floats
    slopes: Floats
    normal: Floats
    places: NDArray[np.int64]


def path_features(
    forest: Forest, leaves: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numerical features on the way to each leaf, rising, one leaf after another.

    Args:
        forest: One tree, its parents before their children.
        leaves: Its leaves, (L,).

    Returns:
        Where each leaf's features begin, (L + 1,), and the features.
    """
    used = np.zeros((len(forest.left), forest.n_features), np.bool_)
    for node in np.flatnonzero(~forest.is_leaf):
        own = used[node].copy()
        if not forest.categorical[node]:
            own[forest.feature[node]] = True
        used[forest.left[node]] = own
        used[forest.right[node]] = own
    leaf, features = np.nonzero(used[leaves])
    counts = np.bincount(leaf, minlength=len(leaves))
    return np.concatenate([[0], np.cumsum(counts)]), features


def fit_lines(
    planted: Planted,
    x: NDArray[np.float32],
    derivatives: tuple[Gradient, Gradient],
    growth: Growth,
    linear_lambda: float,
    *,
    executor: Executor | None = None,
) -> Terms:
    """Return the lines of a tree's leaves, unshrunk.

    A leaf of fewer complete rows than its line has numbers stays constant.

    Args:
        planted: The tree.
        x: Values of all rows, (n, F).
        derivatives: g, (n,), and h, (n,) or (1,).
        growth: The penalties of the constants.
        linear_lambda: L2 penalty of the coefficients.
        executor: Where leaves are summed in parallel.
    """
    offsets, features = path_features(planted.shape, planted.leaves)
    size = np.diff(offsets)
    m = _moments(planted, x, derivatives, (offsets, features), executor)
    coefficient = np.zeros(len(features))
    enough = m.complete > size
    for d in np.unique(size[enough & (size > 0)]):
        leaves = np.flatnonzero(enough & (size == d))
        own = offsets[leaves][:, None] + np.arange(d)
        squares = m.normal[m.places[leaves][:, None] + np.arange(d * d)].reshape(-1, d, d)
        coefficient[own] = _solve(squares, m.slopes[own], linear_lambda)
    drop = np.bincount(np.repeat(np.arange(len(size)), size), coefficient * m.means, len(size))
    plain = ~enough | (size == 0)
    weights = reference.weights(m.sums[:, 0], m.sums[:, 1], growth)
    constant = np.where(plain, planted.values[:, 0], weights - drop)
    return _terms(planted, (offsets, features), coefficient, constant)


def add_lines(
    planted: Planted, forest: Forest, x: NDArray[np.float32], margin: NDArray[np.float32]
) -> None:
    """Add a tree's lines to the margins of the rows it was grown on, to the bits of prediction.

    Args:
        planted: The tree, and where its rows ended.
        forest: The same tree, shrunk.
        x: Values of all rows, (n, F).
        margin: What is added to, (n, groups).
    """
    terms = forest.terms
    assert terms is not None
    add_to_margin(
        x, planted.rows, planted.ends, planted.leaves, forest.value[planted.leaves, 0],
        terms.offsets, terms.feature, terms.coefficient, terms.constant, int(forest.group[0]),
        margin,
    )  # fmt: skip


def _moments(
    planted: Planted,
    x: NDArray[np.float32],
    derivatives: tuple[Gradient, Gradient],
    paths: tuple[NDArray[np.int64], NDArray[np.int64]],
    executor: Executor | None,
) -> _Moments:
    offsets, features = paths
    size = np.diff(offsets)
    places = np.concatenate([[0], np.cumsum(size**2)])
    made = _Moments(
        complete=np.zeros(len(size), np.int64),
        sums=np.zeros((len(size), 2)),
        means=np.zeros(len(features)),
        slopes=np.zeros(len(features)),
        normal=np.zeros(places[-1]),
        places=places,
    )

    def one(first: int, last: int) -> None:
        moments(
            first, last, x, *derivatives, planted.rows, planted.ends, offsets, features,
            made.complete, made.sums, made.means, made.slopes, made.normal, places,
        )  # fmt: skip

    if executor is None:
        one(0, len(size))
    else:
        # A few runs of leaves of about as many rows: more runs than threads are likely.
        wanted = np.linspace(planted.ends[0], planted.ends[-1], _RUNS + 1)[1:-1]
        cuts = [0, *np.searchsorted(planted.ends, wanted).tolist(), len(size)]
        list(executor.map(one, cuts[:-1], cuts[1:]))
    return made


def _solve(squares: Floats, slopes: Floats, linear_lambda: float) -> Floats:
    """Return b of (S + κ I) b = -r for leaves of d features each, (leaves, d)."""
    d = squares.shape[1]
    whole = squares + linear_lambda * np.eye(d)
    # Features of any unit: each is measured by its own spread.
    spread = np.sqrt(np.einsum("lii->li", whole))
    spread = np.where(spread > 0, spread, 1.0)
    values, vectors = np.linalg.eigh(whole / (spread[:, :, None] * spread[:, None, :]))
    kept = values > _FLAT * np.maximum(values[:, -1:], 1.0)
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=kept)
    turned = np.einsum("lij,li->lj", vectors, slopes / spread) * inverse
    return -np.einsum("lij,lj->li", vectors, turned) / spread


def _terms(
    planted: Planted,
    paths: tuple[NDArray[np.int64], NDArray[np.int64]],
    coefficient: Floats,
    constant: Floats,
) -> Terms:
    """Return the terms by node, those of coefficient 0 left out."""
    offsets, features = paths
    leaf = np.repeat(planted.leaves, np.diff(offsets))
    order = np.argsort(leaf, kind="stable")
    order = order[coefficient[order] != 0]
    counts = np.bincount(leaf[order], minlength=len(planted.shape.left))
    whole = np.zeros(len(counts))
    whole[planted.leaves] = constant
    return Terms(
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        feature=features[order].astype(np.int32),
        coefficient=coefficient[order],
        constant=whole,
    )

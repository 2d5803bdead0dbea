"""Shapley values of many rows, by blocks over threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_array
from drivetrain.trees.forest import Forest
from drivetrain.trees.shap._numba import LANES, attribute, attribute_pairs
from drivetrain.trees.shap.paths import Paths, find_paths

Floats = NDArray[np.float64]
_PIECE = 8 * LANES


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rule:
    """Quadrature of every leaf of one output.

    Attributes:
        places: Where each leaf's points and coefficients begin, (L + 1, 2).
        coefficients: Of each point and condition: a0, a1, r0, r1.
        points: Weight of each point times the leaf's value.
        expected: Σ v Π z, the expectation over the data.
    """

    places: NDArray[np.int64]
    coefficients: NDArray[np.float32]
    points: NDArray[np.float32]
    expected: float


class Explainer:
    r"""Exact path-dependent Shapley values of a forest.

    Args:
        forest: The trees, with the covers they were grown on.
        threads: Threads; the values are the same bits for any number.

    Raises:
        ValueError: Leaves are lines: they have no value that a path's shares could divide.

    References:
        Lundberg, Erion, Lee: Consistent Individualized Feature Attribution for Tree Ensembles,
        2018, arXiv:1802.03888. The integral form is Owen's multilinear extension: Multilinear
        extensions of games, Management Science 18 (1972).
    """

    def __init__(self, forest: Forest, *, threads: int = 1) -> None:
        if forest.terms is not None:
            raise ValueError("Linear leaves (linear_tree=True) have no Shapley values here.")
        self.forest = forest
        self.threads = threads
        self._paths = find_paths(forest)
        tree = np.repeat(np.arange(len(forest)), np.diff(forest.offsets))[self._paths.leaf]
        self._group = forest.group[tree]
        self._rules = [self._rule(k) for k in range(forest.n_groups)]

    def _rule(self, group: int) -> _Rule:
        """Return the quadrature for one output; leaves of other outputs have no points."""
        paths = self._paths
        value = self.forest.value[paths.leaf].astype(np.float64)
        own = (self._group == group) | (self._group < 0)
        column = np.where(self._group < 0, min(group, value.shape[1] - 1), 0)
        v = np.where(own, value[np.arange(len(value)), column], 0.0)
        size = np.diff(paths.offsets)
        nodes = np.where(own & (size > 0), (size + 1) // 2, 0)
        # Coefficients of one point lie side by side; leaves of one size are made together.
        begins = np.zeros((len(size) + 1, 2), np.int64)
        begins[1:, 0] = np.cumsum(nodes)
        begins[1:, 1] = np.cumsum(4 * nodes * size)
        points = np.empty(begins[-1, 0], np.float32)
        coefficients = np.empty(begins[-1, 1], np.float32)
        for d in np.unique(size[nodes > 0]):
            chosen = np.flatnonzero((size == d) & (nodes > 0))
            shares = paths.share[paths.offsets[chosen][:, None] + np.arange(d)]
            weights, made = _coefficients(shares)
            count = weights.shape[0]
            points[begins[chosen, 0][:, None] + np.arange(count)] = v[chosen][:, None] * weights
            at = begins[chosen, 1][:, None] + np.arange(4 * count * d)
            coefficients[at] = made.reshape(len(chosen), -1)
        expected = float(np.sum(v * _products(paths)))
        return _Rule(places=begins, coefficients=coefficients, points=points, expected=expected)

    def values(self, x: NDArray[np.float32], base: NDArray[np.float32]) -> Floats:
        """Return the Shapley values, (n, groups, F + 1); the last is the expectation.

        Args:
            x: Values, (n, F); NaN is missing.
            base: Margins that the trees are added to, (groups,).

        Raises:
            ValueError: Another number of features or of base margins.
        """
        x, base = self.forest.table(x), self._starts(base)
        features = self.forest.n_features
        out = np.empty((len(x), self.forest.n_groups, features + 1))

        def work(begin: int, end: int) -> None:
            room = _room(features, self._deepest)
            phi = np.empty((features, LANES))
            for a in range(begin, end, LANES):
                block, count = _block(x, a, end)
                for k, rule in enumerate(self._rules):
                    phi[:] = 0
                    self._run(attribute, block, rule, room, phi)
                    out[a : a + count, k, :features] = phi.T[:count]
                    out[a : a + count, k, features] = rule.expected + float(base[k])

        self._each(work, len(x))
        return out

    def interactions(self, x: NDArray[np.float32], base: NDArray[np.float32]) -> Floats:
        """Return the values of pairs of features, (n, groups, F + 1, F + 1).

        Rows sum to the Shapley values; the last row and column hold the expectation.

        Args:
            x: Values, (n, F); NaN is missing.
            base: Margins that the trees are added to, (groups,).

        Raises:
            ValueError: Another number of features or of base margins.
        """
        x, base = self.forest.table(x), self._starts(base)
        features = self.forest.n_features
        out = np.zeros((len(x), self.forest.n_groups, features + 1, features + 1))
        alone = self.values(x, base)

        def work(begin: int, end: int) -> None:
            room = _room(features, self._deepest)
            phi = np.empty((features, features, LANES))
            for a in range(begin, end, LANES):
                block, count = _block(x, a, end)
                for k, rule in enumerate(self._rules):
                    phi[:] = 0
                    self._run(attribute_pairs, block, rule, room, phi)
                    both = phi + phi.transpose(1, 0, 2)
                    out[a : a + count, k, :features, :features] = both.transpose(2, 0, 1)[:count]

        self._each(work, len(x))
        inner = np.arange(features + 1)
        out[..., inner, inner] = alone - out.sum(axis=-1)
        return out

    def _starts(self, base: NDArray[np.float32]) -> NDArray[np.float32]:
        starts = check_array("base", base, ndim=1, dtype=np.float32)
        if len(starts) != self.forest.n_groups:
            raise ValueError(f"base must hold {self.forest.n_groups} margins. Got {len(starts)}.")
        return starts

    @property
    def _deepest(self) -> int:
        return int(np.diff(self._paths.offsets).max(initial=0))

    def _run(
        self,
        kernel: Callable[..., None],
        block: NDArray[np.float32],
        rule: _Rule,
        room: tuple[NDArray[np.float32], ...],
        phi: Floats,
    ) -> None:
        p: Paths = self._paths
        kernel(
            block, 0, len(p.leaf), p.offsets, p.feature, p.low, p.high, p.absent, p.table,
            p.tables, rule.places, rule.coefficients, rule.points, *room, phi,
        )  # fmt: skip

    def _each(self, work: Callable[[int, int], None], n: int) -> None:
        pieces = [(a, min(n, a + _PIECE)) for a in range(0, n, _PIECE)]
        if self.threads == 1 or len(pieces) < 2:
            for piece in pieces:
                work(*piece)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda piece: work(*piece), pieces))


def _room(features: int, deepest: int) -> tuple[NDArray[np.float32], ...]:
    conditions = max(deepest, 1)
    return (
        np.empty((conditions, LANES), np.float32),
        np.empty((conditions, LANES), np.float32),
        np.empty(LANES, np.float32),
    )


def _block(x: NDArray[np.float32], begin: int, end: int) -> tuple[NDArray[np.float32], int]:
    """Return up to LANES rows by feature, the last repeated to fill the lanes; and how many."""
    count = min(LANES, end - begin)
    rows = np.minimum(np.arange(begin, begin + LANES), end - 1)
    return np.ascontiguousarray(x[rows].T), count


def _coefficients(shares: Floats) -> tuple[Floats, Floats]:
    """Return the weights of the points, (Q,), and a0, a1, r0, r1 of each, (leaves, Q, d, 4)."""
    d = shares.shape[1]
    t, w = np.polynomial.legendre.leggauss((d + 1) // 2)
    t, w = (t + 1) / 2, w / 2
    z, t_q = shares[:, None, :], t[None, :, None]
    made = np.empty((len(shares), len(t), d, 4))
    low, high = z * (1 - t_q), z * (1 - t_q) + t_q
    # Where a = 0 the whole product is: any finite ratio will do.
    zero = np.divide(-z, low, out=np.zeros_like(low), where=low > 0)
    made[..., 0], made[..., 1] = low, high - low
    made[..., 2], made[..., 3] = zero, (1 - z) / high - zero
    return w, made


def _products(paths: Paths) -> Floats:
    """Return Π z over the conditions of each leaf; 1 for a leaf without any."""
    whole = np.ones(len(paths.leaf))
    filled = np.flatnonzero(np.diff(paths.offsets) > 0)
    if len(filled):
        whole[filled] = np.multiply.reduceat(paths.share, paths.offsets[filled])
    return whole

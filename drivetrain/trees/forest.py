"""Trees as flat arrays, whoever grew or wrote them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array

_NONE = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """Lines in the leaves of a forest: a row of leaf j gets c_j + Σ b_jf x_f.

    A row that misses one of the leaf's features gets the leaf's value instead. N nodes, E terms.

    Attributes:
        offsets: Where each node's terms begin, (N + 1,).
        feature: The feature of each term, (E,).
        coefficient: Its b, shrunk, (E,).
        constant: c of each leaf, shrunk, (N,).
    """

    offsets: NDArray[np.int64]
    feature: NDArray[np.int32]
    coefficient: NDArray[np.float64]
    constant: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Forest:
    """T trees, their nodes in a row; child numbers count from their tree's first node.

    A value x goes left if x < threshold; NaN goes where ``default_left`` says. A categorical
    node sends the categories of its set right. Shapes: N nodes in all, K outputs.

    Attributes:
        offsets: Where each tree's nodes begin, (T + 1,).
        left: Left child, -1 for a leaf, (N,).
        right: Right child, -1 for a leaf, (N,).
        feature: The feature of a split, (N,).
        threshold: Its threshold, float32, (N,).
        default_left: Whether missing values go left, (N,).
        value: Leaf values, shrunk, float32, (N, K): 0 for inner nodes. K is 1 unless trees have
            vectors for leaves.
        cover: Sum of hessians, float32, (N,).
        gain: Gain of a split in XGBoost's unit, float32, (N,).
        group: The output each tree adds to, (T,); -1 for all of them (vector leaves).
        n_features: Features of the data.
        n_groups: Outputs of the model.
        set_offsets: Where each node's categories begin in ``sets``, (N + 1,); all zero where
            no node is categorical.
        sets: Categories that go right.
        categorical: Whether a node splits by category, (N,).
        terms: Lines in the leaves; None where these are constant.
    """

    offsets: NDArray[np.int64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    default_left: NDArray[np.bool_]
    value: NDArray[np.float32]
    cover: NDArray[np.float32]
    gain: NDArray[np.float32]
    group: NDArray[np.int32]
    n_features: int
    n_groups: int
    set_offsets: NDArray[np.int64]
    sets: NDArray[np.int32]
    categorical: NDArray[np.bool_]
    terms: Terms | None = None

    def __len__(self) -> int:
        return len(self.group)

    @property
    def is_leaf(self) -> NDArray[np.bool_]:
        """Whether each node is a leaf, (N,)."""
        return self.left == _NONE

    def table(self, x: ArrayLike) -> NDArray[np.float32]:
        """Return rows as the kernels read them: float32, C order, one column a feature.

        Args:
            x: Values, (n, F); NaN is missing.

        Raises:
            TypeError: Not numeric.
            ValueError: Another number of features than the trees were grown on.
        """
        rows = check_array("x", x, ndim=2, dtype=np.float32)
        if rows.shape[1] != self.n_features:
            raise ValueError(
                f"x must have the model's {self.n_features} features. Got {rows.shape[1]}."
            )
        return np.ascontiguousarray(rows)

    def take(self, trees: slice) -> "Forest":
        """Return a run of the trees.

        Args:
            trees: Which; its step must be 1.
        """
        begin, end, _ = trees.indices(len(self))
        return join([self], [(begin, max(begin, end))])

    def depths(self) -> NDArray[np.int64]:
        """Return the depth of every node, (N,); parents stand before their children or not."""
        depth = np.zeros(len(self.left), np.int64)
        for t in range(len(self)):
            base = int(self.offsets[t])
            level = np.array([0], np.int64)
            at = 0
            while len(level):
                depth[base + level] = at
                inner = level[self.left[base + level] >= 0]
                level = np.concatenate([self.left[base + inner], self.right[base + inner]])
                at += 1
        return depth


def join(forests: Sequence[Forest], runs: Sequence[tuple[int, int]] | None = None) -> Forest:
    """Return the trees of several forests of the same data in a row.

    Args:
        forests: One or more.
        runs: First and last-but-one tree of each; all where None.
    """
    chosen = runs or [(0, len(forest)) for forest in forests]
    spans = [
        slice(int(forest.offsets[a]), int(forest.offsets[b]))
        for forest, (a, b) in zip(forests, chosen)
    ]
    sizes = [np.diff(forest.offsets[a : b + 1]) for forest, (a, b) in zip(forests, chosen)]
    counts = [
        np.diff(forest.set_offsets[span.start : span.stop + 1])
        for forest, span in zip(forests, spans)
    ]
    sets = [
        forest.sets[forest.set_offsets[span.start] : forest.set_offsets[span.stop]]
        for forest, span in zip(forests, spans)
    ]
    names = ("left", "right", "feature", "threshold", "default_left", "value", "cover", "gain")
    columns = {
        name: np.concatenate([getattr(forest, name)[span] for forest, span in zip(forests, spans)])
        for name in (*names, "categorical")
    }
    return Forest(
        **columns,
        offsets=_running(sizes),
        group=np.concatenate([f.group[a:b] for f, (a, b) in zip(forests, chosen)]),
        n_features=forests[0].n_features,
        n_groups=max(forest.n_groups for forest in forests),
        set_offsets=_running(counts),
        sets=np.concatenate(sets),
        terms=_join_terms(forests, spans),
    )


def _join_terms(forests: Sequence[Forest], spans: Sequence[slice]) -> Terms | None:
    if all(forest.terms is None for forest in forests):
        return None
    parts = [_terms_of(forest) for forest in forests]
    counts = [np.diff(part.offsets[s.start : s.stop + 1]) for part, s in zip(parts, spans)]
    terms = [slice(int(p.offsets[s.start]), int(p.offsets[s.stop])) for p, s in zip(parts, spans)]
    return Terms(
        offsets=_running(counts),
        feature=np.concatenate([p.feature[s] for p, s in zip(parts, terms)]),
        coefficient=np.concatenate([p.coefficient[s] for p, s in zip(parts, terms)]),
        constant=np.concatenate([p.constant[s] for p, s in zip(parts, spans)]),
    )


def _terms_of(forest: Forest) -> Terms:
    """Return the forest's terms; none, and its values for constants, where it has no lines."""
    if forest.terms is not None:
        return forest.terms
    return Terms(
        offsets=np.zeros(len(forest.left) + 1, np.int64),
        feature=np.empty(0, np.int32),
        coefficient=np.empty(0),
        constant=forest.value[:, 0].astype(np.float64),
    )


def _running(sizes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)

"""The nodes of a growing tree, under XGBoost's numbers, and the tree they make."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.cuts import Cuts
from drivetrain.trees.floating import _numba as kernels
from drivetrain.trees.forest import Forest
from drivetrain.trees.planter import Planted

_NO_SET = np.empty(0, np.int32)


@dataclass(kw_only=True, eq=False)
class Node:
    """A node: what is known of it, and how it is split.

    Attributes:
        depth: Its depth.
        begin: Where its rows begin.
        end: Where they end.
        weight: Its leaf weight, a float32.
        state: As the kernels describe it.
        cover: Its sum of h, as the tree will tell it.
        split: Its best split; gain 0 for none.
        table: Which codes go left, for a split by category.
        left: Its left child; its right child is the next. -1 for a leaf.
        threshold: Values below it go left.
        right_set: Categories that go right; None for a split by threshold.
    """

    depth: int
    begin: int
    end: int
    weight: float
    state: NDArray[np.float64]
    cover: float
    split: NDArray[np.float64] = field(default_factory=lambda: np.zeros(kernels.RECORD))
    table: NDArray[np.uint8] | None = None
    left: int = -1
    threshold: np.float32 | float = 0.0
    right_set: NDArray[np.int32] | None = None

    @property
    def gain(self) -> np.float32:
        """What the split adds, as a float32."""
        return np.float32(self.split[kernels.GAIN])

    @property
    def feature(self) -> int:
        """The split's feature."""
        return int(self.split[kernels.FEATURE])

    def settle(self, cuts: Cuts) -> None:
        """Turn the split's bin into a threshold, or into a set of categories."""
        b = int(self.split[kernels.BIN])
        own = cuts.of(self.feature)
        if b == kernels.BY_TABLE:
            assert self.table is not None
            self.right_set = np.flatnonzero(self.table[: len(own)] == 0).astype(np.int32)
        else:
            self.threshold = own[b] if b >= 0 else cuts.lowest[self.feature]


def to_planted(nodes: list[Node], rows: NDArray[np.uint32], n_features: int) -> Planted:
    """Return the tree of the nodes, numbered as they are.

    Args:
        nodes: The root first, siblings side by side.
        rows: Rows of the tree, those of a leaf side by side.
        n_features: Features of the data.
    """
    left = np.array([node.left for node in nodes], np.int32)
    inner = left >= 0
    sets = [_NO_SET if node.right_set is None else node.right_set for node in nodes]
    shape = Forest(
        offsets=np.array([0, len(nodes)]),
        left=left,
        right=np.where(inner, left + 1, -1).astype(np.int32),
        feature=np.where(inner, [node.feature for node in nodes], 0).astype(np.int32),
        threshold=np.array([node.threshold for node in nodes], np.float32),
        default_left=inner & np.array([node.split[kernels.DEFAULT_LEFT] > 0 for node in nodes]),
        value=np.zeros((len(nodes), 1), np.float32),
        cover=np.array([node.cover for node in nodes], np.float32),
        gain=np.where(inner, [node.gain for node in nodes], 0).astype(np.float32),
        group=np.zeros(1, np.int32),
        n_features=n_features,
        n_groups=1,
        set_offsets=np.cumsum([0, *(len(one) for one in sets)]).astype(np.int64),
        sets=np.concatenate(sets),
        categorical=np.array([node.right_set is not None for node in nodes]),
    )
    leaves = np.flatnonzero(~inner)
    leaves = leaves[np.argsort([nodes[leaf].begin for leaf in leaves], kind="stable")]
    return Planted(
        shape=shape,
        leaves=leaves,
        values=np.array([[nodes[leaf].weight] for leaf in leaves], np.float64),
        rows=rows,
        ends=np.array([*(nodes[leaf].begin for leaf in leaves), len(rows)], np.int64),
    )

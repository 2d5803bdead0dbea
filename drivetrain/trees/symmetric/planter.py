"""The planter of symmetric trees."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Gradient, Planted
from drivetrain.trees.symmetric.grower import SymmetricGrower
from drivetrain.trees.vector.pairs import pack_outputs
from drivetrain.trees.vector.planter import refuse_unknown

#: Most levels: a tree of more would have over 65,536 leaves, most of them without a row.
DEEPEST = 16


class SymmetricPlanter:
    """Grows trees whose levels each have one split, with one value a leaf or one an output.

    Args:
        matrix: The data.
        growth: The rules; its depth is from 1 to 16.
        threads: Threads; the trees are the same bits for any number of them.

    Raises:
        ValueError: Categorical features, constraints these trees do not know, or another depth.
    """

    def __init__(self, matrix: BinnedMatrix, growth: Growth, *, threads: int = 1) -> None:
        refuse_unknown(matrix, growth, "grow_policy='symmetric'")
        if not 1 <= growth.max_depth <= DEEPEST:
            raise ValueError(
                f"max_depth must be from 1 to {DEEPEST} with grow_policy='symmetric'. "
                f"Got {growth.max_depth}."
            )
        self.matrix = matrix
        self.growth = growth
        self.threads = threads
        self._growers: dict[int, SymmetricGrower] = {}

    def plant(
        self, g: Gradient, h: Gradient, rows: NDArray[np.uint32] | None, *, seed: int
    ) -> Planted:
        """Return a tree fitted to g and h, (n, K); see `drivetrain.trees.planter.Planter`."""
        return self._grower(g.shape[1]).grow(pack_outputs(g, h, seed=seed), rows, seed=seed)

    def _grower(self, outputs: int) -> SymmetricGrower:
        if outputs not in self._growers:
            made = SymmetricGrower(self.matrix, self.growth, outputs, threads=self.threads)
            self._growers[outputs] = made
        return self._growers[outputs]

    def close(self) -> None:
        """End the threads."""
        for grower in self._growers.values():
            grower.close()

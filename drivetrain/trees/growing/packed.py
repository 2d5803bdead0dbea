"""The default planter: trees on histograms of packed whole numbers."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.growing.gradients import pack_gradients
from drivetrain.trees.growing.grower import Grower
from drivetrain.trees.growing.planting import to_planted
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Gradient, Planted


class PackedPlanter:
    """Grows trees with one weight a leaf on a binned matrix.

    Args:
        matrix: The data.
        growth: The rules.
        threads: Threads; the trees are the same bits for any number of them.
    """

    def __init__(self, matrix: BinnedMatrix, growth: Growth, *, threads: int = 1) -> None:
        self.matrix = matrix
        self.grower = Grower(matrix, growth, threads=threads)

    def plant(
        self, g: Gradient, h: Gradient, rows: NDArray[np.uint32] | None, *, seed: int
    ) -> Planted:
        """Return a tree fitted to g and h, (n, 1); see `drivetrain.trees.planter.Planter`."""
        pairs = pack_gradients(g[:, 0], h[:, 0], seed=seed)
        return to_planted(self.grower.grow(pairs, rows, seed=seed), self.matrix.cuts)

    def close(self) -> None:
        """End the threads."""
        self.grower.close()

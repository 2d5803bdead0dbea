"""The planter of vector leaves: one tree a round serves all outputs."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Gradient, Planted
from drivetrain.trees.vector.grower import VectorGrower
from drivetrain.trees.vector.pairs import pack_outputs


class VectorPlanter:
    """Grows trees with a value for every output in each leaf.

    Args:
        matrix: The data.
        growth: The rules.
        threads: Threads; the trees are the same bits for any number of them.

    Raises:
        ValueError: Categorical features, or constraints that vector leaves do not know.
    """

    def __init__(self, matrix: BinnedMatrix, growth: Growth, *, threads: int = 1) -> None:
        refuse_unknown(matrix, growth, "multi_strategy='multi_output_tree'")
        self.matrix = matrix
        self.growth = growth
        self.threads = threads
        self._growers: dict[int, VectorGrower] = {}

    def plant(
        self, g: Gradient, h: Gradient, rows: NDArray[np.uint32] | None, *, seed: int
    ) -> Planted:
        """Return a tree fitted to g and h, (n, K); see `drivetrain.trees.planter.Planter`."""
        return self._grower(g.shape[1]).grow(pack_outputs(g, h, seed=seed), rows, seed=seed)

    def _grower(self, outputs: int) -> VectorGrower:
        if outputs not in self._growers:
            made = VectorGrower(self.matrix, self.growth, outputs, threads=self.threads)
            self._growers[outputs] = made
        return self._growers[outputs]

    def close(self) -> None:
        """End the threads."""
        for grower in self._growers.values():
            grower.close()


def refuse_unknown(matrix: BinnedMatrix, growth: Growth, what: str) -> None:
    """Raise a ValueError where data or rules ask for what these trees do not have.

    Args:
        matrix: The data.
        growth: The rules.
        what: The setting that asks for these trees.
    """
    if any(growth.monotone_constraints):
        raise ValueError(f"monotone_constraints cannot be kept with {what}.")
    if matrix.cuts.categorical.any():
        column = int(np.argmax(matrix.cuts.categorical))
        raise ValueError(
            f"Column {column} is categorical, which {what} does not split: encode it as numbers."
        )

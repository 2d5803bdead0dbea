"""What grows a tree, whatever the method, and what it hands back."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.forest import Forest, Terms

Floats = NDArray[np.float32]
#: Derivatives: float32, or float64 where rows have weights.
Gradient = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, eq=False)
class Planted:
    """A tree fresh from growing, and where its rows ended.

    Attributes:
        shape: The tree as a forest of one, its leaf values still 0.
        leaves: Nodes of the leaves, in the order of their rows, (L,).
        values: Their weights, unshrunk, (L, K); K is 1 unless leaves are vectors.
        rows: Numbers of the rows it was grown on, those of a leaf side by side, (m,).
        ends: Where each leaf's rows begin in ``rows``, and the last's end, (L + 1,).
        terms: Lines in the leaves, unshrunk; None where these are constant.
    """

    shape: Forest
    leaves: NDArray[np.int64]
    values: NDArray[np.float64]
    rows: NDArray[np.uint32]
    ends: NDArray[np.int64]
    terms: Terms | None = None

    def rows_of(self, leaf: int) -> NDArray[np.uint32]:
        """Return the rows of a leaf, by its place in ``leaves``."""
        return self.rows[self.ends[leaf] : self.ends[leaf + 1]]

    def forest(
        self, values: Floats, *, group: int = 0, n_groups: int = 1, rate: float = 1.0
    ) -> Forest:
        """Return the tree with these leaf values.

        Args:
            values: Of each leaf, shrunk, (L, K).
            group: The output it adds to; -1 for all of them.
            n_groups: Outputs of the model.
            rate: What lines are shrunk by.
        """
        column = np.zeros((len(self.shape.left), values.shape[1]), np.float32)
        column[self.leaves] = values
        terms = self.terms
        if terms is not None:
            terms = replace(
                terms, coefficient=rate * terms.coefficient, constant=rate * terms.constant
            )
        return replace(
            self.shape,
            value=column,
            group=np.array([group], np.int32),
            n_groups=n_groups,
            terms=terms,
        )


class Planter(Protocol):
    """Grows one tree after another on the same table."""

    def plant(
        self, g: Gradient, h: Gradient, rows: NDArray[np.uint32] | None, *, seed: int
    ) -> Planted:
        """Return a tree fitted to the gradients.

        Args:
            g: First derivatives of all rows of the table, (n, K), C order, float32 or
                float64; K is 1 unless the planter grows vector leaves.
            h: Second derivatives, (n, K), or one for all, (1, 1); not negative.
            rows: Rows to use, rising; all where None.
            seed: The tree's; same seed, same bits, for any number of threads.
        """
        ...

    def close(self) -> None:
        """End the threads."""
        ...

"""The planter of linear leaves: another planter's trees, with lines for their leaves."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.linear_leaves.lines import fit_lines
from drivetrain.trees.planter import Gradient, Planted, Planter


class LinearPlanter:
    """Gives every leaf of another planter's trees a ridge regression on its path's features.

    Args:
        planter: What grows the trees; one weight a leaf.
        x: Values of all rows, float32, C order, (n, F).
        growth: The rules of the trees.
        linear_lambda: L2 penalty of the coefficients.
        threads: Threads; the lines are the same bits for any number of them.
    """

    def __init__(
        self,
        planter: Planter,
        x: NDArray[np.float32],
        growth: Growth,
        *,
        linear_lambda: float = 0.0,
        threads: int = 1,
    ) -> None:
        self.planter = planter
        self.x = x
        self.growth = growth
        self.linear_lambda = linear_lambda
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def plant(
        self, g: Gradient, h: Gradient, rows: NDArray[np.uint32] | None, *, seed: int
    ) -> Planted:
        """Return a tree fitted to g and h, (n, 1); see `drivetrain.trees.planter.Planter`."""
        planted = self.planter.plant(g, h, rows, seed=seed)
        terms = fit_lines(
            planted,
            self.x,
            (g[:, 0], h[:, 0]),
            self.growth,
            self.linear_lambda,
            executor=self._pool,
        )
        return replace(planted, terms=terms)

    def close(self) -> None:
        """End the threads, the other planter's too."""
        self.planter.close()
        if self._pool is not None:
            self._pool.shutdown()

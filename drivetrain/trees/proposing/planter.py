"""The approximate method with global proposals: cuts at quantiles of the hessians, tree by tree."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.binning.cuts import Cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix
from drivetrain.trees.planter import Gradient, Planted, Planter
from drivetrain.trees.sketching.columns import sort_columns
from drivetrain.trees.sketching.cuts import quantile_cuts, sorted_cuts

Floats = NDArray[np.float32]


class ProposingPlanter:
    """Proposes the candidates of every tree, bins the rows by them, and lets another planter grow.

    Candidates part the weight of the rows evenly, and a row weighs as much as its second
    derivative: -g/h is what a leaf would like to be, and h how much that matters. As in XGBoost,
    the rows' own weights count once more. Where all second derivatives are the same, or the rows'
    weights, one proposal serves the whole run.

    Args:
        x: Values, (n, F); NaN is missing.
        grow_on: Returns what grows trees on binned rows.
        bins: Most bins of a feature.
        weight: Weight of each row, (n,); 1 where None.
        categorical: Features whose values are the whole numbers of their categories, (F,).
        threads: Threads; the trees are the same bits for any number of them.

    References:
        Chen, Guestrin: XGBoost: A Scalable Tree Boosting System, KDD 2016, algorithm 2.
    """

    def __init__(
        self,
        x: Floats,
        grow_on: Callable[[BinnedMatrix], Planter],
        *,
        bins: int,
        weight: Floats | None = None,
        categorical: NDArray[np.bool_] | None = None,
        threads: int = 1,
    ) -> None:
        self.x = x
        self._grow_on = grow_on
        self._bins = bins
        self._weight = weight
        self._categorical = categorical
        self._executor = ThreadPoolExecutor(threads)
        kinds = np.zeros(x.shape[1], np.bool_) if categorical is None else categorical
        tops = np.nanmax(np.where(kinds, x, 0), axis=0, initial=0)
        self._categories = np.where(kinds, tops + 1, 0).astype(np.int64)
        self._columns = sort_columns(x, executor=self._executor)
        self._lasting: Planter | None = None

    def plant(
        self, g: Gradient, h: Gradient, rows: NDArray[np.uint32] | None, *, seed: int
    ) -> Planted:
        """Return a tree fitted to g and h, (n, 1); see `drivetrain.trees.planter.Planter`."""
        if self._is_constant(h):
            if self._lasting is None:
                self._lasting = self._on(self._once(h))
            return self._lasting.plant(g, h, rows, seed=seed)
        planter = self._on(self._proposed(h, rows))
        try:
            return planter.plant(g, h, rows, seed=seed)
        finally:
            planter.close()

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown()
        if self._lasting is not None:
            self._lasting.close()

    def _is_constant(self, h: Gradient) -> bool:
        own = self._weight
        return len(h) == 1 or (own is not None and np.array_equal(h[:, 0], own))

    def _on(self, cuts: Cuts) -> Planter:
        return self._grow_on(bin_matrix(self.x, cuts, executor=self._executor))

    def _once(self, h: Gradient) -> Cuts:
        weight = None if self._weight is None else self._weight * h[:, 0].astype(np.float32)
        return quantile_cuts(
            self.x,
            max_bins=self._bins,
            weight=weight,
            categorical=self._categorical,
            executor=self._executor,
        )

    def _proposed(self, h: Gradient, rows: NDArray[np.uint32] | None) -> Cuts:
        weight = h[:, 0].astype(np.float32)
        if rows is not None:
            drawn = np.zeros_like(weight)
            drawn[rows] = weight[rows]
            weight = drawn
        if self._weight is not None:
            weight = weight * self._weight
        return sorted_cuts(
            self._columns,
            weight,
            max_bins=self._bins,
            categories=self._categories,
            executor=self._executor,
        )

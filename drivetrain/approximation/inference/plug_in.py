"""Plug-in: the sandwich covariance from Hessians and gradients met on the way."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.inference.estimate import Estimate
from drivetrain.approximation.inference.paths import as_block, as_point, unknown_matrix
from drivetrain.approximation.inference.pivots import NormalPivot
from drivetrain.core.checks import check_array, check_integer

Array = NDArray[np.float64]


class PlugIn:
    r"""Sandwich covariance H⁻¹ Ŝ H⁻ᵀ / n from the mean Hessian and the mean outer product.

    H may be any slope matrix of the expected step, symmetric or not (that of TD(0) is not). Ŝ
    assumes that the noise at the root is uncorrelated in time (independent samples, or martingale
    differences).

    Args:
        dimension: p >= 1.

    Example:
        >>> moments = PlugIn(1)
        >>> _ = moments.update(np.ones((4, 1, 1)), np.array([[1.0], [-1.0], [2.0], [0.0]]))
        >>> moments.covariance()  # 1.5 / 4
        array([[0.375]])

    References:
        Chen, Lee, Tong and Zhang, Ann. Stat. 48 (2020), section 3.1.
    """

    def __init__(self, dimension: int) -> None:
        p = check_integer("dimension", dimension, low=1)
        self.n = 0
        self._hessian, self._outer = np.zeros((p, p)), np.zeros((p, p))

    @classmethod
    def from_sums(cls, hessians: ArrayLike, outer: ArrayLike, n: int) -> "PlugIn":
        """Return what n updates with these sums would have made.

        Args:
            hessians: Σ of the Hessians, (p, p).
            outer: Σ of the gradients' outer products, (p, p).
            n: Samples, >= 0.
        """
        sums = check_array("hessians", hessians, ndim=2, finite=True)
        made = cls(len(sums))
        made._hessian[...] = sums
        made._outer[...] = check_array("outer", outer, ndim=2, finite=True)
        made.n = check_integer("n", n, low=0)
        return made

    def update(self, hessians: ArrayLike, gradients: ArrayLike) -> "PlugIn":
        """Take in the Hessian and the gradient at the running mean, for one or m samples.

        Args:
            hessians: (p, p) or (m, p, p).
            gradients: (p,) or (m, p).

        Raises:
            ValueError: The shapes do not fit, or not finite.
        """
        p = len(self._hessian)
        g = as_block("gradients", gradients, p)
        h = check_array("hessians", hessians, ndim=(2, 3), finite=True).reshape(-1, p, p)
        if len(h) != len(g):
            raise ValueError(
                f"hessians and gradients must be as many. Got {len(h)} and {len(g)} for p = {p}."
            )
        self._hessian += h.sum(axis=0)
        self._outer += g.T @ g
        self.n += len(g)
        return self

    def merge(self, other: "PlugIn") -> "PlugIn":
        """Add another shard's sums to these.

        Raises:
            ValueError: The dimensions differ.
        """
        if other._hessian.shape != self._hessian.shape:
            shapes = f"{len(self._hessian)} and {len(other._hessian)}"
            raise ValueError(f"Shards must have the same dimension. Got {shapes}.")
        self._hessian += other._hessian
        self._outer += other._outer
        self.n += other.n
        return self

    def covariance(self) -> Array:
        """Return H⁻¹ Ŝ H⁻ᵀ / n, (p, p); NaN before the first sample.

        Raises:
            ValueError: The mean Hessian is singular, as for collinear columns.
        """
        if self.n == 0:
            return unknown_matrix(len(self._hessian))
        return sandwich(self._hessian / self.n, self._outer / self.n) / self.n

    def estimate(self, value: ArrayLike) -> Estimate:
        """Return ``value``, the average of the path, with this covariance."""
        point = as_point("value", value)
        return Estimate(point, self.covariance(), NormalPivot(), "plug_in", self.n)

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to go on later."""
        return {"n": self.n, "hessian": self._hessian.copy(), "outer": self._outer.copy()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "PlugIn":
        """Return what ``state_dict`` described."""
        made = cls(len(state["hessian"]))
        made.n = int(state["n"])
        made._hessian[...], made._outer[...] = state["hessian"], state["outer"]
        return made


def sandwich(hessian: Array, outer: Array) -> Array:
    """Return H⁻¹ S H⁻ᵀ, (p, p).

    Raises:
        ValueError: H is singular to working precision, as for collinear columns.
    """
    scale = np.sqrt(np.abs(np.diagonal(hessian)))
    scale = np.where(scale > 0.0, scale, 1.0)
    scaled = hessian / np.outer(scale, scale)  # columns in other units are no singularity
    condition = np.linalg.cond(scaled)
    if not condition < 1.0 / np.finfo(np.float64).eps:
        raise ValueError(
            f"The mean Hessian is singular (condition {condition:.1e}): columns are collinear, or "
            "there are fewer samples than columns. Drop columns, or use random scaling."
        )
    half = np.linalg.solve(scaled, outer / np.outer(scale, scale))
    return np.asarray(np.linalg.solve(scaled, half.T).T / np.outer(scale, scale))

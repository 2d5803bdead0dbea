"""The running Hessian that makes SPSA a Newton method (2SPSA)."""

from typing import Any, Self

import numpy as np

from drivetrain.approximation.search.differences import signs
from drivetrain.approximation.search.regions import Array
from drivetrain.core.checks import check_integer, check_real


class Curvature:
    r"""Spall's Hessian estimate from four values a step, averaged and kept positive definite.

    $$δG_k = \frac{y(w + cΔ + c\tildeΔ) - y(w + cΔ) - [y(w - cΔ + c\tildeΔ) - y(w - cΔ)]}{c}
    \tildeΔ^{-1}, \quad
    \hat H_k = \tfrac12 \left[ \frac{δG_k}{2 c Δ^\top} + \Big(\frac{δG_k}{2cΔ^\top}\Big)^\top
    \right]$$
    $$\bar H_k = \frac{k}{k+1} \bar H_{k-1} + \frac{1}{k+1} \hat H_k, \qquad
    \bar{\bar H}_k = \big(\bar H_k \bar H_k + \tfrac{r}{k} I\big)^{1/2}$$

    Args:
        initial: $\bar H_0$ as a multiple of the identity, > 0.
        regularization: r > 0; Spall's own program has 1e-6.
        warmup: Steps of plain SPSA while the estimate builds up, >= 0.

    References:
        Spall, Adaptive stochastic approximation by the simultaneous perturbation method, IEEE
        Trans. Autom. Control 45 (2000); r/k as in the author's own program.
    """

    def __init__(
        self, *, initial: float = 1.0, regularization: float = 1e-6, warmup: int = 0
    ) -> None:
        self.initial = check_real("initial", initial, low=0.0, open_low=True)
        self.regularization = check_real("regularization", regularization, low=0.0, open_low=True)
        self.warmup = check_integer("warmup", warmup, low=0)
        self.k = 0
        self.hessian: Array = np.empty((0, 0))
        self._tilde: Array | None = None

    def begin(self, dimension: int) -> None:
        """Set the estimate to its start; a second search needs a Curvature of its own."""
        if self.hessian.size:
            raise ValueError("This Curvature belongs to another search: make a new one.")
        self.hessian = self.initial * np.eye(dimension)

    def direction(self, rng: np.random.Generator, delta: Array) -> Array:
        """Return Δ~, drawn once a step."""
        if self._tilde is None:
            self._tilde = signs(rng, delta.shape)
        return self._tilde

    def newton(self, gradient: Array, values: Array, c: float, delta: Array) -> Array:
        """Take in the four values of a step; return the Newton direction for its gradient."""
        if self._tilde is None:
            raise ValueError("update must follow points(): the values belong to its points.")
        tilde, self._tilde = self._tilde.reshape(-1), None
        self.k += 1
        # 1/Δ~_i = Δ~_i, 1/Δ_j = Δ_j.
        slope = (values[2] - values[0]) - (values[3] - values[1])
        outer = np.outer(slope / c * tilde, delta.reshape(-1) / (2.0 * c))
        estimate = 0.5 * (outer + outer.T)
        if not np.all(np.isfinite(estimate)):
            return gradient  # which is not finite, either: the search says what that means
        k = self.k
        self.hessian = (k / (k + 1)) * self.hessian + estimate / (k + 1)
        if k <= self.warmup:
            return gradient
        return self._solve(gradient)

    def _solve(self, gradient: Array) -> Array:
        # (H H + r/k I)^(1/2) shares the eigenvectors of the symmetric H.
        eigenvalues, vectors = np.linalg.eigh(self.hessian)
        size = np.sqrt(eigenvalues**2 + self.regularization / self.k)
        solution = vectors @ ((vectors.T @ gradient.reshape(-1)) / size)
        return solution.reshape(gradient.shape)

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state."""
        settings = {
            "initial": self.initial,
            "regularization": self.regularization,
            "warmup": self.warmup,
        }
        return {"settings": settings, "k": self.k, "hessian": self.hessian, "tilde": self._tilde}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Return the curvature that ``state_dict`` described."""
        curvature = cls(**state["settings"])
        curvature.k = state["k"]
        curvature.hessian = np.array(state["hessian"])
        curvature._tilde = None if state["tilde"] is None else np.array(state["tilde"])
        return curvature

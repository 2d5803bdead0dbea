"""The line of a leaf, as its equations are written; float64.

f(x) = w + Σ_f b_f (x_f - m_f), where m is the mean of the leaf's rows weighted by their h,
minimizes Σ_i (g_i f(x_i) + h_i f(x_i)²/2) + λ w²/2 + α |w| + κ |b|²/2. Because Σ_i h_i (x_i - m)
is 0, w is the leaf's own weight and b the ridge regression of -g/h on the centred features.

References:
    Shi, Li, Li: Gradient Boosting with Piece-Wise Linear Regression Trees, IJCAI 2019,
    arXiv:1802.05640, equation 3; LightGBM's ``linear_tree`` does not penalize w.
"""

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.forest import Forest
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.reference import weight

Floats = NDArray[np.float64]


def line(
    x: Floats, g: Floats, h: Floats, linear_lambda: float, growth: Growth
) -> tuple[float, Floats]:
    """Return c and b of f(x) = c + b·x; b is the shortest, by the features' spread, of several.

    Args:
        x: The features on the leaf's path, of its rows that miss none, (m, d).
        g: First derivatives, (m,).
        h: Second derivatives, (m,).
        linear_lambda: κ.
        growth: λ, α and the greatest weight.
    """
    m = h @ x / h.sum()
    centred = x - m
    normal = centred.T @ (h[:, None] * centred) + linear_lambda * np.eye(x.shape[1])
    spread = np.sqrt(np.diag(normal))
    spread = np.where(spread > 0, spread, 1.0)
    scaled = np.linalg.pinv(normal / np.outer(spread, spread), rcond=1e-9, hermitian=True)
    b = -(scaled @ (centred.T @ g / spread)) / spread
    return weight(float(g.sum()), float(h.sum()), growth) - float(b @ m), b


def path_features(forest: Forest, leaf: int) -> list[int]:
    """Return the numerical features on the way to a leaf of a forest of one tree, rising."""
    found: set[int] = set()
    node = leaf
    while node:
        parent = int(np.flatnonzero((forest.left == node) | (forest.right == node))[0])
        if not forest.categorical[parent]:
            found.add(int(forest.feature[parent]))
        node = parent
    return sorted(found)

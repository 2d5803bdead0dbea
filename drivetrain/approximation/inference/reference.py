"""Averaged SGD and its inference as the papers write them: plain numpy, float64, the oracle.

β_k is the path, k = 1, 2, ...; β̄_n = n⁻¹ Σ β_k.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def random_scaling(path: Array) -> Array:
    """Return V̂_n = n⁻² Σ_{s<=n} s²(β̄_s - β̄_n)(β̄_s - β̄_n)ᵀ by its definition, (p, p).

    Args:
        path: β_1, ..., β_n, (n, p).

    References:
        Lee, Liao, Seo and Shin, AAAI 2022, eq. 5.
    """
    n = len(path)
    s = np.arange(1, n + 1)[:, None]
    means = np.cumsum(path - path[0], axis=0) / s
    gaps = s * (means - means[-1])
    return gaps.T @ gaps / n**2


def random_scaling_centred(path: Array) -> Array:
    """Return the same by the recursion that does not cancel.

    With δ = β̄_s - β̄_{s-1}: D <- D - uδᵀ - δuᵀ + cδδᵀ; u <- u - cδ; c <- c + s²; V̂ = D/n².
    """
    p = path.shape[1]
    mean, D, u, c = np.zeros(p), np.zeros((p, p)), np.zeros(p), 0.0
    for s, beta in enumerate(path, start=1):
        delta = (beta - mean) / s
        D += -np.outer(u, delta) - np.outer(delta, u) + c * np.outer(delta, delta)
        u = u - c * delta
        c += s**2
        mean = mean + delta
    return D / len(path) ** 2


def increasing_ends(n: int, a: float) -> NDArray[np.int64]:
    """Return the batch ends e_0, ..., e_M of n steps, a the gain's exponent.

    e_k = floor(((k+1)·N)^{1/(1-a)}), M = floor(n^{(1-a)/2}), N = n^{1-a}/(M+1), so that e_M = n.

    References:
        Chen, Lee, Tong and Zhang, Statistical inference for model parameters in stochastic
        gradient descent, Ann. Stat. 48 (2020), section 3.2 and remark on M and N.
    """
    M = int(n ** ((1.0 - a) / 2.0))
    N = n ** (1.0 - a) / (M + 1)
    ends = np.floor(((np.arange(M + 1) + 1) * N) ** (1.0 / (1.0 - a))).astype(np.int64)
    ends[-1] = n
    return ends


def batch_means(path: Array, ends: NDArray[np.int64]) -> Array:
    """Return M⁻¹ Σ_{k=1}^{M} n_k(X̄_k - X̄)(X̄_k - X̄)ᵀ, batch 0 (steps 1 to e_0) left out, (p, p).

    References:
        Chen, Lee, Tong and Zhang (2020), eq. 14.
    """
    kept = path[ends[0] : ends[-1]]
    total = np.zeros((path.shape[1], path.shape[1]))
    for start, end in pairwise(ends):
        gap = path[start:end].mean(axis=0) - kept.mean(axis=0)
        total += (end - start) * np.outer(gap, gap)
    return total / (len(ends) - 1)


def plug_in(hessians: Array, gradients: Array) -> Array:
    """Return H⁻¹ S H⁻ᵀ with H the mean Hessian (n, p, p), S the mean of gradients gᵀg (n, p)."""
    n = len(gradients)
    H, S = hessians.mean(axis=0), gradients.T @ gradients / n
    inverse = np.linalg.inv(H)
    return np.asarray(inverse @ S @ inverse.T)


def loss_slope(loss: str, shape: float, y: float, margin: float) -> float:
    """Return dℓ/d(margin); y is -1 or 1 for ``"logistic"`` and ``"hinge"``."""
    if loss == "squared":
        return margin - y
    if loss == "huber":
        return float(np.clip(margin - y, -shape, shape))
    if loss == "quantile":
        return float(y <= margin) - shape
    if loss == "logistic":
        return float(-y / (1.0 + np.exp(np.float64(y * margin))))
    return -y if y * margin <= 1.0 else 0.0


def loss_curvature(loss: str, shape: float, y: float, margin: float) -> float:
    """Return d²ℓ/d(margin)² of the smooth losses."""
    if loss == "squared":
        return 1.0
    if loss == "huber":
        return float(abs(margin - y) <= shape)
    chance = 1.0 / (1.0 + np.exp(-margin))
    return float(chance * (1.0 - chance))


def sgd_path(X: Array, y: Array, loss: str, shape: float, gains: Array, l2: float = 0.0) -> Array:
    """Return β_1, ..., β_n from β_0 = 0: β_k = (1 - a_k·l2)·β_{k-1} - a_k·ℓ'·x_k, (n, p).

    Args:
        X: (n, p).
        y: (n,).
        loss: A name that ``loss_slope`` knows.
        shape: Its parameter.
        gains: a_1, ..., a_n.
        l2: Strength of the penalty ½·l2·|β|².
    """
    beta, path = np.zeros(X.shape[1]), np.empty(X.shape)
    for k, (x, target, a) in enumerate(zip(X, y, gains, strict=True)):
        slope = loss_slope(loss, shape, float(target), float(x @ beta))
        beta = max(0.0, 1.0 - a * l2) * beta - a * slope * x
        path[k] = beta
    return path

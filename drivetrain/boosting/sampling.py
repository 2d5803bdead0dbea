r"""Which rows a tree sees, and what each of them stands for.

Every draw depends on (seed, round, tree, row) alone: any number of threads draws the same rows.
A row that is drawn with chance p counts 1/p-fold where the chances differ, so that the sums of
gradients over any set of rows stay unbiased: E[Σ g_i [i drawn] / p_i] = Σ g_i.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting._numba import keep_rows
from drivetrain.boosting.objectives.objective import Gradient

if TYPE_CHECKING:
    from drivetrain.boosting.training import Settings

#: λ of sqrt(g² + λ h²), XGBoost's.
HESSIAN_SHARE = 0.1
_BITS = (1 << 64) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """The rows of a tree.

    Attributes:
        rows: Their numbers, rising, (m,).
        n: How many rows they were drawn from.
        factor: What each of them counts, (m,), or None for 1 each.
    """

    rows: NDArray[np.uint32]
    n: int
    factor: NDArray[np.float64] | None = None

    def scaled(self, values: Gradient) -> Gradient:
        """Return derivatives in which each row counts what it stands for; others are untouched."""
        if self.factor is None:
            return values
        shape = (self.n, values.shape[1])
        wide = np.array(np.broadcast_to(values, shape), np.float64, order="C")
        wide[self.rows] *= self.factor[:, None]
        return wide


def seed_of(*parts: int) -> int:
    """Return 48 bits that any change of the parts changes throughout (splitmix64).

    Args:
        parts: Whole numbers: the seed, the round, the group, the tree.
    """
    state = 0
    for part in parts:
        state = (state ^ (part & _BITS)) + 0x9E3779B97F4A7C15 & _BITS
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _BITS
        state = (state ^ state >> 27) * 0x94D049BB133111EB & _BITS
        state ^= state >> 31
    return state >> 16


def draw_rows(
    settings: "Settings", g: Gradient, h: Gradient, *, seed: int, number: int
) -> Sample | None:
    """Return the rows of a tree, or None for all of them.

    Args:
        settings: The method and its shares.
        g: First derivatives, (n, K).
        h: Second derivatives, (n, K) or (1, 1).
        seed: Of the tree.
        number: Of the round, from 0.
    """
    method = settings.sampling_method
    if method == "goss":
        # LightGBM's: the first trees see everything.
        if number < int(1 / max(settings.learning_rate, 1e-9)):
            return None
        chance = goss_chances(g, h, settings.top_rate, settings.other_rate)
    elif settings.subsample >= 1:
        return None
    elif method == "gradient_based":
        chance = gradient_chances(g, h, settings.subsample)
    else:
        chance = np.full(1, settings.subsample)
    rows = np.empty(len(g), np.uint32)
    rows = rows[: keep_rows(np.uint64(seed), chance, rows)].copy()
    if not len(rows):
        return None
    return Sample(rows=rows, n=len(g), factor=None if len(chance) == 1 else 1 / chance[rows])


def goss_chances(g: Gradient, h: Gradient, top: float, other: float) -> NDArray[np.float64]:
    """Return each row's chance: 1 for the top share by Σ_k |g h|, other / (1 - top) for the rest.

    Args:
        g: First derivatives, (n, K).
        h: Second derivatives, (n, K) or (1, 1).
        top: Share of rows that are always kept.
        other: Share of rows that are drawn from the rest; they count (1 - top) / other-fold.

    References:
        Ke et al.: LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NeurIPS 2017,
        algorithm 2. The paper ranks by |g|, the program by |g h|.
    """
    n = len(g)
    size = np.abs(g.astype(np.float64) * h).sum(axis=1)
    kept = max(1, int(n * top))
    least = np.partition(size, n - kept)[n - kept]
    return np.where(size >= least, 1.0, min(1.0, other / (1 - top)))


def gradient_chances(g: Gradient, h: Gradient, share: float) -> NDArray[np.float64]:
    """Return each row's chance min(1, s / μ), s = sqrt(Σ_k g² + λ h²), μ such that Σ p = share n.

    Rows without a gradient are never drawn.

    Args:
        g: First derivatives, (n, K).
        h: Second derivatives, (n, K) or (1, 1).
        share: Share of the rows that are drawn, on average.

    References:
        Ibragimov, Gusev: Minimal Variance Sampling in Stochastic Gradient Boosting, NeurIPS 2019.
        λ = 0.1 is XGBoost's choice.
    """
    square = np.square(g, dtype=np.float64) + HESSIAN_SHARE * np.square(h, dtype=np.float64)
    size = np.sqrt(square.sum(axis=1))
    left = share * len(size)
    mu = size.sum() / left
    chosen = size
    # Rows of s >= μ are certain. Without them μ is smaller, which makes more rows certain: a few
    # passes until none is added.
    while True:
        below = chosen[chosen < mu]
        left -= len(chosen) - len(below)
        if len(below) == len(chosen) or left <= 0:
            break
        chosen, mu = below, below.sum() / left
    if mu == 0:
        return (size > 0).astype(np.float64)
    return np.minimum(size / mu, 1.0)

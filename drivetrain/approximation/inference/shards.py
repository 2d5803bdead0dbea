"""Averaged SGD in independent shards: the average of their averages, and its error."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.inference.engine import AveragedSGD
from drivetrain.approximation.inference.estimate import Estimate
from drivetrain.approximation.inference.pivots import NormalPivot, StudentPivot
from drivetrain.core.checks import check_array

Array = NDArray[np.float64]


def shard_estimate(averages: ArrayLike, sizes: ArrayLike | None = None) -> Estimate:
    r"""Return the average of K independent shards, with Student's t on K - 1.

    $$\bar\beta = \sum_k \frac{n_k}{N} \bar\beta_k, \qquad C = \frac{1}{(K-1) N}
    \sum_k n_k (\bar\beta_k - \bar\beta)(\bar\beta_k - \bar\beta)^T$$

    Args:
        averages: One average a shard, (K, p), K >= 2.
        sizes: Averaged steps n_k > 0 of each, (K,); all alike where not given.

    Raises:
        ValueError: Fewer than two shards, sizes that do not fit, or not finite.

    Example:
        >>> shard_estimate([[1.0], [2.0], [3.0]]).value
        array([2.])

    References:
        Zhu, Lou, Wei and Wu, High confidence level inference is almost free using parallel
        stochastic optimization (2024), section 3.
    """
    rows = check_array("averages", averages, ndim=2, finite=True)
    count = len(rows)
    if count < 2:
        raise ValueError(f"averages must have at least two shards. Got {count}.")
    given = np.ones(count) if sizes is None else sizes
    weights = check_array("sizes", given, ndim=1, finite=True)
    if len(weights) != count or not np.all(weights > 0.0):
        raise ValueError(f"sizes must be {count} numbers > 0, one a shard. Got {weights}.")
    shares = weights / weights.sum()
    mean = shares @ rows
    covariance = (rows - mean).T @ ((rows - mean) * shares[:, None]) / (count - 1)
    steps = count if sizes is None else int(weights.sum())
    return Estimate(mean, covariance, StudentPivot(count - 1), "shards", steps)


def merge_shards(shards: Sequence[AveragedSGD]) -> Estimate:
    """Return the average of the shards' averages, weighted by their steps, with its error.

    Where all shards have the plug-in, their covariances are combined; otherwise the error comes
    from the spread between shards: random scaling and batch means follow one path and do not add.

    Args:
        shards: Independent runs, each on its own samples; the engines of an estimator are its
            ``engines_``.

    Raises:
        ValueError: Fewer than two shards, shards without averaged steps, or different sizes.

    Example:
        >>> from drivetrain.approximation.gains import Gain
        >>> from drivetrain.approximation.inference.recipe import Recipe
        >>> recipe = Recipe(loss="squared", gain=Gain(a=1.0), fit_intercept=False)
        >>> runs = [AveragedSGD(1, recipe).update(np.ones((2, 1)), np.full(2, y)) for y in (1., 3.)]
        >>> merge_shards(runs).value
        array([2.])
    """
    widths = sorted({len(shard.average) for shard in shards})
    if len(shards) < 2 or len(widths) != 1:
        raise ValueError(
            "Expected two or more shards of the same dimension. "
            f"Got {len(shards)} of dimensions {widths}."
        )
    sizes = np.array([shard.averaged for shard in shards], dtype=np.float64)
    averages = np.array([shard.average for shard in shards])
    if all(shard.recipe.inference == "plug_in" for shard in shards) and np.all(sizes > 0.0):
        shares = sizes / sizes.sum()
        parts = [shard.estimate().covariance for shard in shards]
        covariance = np.sum([s**2 * c for s, c in zip(shares, parts, strict=True)], axis=0)
        return Estimate(shares @ averages, covariance, NormalPivot(), "plug_in", int(sizes.sum()))
    return shard_estimate(averages, sizes)

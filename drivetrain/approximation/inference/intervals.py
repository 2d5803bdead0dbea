"""Intervals for any path: the accumulators by one name, and the short way for a stored path."""

from numpy.typing import ArrayLike

from drivetrain.approximation.inference.batches import BatchMeans
from drivetrain.approximation.inference.estimate import Estimate, Interval
from drivetrain.approximation.inference.paths import as_point
from drivetrain.approximation.inference.pivots import StudentPivot
from drivetrain.approximation.inference.plug_in import PlugIn
from drivetrain.approximation.inference.scaling import RandomScaling
from drivetrain.core.checks import check_array, check_choice

__all__ = [
    "BatchMeans",
    "Estimate",
    "Interval",
    "PlugIn",
    "RandomScaling",
    "path_estimate",
    "shard_estimate",
]


def shard_estimate(averages: ArrayLike) -> Estimate:
    """Return the average of K independent shards of equal size, with Student's t on K - 1.

    Args:
        averages: One β̄ a shard, (K, p), K >= 2.

    Raises:
        ValueError: Fewer than two shards, or not finite.

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
    mean = rows.mean(axis=0)
    covariance = (rows - mean).T @ (rows - mean) / (count - 1) / count
    return Estimate(mean, covariance, StudentPivot(count - 1), "shards", count)


def path_estimate(
    path: ArrayLike,
    method: str = "random_scaling",
    *,
    start: ArrayLike | None = None,
    exponent: float | None = None,
) -> Estimate:
    """Return the average of a whole path of iterates, with its uncertainty.

    Args:
        path: β_1, ..., β_n after any burn-in, (n, p) or (n,), n >= 1.
        method: ``"random_scaling"`` or ``"batch_means"``.
        start: What the path is kept relative to; its first point where not given.
        exponent: The gain's exponent: with it, batch means use increasing batches.

    Raises:
        ValueError: An unknown method, an empty path, or not finite.

    Example:
        >>> path_estimate([1.0, 3.0]).value
        array([2.])
    """
    check_choice("method", method, ("random_scaling", "batch_means"))
    points = check_array("path", path, ndim=(1, 2), finite=True)
    if not len(points):
        raise ValueError(f"path must hold at least one point. Got shape {points.shape}.")
    points = points.reshape(len(points), -1)
    origin = points[0] if start is None else as_point("start", start)
    if method == "random_scaling":
        return RandomScaling(origin).update(points).estimate()
    if exponent is None:
        return BatchMeans(origin).update(points).estimate()
    increasing = BatchMeans(origin, design="increasing", exponent=exponent)
    return increasing.update(points).estimate()

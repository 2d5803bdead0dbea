"""Intervals for any path: the accumulators by one name, and the short way for a stored path."""

from numpy.typing import ArrayLike

from drivetrain.approximation.inference.batches import BatchMeans
from drivetrain.approximation.inference.estimate import Estimate, Interval
from drivetrain.approximation.inference.paths import as_point
from drivetrain.approximation.inference.plug_in import PlugIn
from drivetrain.approximation.inference.scaling import RandomScaling
from drivetrain.approximation.inference.shards import shard_estimate
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

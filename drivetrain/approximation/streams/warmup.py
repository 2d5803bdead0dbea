"""Compiles the kernels of streams ahead of use, or reads them from the cache."""

import numpy as np


def warmup() -> None:
    """Run every kernel once on a few values."""
    from drivetrain.approximation.streams.averages.mean import Mean
    from drivetrain.approximation.streams.covariance.matrix import Covariance
    from drivetrain.approximation.streams.exponential import EWMoments
    from drivetrain.approximation.streams.moments import Moments
    from drivetrain.approximation.streams.quantiles.sketch import METHODS, Quantiles

    x = np.array([1.0, 3.0, 2.0, 5.0, 4.0, 6.0])
    for values in (x, x.astype(np.float32), x.reshape(-1, 2)):
        stream = Moments(4).update(values).update(values, weights=1.0)
        stream.merge(stream)
    Covariance().update(x.reshape(-1, 2))
    EWMoments(0.5, 4).update(x).get()
    Mean(0.5).update(x)
    Mean().update(x).get()
    for method in METHODS:
        Quantiles(0.5, method).update(x).get()
    digest = Quantiles(0.5).update(x)
    digest.merge(Quantiles(0.5).update(x))

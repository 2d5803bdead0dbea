"""The t-digest of fastdigest (Rust) as a contender."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import require

Array = NDArray[np.float64]


def digest_quantiles(x: Array, levels: list[float]) -> Callable[[], Array]:
    """Return a call that digests x afresh and gives the quantiles at the levels.

    Raises:
        MissingDependency: fastdigest is not installed.
    """
    fastdigest: Any = require("fastdigest", "drivetrain[peers]")

    def run() -> Array:
        digest = fastdigest.TDigest.from_values(x)
        return np.array([digest.quantile(q) for q in levels])

    return run

"""noisyopt's SPSA as a contender."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import require

Array = NDArray[np.float64]


def searches(
    f: Callable[[Array], float], dimension: int, *, steps: int, count: int, a: float, c: float
) -> Callable[[], Array]:
    """Return a call that runs ``count`` searches from 0, one after another.

    It returns the points found, (count, p). The gains are a/(k + steps/100)^0.602 and c/k^0.101.

    Raises:
        MissingDependency: noisyopt is not installed.
    """
    noisyopt: Any = require("noisyopt", "drivetrain[peers]")

    def run() -> Array:
        np.random.seed(0)  # noqa: NPY002 - noisyopt draws from numpy's global stream
        found = [
            noisyopt.minimizeSPSA(f, np.zeros(dimension), niter=steps, paired=False, a=a, c=c).x
            for _ in range(count)
        ]
        return np.array(found)

    return run

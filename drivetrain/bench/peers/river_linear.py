"""River's linear regression, one sample at a time, as a contender."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import require

Array = NDArray[np.float64]


def learn_one_by_one(
    samples: Sequence[dict[Hashable, float]], targets: Sequence[float], rate: float
) -> Callable[[], Array]:
    """Return a call that fits a fresh river LinearRegression and gives its weights.

    Args:
        samples: What river calls x: dicts of feature 0, 1, ... to value.
        targets: One y a sample.
        rate: The constant learning rate; river's squared loss has gradient 2·(p - y)·x.

    Raises:
        MissingDependency: river is not installed.
    """
    linear: Any = require("river.linear_model", "drivetrain[peers]")
    optim: Any = require("river.optim", "drivetrain[peers]")

    def run() -> Array:
        model = linear.LinearRegression(optimizer=optim.SGD(rate), intercept_lr=0.0)
        for x, y in zip(samples, targets, strict=True):
            model.learn_one(x, y)
        return np.array([model.weights[name] for name in sorted(model.weights)])

    return run

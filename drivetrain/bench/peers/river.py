"""River's streaming statistics, one observation at a time, as contenders."""

from collections.abc import Callable, Sequence
from typing import Any

from drivetrain.core.errors import require


def update_all(name: str, observations: Sequence[Any], *settings: Any) -> Callable[[], float]:
    """Return a call that feeds a fresh statistic all observations and gives its value.

    Args:
        name: A class of ``river.stats``, such as ``Var``.
        observations: Floats; or pairs, for a statistic of two variables.
        *settings: What the class is made with.

    Raises:
        MissingDependency: river is not installed.
    """
    stats: Any = require("river.stats", "drivetrain[peers]")
    kind = getattr(stats, name)
    paired = isinstance(observations[0], tuple)

    def singles() -> float:
        statistic = kind(*settings)
        update = statistic.update
        for x in observations:
            update(x)
        return float(statistic.get())

    def pairs() -> float:
        statistic = kind(*settings)
        update = statistic.update
        for x, y in observations:
            update(x, y)
        return float(statistic.get())

    return pairs if paired else singles

"""Gains for kernels: as arrays, and as what JSON holds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.gains import Gain, Schedule


def gains_from(schedule: Schedule, start: int, n: int) -> NDArray[np.float64]:
    """Return ``[a_start, ..., a_{start+n-1}]`` of any gain."""
    if isinstance(schedule, Gain):
        return schedule.array(n, start)
    return np.array([schedule(k) for k in range(start, start + n)], dtype=np.float64)


def schedule_config(schedule: Schedule) -> list[float] | None:
    """Return what JSON holds of a gain; None for a function."""
    if not isinstance(schedule, Gain):
        return None
    return [schedule.a, schedule.alpha, schedule.A, schedule.log_power]


def schedule_of(config: Sequence[float] | None, function: Schedule | None) -> Schedule:
    """Return the gain of ``schedule_config``, or the function that took its place.

    Raises:
        ValueError: The function is missing.
    """
    if function is not None:
        return function
    if config is None:
        raise ValueError("This state was made with a function: pass gain= again.")
    return Gain(*config)

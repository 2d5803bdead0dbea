"""Gains for kernels, as arrays: by steps, and by visits."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.gains import Gain, Schedule
from drivetrain.core.checks import check_array, check_real


def gains_from(schedule: Schedule, start: int, n: int) -> NDArray[np.float64]:
    """Return ``[a_start, ..., a_{start+n-1}]`` of any gain.

    Raises:
        TypeError: A function gives no number.
        ValueError: It gives NaN.
    """
    if isinstance(schedule, Gain):
        return schedule.array(n, start)
    gains = [check_real(f"gain({k})", schedule(k)) for k in range(start, start + n)]
    return np.array(gains, dtype=np.float64)


class VisitGains:
    """The gains a_1, a_2, ... by visits, computed once however often they are asked for."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._known = 0
        self._table = np.empty(0)

    def first(self, n: int) -> NDArray[np.float64]:
        """Return ``[a_1, ..., a_n]``."""
        if n > len(self._table):
            # Room doubles, so that one visit more does not copy all; gains are not looked up
            # before they are needed, as a function may end.
            self._table = np.concatenate((self._table, np.empty(max(n - len(self._table), n))))
        if n > self._known:
            self._table[self._known : n] = gains_from(
                self._schedule, self._known + 1, n - self._known
            )
            self._known = n
        return self._table[:n]


def visits_from(visits: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the counts of a state, checked: kernels index the gains by them.

    Raises:
        ValueError: Another shape, or counts below 0.
    """
    counts = np.array(check_array("visits", visits, dtype=np.int64))
    if counts.shape != shape or counts.min(initial=0) < 0:
        raise ValueError(f"visits must be {shape} counts >= 0. Got shape {counts.shape}.")
    return counts

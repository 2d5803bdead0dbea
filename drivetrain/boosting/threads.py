"""How many threads a number of jobs asks for."""

import os

from drivetrain.core.checks import check_integer


def threads_of(n_jobs: int | None) -> int:
    """Return how many threads ``n_jobs`` asks for: all cores where None, 0 or negative.

    Raises:
        TypeError: Not an integer.
    """
    if n_jobs is None or check_integer("n_jobs", n_jobs) <= 0:
        return max(1, os.cpu_count() or 1)
    return int(n_jobs)

"""Jobs on threads: kernels release the GIL, and each job writes to memory of its own."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_integer
from drivetrain.core.cpu import usable_cores

#: More threads than this only wait for memory.
MOST = 16
#: Parts a thread: enough that a slow part at the end costs little.
PARTS = 6


def thread_count(threads: int | None) -> int:
    """Return the number of threads to use; all usable cores, sixteen at most, where None."""
    if threads is None:
        return min(usable_cores(), MOST)
    return check_integer("threads", threads, low=1)


def run_jobs(
    function: Callable[..., Any], jobs: Iterable[tuple[Any, ...]], threads: int
) -> list[Any]:
    """Call ``function`` with each job's arguments; return the results in the jobs' order."""
    listed = list(jobs)
    if threads == 1 or len(listed) < 2:
        return [function(*job) for job in listed]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda job: function(*job), listed))


def split(work: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """Return the bounds of consecutive parts of about equal work, (parts + 1,).

    Example:
        >>> split(np.array([1, 1, 6, 1, 1]), 2).tolist()
        [0, 3, 5]
    """
    done = np.cumsum(work)
    if len(done) == 0:
        return np.zeros(2, np.int64)
    shares = done[-1] * np.arange(1, parts) / parts
    inner = np.searchsorted(done, shares, side="left") + 1
    return np.unique(np.concatenate(([0], np.minimum(inner, len(work)), [len(work)])))

"""One budget of threads: shared by the members, passed down to those that have threads too."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from joblib import effective_n_jobs
from sklearn.linear_model import LogisticRegression
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")


def run(work: Callable[[T, int | None], R], tasks: Sequence[T], n_jobs: int | None) -> list[R]:
    """Return what the work makes of each task, in their order.

    With T = ``n_jobs`` threads for k tasks, min(T, k) run at a time and each may use
    max(1, T // k) threads, its BLAS and OpenMP included: never more than T in all.

    Args:
        work: Takes a task and the threads it may use; None for as many as it likes.
        tasks: What is to be done.
        n_jobs: Threads in all; -1 for all cores. None: one task at a time, which decides itself.

    Raises:
        ValueError: ``n_jobs`` is 0.
    """
    if n_jobs is None:
        pool = Parallel(n_jobs=None, require="sharedmem")
        return list(pool(delayed(work)(task, None) for task in tasks))
    total = effective_n_jobs(n_jobs)
    workers = max(1, min(total, len(tasks)))
    each = max(1, total // workers)
    # Pools of BLAS and OpenMP are the process's, so they are set once for all members.
    with threadpool_limits(each) if workers > 1 else nullcontext():
        pool = Parallel(n_jobs=workers, require="sharedmem")
        return list(pool(delayed(work)(task, each) for task in tasks))


@contextmanager
def limited(estimator: Any, threads: int | None) -> Iterator[None]:
    """Let an estimator use so many threads inside the block: every ``n_jobs`` in it is set.

    Args:
        estimator: Its parameters, and those of estimators in it, are put back afterwards.
        threads: The most; None to leave it alone.
    """
    given = {} if threads is None else _jobs(estimator)
    if not given:
        yield
        return
    most = threads or 1
    estimator.set_params(**{name: _share(value, most) for name, value in given.items()})
    try:
        yield
    finally:
        estimator.set_params(**given)


def _jobs(estimator: Any) -> dict[str, Any]:
    parameters = {"": estimator, **estimator.get_params(deep=True)}
    found = {}
    for name, value in parameters.items():
        owner, _, last = name.rpartition("__")
        # scikit-learn's has no use for the parameter since 1.8, and warns of it.
        if last == "n_jobs" and type(parameters.get(owner)) is not LogisticRegression:
            found[name] = value
    return found


def _share(given: int | None, most: int) -> int:
    return most if given is None or given <= 0 else min(given, most)

"""Copies of one estimator: seeded, fitted side by side, named where they fail."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

Item = TypeVar("Item")
Answer = TypeVar("Answer")
#: What errors of members are raised as; of any other kind they become RuntimeErrors.
_KINDS = (TypeError, ValueError, MemoryError, AttributeError, NotImplementedError, RuntimeError)


def seeded(prototype: Any, random_state: Any) -> Any:
    """Return a copy, every ``random_state`` in it set to an integer drawn as scikit-learn does.

    Args:
        prototype: An estimator.
        random_state: A seed, or a generator, which goes on.
    """
    member = clone(prototype)
    rng = check_random_state(random_state)
    names = (
        name
        for name in sorted(member.get_params(deep=True))
        if name == "random_state" or name.endswith("__random_state")
    )
    drawn = {name: rng.randint(np.iinfo(np.int32).max) for name in names}
    return member.set_params(**drawn) if drawn else member


def offers(member: Any, method: str) -> bool:
    """Return whether a member has a method."""
    return callable(getattr(member, method, None))


def failure(error: Exception, member: str, more: str = "") -> Exception:
    """Return a member's error with its name in front, of the same kind where that is usual.

    Args:
        error: What the member raised.
        member: Who it is.
        more: Words to end with.

    Example:
        >>> failure(ValueError("Input X contains NaN."), "member 3 of 10 (SVC)")
        ValueError('member 3 of 10 (SVC) failed: Input X contains NaN.')
    """
    kind = next((one for one in _KINDS if isinstance(error, one)), RuntimeError)
    return kind(f"{member} failed: {error}{more}")


def in_order(
    function: Callable[[Item], Answer], items: Iterable[Item], *, threads: int
) -> Iterator[Answer]:
    """Yield a function's answers in the order of the items, some worked at side by side.

    Warnings and scikit-learn's settings are the caller's in every thread.

    Args:
        function: What is called.
        items: With what.
        threads: How many at once.
    """
    if threads == 1:
        return map(function, items)
    pool = Parallel(n_jobs=threads, require="sharedmem", return_as="generator")
    answers: Iterator[Answer] = pool(delayed(function)(item) for item in items)
    return answers

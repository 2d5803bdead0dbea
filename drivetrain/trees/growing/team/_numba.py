"""Threads that meet inside one kernel: a barrier, and tasks handed out by counting.

Entering a kernel costs a thread some 50 microseconds, as much as a small node's work; threads
that stay inside wait for each other for less than one. All that they share lies in an array of
int64, a cache line to each number.
"""

import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

# Numbers of the array, a cache line apart.
LINE = 8
ARRIVED, GENERATION, FIRST, SECOND, THIRD = 0, LINE, 2 * LINE, 3 * LINE, 4 * LINE
SHARED = 5 * LINE
# Turns of a thread that lingers, some milliseconds together.
_TURNS = 8192
# Looks at the barrier before the core is offered to another thread, some microseconds.
_PATIENCE = 4000

Shared = NDArray[np.int64]


def _pointer(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    held = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(held.data, [arguments[1]])


def _fetch_add(typing_context, array, index, amount):  # type: ignore[no-untyped-def]
    """Add to ``array[index]`` as one step; return what it was."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = _pointer(context, builder, signature, arguments)
        return builder.atomic_rmw("add", pointer, arguments[2], "seq_cst")

    return types.int64(array, types.uint64, types.int64), generate


fetch_add: Any = intrinsic(_fetch_add)


def _look(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Return ``array[index]``, and what others wrote before they wrote it."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = _pointer(context, builder, signature, arguments)
        return builder.load_atomic(pointer, "acquire", 8, typ=ir.IntType(64))

    return types.int64(array, types.uint64), generate


look: Any = intrinsic(_look)


def _publish(typing_context, array, index, value):  # type: ignore[no-untyped-def]
    """Set ``array[index]`` after all that was written before."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = _pointer(context, builder, signature, arguments)
        builder.store_atomic(arguments[2], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.uint64, types.int64), generate


publish: Any = intrinsic(_publish)


if sys.platform == "win32":
    # kernel32 is not among the symbols a kernel can be linked with: there it spins on.
    @njit(nogil=True, cache=True)
    def _give_way() -> None:
        return

else:
    _sched_yield = types.ExternalFunction("sched_yield", types.int32())

    @njit(nogil=True, cache=True)
    def _give_way() -> None:
        _sched_yield()


@njit(nogil=True, cache=True)
def meet(shared: Shared, threads: int) -> None:
    """Wait until every thread is here; what each wrote before is then seen by all."""
    if threads == 1:
        return
    generation = look(shared, GENERATION)
    if fetch_add(shared, ARRIVED, 1) == threads - 1:
        publish(shared, ARRIVED, 0)
        publish(shared, GENERATION, generation + 1)
        return
    looks = 0
    while look(shared, GENERATION) == generation:
        looks += 1
        if looks > _PATIENCE:
            _give_way()


@njit(nogil=True, cache=True)
def linger(calls: Shared, heard: int) -> None:
    """Stay awake for some milliseconds, or until there is another call than the one heard.

    A sleeping thread is woken late, and often on the processor of the one that wakes it.
    """
    for _ in range(_TURNS):
        for _ in range(64):
            if look(calls, 0) != heard:
                return
        _give_way()


@njit(nogil=True, cache=True)
def call(calls: Shared) -> None:
    """Tell those that linger to come back."""
    fetch_add(calls, 0, 1)

"""The table of addresses that one kernel launch steps through.

A table is built when something about the tensors changes, and checked every step: gradients move
whenever ``zero_grad(set_to_none=True)`` frees them, and ``p.data = ...``, ``.to(...)`` or a loaded
state move the rest. Checking 2000 parameters takes a third of a millisecond (``handles.py``).
"""

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drivetrain.optim import _numba
from drivetrain.optim.rules import Entry, Group, Rule
from drivetrain.optim.seal import Seal

CHUNK = 16384
# Plain kernels only stream: the fewer pieces, the longer memory is fetched ahead (5 % of a step),
# while 64 MB still make enough of them to deal to threads.
LONG_CHUNK = 1 << 18
# Below this many elements a thread, starting one costs more than it saves.
THREAD_WORK = 1 << 20


@dataclass(kw_only=True)
class Launch:
    """The chunks of all parameters that one kernel steps: (row, start, length) each."""

    rule: Rule
    chunks: NDArray[np.int64]
    elements: int


@dataclass(kw_only=True)
class Table:
    """Addresses of all tensors of a step: ``p, g, step, state ...``, one row a parameter.

    Attributes:
        rows: Addresses; -1 where a rule has fewer columns than the widest.
        group_of: Group of each row.
        launches: What to run; a launch's chunks index ``rows``.
        params: The parameters, in the rows' order.
        borrowed: Copies of gradients that lie otherwise than their parameters; such a table is
            good for one step.
    """

    rows: NDArray[np.int64]
    group_of: NDArray[np.int32]
    launches: list[Launch]
    params: list[Tensor]
    borrowed: list[Tensor] = field(default_factory=list)
    seal: Seal | None = None

    @classmethod
    def of(cls, entries: list[Entry]) -> "Table":
        """Lay out the table of the given entries, which are sorted by their rule's name.

        Raises:
            ValueError: A tensor with elements but without memory.
        """
        width = max((len(entry.rule.columns) for entry in entries), default=0)
        rows = np.full((len(entries), _numba.STATE + width), -1, dtype=np.int64)
        for row, entry in zip(rows, entries):
            tensors = [entry.param, entry.grad, entry.state["step"]]
            tensors += [entry.state[key] for key in entry.rule.columns]
            row[: len(tensors)] = [tensor.data_ptr() for tensor in tensors]
            check_memory(row, entry.param, entry.group)
        return cls(
            rows=rows,
            group_of=np.array([entry.group for entry in entries], dtype=np.int32),
            launches=_launches(entries),
            params=[entry.param for entry in entries],
        )

    def fits(self, groups: list[Group], state: Mapping[Any, Any]) -> bool:
        """Take in where the gradients lie now; False where anything else has changed."""
        return self.seal is not None and self.seal.holds(self.rows, groups, state)

    def prepare(self, hyper: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Advance all steps; return the case of each row, and the cases."""
        case_of = np.empty(len(self.rows), dtype=np.int32)
        cases = np.empty((len(self.rows), _numba.CASES))
        count = _numba.prepare(self.rows, self.group_of, hyper, case_of, cases)
        return case_of, cases[:count]

    def step(self, hyper: NDArray[np.float64]) -> None:
        """Step every parameter; ``hyper`` has a row a group, see ``_numba.py``."""
        if self.params:
            # Autograd must see that a kernel writes to what it may have saved. Before the kernel,
            # since its streams push out of the caches what the check has just brought in.
            torch.autograd.graph.increment_version(self.params)
        case_of, cases = self.prepare(hyper)
        for launch in self.launches:
            kernel, chunks = launch.rule.kernel, launch.chunks

            def run(low: int, high: int, kernel: Any = kernel, chunks: Any = chunks) -> None:
                kernel(chunks, self.rows, case_of, cases, low, high)

            in_threads(run, len(chunks), launch.elements)

    def squares(self) -> float:
        """Return the sum of squares of all gradients: not finite where any of them is not."""
        total = 0.0
        for launch in self.launches:
            kernel, chunks, out = launch.rule.squares, launch.chunks, np.empty(len(launch.chunks))

            def run(
                low: int, high: int, kernel: Any = kernel, chunks: Any = chunks, out: Any = out
            ) -> None:
                kernel(chunks, self.rows, out, low, high)

            in_threads(run, len(chunks), launch.elements)
            # Summed by chunks, in their order: the same bits for any number of threads.
            total += float(np.sum(out))
        return total


def check_memory(row: NDArray[np.int64], param: Tensor, group: int) -> None:
    """Raise where a tensor of a parameter's row has elements but lies nowhere."""
    if param.numel() and 0 in row:
        raise ValueError(
            f"a parameter of param_groups[{group}], its gradient or its state has no memory: "
            "its storage was freed, or it stands for zeros or is fake."
        )


def _launches(entries: list[Entry]) -> list[Launch]:
    launches = []
    names = [entry.rule.name for entry in entries]
    for name in dict.fromkeys(names):
        first, count = names.index(name), names.count(name)
        mine = entries[first : first + count]
        rule = mine[0].rule
        lengths = np.array([entry.param.numel() * rule.width for entry in mine], dtype=np.int64)
        chunks = chunks_of(lengths, LONG_CHUNK if rule.plain else CHUNK)
        chunks[:, 0] += first
        launches.append(Launch(rule=rule, chunks=chunks, elements=int(lengths.sum())))
    return launches


def chunks_of(lengths: NDArray[np.int64], chunk: int) -> NDArray[np.int64]:
    """Return (row, start, length) of the pieces, of ``chunk`` elements at most, of all rows."""
    counts = -(-lengths // chunk)
    row = np.repeat(np.arange(len(lengths)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    start = (np.arange(len(row)) - first) * chunk
    return np.stack([row, start, np.minimum(chunk, lengths[row] - start)], axis=1)


def in_threads(run: Callable[[int, int], None], count: int, elements: int) -> None:
    """Run chunks 0..count, in as many of torch's number of threads as the work is worth.

    Chunks are dealt in ranges and each is computed alike, so the bits do not depend on it.
    """
    threads = max(1, min(torch.get_num_threads(), elements // THREAD_WORK, count))
    bounds = [count * number // threads for number in range(threads + 1)]
    shares = [_Share(run=run, low=low, high=high) for low, high in pairwise(bounds[1:])]
    try:
        # Where no more threads are to be had, _finish does their share: half a step is worse
        # than a slow one.
        with contextlib.suppress(RuntimeError):
            for share in shares:
                threading.Thread(target=share.work).start()
        run(0, bounds[1])
    finally:
        _finish(shares)


@dataclass(kw_only=True)
class _Share:
    """A thread's range of chunks, done once by whoever takes it first."""

    run: Callable[[int, int], None]
    low: int
    high: int
    taken: Any = field(default_factory=threading.Lock)
    done: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """Do it, unless another has taken it."""
        if self.taken.acquire(blocking=False):
            try:
                self.run(self.low, self.high)
            finally:
                self.done.set()


def _finish(shares: list[_Share]) -> None:
    """Do what no thread has begun and wait for the rest, whatever interrupts.

    The kernels hold addresses: they must not run on when the caller is free to free.
    """
    interrupted: BaseException | None = None
    for share in shares:
        share.work()
        while not share.done.is_set():
            try:
                share.done.wait()
            except BaseException as error:
                interrupted = error
    if interrupted is not None:
        raise interrupted

"""A plan of kernel launches over all tensors, good for as long as nothing but gradients moves."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drivetrain.optim import _numba
from drivetrain.optim.seal import Member as Sealed
from drivetrain.optim.seal import Seal
from drivetrain.optim.table import CHUNK, check_memory, chunks_of, in_threads

Group = dict[str, Any]
State = dict[str, Any]
Words = NDArray[np.int64]
# kernel(chunks, rows, case_of, cases, low, high): steps chunks low..high without the GIL.
Kernel = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], int, int], None]
# The constants of a group's step, a row a case, and which of them each member follows.
Cases = tuple[Sequence[Sequence[float]], Words]


@dataclass(frozen=True, kw_only=True)
class Member:
    """A parameter that takes part in a step, with its gradient and its state."""

    param: Tensor
    grad: Tensor
    state: State


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """The kernels of an update: by dtype, and the keys of the states that they touch."""

    keys: tuple[str, ...]
    of: Mapping[torch.dtype, Kernel]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a kernel is to step: members of one group and one dtype.

    Attributes:
        group: The group's number.
        kernel: Of the members' dtype.
        keys: Of the states that it touches, in the order of its columns.
        members: Whose memory is dense and alike.
        places: Where each stands among all members of its group.
    """

    group: int
    kernel: Kernel
    keys: tuple[str, ...]
    members: list[Member]
    places: list[int]


@dataclass(frozen=True, kw_only=True)
class _Launch:
    group: int
    kernel: Kernel
    rows: slice
    places: Words
    chunks: Words
    elements: int


class Plan:
    """Addresses of all tensors, and the launches that step them.

    Args:
        works: What to step. Their gradients are not kept, so that backward can free them.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        members = [(member, work) for work in works for member in work.members]
        width = max((len(work.keys) for work in works), default=0)
        self.rows = np.full((len(members), _numba.STATE + width), -1, dtype=np.int64)
        for row, (member, work) in zip(self.rows, members):
            tensors = [member.state[key] for key in work.keys]
            row[: _numba.STEP] = member.param.data_ptr(), member.grad.data_ptr()
            row[_numba.STATE :][: len(tensors)] = [tensor.data_ptr() for tensor in tensors]
            check_memory(row, member.param, work.group)
        self._params = [member.param for member, _ in members]
        self._launches = list(_launches(works))
        self._seal: Seal | None = None

    def run(self, cases: Mapping[int, Cases]) -> None:
        """Step everything, by the constants of each group."""
        case_of = np.zeros(len(self.rows), dtype=np.int64)
        for launch in self._launches:
            constants, followed = cases[launch.group]
            case_of[launch.rows] = followed[launch.places]
            table = np.array(constants, dtype=np.float64)

            def run(low: int, high: int, one: _Launch = launch, table: Any = table) -> None:
                one.kernel(one.chunks, self.rows, case_of, table, low, high)

            in_threads(run, len(launch.chunks), launch.elements)
        # Autograd must see that a kernel wrote to what it may have saved.
        torch.autograd.graph.increment_version(self._params)

    def close(self, groups: list[Group], state: Mapping[Any, Any], works: Sequence[Work]) -> None:
        """Make the plan good for further steps, if it holds all that a step touches."""
        sealed = [
            Sealed(member.param, member.grad, member.state, ("", *work.keys))
            for work in works
            for member in work.members
        ]
        self._seal = Seal.of(self.rows, sealed, groups, state)

    def fits(self, groups: list[Group], state: Mapping[Any, Any]) -> bool:
        """Take in where the gradients lie now; False where anything else has changed."""
        return self._seal is not None and self._seal.holds(self.rows, groups, state)


def number(value: Any) -> float:
    """Return a hyperparameter, which may be a tensor of one element, as a float."""
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def _launches(works: Iterable[Work]) -> Iterator[_Launch]:
    first = 0
    for work in works:
        lengths = np.array([member.param.numel() for member in work.members], dtype=np.int64)
        chunks = chunks_of(lengths, CHUNK)
        chunks[:, 0] += first
        yield _Launch(
            group=work.group,
            kernel=work.kernel,
            rows=slice(first, first + len(lengths)),
            places=np.array(work.places, dtype=np.int64),
            chunks=chunks,
            elements=int(lengths.sum()),
        )
        first += len(lengths)

"""Fresh states of small parameters, side by side in memory.

A launch streams through thousands of small moments as through one long array, instead of meeting
a cold page at each of them. Every state is still a tensor of its own: a view, shaped and strided
as its parameter.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

import torch
from torch import Tensor

from drivetrain.optim.rules import MOMENTS, Group, State

# Elements of a parameter from which on its state fills pages enough by itself.
LARGE = 1 << 16
# Elements that a state is rounded up to: a cache line of the smallest.
_LINE = 16


def allot(wanting: Iterable[tuple[Tensor, State, Group]]) -> None:
    """Fill the empty states of small parameters with zeros that lie side by side.

    Args:
        wanting: Dense CPU parameters, their states, and their groups, which say ``amsgrad``.
    """
    small = [one for one in wanting if 0 < one[0].numel() < LARGE]
    steps = torch.zeros(len(small), dtype=torch.float32, device="cpu")
    for (_, state, _), step in zip(small, steps):
        state["step"] = step
    for dtype, alike in groupby(sorted(small, key=_dtype_name), key=lambda one: one[0].dtype):
        ones = list(alike)
        for key in MOMENTS:
            having = [one for one in ones if key != MOMENTS[-1] or one[2]["amsgrad"]]
            for (_, state, _), moment in zip(having, _views([p for p, _, _ in having], dtype)):
                state[key] = moment


def _dtype_name(one: tuple[Tensor, State, Group]) -> str:
    return str(one[0].dtype)


def _views(params: list[Tensor], dtype: torch.dtype) -> Iterator[Tensor]:
    sizes = [-(-param.numel() // _LINE) * _LINE for param in params]
    zeros, start = torch.zeros(sum(sizes), dtype=dtype, device="cpu"), 0
    for param, size in zip(params, sizes):
        yield zeros.as_strided(param.shape, param.stride(), start)
        start += size

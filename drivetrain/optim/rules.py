"""Which kernel steps a parameter, and what state it keeps: one rule a kind of parameter.

A rule is chosen by the parameter's dtype and its group's options. Formats of low precision bring
rules of their own; a parameter for which there is no rule is stepped by torch's operations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

Group = dict[str, Any]
State = dict[str, Tensor]
# kernel(chunks, rows, case_of, cases, low, high): steps chunks low..high without the GIL.
Kernel = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], int, int], None]
# squares(chunks, rows, out, low, high): writes each chunk's sum of squared gradients to out.
Squares = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], int, int], None]


MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
_REAL = {
    torch.float32: torch.float32,
    torch.float64: torch.float64,
    torch.complex64: torch.float32,
    torch.complex128: torch.float64,
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How parameters of one kind are kept and stepped.

    Attributes:
        name: A short stable word.
        columns: The state's keys whose tensors the kernel touches, in the order of the columns
            that follow the parameter's, the gradient's and the step's in an address row.
        fresh: Makes the state of a parameter that has none: every key but ``step``.
        adopt: Brings a loaded state into this rule's form, in place; called when the rule meets
            a state that lacks one of ``columns`` or that was just loaded.
        kernel: Steps a range of chunks.
        squares: Sums the squares of the gradients of a range of chunks, in float64.
        width: Kernel elements per element of the parameter: 2 for complex ones.
        plain: Whether the state is torch's own, so that torch's operations can step it too.
        by_triton: Whether Triton's kernel can step it though torch's operations cannot.
    """

    name: str
    columns: tuple[str, ...]
    fresh: Callable[[Tensor, Group], State]
    adopt: Callable[[Tensor, State, Group], None]
    kernel: Kernel
    squares: Squares
    width: int = 1
    plain: bool = True
    by_triton: bool = False


@dataclass(kw_only=True)
class Entry:
    """One parameter that takes part in a step."""

    param: Tensor
    grad: Tensor
    state: State
    rule: Rule
    group: int


def rule_for(param: Tensor, group: Group) -> Rule | None:
    """Return the rule of a CPU parameter, or None where torch's operations must do."""
    if param.device.type != "cpu" or group["differentiable"] or group["capturable"]:
        return None
    if param.dtype in _REAL:
        return _plain_rule(param.dtype, bool(group["amsgrad"]))
    return None


def moments_like(param: Tensor, amsgrad: bool) -> State:
    """Return torch's fresh state of a parameter, without its step."""
    keys = MOMENTS if amsgrad else MOMENTS[:2]
    return {key: torch.zeros_like(param, memory_format=torch.preserve_format) for key in keys}


def adopt_moments(param: Tensor, state: State, group: Group) -> None:
    """Bring moments, loaded or missing, to the parameter's dtype, device and strides."""
    for key in MOMENTS if group["amsgrad"] else MOMENTS[:2]:
        have = state.get(key)
        if have is not None and have.shape != param.shape:
            raise ValueError(
                f"state {key!r} must have its parameter's shape {tuple(param.shape)}. "
                f"Got {tuple(have.shape)}."
            )
        if have is None or not _alike(have, param):
            fresh = torch.zeros_like(param, memory_format=torch.preserve_format)
            state[key] = fresh if have is None else fresh.copy_(have)


def _alike(tensor: Tensor, param: Tensor) -> bool:
    return (tensor.dtype, tensor.device, tensor.stride()) == (
        param.dtype,
        param.device,
        param.stride(),
    ) and not (tensor.is_conj() or tensor.is_neg())


@cache
def _plain_rule(dtype: torch.dtype, amsgrad: bool) -> Rule:
    from drivetrain.optim import _numba

    word = str(_REAL[dtype]).removeprefix("torch.")
    prefix = "amsgrad" if amsgrad else "adam"
    return Rule(
        name=f"{prefix} {dtype}",
        columns=MOMENTS if amsgrad else MOMENTS[:2],
        fresh=lambda param, group: moments_like(param, bool(group["amsgrad"])),
        adopt=adopt_moments,
        kernel=vars(_numba)[f"{prefix}_{word}"],
        squares=vars(_numba)[f"squares_{word}"],
        width=2 if dtype.is_complex else 1,
    )

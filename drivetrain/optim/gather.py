"""Gathers what a step touches: checks every gradient, makes missing states, picks the rules."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from drivetrain.optim.arena import allot
from drivetrain.optim.lowbit.rules import rule_for as low_rule_for
from drivetrain.optim.lowbit.rules import settle
from drivetrain.optim.rules import MOMENTS, Entry, Group, Rule, State, moments_like, rule_for

# Whose group it is, where it lies, and the one backend that has its format, or None.
Place = tuple[int, torch.device, str | None]


@dataclass(kw_only=True)
class Gathered:
    """The parameters that have a gradient, by who steps them.

    Attributes:
        entries: Those that a kernel steps, sorted by rule.
        by_torch: By group, device and format, those that torch's operations step (or Triton's
            kernels, see ``dispatch.py``), and their gradients.
        borrowed: Copies of gradients made for this step.
    """

    entries: list[Entry] = field(default_factory=list)
    by_torch: dict[Place, tuple[list[Tensor], list[Tensor]]] = field(default_factory=dict)
    borrowed: list[Tensor] = field(default_factory=list)


def gather(groups: list[Group], state: Any, *, backend: str = "numba") -> Gathered:
    """Return what one step touches.

    Args:
        groups: The optimizer's parameter groups.
        state: The optimizer's state by parameter; missing entries are made.
        backend: Which steps parameters on the CPU, as far as it has their formats.

    Raises:
        RuntimeError: A sparse gradient.
        ValueError: A gradient of another dtype, device or shape than its parameter's; parameters
            that share memory; a low-precision format asked of a parameter it cannot hold.
    """
    gathered = Gathered()
    if backend == "numba":
        allot(_wanting(groups, state))
    for number, group in enumerate(groups):
        for param in group["params"]:
            if param.grad is not None:
                place(gathered, (param, param.grad, state[param]), number, group, backend)
    gathered.entries.sort(key=lambda entry: entry.rule.name)
    check_apart(gathered.entries)
    return gathered


def _wanting(groups: list[Group], state: Any) -> Iterator[tuple[Tensor, State, Group]]:
    """Yield the parameters of full precision that have a gradient and no state yet."""
    for group in groups:
        for param in group["params"]:
            if param.grad is None or param.grad.layout != torch.strided or state.get(param):
                continue
            if low_rule_for(param, group) or not rule_for(param, group):
                continue
            if _is_flat(param):
                yield param, state[param], group


def _is_flat(param: Tensor) -> bool:
    return type(param) in (Tensor, torch.nn.Parameter) and is_dense(param)


def check_gradient(param: Tensor, grad: Tensor, group: int) -> None:
    """Raise where a gradient is not of its parameter's kind."""
    if grad.layout != torch.strided:
        raise RuntimeError(
            f"param_groups[{group}] has a sparse gradient: Adam does not support sparse gradients, "
            "use torch.optim.SparseAdam instead."
        )
    for word in ("dtype", "device", "shape"):
        ours, theirs = getattr(grad, word), getattr(param, word)
        if ours != theirs:
            raise ValueError(
                f"a gradient's {word} must be its parameter's: "
                f"expected {_shown(theirs)} in param_groups[{group}]. Got {_shown(ours)}."
            )


def check_apart(entries: list[Entry]) -> None:
    """Raise where the memory of two parameters overlaps: they would be stepped twice."""
    spans = sorted(
        (e.param.data_ptr(), e.param.data_ptr() + e.param.numel() * e.param.itemsize, e.group)
        for e in entries
        if e.param.numel()
    )
    for (_, end, first), (start, _, second) in pairwise(spans):
        if start < end:
            raise ValueError(
                f"parameters of param_groups[{min(first, second)}] and "
                f"param_groups[{max(first, second)}] share memory: each must be given once."
            )


def is_dense(tensor: Tensor) -> bool:
    """Tell whether a tensor's elements fill its memory once each, in whatever order."""
    sizes = sorted((s, n) for n, s in zip(tensor.shape, tensor.stride()) if n != 1)
    expected = 1
    for stride, size in sizes:
        if stride != expected:
            return tensor.numel() == 0
        expected *= size
    return True


def place(
    gathered: Gathered, own: tuple[Tensor, Tensor, State], number: int, group: Group, backend: str
) -> None:
    """Put one parameter, its gradient and its state where they are stepped.

    Args:
        gathered: What is gathered so far.
        own: The parameter, its gradient and its state, which is completed.
        number: Which group.
        group: Its options.
        backend: Which steps parameters on the CPU, as far as it has their formats.

    Raises:
        RuntimeError: A sparse gradient.
        ValueError: A gradient that is not of its parameter's kind, or a parameter that cannot
            hold the format asked for.
    """
    param, grad, state = own
    check_gradient(param, grad, number)
    rule = low_rule_for(param, group) or rule_for(param, group)
    settle(param, state, rule)
    flat = _is_flat(param)
    if rule is not None and not rule.plain and not flat:
        raise ValueError(
            f"{rule.name} states need dense parameters. Got shape {tuple(param.shape)} with "
            f"strides {param.stride()} in param_groups[{number}]."
        )
    if rule is None or (rule.plain and not (backend == "numba" and flat)):
        _complete_for_torch(param, state, group)
        _add(gathered, (number, param.device, None), param, grad)
        return
    _complete(param, state, group, rule)
    aligned = _aligned(grad, param)
    if aligned is not grad:
        gathered.borrowed.append(aligned)
    if rule.by_triton and (param.device.type != "cpu" or backend == "triton"):
        _add(gathered, (number, param.device, "triton"), param, aligned)
        return
    gathered.entries.append(Entry(param=param, grad=aligned, state=state, rule=rule, group=number))


def _add(gathered: Gathered, where: Place, param: Tensor, grad: Tensor) -> None:
    params, grads = gathered.by_torch.setdefault(where, ([], []))
    params.append(param)
    grads.append(grad)


def _aligned(grad: Tensor, param: Tensor) -> Tensor:
    """Return the gradient, or a copy of it that lies in memory as its parameter does."""
    same = all(
        ours == theirs
        for ours, theirs, size in zip(grad.stride(), param.stride(), param.shape)
        if size != 1
    )
    if same and not grad.is_conj() and not grad.is_neg() and type(grad) is Tensor:
        return grad
    return torch.empty_like(param, requires_grad=False).copy_(grad.detach())


def _complete(param: Tensor, state: State, group: Group, rule: Rule) -> None:
    """Make the state of a parameter complete, in its rule's form."""
    if not state:
        state["step"] = torch.zeros((), dtype=torch.float32, device="cpu")
        state.update(rule.fresh(param, group))
        return
    step = state.get("step", 0.0)
    if not isinstance(step, Tensor) or step.dtype != torch.float32 or step.device.type != "cpu":
        state["step"] = torch.tensor(float(step), dtype=torch.float32, device="cpu")
    rule.adopt(param, state, group)


def _complete_for_torch(param: Tensor, state: State, group: Group) -> None:
    """Make the state that torch's operations need."""
    device = param.device if group["capturable"] or group["fused"] else torch.device("cpu")
    if not isinstance(state.get("step"), Tensor):
        step = float(state.get("step", 0.0))
        state["step"] = torch.tensor(step, dtype=torch.float32, device=device)
    if not set(MOMENTS[: 2 + bool(group["amsgrad"])]) <= state.keys():
        state.update(moments_like(param, bool(group["amsgrad"])) | state)


def _shown(value: Any) -> str:
    return str(tuple(value)) if isinstance(value, torch.Size) else str(value)

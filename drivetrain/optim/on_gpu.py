"""Steps by the Triton kernels: one launch over all parameters of a group that are of one kind.

Stands in for ``by_torch.py`` where the tensors are on a GPU; what no kernel covers is left to it:
float64 and complex parameters, tensors with gaps or of subclasses, ``capturable`` and
``differentiable`` groups. Checked by Triton's interpreter on the CPU, and compiled ahead of time
for sm_90; not timed on a GPU.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drivetrain.optim.by_torch import squares_by_torch, step_by_torch
from drivetrain.optim.gather import is_dense
from drivetrain.optim.options import hyperparameters
from drivetrain.optim.rules import MOMENTS, Group
from drivetrain.optim.table import chunks_of

_KINDS = (torch.float32, torch.bfloat16, torch.float16)


class _Mine(NamedTuple):
    """A parameter that the kernel steps: its tensors in the order of the columns, its step."""

    param: Tensor
    tensors: list[Tensor]
    step: Tensor
    seed: Tensor | None


def check_runs_here(device: torch.device) -> None:
    """Raise where Triton can neither compile for a device nor interpret.

    Raises:
        RuntimeError: The device is no GPU, and Triton's interpreter is off.
    """
    from drivetrain.optim import _triton

    if device.type == "cuda" or (device.type == "cpu" and _triton.is_interpreted()):
        return
    raise RuntimeError(
        "backend 'triton' needs tensors on a GPU, or Triton's interpreter for those on the CPU: "
        f"set TRITON_INTERPRET=1 before Triton is imported. Got tensors on {str(device)!r}."
    )


def step_by_triton(
    group: Group, params: Sequence[Tensor], grads: Sequence[Tensor], state: Any, factor: float = 1.0
) -> None:
    """Step parameters of one group; see ``step_by_torch``, whose arguments and results these are.

    bfloat16 and float16 are computed in float32 and rounded once, as torch's fused CUDA kernel
    does it.

    Args:
        group: Their group.
        params: Parameters with states of torch's layout; a state with ``master`` or
            ``rounding_seed`` is of low precision, and laid out as its parameter is.
        grads: Their gradients.
        state: The optimizer's state by parameter.
        factor: What the gradients are multiplied by first: 1 / loss scale, and the clip.
    """
    keys = MOMENTS if group["amsgrad"] else MOMENTS[:2]
    mine: dict[Any, list[_Mine]] = {}
    rest: tuple[list[Tensor], list[Tensor]] = ([], [])
    for param, grad in zip(params, grads):
        kept = state[param]
        tensors = [param, grad, *(kept[key] for key in keys)]
        master, seed = kept.get("master"), kept.get("rounding_seed")
        low = master is not None or seed is not None
        if low or _is_ours(group, tensors, kept["step"]):
            if master is not None:
                tensors = [master, *tensors[1:], param]
            kind = (param.device, seed is None, *(tensor.dtype for tensor in tensors))
            mine.setdefault(kind, []).append(_Mine(param, tensors, kept["step"], seed))
        else:
            rest[0].append(param)
            rest[1].append(grad)
    for members in mine.values():
        _launch(group, members, factor)
    if rest[0]:
        step_by_torch(group, *rest, state, factor)


def squares_by_triton(grads: Sequence[Tensor]) -> float:
    """Return the sum of squares of gradients: not finite where any of them is not.

    One launch, and one wait for the GPU, for each dtype.
    """
    from drivetrain.optim import _triton

    kinds: dict[Any, list[Tensor]] = {}
    for grad in grads:
        covered = grad.dtype in _KINDS and type(grad) is Tensor and is_dense(grad)
        kinds.setdefault((grad.device, grad.dtype) if covered else None, []).append(grad)
    total = squares_by_torch(kinds.pop(None, []))
    for (device, dtype), chosen in kinds.items():
        chunks, rows = _tables([[grad] for grad in chosen], device)
        with _launching_on(device):
            norm, _ = _triton.gradient_norm(chunks, rows, dtype=dtype, column=0)
        total += float(norm.square())
    return total


def _is_ours(group: Group, tensors: list[Tensor], step: Tensor) -> bool:
    param = tensors[0]
    if group["differentiable"] or group["capturable"] or step.device.type != "cpu":
        return False
    # A subclass, such as a DTensor, may have no memory of its own at its address.
    if any(type(tensor) not in (Tensor, torch.nn.Parameter) for tensor in tensors):
        return False
    if param.dtype not in _KINDS or not is_dense(param):
        return False
    alike = all(tensor.stride() == param.stride() for tensor in tensors)
    return alike and not any(tensor.is_neg() for tensor in tensors)


def _launch(group: Group, members: list[_Mine], factor: float) -> None:
    from drivetrain.optim import _triton

    device = members[0].tensors[0].device
    lr, beta1, beta2, eps, l2, shrink, signed = hyperparameters(group, factor)
    cases: list[list[float]] = []
    place: dict[float, int] = {}
    followed = []
    for member in members:
        member.step.add_(1)
        t = float(member.step)
        if t not in place:
            place[t] = len(cases)
            root, size = (1 - beta2**t) ** 0.5, lr / (1 - beta1**t)
            cases.append([signed, shrink, l2, 1 - beta1, beta2, 1 - beta2, eps, size, root])
        followed.append(place[t])
    chunks, rows = _tables([member.tensors for member in members], device)
    tables = (chunks, rows, _on(device, followed, torch.int64), _on(device, cases, torch.float32))
    first = members[0]
    p, g, m = (tensor.dtype for tensor in first.tensors[:3])
    # The fifth column, if there is one, is the largest v or the copy: masters have no amsgrad.
    fifth = "vmax" if group["amsgrad"] else "copy"
    extra = {fifth: 4} if len(first.tensors) > 4 else {}
    with _launching_on(device):
        _triton.adam_step(
            tables,
            _on(device, [1.0, 0.0], torch.float32),
            dtypes=(p, g, m, first.param.dtype),
            columns=_triton.Columns(m=2, v=3, **extra),
            stochastic=first.seed is not None,
            aligned=_are_aligned(members),
            seed=_seed(first),
        )
    torch.autograd.graph.increment_version([member.param for member in members])


def _seed(member: _Mine) -> int:
    # 31 bits, another each step; the chunk's number does the rest (``_triton.py``), so one seed
    # serves a launch, and a resumed run draws what the interrupted one would have.
    if member.seed is None:
        return 0
    return (int(member.seed) + int(member.step) * 0x9E3779B1) & 0x7FFFFFFF


def _launching_on(device: torch.device) -> AbstractContextManager[Any]:
    # Triton launches on the current GPU, which need not be the one that holds the tensors.
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _are_aligned(members: list[_Mine]) -> bool:
    # A chunk is a power of two long, so its pieces begin where wide loads may if tensors do.
    return all(tensor.data_ptr() % 16 == 0 for member in members for tensor in member.tensors)


def _tables(tensors: list[list[Tensor]], device: torch.device) -> tuple[Tensor, Tensor]:
    import numpy as np

    from drivetrain.optim import _triton

    lengths = np.array([own[0].numel() for own in tensors], dtype=np.int64)
    chunks = torch.from_numpy(chunks_of(lengths, _triton.CHUNK)).contiguous()
    addresses = [[tensor.data_ptr() for tensor in own] for own in tensors]
    return chunks.to(device, non_blocking=True), _on(device, addresses, torch.int64)


def _on(device: torch.device, values: Any, dtype: torch.dtype) -> Tensor:
    return torch.tensor(values, dtype=dtype).to(device, non_blocking=True)

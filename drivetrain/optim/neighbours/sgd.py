"""Stochastic gradient descent with momentum and Nesterov's look-ahead, in one launch."""

import torch
from torch.optim.optimizer import ParamsT
from typing_extensions import Unpack

from drivetrain.core.checks import check_real
from drivetrain.optim.neighbours import _numba
from drivetrain.optim.neighbours.formulas import real, sgd_, with_l2
from drivetrain.optim.neighbours.launch import Kernel, launch
from drivetrain.optim.neighbours.optimizer import (
    Flags,
    Group,
    Member,
    Neighbour,
    Scalar,
    check_rates,
    single,
    sort_out,
)

_DESCEND: dict[torch.dtype, Kernel] = {
    torch.float32: _numba.descend_float32,
    torch.float64: _numba.descend_float64,
}
_MOMENTUM: dict[torch.dtype, Kernel] = {
    torch.float32: _numba.momentum_float32,
    torch.float64: _numba.momentum_float64,
}


class SGD(Neighbour):
    r"""SGD with torch's signature, state and results, in one launch a group.

    .. math::
        b_t = μ b_{t-1} + (1 - τ)(g_t + λ θ_{t-1}), \quad θ_t = θ_{t-1} - α b_t

    At the first step b is the gradient. With Nesterov's look-ahead the step is along
    :math:`g_t + μ b_t` instead.

    Args:
        params: Tensors, ``(name, tensor)`` pairs or dicts of groups, as for torch.
        lr: α, a float or a one-element tensor that is read each step; >= 0.
        momentum: μ, >= 0; 0 keeps no state.
        dampening: τ, <= 1.
        weight_decay: λ, >= 0, L2. Without momentum it equals decoupled decay by lr·λ.
        nesterov: Look ahead; needs momentum and no dampening.
        flags: torch's ``maximize`` and ``differentiable``; ``foreach``, ``fused`` and
            ``capturable`` are kept for interchange. ``skip_nonfinite`` leaves out, and counts in
            ``skipped_steps``, a step whose gradients are not all finite.

    Raises:
        ValueError: An option outside its range; an empty parameter list; a parameter given twice.
        TypeError: An option that does not exist, or is no number.

    Note:
        Dense gradients only; for sparse ones use ``torch.optim.SGD``.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = SGD([weight], lr=0.25, momentum=0.9)
        >>> (weight**2).sum().backward()
        >>> optimizer.step()
        >>> weight.item()
        0.5

    References:
        Sutskever, Martens, Dahl & Hinton, On the importance of initialization and momentum in
        deep learning (2013), in PyTorch's form, whose b leaves the learning rate out.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        **flags: Unpack[Flags],
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "dampening": dampening}
        defaults |= {"weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, defaults, dict(flags))

    def _check(self, group: Group) -> None:
        check_rates(group, "lr", "momentum", "weight_decay")
        check_real("dampening", single("dampening", group["dampening"]), high=1)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "nesterov needs momentum > 0 and dampening == 0. Got momentum "
                f"{group['momentum']:g}, dampening {group['dampening']:g}."
            )

    def _update(self, group: Group, members: list[Member]) -> None:
        fresh = {id(m.param) for m in members if _make_buffer(m, group)}
        flat, rest = sort_out(group, members, "momentum_buffer")
        if flat:
            self._launch(group, flat, [int(id(m.param) in fresh) for m in flat])
        for member in rest:
            b = member.state["momentum_buffer"] if group["momentum"] != 0 else None
            g = with_l2(member.param, member.grad, group)
            first = id(member.param) in fresh
            sgd_(real(member.param), g, None if b is None else real(b), first, group)

    def _launch(self, group: Group, flat: list[Member], first: list[int]) -> None:
        sign = -1.0 if group["maximize"] else 1.0
        case = [sign, float(group["weight_decay"]), float(group["lr"])]
        if group["momentum"] == 0:
            launch(_DESCEND, [(m.param, m.grad) for m in flat], [case])
            return
        case += [float(group["momentum"]), 1 - float(group["dampening"]), group["nesterov"]]
        tensors = [(m.param, m.grad, m.state["momentum_buffer"]) for m in flat]
        launch(_MOMENTUM, tensors, [[*case, 0.0], [*case, 1.0]], first)


def _make_buffer(member: Member, group: Group) -> bool:
    """Make a missing buffer; tell whether this is the first step, which fills it."""
    if group["momentum"] == 0 or member.state.get("momentum_buffer") is not None:
        return False
    member.state["momentum_buffer"] = torch.empty_like(member.param, requires_grad=False)
    return True

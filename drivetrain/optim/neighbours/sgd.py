"""Stochastic gradient descent with momentum and Nesterov's look-ahead, in one launch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT
from typing_extensions import Unpack

from drivetrain.core.checks import check_real
from drivetrain.optim.neighbours import _numba
from drivetrain.optim.neighbours.formulas import real, sgd_, with_l2
from drivetrain.optim.neighbours.optimizer import Flags, Neighbour, Scalar, check_rates, single
from drivetrain.optim.neighbours.plan import Cases, Group, Kernels, Member, State, Words, number

_DESCEND = Kernels(
    keys=(), of={torch.float32: _numba.descend_float32, torch.float64: _numba.descend_float64}
)
_MOMENTUM = Kernels(
    keys=("momentum_buffer",),
    of={torch.float32: _numba.momentum_float32, torch.float64: _numba.momentum_float64},
)


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

    def _kernels(self, group: Group) -> Kernels:
        return _DESCEND if group["momentum"] == 0 else _MOMENTUM

    def _begin(self, param: Tensor, state: State, group: Group) -> bool:
        if group["momentum"] == 0 or state.get("momentum_buffer") is not None:
            return False
        state["momentum_buffer"] = torch.empty_like(param, requires_grad=False)
        return True

    def _cases(self, group: Group, states: Sequence[State], fresh: Words) -> Cases:
        sign = -1.0 if group["maximize"] else 1.0
        case = [sign, number(group["weight_decay"]), number(group["lr"])]
        case += [number(group["momentum"]), 1 - number(group["dampening"]), group["nesterov"]]
        return [[*case, False], [*case, True]], fresh

    def _formula(self, group: Group, member: Member, case: Any) -> None:
        b = real(member.state["momentum_buffer"]) if group["momentum"] != 0 else None
        g = with_l2(member.param, member.grad, group)
        sgd_(real(member.param), g, b, case[-1], group)

"""Lion: the sign of an interpolated momentum, one state, in one launch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT
from typing_extensions import Unpack

from drivetrain.optim.neighbours import _numba
from drivetrain.optim.neighbours.formulas import lion_, real, signed
from drivetrain.optim.neighbours.optimizer import (
    Flags,
    Neighbour,
    Scalar,
    check_betas,
    check_rates,
)
from drivetrain.optim.neighbours.plan import Cases, Group, Kernels, Member, State, Words, number

_KERNELS = Kernels(
    keys=("exp_avg",),
    of={torch.float32: _numba.lion_float32, torch.float64: _numba.lion_float64},
)


class Lion(Neighbour):
    r"""Lion, the optimizer that was found by symbolic search; half of Adam's state.

    .. math::
        θ_t = θ_{t-1} - η(\mathrm{sign}(β_1 m_{t-1} + (1 - β_1) g_t) + λ θ_{t-1}), \quad
        m_t = β_2 m_{t-1} + (1 - β_2) g_t

    Every element moves by exactly ±η (0 where the interpolation is 0), so η is chosen 3 to 10
    times smaller than Adam's, and λ as many times larger.

    Args:
        params: Tensors, ``(name, tensor)`` pairs or dicts of groups, as for torch.
        lr: η, a float or a one-element tensor that is read each step; >= 0. The paper's default.
        betas: β1 of the step and β2 of the memory, in [0, 1).
        weight_decay: λ, >= 0, decoupled: θ shrinks by lr·λ a step.
        flags: ``maximize``; torch's others are kept for interchange. ``skip_nonfinite`` leaves
            out, and counts in ``skipped_steps``, a step whose gradients are not all finite.

    Raises:
        ValueError: An option outside its range; an empty parameter list; a parameter given twice.
        TypeError: An option that does not exist, or is no number.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Lion([weight], lr=0.25)
        >>> (1000 * weight).sum().backward()
        >>> optimizer.step()
        >>> weight.item()
        0.75

    References:
        Chen et al., Symbolic Discovery of Optimization Algorithms (2023), Algorithm 2.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-4,
        betas: tuple[Scalar, Scalar] = (0.9, 0.99),
        weight_decay: float = 0.0,
        **flags: Unpack[Flags],
    ) -> None:
        super().__init__(
            params, {"lr": lr, "betas": betas, "weight_decay": weight_decay}, dict(flags)
        )

    def _check(self, group: Group) -> None:
        check_rates(group, "lr", "weight_decay")
        check_betas(group)

    def _kernels(self, group: Group) -> Kernels:
        return _KERNELS

    def _begin(self, param: Tensor, state: State, group: Group) -> bool:
        if "exp_avg" in state:
            return False
        state["exp_avg"] = torch.zeros_like(param, requires_grad=False)
        return True

    def _cases(self, group: Group, states: Sequence[State], fresh: Words) -> Cases:
        lr, (beta1, beta2) = number(group["lr"]), map(number, group["betas"])
        sign = -1.0 if group["maximize"] else 1.0
        shrink = 1 - lr * number(group["weight_decay"])
        case = [sign, shrink, lr, beta1, 1 - beta1, beta2, 1 - beta2]
        return [case], 0 * fresh

    def _formula(self, group: Group, member: Member, case: Any) -> None:
        g, m = signed(member.grad, group), real(member.state["exp_avg"])
        lion_(real(member.param), g, m, group)

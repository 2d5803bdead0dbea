"""Adagrad, readable: each element's rate falls with the squares it has seen."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT
from typing_extensions import Unpack

from drivetrain.optim.neighbours.formulas import adagrad_, real, with_l2
from drivetrain.optim.neighbours.optimizer import Flags, Neighbour, Scalar, check_rates
from drivetrain.optim.neighbours.plan import Cases, Group, Member, State, Words


class Adagrad(Neighbour):
    r"""Adagrad by torch's operations, with the state and results of ``torch.optim.Adagrad``.

    .. math::
        s_t = s_{t-1} + g_t^2, \quad
        θ_t = θ_{t-1} - \frac{η}{1 + (t - 1)κ} \frac{g_t}{\sqrt{s_t} + ε}

    Written to be read, not to be fast.

    Args:
        params: Tensors, ``(name, tensor)`` pairs or dicts of groups, as for torch.
        lr: η, >= 0.
        lr_decay: κ, >= 0.
        weight_decay: λ, >= 0, L2.
        initial_accumulator_value: s before the first step, >= 0.
        eps: ε, outside the root; >= 0.
        flags: ``maximize`` and ``differentiable``; torch's others are kept for interchange.
            ``skip_nonfinite`` leaves out, and counts in ``skipped_steps``, a step whose
            gradients are not all finite.

    Raises:
        ValueError: An option outside its range; an empty parameter list; a parameter given twice.
        TypeError: An option that does not exist, or is no number.

    Note:
        Dense gradients only; for sparse ones use ``torch.optim.Adagrad``.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Adagrad([weight], lr=0.25)
        >>> (weight**2).sum().backward()
        >>> optimizer.step()
        >>> weight.item()
        0.75

    References:
        Duchi, Hazan & Singer, Adaptive Subgradient Methods for Online Learning and Stochastic
        Optimization (2011), Figure 1, diagonal.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        **flags: Unpack[Flags],
    ) -> None:
        defaults = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
        defaults["initial_accumulator_value"] = initial_accumulator_value
        super().__init__(params, defaults, dict(flags))

    def _check(self, group: Group) -> None:
        check_rates(group, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def _kernels(self, group: Group) -> None:
        return None

    def _begin(self, param: Tensor, state: State, group: Group) -> bool:
        fresh = "sum" not in state
        if fresh:
            state["sum"] = torch.zeros_like(param, requires_grad=False)
            real(state["sum"]).fill_(group["initial_accumulator_value"])
        if not isinstance(state.get("step"), Tensor):
            state["step"] = torch.tensor(float(state.get("step", 0.0)), device="cpu")
        return fresh

    def _cases(self, group: Group, states: Sequence[State], fresh: Words) -> Cases:
        for state in states:
            state["step"] += 1
        return [[]], 0 * fresh

    def _formula(self, group: Group, member: Member, case: Any) -> None:
        param, state = member.param, member.state
        rate = group["lr"] / (1 + (float(state["step"]) - 1) * group["lr_decay"])
        g = with_l2(param, member.grad, group)
        adagrad_(real(param), g, real(state["sum"]), rate, group["eps"])

"""RMSprop, readable: an adaptive rate without Adam's momentum and bias correction."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT
from typing_extensions import Unpack

from drivetrain.core.checks import check_real
from drivetrain.optim.neighbours.formulas import real, rmsprop_, with_l2
from drivetrain.optim.neighbours.optimizer import Flags, Neighbour, Scalar, check_rates, single
from drivetrain.optim.neighbours.plan import Cases, Group, Member, State, Words


class RmspropFlags(Flags, total=False):
    """Keyword options of RMSprop, beside torch's flags."""

    centered: bool


class RMSprop(Neighbour):
    r"""RMSprop by torch's operations, with the state and results of ``torch.optim.RMSprop``.

    .. math::
        v_t = α v_{t-1} + (1 - α) g_t^2, \quad θ_t = θ_{t-1} - η\, g_t / (\sqrt{v_t} + ε)

    Written to be read, not to be fast. Centered, v loses the square of the mean gradient; with
    momentum the quotients are accumulated, ``b = μb + g/(√v + ε)``.

    Args:
        params: Tensors, ``(name, tensor)`` pairs or dicts of groups, as for torch.
        lr: η, >= 0.
        alpha: α, in [0, 1].
        eps: ε, outside the root; >= 0.
        weight_decay: λ, >= 0, L2.
        momentum: μ, >= 0.
        flags: ``centered`` (False), ``maximize`` and ``differentiable``; torch's others are kept
            for interchange. ``skip_nonfinite`` leaves out, and counts in ``skipped_steps``, a
            step whose gradients are not all finite.

    Raises:
        ValueError: An option outside its range; an empty parameter list; a parameter given twice.
        TypeError: An option that does not exist, or is no number.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = RMSprop([weight], lr=0.01)
        >>> (weight**2).sum().backward()
        >>> optimizer.step()
        >>> round(weight.item(), 4)
        0.9

    References:
        Hinton, Neural Networks for Machine Learning, lecture 6e (2012). Graves, Generating
        Sequences With Recurrent Neural Networks (2013), equations 38-40, for the centered form.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        **flags: Unpack[RmspropFlags],
    ) -> None:
        defaults = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        defaults |= {"momentum": momentum, "centered": flags.pop("centered", False)}
        super().__init__(params, defaults, dict(flags))

    def _check(self, group: Group) -> None:
        check_rates(group, "lr", "eps", "weight_decay", "momentum")
        check_real("alpha", single("alpha", group["alpha"]), low=0, high=1)

    def _kernels(self, group: Group) -> None:
        return None

    def _begin(self, param: Tensor, state: State, group: Group) -> bool:
        fresh = not state
        keys = ["square_avg"]
        keys += ["momentum_buffer"] * (group["momentum"] > 0) + ["grad_avg"] * group["centered"]
        for key in keys:
            if key not in state:
                state[key] = torch.zeros_like(param, requires_grad=False)
        if not isinstance(state.get("step"), Tensor):
            state["step"] = torch.tensor(float(state.get("step", 0.0)), device="cpu")
        return fresh

    def _cases(self, group: Group, states: Sequence[State], fresh: Words) -> Cases:
        for state in states:
            state["step"] += 1
        return [[]], 0 * fresh

    def _formula(self, group: Group, member: Member, case: Any) -> None:
        g = with_l2(member.param, member.grad, group)
        rmsprop_(real(member.param), g, member.state, group)

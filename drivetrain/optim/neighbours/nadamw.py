"""NAdam and NAdamW: Adam with Nesterov's momentum, in one launch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT
from typing_extensions import Unpack

from drivetrain.optim.neighbours import _numba
from drivetrain.optim.neighbours.formulas import NadamStep, nadam_, real, signed, with_l2
from drivetrain.optim.neighbours.optimizer import (
    Flags,
    Neighbour,
    Scalar,
    check_betas,
    check_rates,
)
from drivetrain.optim.neighbours.plan import Cases, Group, Kernels, Member, State, Words, number

_KERNELS = Kernels(
    keys=("exp_avg", "exp_avg_sq"),
    of={torch.float32: _numba.nadam_float32, torch.float64: _numba.nadam_float64},
)


class NadamFlags(Flags, total=False):
    """Keyword options of NAdamW, beside torch's flags."""

    decoupled_weight_decay: bool


class NAdamW(Neighbour):
    r"""NAdam with decoupled decay, with the state and results of ``torch.optim.NAdam``.

    .. math::
        θ_t = (1 - αλ) θ_{t-1} - \frac{α}{\sqrt{v_t / (1 - β_2^t)} + ε} \Big(
        \frac{μ_{t+1} m_t}{1 - \prod_1^{t+1} μ_i} + \frac{(1 - μ_t) g_t}{1 - \prod_1^t μ_i}\Big)

    with m and v as in Adam and :math:`μ_t = β_1(1 - ½ · 0.96^{tψ})`.

    Args:
        params: Tensors, ``(name, tensor)`` pairs or dicts of groups, as for torch.
        lr: α, a float or a one-element tensor that is read each step; >= 0.
        betas: β1 and β2, in [0, 1).
        eps: ε, outside the root; >= 0.
        weight_decay: λ, >= 0; AdamW's default.
        momentum_decay: ψ, >= 0.
        flags: ``decoupled_weight_decay`` (True, unlike torch's False: L2, in the gradient);
            ``maximize`` and ``differentiable``; torch's others are kept for interchange.
            ``skip_nonfinite`` leaves out, and counts in ``skipped_steps``, a step whose
            gradients are not all finite.

    Raises:
        ValueError: An option outside its range; an empty parameter list; a parameter given twice.
        TypeError: An option that does not exist, or is no number.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = NAdamW([weight], lr=0.1, weight_decay=0.0)
        >>> (weight**2).sum().backward()
        >>> optimizer.step()
        >>> round(weight.item(), 4)
        0.8944

    References:
        Dozat, Incorporating Nesterov Momentum into Adam (2016), Algorithm 2.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 2e-3,
        betas: tuple[Scalar, Scalar] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        momentum_decay: float = 4e-3,
        **flags: Unpack[NadamFlags],
    ) -> None:
        options: dict[str, Any] = dict(flags)
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        defaults["momentum_decay"] = momentum_decay
        defaults["decoupled_weight_decay"] = options.pop("decoupled_weight_decay", True)
        super().__init__(params, defaults, options)

    def _check(self, group: Group) -> None:
        check_rates(group, "lr", "eps", "weight_decay", "momentum_decay")
        check_betas(group)

    def _kernels(self, group: Group) -> Kernels:
        return _KERNELS

    def _begin(self, param: Tensor, state: State, group: Group) -> bool:
        fresh = not state
        for key, start in (("step", 0.0), ("mu_product", 1.0)):
            if not isinstance(state.get(key), Tensor):
                state[key] = torch.tensor(float(state.get(key, start)), device="cpu")
        for key in _KERNELS.keys:
            if key not in state:
                state[key] = torch.zeros_like(param, requires_grad=False)
        return fresh

    def _cases(self, group: Group, states: Sequence[State], fresh: Words) -> Cases:
        cases: list[NadamStep] = []
        followed, place = [], dict[tuple[float, float], int]()
        for state in states:
            count = _count(state, group)
            if count not in place:
                place[count] = len(cases)
                cases.append(_case(group, *count))
            followed.append(place[count])
        return cases, np.array(followed, dtype=np.int64)

    def _formula(self, group: Group, member: Member, case: Any) -> None:
        m, v = (real(member.state[key]) for key in _KERNELS.keys)
        decoupled, g = group["decoupled_weight_decay"], signed(member.grad, group)
        g = g if decoupled else with_l2(member.param, member.grad, group)
        nadam_(real(member.param), g, m, v, case)


def _mu(group: Group, t: float) -> float:
    return number(group["betas"][0]) * (1 - 0.5 * 0.96 ** (t * number(group["momentum_decay"])))


def _count(state: State, group: Group) -> tuple[float, float]:
    """Advance a step and the product of momenta; return both."""
    step, product = state["step"], state["mu_product"]
    step += 1
    t = float(step)
    # In float32, as torch keeps it.
    product *= _mu(group, t)
    return t, float(product)


def _case(group: Group, t: float, product: float) -> NadamStep:
    lr, (beta1, beta2) = number(group["lr"]), map(number, group["betas"])
    decay, decoupled = number(group["weight_decay"]), group["decoupled_weight_decay"]
    mu_next = _mu(group, t + 1)
    return NadamStep(
        sign=-1.0 if group["maximize"] else 1.0,
        l2=0.0 if decoupled else decay,
        shrink=1 - lr * decay if decoupled else 1.0,
        lerp=1 - beta1,
        beta2=beta2,
        rest2=1 - beta2,
        eps=number(group["eps"]),
        correction=1 - beta2**t,
        of_g=-lr * (1 - _mu(group, t)) / (1 - product),
        of_m=-lr * mu_next / (1 - product * mu_next),
    )

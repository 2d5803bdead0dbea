"""Schedule-free AdamW: an average of iterates in the place of a learning-rate schedule."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT
from typing_extensions import Unpack

from drivetrain.core.checks import check_integer, check_real
from drivetrain.optim.neighbours import _numba
from drivetrain.optim.neighbours.formulas import ScheduleFreeStep, real, schedule_free_, signed
from drivetrain.optim.neighbours.optimizer import (
    Flags,
    Neighbour,
    Scalar,
    check_betas,
    check_rates,
)
from drivetrain.optim.neighbours.plan import Cases, Group, Kernels, Member, State, Words, number

_KERNELS = Kernels(
    keys=("z", "exp_avg_sq"),
    of={torch.float32: _numba.schedule_free_float32, torch.float64: _numba.schedule_free_float64},
)


class Averaging(Flags, total=False):
    """Keyword options of schedule-free AdamW, beside torch's flags."""

    warmup_steps: int
    r: float
    weight_lr_power: float


class AdamWScheduleFree(Neighbour):
    r"""Schedule-free AdamW, with the ``schedulefree`` package's signature, state and results.

    .. math::
        y_t = (1 - β_1) z_t + β_1 x_t, \quad
        z_{t+1} = z_t - γ_t \Big(\frac{g_t}{\sqrt{v_t / (1 - β_2^t)} + ε} + λ y_t\Big), \quad
        x_{t+1} = (1 - c_t) x_t + c_t z_{t+1}

    with :math:`γ_t = γ\min(1, t/T)` over the warmup T and
    :math:`c_t = w_t / \sum w, w_t = t^r γ_{max}^p`. The parameters hold y while training, where
    the gradient is taken, and x while evaluating: call ``train()`` before training and
    ``eval()`` before evaluating or saving the model.

    Args:
        params: Tensors, ``(name, tensor)`` pairs or dicts of groups, as for torch.
        lr: γ, >= 0; larger than with a schedule, by 1 to 10 times. The package's default.
        betas: β1 of the interpolation, in (0, 1), and β2 of v, in [0, 1).
        eps: ε, outside the root; >= 0.
        weight_decay: λ, >= 0, at y.
        options: ``warmup_steps`` T (0), ``r`` (0.0) and ``weight_lr_power`` p (2.0) of the
            average's weights; ``maximize`` and torch's other flags, kept for interchange;
            ``skip_nonfinite`` leaves out, and counts in ``skipped_steps``, a step whose
            gradients are not all finite.

    Raises:
        ValueError: An option outside its range; an empty parameter list; a parameter given twice.
        TypeError: An option that does not exist, or is no number.

    Note:
        Unlike the package, the gradients are left as they were.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = AdamWScheduleFree([weight], lr=0.5)
        >>> optimizer.train()
        >>> (weight**2).sum().backward()
        >>> optimizer.step()
        >>> optimizer.eval()
        >>> round(weight.item(), 6)
        0.5

    References:
        Defazio et al., The Road Less Scheduled (2024), Algorithm 1.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 0.0025,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        **options: Unpack[Averaging],
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        flags: dict[str, Any] = dict(options)
        average = {"warmup_steps": 0, "r": 0.0, "weight_lr_power": 2.0}
        defaults |= {name: flags.pop(name, default) for name, default in average.items()}
        # The package's own keys, so that states can be exchanged with it.
        defaults |= {"k": 0, "train_mode": False, "weight_sum": 0.0, "lr_max": -1.0}
        super().__init__(params, {**defaults, "scheduled_lr": 0.0}, flags)

    def _check(self, group: Group) -> None:
        check_rates(group, "lr", "eps", "weight_decay")
        check_betas(group)
        # y is extrapolated to x by 1/β1.
        check_real("betas[0]", group["betas"][0], low=0, open_low=True)
        check_integer("warmup_steps", group["warmup_steps"], low=0)
        check_real("r", group["r"])
        check_real("weight_lr_power", group["weight_lr_power"])

    @torch.no_grad()
    def train(self) -> None:
        """Put y into the parameters; nothing happens if it is there already."""
        for group in self.param_groups:
            if not group["train_mode"]:
                self._move(group, 1 - number(group["betas"][0]))
                group["train_mode"] = True

    @torch.no_grad()
    def eval(self) -> None:
        """Put the average x into the parameters; nothing happens if it is there already."""
        for group in self.param_groups:
            if group["train_mode"]:
                self._move(group, 1 - 1 / number(group["betas"][0]))
                group["train_mode"] = False

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do one step, in training mode; see torch.

        Args:
            closure: Computes the loss anew, and its gradients; what it returns is returned.

        Raises:
            RuntimeError: ``train()`` was not called; a sparse gradient.
            ValueError: A gradient of another dtype, device or shape than its parameter's.
        """
        if not all(group["train_mode"] for group in self.param_groups):
            raise RuntimeError(
                "call train() on the optimizer before step(), and eval() before evaluating: the "
                "parameters hold the average, at which no gradient is to be taken."
            )
        return super().step(closure)

    def _move(self, group: Group, weight: float) -> None:
        for param in group["params"]:
            if "z" in self.state.get(param, {}):
                param.lerp_(self.state[param]["z"].to(param.device), weight)

    def _kernels(self, group: Group) -> Kernels:
        return _KERNELS

    def _begin(self, param: Tensor, state: State, group: Group) -> bool:
        if "z" in state:
            return False
        state["z"] = param.detach().clone()
        state["exp_avg_sq"] = torch.zeros_like(param, requires_grad=False)
        return True

    def _cases(self, group: Group, states: Sequence[State], fresh: Words) -> Cases:
        t, (beta1, beta2) = group["k"] + 1, map(number, group["betas"])
        warmup, sign = group["warmup_steps"], -1.0 if group["maximize"] else 1.0
        lr = number(group["lr"]) * (t / warmup if t <= warmup else 1.0)
        group["k"], group["scheduled_lr"], group["lr_max"] = t, lr, max(lr, group["lr_max"])
        weight = t ** group["r"] * group["lr_max"] ** group["weight_lr_power"]
        group["weight_sum"] += weight
        c = weight / group["weight_sum"] if group["weight_sum"] else 0.0
        case = ScheduleFreeStep(
            sign=sign,
            decay=number(group["weight_decay"]),
            lr=lr,
            beta2=beta2,
            rest2=1 - beta2,
            eps=number(group["eps"]),
            correction=1 - beta2**t,
            c=c,
            pull=lr * (beta1 * (1 - c) - 1),
        )
        return [case], 0 * fresh

    def _formula(self, group: Group, member: Member, case: Any) -> None:
        z, v = (real(member.state[key]) for key in ("z", "exp_avg_sq"))
        schedule_free_(real(member.param), signed(member.grad, group), z, v, case)

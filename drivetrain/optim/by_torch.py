"""Steps by torch's own operations: what no kernel covers, and what autograd must see."""

from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from drivetrain.optim import reference
from drivetrain.optim.options import decay_rate, number
from drivetrain.optim.rules import MOMENTS, Group


def step_by_torch(
    group: Group, params: list[Tensor], grads: list[Tensor], state: Any, factor: float = 1.0
) -> None:
    """Step parameters of one group by ``torch.optim.adam.adam``.

    Args:
        group: Their group.
        params: Parameters with states of torch's layout.
        grads: Their gradients.
        state: The states by parameter.
        factor: What the gradients are multiplied by first: 1 / loss scale, and the clip.
    """
    grads = grads if factor == 1 else [grad * factor for grad in grads]
    kept = [state[param] for param in params]
    beta1, beta2 = group["betas"]
    adam(
        params,
        grads,
        [entry["exp_avg"] for entry in kept],
        [entry["exp_avg_sq"] for entry in kept],
        [entry["max_exp_avg_sq"] for entry in kept] if group["amsgrad"] else [],
        [entry["step"] for entry in kept],
        foreach=group["foreach"],
        capturable=group["capturable"],
        differentiable=group["differentiable"],
        fused=group["fused"] and all(param.is_floating_point() for param in params),
        has_complex=any(param.is_complex() for param in params),
        decoupled_weight_decay=group["decoupled_weight_decay"],
        amsgrad=group["amsgrad"],
        beta1=beta1,
        beta2=beta2,
        lr=group["lr"],
        weight_decay=decay_for_torch(group),
        eps=group["eps"],
        maximize=group["maximize"],
    )


def decay_for_torch(group: Group) -> Any:
    """Return the λ for which torch's factor 1 - lr·λ is the group's own.

    With ``decay="schedule"`` the factor is 1 - η·λ with η = lr/α, so torch's λ is λ/α.
    """
    if group["decay"] == "lr" or not group["decoupled_weight_decay"]:
        return group["weight_decay"]
    lr = number(group["lr"])
    return group["weight_decay"] * decay_rate(group, lr) / lr if lr else 0.0


def step_by_reference(
    group: Group, params: list[Tensor], grads: list[Tensor], state: Any, factor: float = 1.0
) -> None:
    """Step parameters of one group by the reference, in float64; see ``step_by_torch``."""
    for param, grad in zip(params, grads, strict=True):
        kept = state[param]
        keys = MOMENTS if group["amsgrad"] else MOMENTS[:2]
        wide = [_wide(kept[key]) for key in keys]
        θ, after = reference.adamw_step(
            _wide(param),
            _wide(grad) * factor,
            reference.State(int(kept["step"]), *wide),
            lr=number(group["lr"]),
            betas=tuple(map(number, group["betas"])),  # type: ignore[arg-type]
            eps=group["eps"],
            weight_decay=number(group["weight_decay"]),
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
            decay=group["decay"],
            initial_lr=group.get("initial_lr"),
        )
        kept["step"].add_(1)
        for target, value in zip([param, *(kept[key] for key in keys)], [θ, *after[1:]]):
            _real(target).copy_(value)


def squares_by_torch(grads: list[Tensor]) -> float:
    """Return the sum of squares of gradients, in float64."""
    return float(sum(_wide(grad).square().sum() for grad in grads))


def _real(tensor: Tensor) -> Tensor:
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def _wide(tensor: Tensor) -> Tensor:
    return _real(tensor.detach().resolve_conj()).to(torch.float64)

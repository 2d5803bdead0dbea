"""The neighbours' updates of one tensor, in torch's operations: for any device, dtype and strides.

They change the parameter and its state in place and leave the gradient alone. Where autograd
records them (``differentiable=True``) nothing that it saved is overwritten.
"""

from typing import Any

import torch
from torch import Tensor

Group = dict[str, Any]


def real(tensor: Tensor) -> Tensor:
    """Return a view of complex numbers as pairs of real ones, which these optimizers take them
    for, or the tensor itself."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def signed(grad: Tensor, group: Group) -> Tensor:
    """Return the gradient of what is minimised."""
    grad = real(grad.resolve_conj())
    return -grad if group["maximize"] else grad


def with_l2(param: Tensor, grad: Tensor, group: Group) -> Tensor:
    """Return ``±g + λθ``."""
    g, decay = signed(grad, group), group["weight_decay"]
    return g.add(real(param), alpha=decay) if decay != 0 else g


def sgd_(param: Tensor, g: Tensor, b: Tensor | None, first: bool, group: Group) -> None:
    """``b = μb + (1 − τ)g``, ``θ ← θ − ηb`` or ``θ ← θ − η(g + μb)``; see ``SGD``."""
    if b is not None:
        if first:
            b.copy_(g)
        else:
            b.mul_(group["momentum"]).add_(g, alpha=1 - group["dampening"])
        g = g.add(b, alpha=group["momentum"]) if group["nesterov"] else b
    _add(param, g, group["lr"])


def lion_(param: Tensor, g: Tensor, m: Tensor, group: Group) -> None:
    """``θ ← θ − η(sign(β1·m + (1 − β1)·g) + λθ)``, ``m ← β2·m + (1 − β2)·g``; see ``Lion``."""
    beta1, beta2 = group["betas"]
    u = (m * beta1).add(g, alpha=1 - beta1).sign()
    param.mul_(1 - group["lr"] * group["weight_decay"])
    _add(param, u, group["lr"])
    m.mul_(beta2).add_(g, alpha=1 - beta2)


def schedule_free_(y: Tensor, g: Tensor, z: Tensor, v: Tensor, case: dict[str, float]) -> None:
    """One step of y, z and v; ``case`` as ``AdamWScheduleFree`` computes it."""
    v.mul_(case["beta2"]).addcmul_(g, g, value=1 - case["beta2"])
    u = g / (v / case["correction"]).sqrt().add(case["eps"])
    if case["decay"] != 0:
        u = u.add(y, alpha=case["decay"])
    y.lerp_(z, case["c"])
    y.add_(u, alpha=case["pull"])
    z.sub_(u, alpha=case["lr"])


def nadam_(param: Tensor, g: Tensor, m: Tensor, v: Tensor, case: dict[str, Any]) -> None:
    """One step of θ, m and v; ``case`` as ``NAdamW`` computes it."""
    param.mul_(case["shrink"])
    m.lerp_(g, case["lerp"])
    v.mul_(case["beta2"]).addcmul_(g, g, value=1 - case["beta2"])
    d = (v / case["correction"]).sqrt().add(case["eps"])
    param.add_(case["of_g"] * g / d)
    param.add_(case["of_m"] * m / d)


def rmsprop_(param: Tensor, g: Tensor, state: dict[str, Tensor], group: Group) -> None:
    """``v = αv + (1 − α)g²``, ``θ ← θ − η·g/(√v + ε)``; see ``RMSprop``."""
    alpha, v = group["alpha"], real(state["square_avg"])
    v.mul_(alpha).addcmul_(g, g, value=1 - alpha)
    if group["centered"]:
        mean = real(state["grad_avg"])
        mean.lerp_(g, 1 - alpha)
        v = v.addcmul(mean, mean, value=-1)
    u = g / v.sqrt().add(group["eps"])
    if group["momentum"] > 0:
        u = real(state["momentum_buffer"]).mul_(group["momentum"]).add_(u)
    _add(param, u, group["lr"])


def adagrad_(param: Tensor, g: Tensor, s: Tensor, lr: Any, eps: float) -> None:
    """``s = s + g²``, ``θ ← θ − η·g/(√s + ε)``; see ``Adagrad``."""
    s.addcmul_(g, g, value=1)
    _add(param, g / s.sqrt().add(eps), lr)


def _add(param: Tensor, u: Tensor, lr: Any) -> None:
    # A learning rate that is itself learned must stay a tensor in the graph.
    if isinstance(lr, Tensor) and lr.requires_grad:
        param.sub_(u * lr)
    else:
        param.add_(u, alpha=-float(lr))

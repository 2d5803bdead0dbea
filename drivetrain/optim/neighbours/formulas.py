"""The neighbours' updates of one tensor, in torch's operations: for any device, dtype and strides.

They change the parameter and its state in place and leave the gradient alone. Where autograd
records them (``differentiable=True``) nothing that it saved is overwritten.
"""

from typing import Any, NamedTuple

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


class ScheduleFreeStep(NamedTuple):
    """Constants of a step of schedule-free AdamW, in the order of the kernel's columns."""

    sign: float
    decay: float
    lr: float
    beta2: float
    rest2: float
    eps: float
    correction: float
    c: float
    pull: float


def schedule_free_(y: Tensor, g: Tensor, z: Tensor, v: Tensor, k: ScheduleFreeStep) -> None:
    """One step of y, z and v; see ``AdamWScheduleFree``."""
    v.mul_(k.beta2).addcmul_(g, g, value=k.rest2)
    u = g / (v / k.correction).sqrt().add(k.eps)
    if k.decay != 0:
        u = u.add(y, alpha=k.decay)
    y.lerp_(z, k.c)
    y.add_(u, alpha=k.pull)
    z.sub_(u, alpha=k.lr)


class NadamStep(NamedTuple):
    """Constants of a step of NAdam, in the order of the kernel's columns."""

    sign: float
    l2: float
    shrink: float
    lerp: float
    beta2: float
    rest2: float
    eps: float
    correction: float
    of_g: float
    of_m: float


def nadam_(param: Tensor, g: Tensor, m: Tensor, v: Tensor, k: NadamStep) -> None:
    """One step of θ, m and v; see ``NAdamW``."""
    param.mul_(k.shrink)
    m.lerp_(g, k.lerp)
    v.mul_(k.beta2).addcmul_(g, g, value=k.rest2)
    d = (v / k.correction).sqrt().add(k.eps)
    param.add_(k.of_g * g / d)
    param.add_(k.of_m * m / d)


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

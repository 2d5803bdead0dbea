"""Learning-rate schedules: linear warmup, then constant, linear, cosine, or stable and decay.

Each is a multiplier η_t of the group's first learning rate, handed to torch's LambdaLR. That
sets ``initial_lr``, which ``decay="schedule"`` of AdamW divides by.
"""

import math
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from drivetrain.core.checks import check_choice, check_integer, check_real


@dataclass(frozen=True, kw_only=True)
class Multiplier:
    """The factor η_t that a learning rate is multiplied by at step t = 0, 1, 2, ...

    ``η_t = (t + 1) / warmup_steps`` for t < warmup_steps: unlike a warmup from 0, no step is
    spent at a learning rate of 0. Then 1 until ``total_steps - decay_steps``, and from there
    ``η_t = final + (1 - final)·f(progress)`` with f falling from 1 to 0; ``final`` ever after.

    Attributes:
        warmup_steps: Steps of the linear rise, >= 0.
        total_steps: Steps until ``final`` is reached, or None for a constant rate.
        decay_steps: Steps of the fall; None means all that follow the warmup.
        final: The factor at the end, in [0, 1].
        shape: f: ``"cosine"`` (1 + cos πx)/2, ``"linear"`` 1 − x, or ``"sqrt"`` 1 − √x.

    Raises:
        ValueError: A range is broken, or warmup and decay together exceed the total.

    Example:
        >>> eta = Multiplier(warmup_steps=2, total_steps=6, shape="linear")
        >>> [eta(t) for t in range(8)]
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    warmup_steps: int = 0
    total_steps: int | None = None
    decay_steps: int | None = None
    final: float = 0.0
    shape: str = "cosine"

    def __post_init__(self) -> None:
        check_integer("warmup_steps", self.warmup_steps, low=0)
        check_real("final", self.final, low=0, high=1)
        check_choice("shape", self.shape, ("cosine", "linear", "sqrt"))
        if self.total_steps is None:
            if self.decay_steps is not None:
                raise ValueError("decay_steps needs total_steps: when is the end? Got None.")
            return
        check_integer("total_steps", self.total_steps, low=1)
        falling = 0 if self.decay_steps is None else self.decay_steps
        check_integer("decay_steps", falling, low=0)
        if self.warmup_steps + falling > self.total_steps:
            raise ValueError(
                f"warmup_steps + decay_steps must be <= total_steps. Got {self.warmup_steps} + "
                f"{falling} > {self.total_steps}."
            )

    def __call__(self, step: int) -> float:
        """Return η at a step, counted from 0."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.total_steps is None:
            return 1.0
        if step >= self.total_steps:
            return self.final
        fall = self.decay_steps
        start = self.warmup_steps if fall is None else self.total_steps - fall
        if step <= start:
            return 1.0
        x = (step - start) / (self.total_steps - start)
        return self.final + (1 - self.final) * _fall(self.shape, x)


def warmup_constant(optimizer: Optimizer, *, warmup_steps: int, **resume: Any) -> LambdaLR:
    """Rise linearly to the learning rate, then stay.

    Args:
        optimizer: Any torch optimizer; ours included.
        warmup_steps: Steps of the rise, >= 0.
        **resume: ``last_epoch`` of torch's schedulers, for going on with a run.

    Returns:
        A scheduler; call its ``step()`` after each ``optimizer.step()``.

    Raises:
        ValueError: A range is broken.

    Example:
        >>> import torch
        >>> opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> warmup_constant(opt, warmup_steps=4).get_last_lr()
        [0.25]
    """
    return LambdaLR(optimizer, Multiplier(warmup_steps=warmup_steps), **resume)


def warmup_cosine(
    optimizer: Optimizer,
    *,
    total_steps: int,
    warmup_steps: int = 0,
    final: float = 0.0,
    **resume: Any,
) -> LambdaLR:
    """Rise linearly, then fall along half a cosine: ``η = final + (1 − final)(1 + cos πx)/2``.

    Args:
        optimizer: Any torch optimizer; ours included.
        total_steps: Steps until the end, >= 1; later steps stay there.
        warmup_steps: Steps of the rise, in [0, total_steps].
        final: Share of the learning rate at the end, in [0, 1].
        **resume: ``last_epoch`` of torch's schedulers.

    Returns:
        A scheduler; call its ``step()`` after each ``optimizer.step()``.

    Raises:
        ValueError: A range is broken.

    Example:
        >>> import torch
        >>> opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> warmup_cosine(opt, total_steps=10, warmup_steps=2).get_last_lr()
        [0.5]

    References:
        Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, eq. 5,
        without restarts.
    """
    eta = Multiplier(warmup_steps=warmup_steps, total_steps=total_steps, final=final)
    return LambdaLR(optimizer, eta, **resume)


def warmup_linear(
    optimizer: Optimizer,
    *,
    total_steps: int,
    warmup_steps: int = 0,
    final: float = 0.0,
    **resume: Any,
) -> LambdaLR:
    """Rise linearly, then fall linearly: ``η = final + (1 − final)(1 − x)``.

    Args:
        optimizer: Any torch optimizer; ours included.
        total_steps: Steps until the end, >= 1; later steps stay there.
        warmup_steps: Steps of the rise, in [0, total_steps].
        final: Share of the learning rate at the end, in [0, 1].
        **resume: ``last_epoch`` of torch's schedulers.

    Returns:
        A scheduler; call its ``step()`` after each ``optimizer.step()``.

    Raises:
        ValueError: A range is broken.

    Example:
        >>> import torch
        >>> opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> warmup_linear(opt, total_steps=10, warmup_steps=2).get_last_lr()
        [0.5]
    """
    eta = Multiplier(
        warmup_steps=warmup_steps, total_steps=total_steps, final=final, shape="linear"
    )
    return LambdaLR(optimizer, eta, **resume)


def warmup_stable_decay(
    optimizer: Optimizer,
    *,
    total_steps: int,
    decay_steps: int,
    warmup_steps: int = 0,
    final: float = 0.0,
    shape: str = "sqrt",
    **resume: Any,
) -> LambdaLR:
    """Rise linearly, stay, and fall at the end (WSD): the length can be chosen late.

    Args:
        optimizer: Any torch optimizer; ours included.
        total_steps: Steps until the end, >= 1; later steps stay there.
        decay_steps: Steps of the fall, in [0, total_steps - warmup_steps].
        warmup_steps: Steps of the rise.
        final: Share of the learning rate at the end, in [0, 1].
        shape: ``"sqrt"`` (Hägele's 1 − √x, the default), ``"linear"`` or ``"cosine"``.
        **resume: ``last_epoch`` of torch's schedulers.

    Returns:
        A scheduler; call its ``step()`` after each ``optimizer.step()``.

    Raises:
        ValueError: A range is broken.

    Example:
        >>> import torch
        >>> opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> warmup_stable_decay(opt, total_steps=100, decay_steps=20).get_last_lr()
        [1.0]

    References:
        Hu et al., MiniCPM, 2024, section 4; Hägele et al., Scaling Laws and Compute-Optimal
        Training Beyond Fixed Training Durations, 2024, eq. 3.
    """
    eta = Multiplier(
        warmup_steps=warmup_steps,
        total_steps=total_steps,
        decay_steps=decay_steps,
        final=final,
        shape=shape,
    )
    return LambdaLR(optimizer, eta, **resume)


def _fall(shape: str, x: float) -> float:
    if shape == "cosine":
        return (1 + math.cos(math.pi * x)) / 2
    return 1 - x if shape == "linear" else 1 - math.sqrt(x)

"""Adam and AdamW as one function over lists of tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, float32, no_grad

from drivetrain.core.backend import choose
from drivetrain.core.errors import unknown
from drivetrain.optim.dispatch import BACKENDS, check_places, stepper
from drivetrain.optim.gather import Gathered, check_apart, place
from drivetrain.optim.options import DEFAULTS, check_group, hyperparameters
from drivetrain.optim.table import Table

_DEFAULTS = {
    **DEFAULTS,
    "lr": 1e-3,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "weight_decay": 1e-2,
    "decoupled_weight_decay": True,
    "amsgrad": False,
    "initial_lr": None,
}


def adamw_(
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    exp_avgs: Sequence[Tensor],
    exp_avg_sqs: Sequence[Tensor],
    state_steps: Sequence[Tensor],
    *,
    backend: str | None = None,
    **options: Any,
) -> None:
    r"""Step parameters by AdamW, in place, with their moments and their steps.

    .. math:: θ_t = θ_{t-1} - lr\,λ\,θ_{t-1} - lr\,\hat m_t / (\sqrt{\hat v_t} + ε)

    Args:
        params: Tensors of any shapes; float32, float64 or complex.
        grads: Their gradients, of the same shapes and dtypes.
        exp_avgs: First moments m, laid out as the parameters.
        exp_avg_sqs: Second moments v, likewise.
        state_steps: 0-d float32 tensors, the steps done so far; they are advanced.
        backend: ``"reference"``, ``"torch"``, ``"numba"`` or ``"triton"``; None for the default:
            Numba for tensors on the CPU, and Triton, if it is installed, on a GPU. Triton's
            kernels are checked by its interpreter and compiled ahead of time for sm_90, not
            timed on a GPU.
        options: ``max_exp_avg_sqs`` (largest v so far; turns AMSGrad on) and the options of a
            parameter group: ``lr`` (0.001), ``betas`` (0.9, 0.999), ``eps`` (1e-8),
            ``weight_decay`` (0.01), ``decoupled_weight_decay`` (True), ``decay`` (``"lr"``),
            ``initial_lr`` (None), ``maximize`` (False).

    Raises:
        RuntimeError: A sparse gradient; ``"triton"`` where Triton cannot run.
        TypeError: No option has that name.
        ValueError: Lists of different lengths; tensors that are not of their parameter's kind;
            an option out of range; parameters that share memory.

    Example:
        >>> import torch
        >>> p, g, m, v = torch.tensor([1.0]), torch.tensor([0.5]), torch.zeros(1), torch.zeros(1)
        >>> step = torch.zeros(())
        >>> adamw_([p], [g], [m], [v], [step], lr=0.1, weight_decay=0.1)
        >>> print(round(p.item(), 4), step.item())
        0.89 1.0

    References:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019), algorithm 2.
    """
    kept = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs}
    v_max = options.pop("max_exp_avg_sqs", None)
    if v_max is not None:
        kept["max_exp_avg_sq"] = v_max
    group = _group(options, amsgrad=v_max is not None)
    states = _states(params, kept, state_steps)
    chosen = choose(backend, BACKENDS)
    gathered = Gathered()
    for param, grad, state in zip(params, _matching("grads", grads, params), states):
        place(gathered, (param, grad, state), 0, group, chosen)
    check_apart(gathered.entries)
    check_places(gathered.by_torch, backend)
    with no_grad():
        Table.of(gathered.entries).step(np.array([hyperparameters(group, 1.0)]))
        for (_, device, needed), own in gathered.by_torch.items():
            stepper(device, needed or backend)(group, *own, dict(zip(params, states)))


def _group(options: dict[str, Any], *, amsgrad: bool) -> dict[str, Any]:
    for word in options:
        if word not in _DEFAULTS:
            raise TypeError(str(unknown("option", word, _DEFAULTS)))
    group = {**_DEFAULTS, **options, "amsgrad": amsgrad}
    if group["initial_lr"] is None:
        del group["initial_lr"]
    check_group(group, 0)
    return group


def _states(
    params: Sequence[Tensor], kept: dict[str, Sequence[Tensor]], steps: Sequence[Tensor]
) -> list[dict[str, Tensor]]:
    states = [{"step": step} for step in _matching("state_steps", steps, params)]
    for i, step in enumerate(steps):
        if (step.dtype, step.shape, step.device.type) != (float32, (), "cpu"):
            raise ValueError(
                f"state_steps must be 0-d float32 tensors on the CPU. Got {step.dtype} of shape "
                f"{tuple(step.shape)} at {i}."
            )
    for key, tensors in kept.items():
        for state, param, tensor in zip(states, params, _matching(key, tensors, params)):
            if (tensor.dtype, tensor.shape, tensor.stride(), tensor.device) != (
                (param.dtype, param.shape, param.stride(), param.device)
            ):
                raise ValueError(
                    f"{key} must be laid out as its parameter, {param.dtype} of shape "
                    f"{tuple(param.shape)}. Got {tensor.dtype} of shape {tuple(tensor.shape)}."
                )
            state[key] = tensor
    return states


def _matching(word: str, tensors: Sequence[Tensor], params: Sequence[Tensor]) -> Sequence[Tensor]:
    if len(tensors) != len(params):
        raise ValueError(f"{word} must be {len(params)}, one a parameter. Got {len(tensors)}.")
    return tensors

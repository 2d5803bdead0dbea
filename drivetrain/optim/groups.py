"""Parameter groups: which parameters decay. Nothing is implicit; ask for it here."""

import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from drivetrain.core.checks import check_real

_NORMS: tuple[type[nn.Module], ...] = (
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)


def no_decay_groups(
    model: nn.Module, *, weight_decay: float, also: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Split a model's parameters into those that decay and those that do not.

    Biases and the weights of normalisation layers get ``weight_decay`` 0: decay pulls a scale
    towards 0, not towards the 1 that leaves its input alone.

    Args:
        model: Every parameter with ``requires_grad`` goes into exactly one group. A parameter
            that is shared is left undecayed if any of its uses is a bias or a norm.
        weight_decay: λ of the decaying group, >= 0.
        also: Regular expressions; a parameter whose dotted name one of them matches anywhere
            does not decay either (``r"pos_embed"``).

    Returns:
        One or two dictionaries for an optimizer, in the order decaying, not decaying; a group
        without parameters is left out. The model's order is kept within each.

    Raises:
        ValueError: No parameter is trainable, or the decay is negative.
        TypeError: Not a module.

    Note:
        A layer counts as a norm if it is one of torch's or the name of its class ends in
        ``Norm``; a bias is a parameter called ``bias`` or ending in ``_bias`` (``bias_hh_l0`` of
        recurrent layers and ``in_proj_bias`` of attention included).

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
        >>> groups = no_decay_groups(model, weight_decay=0.1)
        >>> [(len(group["params"]), group["weight_decay"]) for group in groups]
        [(1, 0.1), (3, 0.0)]
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module. Got {type(model).__name__}.")
    decay = check_real("weight_decay", weight_decay, low=0)
    patterns = [re.compile(pattern) for pattern in also]
    order: dict[torch.nn.Parameter, bool] = {}
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(path, recurse=False):
            if parameter.requires_grad:
                exempt = _is_norm(module) or _is_bias(name)
                exempt = exempt or any(pattern.search(name) for pattern in patterns)
                order[parameter] = order.get(parameter, False) or exempt
    if not order:
        raise ValueError("model has no trainable parameter: nothing to optimize.")
    decaying = [p for p, exempt in order.items() if not exempt]
    exempted = [p for p, exempt in order.items() if exempt]
    groups = ((decaying, decay), (exempted, 0.0))
    return [{"params": found, "weight_decay": rate} for found, rate in groups if found]


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, _NORMS) or type(module).__name__.endswith("Norm")


def _is_bias(name: str) -> bool:
    last = name.rsplit(".", 1)[-1]
    return last == "bias" or last.endswith("_bias") or last.startswith("bias_")

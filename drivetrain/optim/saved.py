"""Optimizer states on disk, as safetensors and JSON; and what torch's AdamW makes of ours."""

import os
from typing import Any

import torch
from torch import Tensor

from drivetrain.core import checkpoint
from drivetrain.core.errors import CheckpointError

KIND = "optimizer state"
_CODES, _SCALES = "_codes", "_scales"
# What low-precision formats keep beside the moments.
_OWN = ("master", "compensation", "rounding_seed")
_OPTIONS = {
    "state_dtype": None,
    "stochastic_rounding": False,
    "master_weights": False,
    "kahan": False,
}


def save_state(state_dict: dict[str, Any], folder: str | os.PathLike[str]) -> None:
    """Write an optimizer's ``state_dict()`` to a checkpoint folder; nothing is pickled.

    Args:
        state_dict: Of any torch optimizer whose options are numbers, words, None, lists of them
            or tensors of one element.
        folder: Made if it is not there; an older checkpoint in it is replaced whole.

    Raises:
        TypeError: An option that JSON does not hold.
        OSError: Not writable, or the disk is full; an older checkpoint stays whole.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> optimizer = torch.optim.SGD([torch.ones(2, requires_grad=True)], lr=0.5)
        >>> save_state(optimizer.state_dict(), folder)
        >>> load_state(folder)["param_groups"][0]["lr"]
        0.5
    """
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, dict[str, Any]] = {}
    for index, state in state_dict["state"].items():
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value
            else:
                scalars.setdefault(str(index), {})[key] = _encoded(value)
    groups = [{k: _encoded(v) for k, v in group.items()} for group in state_dict["param_groups"]]
    config = {"kind": KIND, "param_groups": groups, "scalars": scalars}
    checkpoint.save(folder, tensors, config)


def load_state(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what ``save_state`` wrote, for ``optimizer.load_state_dict``.

    Raises:
        FileNotFoundError: There is no checkpoint.
        CheckpointError: It is corrupt, or of something else than an optimizer.
    """
    tensors, config = checkpoint.load(folder, framework="torch")
    if config.get("kind") != KIND:
        raise CheckpointError(f"{folder} holds no optimizer state: a checkpoint of something else.")
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    for index, values in config["scalars"].items():
        found = {key: _decoded(value) for key, value in values.items()}
        state.setdefault(int(index), {}).update(found)
    groups = [{k: _decoded(v) for k, v in group.items()} for group in config["param_groups"]]
    return {"state": dict(sorted(state.items())), "param_groups": groups}


def plain_state(state_dict: dict[str, Any]) -> dict[str, Any]:
    """Return a state without low precision: float32 moments under torch's keys.

    8-bit codes become the numbers that they stand for, 16-bit moments are widened. Masters,
    compensations and rounding seeds are left out: what they held beyond the parameter is lost.

    Args:
        state_dict: Ours or torch's; it is left as it is.

    Returns:
        What ``torch.optim.AdamW.load_state_dict`` takes.

    Example:
        >>> low = {"state": {0: {"exp_avg": torch.ones(2).bfloat16()}}, "param_groups": []}
        >>> plain_state(low)["state"][0]["exp_avg"].dtype
        torch.float32
    """
    state = {index: _plain(own) for index, own in state_dict["state"].items()}
    groups = []
    for group in state_dict["param_groups"]:
        groups.append({key: _OPTIONS.get(key, value) for key, value in group.items()})
    return {"state": state, "param_groups": groups}


def _plain(own: dict[str, Any]) -> dict[str, Any]:
    from drivetrain.optim.lowbit import dequantize

    plain: dict[str, Any] = {}
    for key, value in own.items():
        if key in _OWN or key.endswith(_SCALES):
            continue
        if key.endswith(_CODES):
            key = key.removesuffix(_CODES)
            scales = own[key + _SCALES]
            value = dequantize(own[key + _CODES], scales, signed=key == "exp_avg")
        elif isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16):
            value = value.float()
        plain[key] = value
    return plain


def _encoded(value: Any) -> Any:
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise TypeError(
                f"An option that is a tensor must have one element. Got {tuple(value.shape)}."
            )
        return {"tensor": value.item(), "dtype": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, tuple):
        return {"tuple": [_encoded(item) for item in value]}
    return [_encoded(item) for item in value] if isinstance(value, list) else value


def _decoded(value: Any) -> Any:
    if isinstance(value, dict) and "tensor" in value:
        return torch.tensor(value["tensor"], dtype=vars(torch)[value["dtype"]])
    if isinstance(value, dict) and "tuple" in value:
        return tuple(_decoded(item) for item in value["tuple"])
    return [_decoded(item) for item in value] if isinstance(value, list) else value

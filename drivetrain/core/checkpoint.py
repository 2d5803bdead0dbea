"""Checkpoints in Hugging Face's folder shape: ``model.safetensors`` and ``config.json``.

A checkpoint is whole or absent. Both files are replaced by renaming; the configuration also
travels inside the safetensors header, so the one rename that matters is that of the tensors,
and a crash between the two renames loses nothing.
"""

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open

from drivetrain.core.errors import CheckpointError
from drivetrain.core.files import atomic_write, write_text

TENSORS, CONFIG = "model.safetensors", "config.json"


def save(
    folder: str | os.PathLike[str], tensors: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    """Write a checkpoint folder.

    Args:
        folder: Made if it is not there.
        tensors: Name to numpy array, or name to torch tensor; all of one kind.
        config: Anything JSON holds.

    Raises:
        OSError: Not writable, or the disk is full; an older checkpoint there stays whole.
        TypeError: The configuration is not JSON.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    data = _serialize(tensors, {"config": json.dumps(dict(config), sort_keys=True)})
    with atomic_write(root / TENSORS) as file:
        file.write(data)
    write_text(root / CONFIG, json.dumps(dict(config), indent=2, sort_keys=True) + "\n")


def load(
    folder: str | os.PathLike[str], framework: Literal["numpy", "torch"] = "numpy"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a checkpoint folder; return its tensors and its configuration.

    Raises:
        FileNotFoundError: There is no checkpoint.
        CheckpointError: It is truncated, corrupt or not JSON; the message names the file.
    """
    root = Path(folder)
    path = root / TENSORS
    if not path.is_file():
        raise FileNotFoundError(f"No checkpoint in {root}: {TENSORS} is missing.")
    try:
        with safe_open(path, framework=framework) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata() or {})
    except SafetensorError as error:
        raise CheckpointError(f"{path} is truncated or corrupt: {error}.") from None
    if "crc32" in metadata and metadata["crc32"] != str(_checksum(tensors)):
        raise CheckpointError(f"{path} is corrupt: its checksum does not match its content.")
    return tensors, _config(root, metadata)


def _config(root: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    # Ours carries its configuration; a folder made by others has it only in config.json.
    path, text = root / TENSORS, metadata.get("config")
    if text is None:
        path = root / CONFIG
        if not path.is_file():
            raise FileNotFoundError(f"No checkpoint in {root}: {CONFIG} is missing.")
        text = path.read_text(encoding="utf8", errors="replace")
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path} is not JSON: {error}.") from None
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} must hold a JSON object. Got {type(config).__name__}.")
    return config


def _serialize(tensors: Mapping[str, Any], metadata: dict[str, str]) -> bytes:
    metadata["crc32"] = str(_checksum(tensors))
    if all(isinstance(tensor, np.ndarray) for tensor in tensors.values()):
        from safetensors.numpy import save as serialize

        arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        return serialize(arrays, metadata=metadata)
    from safetensors.torch import save as serialize_torch

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return serialize_torch(plain, metadata=metadata)


def _checksum(tensors: Mapping[str, Any]) -> int:
    total = 0
    for name in sorted(tensors):
        total = zlib.crc32(_bytes(tensors[name]), zlib.crc32(name.encode(), total))
    return total


def _bytes(tensor: Any) -> memoryview:
    if not isinstance(tensor, np.ndarray):
        import torch

        tensor = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return memoryview(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data)

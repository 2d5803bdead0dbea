"""Checkpoints in Hugging Face's folder shape: ``model.safetensors`` and ``config.json``.

A checkpoint is whole or absent. Both files are replaced by renaming; the configuration also
travels inside the safetensors header, so the one rename that matters is that of the tensors,
and a crash between the two renames loses nothing. A checksum covers every byte of header and
data: a flipped bit anywhere is an error, never a different model.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from drivetrain.core.checks import check_choice
from drivetrain.core.errors import CheckpointError
from drivetrain.core.files import atomic_write, write_text
from drivetrain.core.tensorfile import read_checksum, write_tensors

TENSORS, CONFIG = "model.safetensors", "config.json"


def save(
    folder: str | os.PathLike[str], tensors: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    """Write a checkpoint folder.

    Tensors are streamed to the file, so no second copy of the model is made in memory. Those
    that share memory, such as tied weights, are written once each.

    Args:
        folder: Made if it is not there.
        tensors: Name to numpy array, or name to torch tensor (on any device).
        config: Anything JSON holds.

    Raises:
        OSError: Not writable, or the disk is full; an older checkpoint there stays whole.
        TypeError: The configuration is not JSON, or a tensor is of no kind the format holds.
        ValueError: The configuration holds NaN or infinity, which JSON does not know.

    Example:
        >>> import tempfile, numpy as np
        >>> folder = tempfile.mkdtemp()
        >>> save(folder, {"w": np.arange(3.0)}, {"layers": 2})
        >>> load(folder)
        ({'w': array([0., 1., 2.])}, {'layers': 2})
    """
    root, text = Path(folder), _json(config)
    root.mkdir(parents=True, exist_ok=True)
    with atomic_write(root / TENSORS) as file:
        write_tensors(file, tensors, {"config": text})
    write_text(root / CONFIG, json.dumps(json.loads(text), indent=2) + "\n")


def load(
    folder: str | os.PathLike[str], framework: Literal["numpy", "torch"] = "numpy"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a checkpoint folder; return its tensors and its configuration.

    Folders made by others are read too; theirs have no checksum.

    Raises:
        FileNotFoundError: There is no checkpoint.
        CheckpointError: It is truncated, corrupt or not JSON; the message names the file.
        TypeError: It holds a kind of number that numpy lacks, such as bfloat16.
    """
    check_choice("framework", framework, ("numpy", "torch"))
    root = Path(folder)
    path = root / TENSORS
    if not path.is_file():
        raise FileNotFoundError(f"No checkpoint in {root}: {TENSORS} is missing.")
    try:
        with safe_open(path, framework=framework) as file:
            metadata = dict(file.metadata() or {})
            _verify(path, metadata)
            names = file.keys()
            tensors = {name: _tensor(file, name, framework) for name in names}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is truncated or corrupt: {error}.") from None
    return tensors, _config(root, metadata)


def _verify(path: Path, metadata: Mapping[str, str]) -> None:
    if "crc32" not in metadata and "config" not in metadata:
        return
    if read_checksum(path, metadata.get("crc32", "")) != metadata.get("crc32"):
        raise CheckpointError(f"{path} is corrupt: its checksum does not match its content.")


def _tensor(file: Any, name: str, framework: str) -> Any:
    try:
        return file.get_tensor(name)
    except (TypeError, AttributeError):
        kind = file.get_slice(name).get_dtype()
        raise TypeError(
            f"{name!r} holds {kind} numbers, which {framework} lacks: use load(framework='torch')."
        ) from None


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
    except (json.JSONDecodeError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON: {error}.") from None
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} must hold a JSON object. Got {type(config).__name__}.")
    return config


def _json(config: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(config), sort_keys=True, allow_nan=False)
    except TypeError as error:
        raise TypeError(f"config must be JSON: {error}.") from None
    except ValueError as error:
        raise ValueError(f"config must be JSON, without NaN or infinity: {error}.") from None

"""Writes the safetensors format to an open file, tensor by tensor, with a checksum.

The format: the length of the header (8 bytes, little endian), the header (JSON: name to dtype,
shape and place), the tensors. The library's own writers first make all of it in memory.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

# numpy's and torch's names of what the format holds.
_KINDS = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
    "complex64": "C64",
}
_CHUNK = 1 << 22


def write_tensors(file: BinaryIO, tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata; ``crc32`` of all other bytes joins the metadata.

    Raises:
        TypeError: A name is no text, or a tensor is of no kind the format holds.
    """
    kinds = {_name(name): _kind(name, tensor) for name, tensor in tensors.items()}
    # Wide numbers first, as the library's writers do it, so that every tensor lies aligned.
    order = sorted(kinds, key=lambda name: (-tensors[name].dtype.itemsize, name))
    entries: dict[str, Any] = {}
    end = 0
    for name in order:
        begin, end = end, end + _size(tensors[name])
        shape = [int(size) for size in tensors[name].shape]
        entries[name] = {"dtype": kinds[name], "shape": shape, "data_offsets": [begin, end]}
    blank = _header(entries, {**metadata, "crc32": "0" * 8})
    file.write(blank)
    checksum = zlib.crc32(blank)
    for name in order:
        data = _bytes(tensors[name])
        file.write(data)
        checksum = zlib.crc32(data, checksum)
    file.seek(0)
    file.write(_header(entries, {**metadata, "crc32": f"{checksum:08x}"}))


def read_checksum(path: Path, stored: str) -> str:
    """Return the checksum of a file's content as ``write_tensors`` computes it.

    Args:
        path: A file that has been found to be safetensors.
        stored: The value its header holds, which takes no part in the sum.
    """
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = file.read(length)
        blank = header.replace(_checksum_entry(stored), _checksum_entry("0" * 8), 1)
        checksum = zlib.crc32(blank, zlib.crc32(struct.pack("<Q", len(blank))))
        while chunk := file.read(_CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    return f"{checksum:08x}"


def _checksum_entry(value: str) -> bytes:
    # Inside the text of a JSON string quotes are escaped: this can only be the entry itself.
    return f'"crc32":"{value}"'.encode()


def _header(entries: Mapping[str, Any], metadata: Mapping[str, str]) -> bytes:
    text = json.dumps({"__metadata__": metadata, **entries}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _name(name: Any) -> str:
    if not isinstance(name, str) or name == "__metadata__":
        raise TypeError(f"A tensor's name must be text other than '__metadata__'. Got {name!r}.")
    return name


def _kind(name: str, tensor: Any) -> str:
    if not isinstance(tensor, np.ndarray):
        import torch

        if not isinstance(tensor, torch.Tensor):
            what = type(tensor).__name__
            raise TypeError(f"{name!r} must be a numpy array or a torch tensor. Got {what}.")
        if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
            what = "a sparse, quantized or meta tensor"
            raise TypeError(f"{name!r} must be a dense tensor that holds its data. Got {what}.")
    kind = str(tensor.dtype.name if isinstance(tensor, np.ndarray) else tensor.dtype)
    kind = kind.removeprefix("torch.")
    if kind not in _KINDS:
        raise TypeError(f"{name!r} holds {kind}, which a checkpoint cannot.")
    return _KINDS[kind]


def _size(tensor: Any) -> int:
    return int(np.prod(tensor.shape, dtype=np.int64)) * int(tensor.dtype.itemsize)


def _bytes(tensor: Any) -> memoryview:
    """Return the tensor's numbers, row by row, little endian; a copy only where one is needed."""
    if isinstance(tensor, np.ndarray):
        array = np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<"))
        return array.reshape(-1).view(np.uint8).data
    import torch

    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    # A contiguous tensor of one number may still have a stride of two.
    flat = plain.as_strided((plain.numel(),), (1,))
    return memoryview(flat.view(torch.uint8).numpy().data)

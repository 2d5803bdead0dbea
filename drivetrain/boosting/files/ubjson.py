"""Universal Binary JSON, as XGBoost writes it: big-endian, arrays of one type packed.

References:
    Universal Binary JSON Specification, draft 12, https://ubjson.org.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS = {
    b"i": ">i1",
    b"U": ">u1",
    b"I": ">i2",
    b"l": ">i4",
    b"L": ">i8",
    b"d": ">f4",
    b"D": ">f8",
}
_CODES = {"i1": b"i", "u1": b"U", "i2": b"I", "i4": b"l", "i8": b"L", "f4": b"d", "f8": b"D"}
_DEEPEST = 64


def decode(text: bytes) -> Any:
    """Return what the bytes hold; arrays of one number type become numpy arrays.

    Raises:
        ValueError: Not UBJSON: truncated, an unknown marker, nested too deeply. The message
            names the byte.
    """
    reader = _Reader(text)
    value = reader.value(reader.take(1), 0)
    if reader.at != len(text):
        raise ValueError(f"UBJSON ends at byte {reader.at}. Got {len(text)} bytes.")
    return value


class _Reader:
    """Reads values one after another, never past the end."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or count > len(self.text) - self.at:
            raise ValueError(
                f"UBJSON is truncated: {count} bytes are announced at byte {self.at} of "
                f"{len(self.text)}."
            )
        self.at += count
        return self.text[self.at - count : self.at]

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError(f"UBJSON is nested more than {_DEEPEST} deep at byte {self.at}.")
        if marker in _NUMBERS:
            kind = np.dtype(_NUMBERS[marker])
            return np.frombuffer(self.take(kind.itemsize), kind)[0].item()
        if marker in (b"Z", b"T", b"F"):
            return {b"Z": None, b"T": True, b"F": False}[marker]
        if marker == b"C":
            return self.take(1).decode("latin-1")
        if marker == b"S":
            return self.word()
        if marker == b"[":
            return self.array(depth + 1)
        if marker == b"{":
            return self.table(depth + 1)
        raise ValueError(f"UBJSON has no marker {marker!r}. Got it at byte {self.at - 1}.")

    def count(self) -> int:
        marker = self.take(1)
        if marker not in (b"i", b"U", b"I", b"l", b"L"):
            raise ValueError(f"UBJSON wants a length at byte {self.at - 1}. Got {marker!r}.")
        return int(self.value(marker, 0))

    def word(self) -> str:
        start = self.at
        try:
            return self.take(self.count()).decode("utf8")
        except UnicodeDecodeError:
            raise ValueError(f"UBJSON holds text at byte {start} that is not UTF-8.") from None

    def array(self, depth: int) -> Any:
        kind, count = self.header()
        if kind in _NUMBERS and count is not None:
            dtype = np.dtype(_NUMBERS[kind])
            packed = np.frombuffer(self.take(count * dtype.itemsize), dtype)
            return packed.astype(dtype.newbyteorder("="))
        items: list[Any] = []
        while count is None or len(items) < count:
            marker = kind or self.take(1)
            if count is None and marker == b"]":
                break
            items.append(self.value(marker, depth))
        return items

    def table(self, depth: int) -> dict[str, Any]:
        kind, count = self.header()
        items: dict[str, Any] = {}
        seen = 0
        while count is None or seen < count:
            if count is None and self.text[self.at : self.at + 1] == b"}":
                self.at += 1
                break
            name = self.word()
            items[name] = self.value(kind or self.take(1), depth)
            seen += 1
        return items

    def header(self) -> tuple[bytes, int | None]:
        """Read ``$type`` and ``#count`` where they are given."""
        kind = b""
        if self.text[self.at : self.at + 1] == b"$":
            self.at += 1
            kind = self.take(1)
        if self.text[self.at : self.at + 1] == b"#":
            self.at += 1
            return kind, self.count()
        if kind:
            raise ValueError(f"UBJSON wants a count after the type at byte {self.at}.")
        return kind, None


def encode(value: Any) -> bytes:
    """Return the value as UBJSON, packed as XGBoost packs it.

    Args:
        value: Dicts with text keys, lists, numpy arrays, text, numbers, booleans, None.

    Raises:
        TypeError: Anything else.
    """
    parts: list[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _length(count: int) -> bytes:
    return b"L" + struct.pack(">q", count)


def _write(value: Any, parts: list[bytes]) -> None:
    if value is None or isinstance(value, bool):
        parts.append({None: b"Z", True: b"T", False: b"F"}[value])
    elif isinstance(value, (int, np.integer)):
        parts.append(b"L" + struct.pack(">q", int(value)))
    elif isinstance(value, np.float32):
        parts.append(b"d" + struct.pack(">f", float(value)))
    elif isinstance(value, (float, np.floating)):
        parts.append(b"D" + struct.pack(">d", float(value)))
    elif isinstance(value, str):
        coded = value.encode("utf8")
        parts.append(b"S" + _length(len(coded)) + coded)
    elif isinstance(value, np.ndarray):
        _write_packed(value, parts)
    elif isinstance(value, dict):
        parts.append(b"{")
        for name, item in value.items():
            coded = name.encode("utf8")
            parts.append(_length(len(coded)) + coded)
            _write(item, parts)
        parts.append(b"}")
    elif isinstance(value, (list, tuple)):
        parts.append(b"[#" + _length(len(value)))
        for item in value:
            _write(item, parts)
    else:
        raise TypeError(f"UBJSON holds no {type(value).__name__}.")


def _write_packed(value: NDArray[Any], parts: list[bytes]) -> None:
    kind = value.dtype.str[1:]
    if kind not in _CODES:
        raise TypeError(f"UBJSON packs no {value.dtype}.")
    parts.append(b"[$" + _CODES[kind] + b"#" + _length(value.size))
    parts.append(value.astype(value.dtype.newbyteorder(">")).tobytes())

"""The bytes of a JSON file: mapped, not read, and cut where objects seem to end."""

import mmap
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_BLANK = re.compile(rb"[ \t\n\r]*")
_BETWEEN = re.compile(rb"\}[ \t\n\r]*,[ \t\n\r]*\{")
_MARK = b"\xef\xbb\xbf"

FIRST_PIECE = 1 << 16
PIECE = 1 << 20


@dataclass(frozen=True, eq=False)
class Source:
    """A JSON text.

    Attributes:
        name: The path, for messages.
        buffer: The bytes.
        data: The same as an array.
    """

    name: str
    buffer: mmap.mmap | bytes
    data: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", np.frombuffer(self.buffer, np.uint8))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Source":
        """Map a file; it must not be written to while it is read.

        Raises:
            OSError: It cannot be opened.
            ValueError: It is empty.
        """
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise ValueError(f"{os.fspath(path)}: expected JSON. The file is empty (0 bytes).")
            return cls(os.fspath(path), mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    @property
    def begin(self) -> int:
        """Position of the first byte of JSON, behind a byte order mark and white space."""
        return self.blank(len(_MARK) if self.buffer[: len(_MARK)] == _MARK else 0)

    @property
    def is_closed(self) -> bool:
        """Whether the last byte but white space is a closing bracket."""
        return bytes(self.buffer[-64:]).rstrip(b" \t\n\r")[-1:] in (b"]", b"}")

    def blank(self, i: int) -> int:
        """Return the first position from i on that is not white space."""
        match = _BLANK.match(self.buffer, i)
        assert match  # It matches nothing at all, too.
        return match.end()

    def byte(self, i: int) -> bytes:
        """Return the byte at i; empty past the end."""
        return bytes(self.buffer[i : i + 1])

    @cached_property
    def cuts(self) -> NDArray[np.int64]:
        """Positions behind a closing brace that a comma and an opening brace follow.

        They are guesses: the text may stand inside a string or a nested list. Each scan verifies
        that the one before it ends where it began.
        """
        size = len(self.data)
        targets = [FIRST_PIECE, *range(PIECE, size, PIECE), size]
        found = []
        for target, until in pairwise(targets):
            match = _BETWEEN.search(self.buffer, target, until)
            if match:
                found.append(match.start() + 1)
        return np.array(found, np.int64)

    def forget(self, begin: int, end: int) -> None:
        """Let go of the mapped pages between two positions; they can be read again."""
        page = mmap.PAGESIZE
        begin, end = -(-begin // page) * page, end // page * page
        if os.name == "posix" and isinstance(self.buffer, mmap.mmap) and end > begin:
            self.buffer.madvise(mmap.MADV_DONTNEED, begin, end - begin)

"""One flat array on several disks: blocks dealt to files in turn, mapped side by side."""

import ctypes
import mmap
import os
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: Bytes of a block; a multiple of any page size.
BLOCK = 1 << 24
_MAP_FIXED = 0x10
_FAILED = ctypes.c_void_p(-1).value


class Stripes:
    """Files that hold an array of bytes together: block b lies in file b modulo their number.

    Args:
        paths: The files, best each on a disk of its own.
        size: Bytes in all.
    """

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        self.paths = tuple(paths)
        self.size = size

    def create(self) -> None:
        """Make the files as long as they will be, whatever they were."""
        for path, length in zip(self.paths, self.lengths()):
            with open(path, "ab") as file:
                file.truncate(length)

    def lengths(self) -> list[int]:
        """Return the bytes of each file: whole blocks, the last one too."""
        blocks = -(-self.size // BLOCK)
        d = len(self.paths)
        return [(blocks + d - 1 - k) // d * BLOCK for k in range(d)]

    def whole(self) -> bool:
        """Tell whether all files are there at their full length."""
        return all(
            path.is_file() and path.stat().st_size == length
            for path, length in zip(self.paths, self.lengths())
        )

    def write(self, pieces: Sequence[tuple[int, NDArray[np.unsignedinteger]]]) -> None:
        """Write arrays at their byte offsets, and see them onto the disks."""
        with ExitStack() as opened:
            files = [opened.enter_context(open(path, "r+b")) for path in self.paths]
            for at, array in pieces:
                held = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
                done = 0
                while done < len(held):
                    block, inside = divmod(at + done, BLOCK)
                    count = min(len(held) - done, BLOCK - inside)
                    file = files[block % len(files)]
                    file.seek(block // len(files) * BLOCK + inside)
                    file.write(held[done : done + count].data)
                    done += count
            for file in files:
                file.flush()
                os.fsync(file.fileno())

    def mapped(self) -> NDArray[np.uint8]:
        """Return the bytes as one array that the system reads as it is touched."""
        if not self.size:
            return np.empty(0, np.uint8)
        # Writable, though nobody writes: kernels are compiled for one kind of array.
        if len(self.paths) == 1:
            return np.asarray(np.memmap(self.paths[0], np.uint8, "r+", shape=(self.size,)))
        return self._side_by_side()

    def _side_by_side(self) -> NDArray[np.uint8]:
        """Map every block of every file to its place in one run of addresses.

        Raises:
            OSError: The system has no such mapping, or refuses it.
        """
        if os.name != "posix":
            raise OSError("Several cache folders need a POSIX system: give one folder.")
        system = ctypes.CDLL(None, use_errno=True)
        system.mmap.restype = ctypes.c_void_p
        system.mmap.argtypes = [
            ctypes.c_void_p,
            ctypes.c_size_t,
            *[ctypes.c_int] * 3,
            ctypes.c_long,
        ]
        system.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        blocks = -(-self.size // BLOCK)
        free = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        base = system.mmap(None, blocks * BLOCK, 0, free, -1, 0)
        if base == _FAILED:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        held = (ctypes.c_uint8 * self.size).from_address(base)
        weakref.finalize(held, system.munmap, base, blocks * BLOCK)
        reading = mmap.PROT_READ | mmap.PROT_WRITE
        with ExitStack() as opened:
            files = [opened.enter_context(open(path, "r+b")) for path in self.paths]
            for b in range(blocks):
                file, at = files[b % len(files)], b // len(files) * BLOCK
                shared = mmap.MAP_SHARED | _MAP_FIXED
                put = system.mmap(base + b * BLOCK, BLOCK, reading, shared, file.fileno(), at)
                if put == _FAILED:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return np.ctypeslib.as_array(held)

"""Files that are either whole or not there: written to a temporary name, then renamed."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces ``path`` only once it is complete and on disk.

    Whatever goes wrong inside the block, disk full included, the old file stays as it was.
    A new file replaces an old one under the same permissions; a symbolic link stays a link.

    Raises:
        OSError: The folder is missing or not writable, the disk is full, or ``path`` is a
            folder or a device; the message names the path.
    """
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".{target.name[:40]}.{secrets.token_hex(6)}.tmp"
    try:
        mode = _mode(target)
        # Not tempfile: its files are private, and one cannot ask for the umask without setting it.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        # An error with a name of its own comes from some other file that the block works on.
        if error.errno is None or error.filename not in (None, str(temporary), str(target)):
            raise
        raise OSError(error.errno, f"cannot write: {error.strerror}", str(path)) from None
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole text file (UTF-8) atomically."""
    with atomic_write(path) as file:
        file.write(text.encode())


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise now what ``atomic_write`` would raise at the end of a long run; change nothing.

    Raises:
        OSError: The folder is missing or not writable, or ``path`` is a folder or a device.
    """
    target = Path(os.path.realpath(path))
    probe = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        _mode(target)
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.unlink(probe)
    except OSError as error:
        raise OSError(error.errno, f"cannot write: {error.strerror}", str(path)) from None


def _mode(target: Path) -> int | None:
    """Return the permissions of the file that is replaced; refuse what is not a file."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        # Renaming over /dev/null would replace the device itself.
        raise OSError(errno.EINVAL, "not a regular file")
    return stat.S_IMODE(mode)

"""Folders that are either whole or not there, and the names of the files in them."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from drivetrain.detection.annotations import GroundTruth, Ids
from drivetrain.detection.readers.names import spelled, stem


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Make a folder that takes its name only once all its files are in it.

    Raises:
        FileExistsError: There is a file, or a folder that is not empty, of that name.
        OSError: It cannot be made; the message names the path.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(errno.EEXIST, "cannot write: it is there and not empty", str(path))
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(6)}.tmp"
    try:
        temporary.mkdir()
        yield temporary
        # An empty folder of that name is replaced.
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary), str(path)):
            raise
        raise OSError(error.errno, f"cannot write: {error.strerror}", str(path)) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def image_names(truth: GroundTruth) -> list[str]:
    """Return the name of each image; its id where it has none."""
    return _names(truth.image_names, truth.image_words, truth.image_ids)


def class_names(truth: GroundTruth) -> list[str]:
    """Return the name of each class; its id where it has none."""
    return _names(truth.category_names, truth.category_words, truth.category_ids)


def _names(names: Sequence[str], words: Sequence[str], ids: Ids) -> list[str]:
    texts = spelled(ids, words)
    return [name or text for name, text in zip(names, texts)] if names else texts


def file_names(names: Sequence[str], what: str) -> list[str]:
    """Return names that can be those of files, one a name, without folder and suffix.

    Raises:
        ValueError: Two are the same, or one is no file name.

    Example:
        >>> file_names(["a/1.jpg", "a/2.jpg"], "image")
        ['1', '2']
    """
    short: dict[str, str] = {}
    for name in names:
        one = stem(name) if what == "image" else name
        if one in short:
            raise ValueError(
                f"{what} {name!r} and {short[one]!r} would be one file, {one!r}: rename one."
            )
        if not one or one.startswith(".") or any(c in one for c in "/\\\0\n\r") or len(one) > 200:
            raise ValueError(f"{what} {name!r} cannot be the name of a file.")
        short[one] = name
    return list(short)

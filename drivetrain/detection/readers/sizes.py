"""Height and width of images: told, from a table, or from the heads of the picture files."""

import csv
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path

from drivetrain.core.errors import require
from drivetrain.detection.readers.names import stem

Sizes = dict[str, tuple[int, int]]

_PICTURES = frozenset(
    (".bmp", ".dng", ".gif", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp")
)
# The tag of Exif that says how a picture lies, and its values that turn it by a quarter.
_ORIENTATION, _TURNED = 274, (5, 6, 7, 8)


def told_sizes(sizes: Mapping[str, Sequence[int]] | str | PathLike[str]) -> Sizes:
    """Return height and width by image name, from what was told.

    Args:
        sizes: A mapping from name to (height, width); a CSV with columns image, height, width;
            or a folder of pictures.

    Raises:
        ValueError: No such file, a size that is none, or a table without the columns.

    Example:
        >>> told_sizes({"a.jpg": (480, 640)})
        {'a.jpg': (480, 640)}
    """
    if isinstance(sizes, Mapping):
        return {str(name): _size(str(name), pair) for name, pair in sizes.items()}
    path = Path(fspath(sizes))
    if path.is_dir():
        return {picture.stem: picture_size(picture) for picture in pictures_in(path)}
    if not path.is_file():
        raise ValueError(f"sizes must be a mapping, a CSV or a folder. There is no {path}.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            table = [row for row in csv.reader(file) if row]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"sizes: {path} is no CSV: {error}") from None
    head = [word.strip().lower() for word in table[0]] if table else []
    at = [
        next((head.index(name) for name in names if name in head), -1)
        for names in (("image", "image_id", "filename", "file_name"), ("height",), ("width",))
    ]
    if min(at) < 0:
        raise ValueError(f"sizes: {path} must have columns image, height, width. Got {head[:8]}.")
    rows = [row for row in table[1:] if len(row) > max(at)]
    return {row[at[0]]: _size(row[at[0]], (row[at[1]], row[at[2]])) for row in rows}


def pictures_in(folder: Path) -> list[Path]:
    """Return the picture files of a folder, by name."""
    return sorted(one for one in folder.iterdir() if one.suffix.lower() in _PICTURES)


def picture_size(path: Path) -> tuple[int, int]:
    """Return height and width of a picture as it is shown: its Exif orientation is obeyed.

    Raises:
        ValueError: Not a picture.
        MissingDependency: Pillow is not installed.
    """
    image = require("PIL.Image", "pillow")
    try:
        with image.open(path) as picture:
            width, height = picture.size
            turned = picture.getexif().get(_ORIENTATION) in _TURNED
    except Exception as error:
        # Pillow raises whatever its decoders run into: SyntaxError and struct.error among them.
        raise ValueError(f"{path} is not a picture: {error}") from None
    return (width, height) if turned else (height, width)


def by_stem(sizes: Sizes) -> Sizes:
    """Return sizes under the names without folder and suffix.

    Example:
        >>> by_stem({"images/a.jpg": (2, 3)})
        {'a': (2, 3)}
    """
    return {stem(name): size for name, size in sizes.items()}


def _size(name: str, pair: Sequence[object]) -> tuple[int, int]:
    try:
        height, width = (int(str(value)) for value in pair)
    except (TypeError, ValueError):
        height = width = 0
    if not (0 < height < 2**31 and 0 < width < 2**31):
        raise ValueError(f"sizes: {name!r} must have height and width >= 1. Got {pair!r}.")
    return height, width

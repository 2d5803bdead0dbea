"""Run lengths as COCO writes them: lists of counts, and compressed strings."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array
from drivetrain.detection.masks._numba import measure_text, write_text
from drivetrain.detection.masks.columns import (
    Masks,
    check_sizes,
    offsets_of,
    wrong_total,
)


def from_counts(counts: Sequence[ArrayLike], sizes: ArrayLike) -> Masks:
    """Return masks of lists of run lengths: of 0, of 1, of 0 ... down the columns.

    Args:
        counts: The runs of each of n masks.
        sizes: Height and width of each, (n, 2).

    Raises:
        TypeError: Not numbers.
        ValueError: A run that is negative or no whole number, or runs that do not fill the
            picture; the mask is named.

    Example:
        >>> from_counts([[5, 2, 2, 2, 5]], [[4, 4]]).areas.tolist()
        [4]
    """
    lists = [
        check_array(f"counts of mask {i}", one, ndim=1, dtype=np.int64)
        for i, one in enumerate(counts)
    ]
    offsets = offsets_of(np.array([len(one) for one in lists], np.int64))
    return Masks.of_runs(np.concatenate([np.empty(0, np.int64), *lists]), offsets, sizes)


def from_strings(strings: Sequence[str | bytes], sizes: ArrayLike) -> Masks:
    """Return masks of COCO's compressed strings.

    A run is written as its difference to the run before the previous one (from the fourth on), in
    five bits a character from ``0`` on, low bits first; 32 more where characters follow.

    Args:
        strings: n strings, str or bytes; backslashes as they are, not doubled as in JSON.
        sizes: Height and width of each, (n, 2).

    Raises:
        TypeError: Not strings.
        ValueError: A character that none of the alphabet is, a string that is cut off, a negative
            run, or runs that do not fill the picture; the mask is named.

    Example:
        >>> from_strings(["52203"], [[4, 4]]).runs.tolist()
        [5, 2, 2, 2, 5]
    """
    texts = [_as_bytes(i, one) for i, one in enumerate(strings)]
    shapes = check_sizes(sizes)
    if len(texts) != len(shapes):
        raise ValueError(
            f"strings and sizes must be of the same number. Got {len(texts)} and {len(shapes)}."
        )
    # The kernel reads JSON, in which a backslash is doubled.
    doubled = [text.replace(b"\\", b"\\\\") for text in texts]
    whole = np.frombuffer(b"".join(doubled), np.uint8)
    offsets = offsets_of(np.array([len(text) for text in doubled], np.int64))
    areas, boxes = np.empty(len(texts), np.int64), np.empty((len(texts), 4))
    for i, (height, width) in enumerate(shapes.astype(np.int64).tolist()):
        span = (int(offsets[i]), int(offsets[i + 1]))
        if not measure_text(whole, *span, height, width, areas, boxes, i):
            raise ValueError(_why_not(i, texts[i], shapes[i]))
    packed = np.ones(len(texts), np.bool_)
    places = np.stack([offsets[:-1], offsets[1:]], axis=1)
    return Masks(np.empty(0, np.uint32), whole, packed, places, shapes, areas, boxes)


def _as_bytes(i: int, text: object) -> bytes:
    if isinstance(text, str):
        # All bytes of what is not ASCII are outside the alphabet.
        return text.encode()
    if isinstance(text, bytes):
        return text
    raise TypeError(f"counts of mask {i} must be str or bytes. Got {type(text).__name__}.")


def _why_not(i: int, text: bytes, size: NDArray[np.int32]) -> str:
    name = f"mask {i}"
    for position, character in enumerate(text.decode(errors="replace")):
        if not "0" <= character <= "o":
            return (
                f"{name}: its counts hold {character!r} at position {position}, "
                "characters must be from '0' to 'o'."
            )
    values: list[int] = []
    total = 0
    value = shift = 0
    for c in text:
        value |= ((c - 48) & 31) << shift
        shift += 5
        if (c - 48) & 32:
            continue
        if (c - 48) & 16:
            value -= 1 << shift
        value += values[-2] if len(values) > 2 else 0
        if not 0 <= value < 2**32:
            return f"{name}: run {len(values)} must be >= 0 and < 2**32. Got {value}."
        values.append(value)
        total += value
        value = shift = 0
    if shift:
        return f"{name}: its counts end in the middle of a number."
    return wrong_total(name, total, size)


def to_strings(masks: Masks) -> list[bytes]:
    """Return the masks as COCO's compressed strings, the bytes that pycocotools writes.

    Example:
        >>> to_strings(from_counts([[5, 2, 2, 2, 5]], [[4, 4]]))
        [b'52203']
    """
    ends = np.empty(len(masks), np.int64)
    text = np.empty(7 * len(masks.runs), np.uint8)
    offsets = np.ascontiguousarray(masks.offsets)
    write_text(np.ascontiguousarray(masks.runs), offsets, text, ends)
    whole = text[: ends[-1] if len(ends) else 0].tobytes()
    begins = [0, *ends.tolist()]
    return [whole[begin:end] for begin, end in pairwise(begins)]

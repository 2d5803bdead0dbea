"""What the numbers of categories stand for, as XGBoost's files keep it: the ``cats`` of a model."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.files.trees import FileError, column

# XGBoost's numbers for the types of whole-number categories.
_TYPES = {9: "i1", 10: "u1", 11: "i2", 12: "u2", 13: "i4", 14: "u4", 15: "i8", 16: "u8"}
_INT64 = 15

Categories = tuple[tuple[object, ...], ...]


def write_categories(categories: Categories) -> dict[str, Any]:
    """Return the categories of all columns as XGBoost keeps them.

    Columns of whole numbers stay so; anything else is kept as text, as XGBoost has no other.

    Args:
        categories: By column; empty where there are none.
    """
    if not any(categories):
        return {"enc": [], "feature_segments": [], "sorted_idx": []}
    sizes = [len(own) for own in categories]
    return {
        "enc": [_write_column(own) for own in categories],
        "feature_segments": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
        "sorted_idx": np.concatenate([_ranks(own) for own in categories]).astype(np.int32),
    }


def _whole(own: Sequence[object]) -> bool:
    return bool(own) and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in own
    )


def _text(own: Sequence[object]) -> list[bytes]:
    return [str(value).encode() for value in own]


def _write_column(own: Sequence[object]) -> dict[str, Any]:
    if _whole(own):
        return {"type": _INT64, "values": np.array(own, np.int64)}
    words = _text(own)
    ends = list(accumulate(map(len, words), initial=0)) if words else []
    return {
        "offsets": np.array(ends, np.int32),
        "values": np.frombuffer(b"".join(words), np.int8),
    }


def _ranks(own: Sequence[object]) -> NDArray[np.intp]:
    """Return the places of the categories in their order: as numbers, or as bytes."""
    keys: list[Any] = list(own) if _whole(own) else _text(own)
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp)


def read_categories(cats: Any, n_features: int) -> Categories:
    """Return the categories of all columns; empty where the model keeps none.

    Args:
        cats: The object of the file, or None.
        n_features: Features of the model.

    Raises:
        FileError: Another number of columns, or a column that is damaged.
    """
    if cats is None:
        return ()
    enc = cats.get("enc") if isinstance(cats, Mapping) else None
    if not isinstance(enc, list) or len(enc) not in (0, n_features):
        raise FileError(f"cats must have a list 'enc' of {n_features} columns, or an empty one.")
    return tuple(_read_column(own, f"cats column {f}") for f, own in enumerate(enc))


def _read_column(own: Any, where: str) -> tuple[object, ...]:
    if not isinstance(own, Mapping):
        raise FileError(f"{where} must be an object. Got {type(own).__name__}.")
    if "type" in own:
        kind = own["type"]
        if not isinstance(kind, int) or kind not in _TYPES:
            raise FileError(f"{where} has a type of categories that is not known: {kind!r:.40}.")
        return tuple(column(own, "values", _TYPES[kind], where).tolist())
    offsets = column(own, "offsets", np.int64, where)
    held = column(own, "values", np.int8, where).tobytes()
    if not len(offsets):
        return ()
    if offsets[0] != 0 or offsets[-1] != len(held) or (np.diff(offsets) < 0).any():
        raise FileError(f"{where} must have offsets that rise from 0 to {len(held)}.")
    try:
        return tuple(held[a:b].decode() for a, b in pairwise(offsets))
    except UnicodeDecodeError:
        # XGBoost 3.2 counts letters where it should count bytes: such words are lost.
        return ()

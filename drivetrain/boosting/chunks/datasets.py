"""Data sets of chunks: from a reader, from arrays on disk, from a table too large for memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.boosting.chunks.chunk import Chunk
from drivetrain.boosting.chunks.source import Read, Source
from drivetrain.boosting.chunks.table import ChunkedTable, Keeping
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.queries import offsets_of
from drivetrain.core.checks import check_integer

#: A folder for the bins, several on different disks, or None for memory.
Folders = str | Path | Sequence[str | Path] | None


def dataset_from_chunks(
    read: Read,
    *,
    feature_names: Sequence[str] = (),
    categorical: ArrayLike | None = None,
    categories: tuple[tuple[object, ...], ...] = (),
    cache: Folders = None,
    memory: int = 1 << 30,
    reference: Dataset | None = None,
) -> Dataset:
    """Return a data set whose values are read in chunks whenever they are needed.

    Training then equals training in memory, to the bit: cuts are found from whole columns, a
    few at a time, and trees grow on bins. The chunks are read once to look at them, then once
    for every ``memory`` bytes of values to find the cuts, and once to bin.

    Args:
        read: Returns the chunks, from the first on, each time it is called: tuples
            ``(x, label, weight)``, dicts with the names of `Chunk`, or `Chunk` objects.
        feature_names: A name a column.
        categorical: Whether a column holds whole numbers of categories, (F,).
        categories: What the numbers of each categorical column stand for.
        cache: Folder for the bins, or several on different disks that take blocks of them in
            turn; in memory where None. What an interrupted run has written is used again.
        memory: Bytes for whole columns while cuts are found.
        reference: The training data, where this is for evaluation: its cuts then serve here,
            and watching needs no reading of chunks.

    Returns:
        A data set for `drivetrain.boosting.training.boost`.

    Raises:
        ValueError: A chunk that does not fit the first; it is named by its number, from 0.

    Example:
        >>> import numpy as np
        >>> def read():
        ...     for k in range(3):
        ...         x = np.arange(8.0).reshape(4, 2) + k
        ...         yield x, x[:, 0]
        >>> data = dataset_from_chunks(read)
        >>> len(data), data.n_features
        (12, 2)
    """
    check_integer("memory", memory, low=0)
    kinds = None if categorical is None else np.asarray(categorical, np.bool_)
    source = Source(read, kinds)
    ours = None if reference is None else reference.table
    if reference is not None and not isinstance(ours, ChunkedTable):
        raise ValueError("reference must be a data set of chunks, whose cuts can serve here.")
    known: dict[str, Any] = dict(source.survey.known)
    qid = known.pop("qid", None)
    table = ChunkedTable(
        source,
        Keeping(folders=_folders(cache), memory=memory),
        reference=ours if isinstance(ours, ChunkedTable) else None,
    )
    return Dataset(
        x=np.empty((len(table), 0), np.float32),
        group_offsets=None if qid is None else offsets_of(qid),
        feature_names=tuple(feature_names),
        categorical=kinds,
        categories=categories,
        table=table,
        **known,
    )


def _folders(cache: Folders) -> tuple[Path, ...]:
    if cache is None:
        return ()
    given = [cache] if isinstance(cache, (str, Path)) else list(cache)
    if not given:
        raise ValueError("cache must name at least one folder. Got none.")
    folders = tuple(Path(one).expanduser().resolve() for one in given)
    if len(set(folders)) < len(folders):
        raise ValueError("cache must name different folders.")
    return folders


def dataset_from_arrays(
    x: str | Path | NDArray[Any],
    label: str | Path | ArrayLike,
    *,
    weight: str | Path | ArrayLike | None = None,
    rows: int = 1 << 16,
    **how: Any,
) -> Dataset:
    """Return a data set of arrays on disk: memory maps, or the names of ``.npy`` files.

    Args:
        x: Values, (n, F), of any real type.
        label: Targets, (n,) or (n, targets).
        weight: Weight of each row, (n,).
        rows: Rows to read at a time.
        **how: As `dataset_from_chunks` has them.

    Raises:
        ValueError: Columns of unequal length, or a file that is no array.
    """
    check_integer("rows", rows, low=1)
    given = {"x": x, "label": label, "weight": weight}
    held = {name: _mapped(name, one) for name, one in given.items() if one is not None}
    n = len(held["x"])
    for name, array in held.items():
        if len(array) != n:
            raise ValueError(f"{name} must have {n} rows, as x has. Got {len(array)}.")

    def read() -> Iterator[Chunk]:
        for a in range(0, n, rows):
            yield Chunk(**{name: np.asarray(array[a : a + rows]) for name, array in held.items()})

    return dataset_from_chunks(read, **how)


def _mapped(name: str, given: Any) -> NDArray[Any]:
    if not isinstance(given, (str, Path)):
        return np.asarray(given)
    try:
        return np.asarray(np.load(given, mmap_mode="r", allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise ValueError(f"{name}: {given} is no array of numbers in .npy form: {error}") from None

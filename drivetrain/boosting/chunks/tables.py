"""CSV and Parquet files larger than memory, read in batches of rows."""

import csv
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.chunks.datasets import dataset_from_chunks
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.tables import MISSING
from drivetrain.core.checks import check_integer
from drivetrain.core.errors import require, unknown

#: A batch: columns by name, as text or as pyarrow has them.
Batch = dict[str, Any]


def dataset_from_table(
    path: str | Path,
    target: str,
    *,
    features: Sequence[str] | None = None,
    weight: str | None = None,
    qid: str | None = None,
    categorical: Sequence[str] = (),
    rows: int = 1 << 16,
    **how: Any,
) -> Dataset:
    """Return a data set of a CSV or Parquet file that need not fit into memory.

    Columns with words become categories in the words' sorted order, as
    `drivetrain.boosting.tables.encode` has them. The file is read once more for each of: the
    kinds of a CSV's columns, and the words.

    Args:
        path: The file; ``.parquet`` is read by pyarrow, and CSV too where it is installed.
        target: The column to predict, of numbers.
        features: Columns to learn from; all others where None.
        weight: Column with the weight of each row.
        qid: Column with the query of each row.
        categorical: Columns of whole numbers that are categories.
        rows: Rows to read at a time.
        **how: ``cache``, ``memory`` and ``reference`` of `dataset_from_chunks`.

    Raises:
        ValueError: A column is not there, or no numbers where numbers are needed; an odd line.
        MissingDependency: Parquet without pyarrow.
    """
    check_integer("rows", rows, low=1)
    read = _reader(Path(path), rows)
    kinds = _kinds(read)
    roles = {name: column for name, column in (("weight", weight), ("qid", qid)) if column}
    taken = {target, *roles.values()}
    names = tuple(features) if features is not None else tuple(n for n in kinds if n not in taken)
    for name in (*names, *taken, *categorical):
        if name not in kinds:
            raise unknown("column", name, kinds)
    for role, name in {"target": target, **roles}.items():
        if not kinds[name]:
            raise ValueError(f"{role} must be a column of numbers. Got words in {name!r}.")
    words = _words(read, [name for name in names if not kinds[name]])

    def chunks() -> Iterator[dict[str, Any]]:
        for batch in read():
            chunk = {role: numbers(batch[name]) for role, name in roles.items()}
            chunk["label"] = numbers(batch[target])
            columns = [_coded(batch[name], words.get(name)) for name in names]
            yield {"x": np.stack(columns, axis=1), **chunk}

    return dataset_from_chunks(
        chunks,
        feature_names=names,
        categorical=[name in words or name in categorical for name in names],
        categories=tuple(words.get(name, ()) for name in names),
        **how,
    )


def _reader(path: Path, rows: int) -> Callable[[], Iterator[Batch]]:
    if path.suffix in (".parquet", ".pq"):
        return partial(_parquet, path, rows)
    if find_spec("pyarrow") is not None:
        return partial(_arrow_csv, path, rows)
    return partial(_plain_csv, path, rows)


def _parquet(path: Path, rows: int) -> Iterator[Batch]:
    parquet = require("pyarrow.parquet", "drivetrain[parquet]")
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(rows):
                yield dict(zip(batch.schema.names, batch.columns))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no Parquet file: {str(error).splitlines()[0]}") from None


def _header(path: Path) -> list[str]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        header = next(csv.reader(file), None)
    if not header:
        raise ValueError(f"{path} is empty: a header line was expected.")
    if len(set(header)) != len(header):
        raise ValueError(f"{path} names a column twice: {sorted(header)!r:.80}.")
    return header


def _arrow_csv(path: Path, rows: int) -> Iterator[Batch]:
    """Read every column as text: what a column holds is told by all of it, not by its start."""
    arrow, reading = require("pyarrow", "drivetrain"), require("pyarrow.csv", "drivetrain")
    header = _header(path)
    convert = reading.ConvertOptions(
        column_types=dict.fromkeys(header, arrow.string()), strings_can_be_null=False
    )
    size = min(max(64 * len(header) * rows, 1 << 16), 1 << 28)
    try:
        with reading.open_csv(
            path,
            read_options=reading.ReadOptions(block_size=size),
            parse_options=reading.ParseOptions(newlines_in_values=True),
            convert_options=convert,
        ) as file:
            for batch in file:
                for a in range(0, len(batch), rows):
                    some = batch.slice(a, rows)
                    yield dict(zip(some.schema.names, some.columns))
    except arrow.ArrowInvalid as error:
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from None


def _plain_csv(path: Path, rows: int) -> Iterator[Batch]:
    header = _header(path)
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        next(reader)
        while lines := [line for line in islice(reader, rows) if line]:
            for k, line in enumerate(lines):
                if len(line) != len(header):
                    where = f"{path} line {reader.line_num - len(lines) + 1 + k}"
                    raise ValueError(f"{where} must have {len(header)} fields. Got {len(line)}.")
            yield dict(zip(header, map(list, zip(*lines))))


def numbers(raw: Any) -> NDArray[np.float64]:
    """Return a column of a batch as numbers; what stands for a missing value is NaN.

    Raises:
        ValueError: A word.
    """
    if isinstance(raw, list):
        return np.array([np.nan if v is None or v in MISSING else float(v) for v in raw])
    arrow, compute = require("pyarrow", "drivetrain"), require("pyarrow.compute", "drivetrain")
    try:
        if arrow.types.is_string(raw.type):
            absent = compute.is_in(raw, value_set=arrow.array(sorted(MISSING)))
            raw = compute.if_else(absent, arrow.scalar(None, arrow.string()), raw)
        elif arrow.types.is_boolean(raw.type):
            raw = raw.cast(arrow.int8())
        held = raw.cast(arrow.float64(), safe=False)
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError):
        # Python reads some numbers that arrow does not: with blanks around them, for one.
        return numbers(raw.to_pylist())
    return np.asarray(held.to_numpy(zero_copy_only=False), np.float64)


def _kinds(read: Callable[[], Iterator[Batch]]) -> dict[str, bool]:
    """Return whether each column holds nothing but numbers."""
    kinds: dict[str, bool] = {}
    for batch in read():
        for name, raw in batch.items():
            if kinds.setdefault(name, True):
                kinds[name] = _numeric(raw)
    if not kinds:
        raise ValueError("the table has no rows.")
    return kinds


def _numeric(raw: Any) -> bool:
    if not isinstance(raw, list):
        arrow = require("pyarrow", "drivetrain")
        is_ = arrow.types
        if is_.is_integer(raw.type) or is_.is_floating(raw.type) or is_.is_boolean(raw.type):
            return True
        if not is_.is_string(raw.type) and not is_.is_null(raw.type):
            return False
    try:
        numbers(raw)
    except (TypeError, ValueError):
        return False
    return True


def _texts(raw: Any) -> list[str | None]:
    held = raw if isinstance(raw, list) else raw.to_pylist()
    return [None if v is None or v in MISSING else str(v) for v in held]


def _words(read: Callable[[], Iterator[Batch]], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the words of the columns, sorted."""
    seen: dict[str, set[str]] = {name: set() for name in names}
    if not names:
        return {}
    for batch in read():
        for name in names:
            seen[name].update(text for text in _texts(batch[name]) if text is not None)
    return {name: tuple(sorted(own)) for name, own in seen.items()}


def _coded(raw: Any, words: tuple[str, ...] | None) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        if words is None:
            return numbers(raw).astype(np.float32)
    place: dict[str | None, float] = {word: k for k, word in enumerate(words)}
    return np.array([place.get(text, np.nan) for text in _texts(raw)], np.float32)

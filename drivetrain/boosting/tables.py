"""Tables on disk as what boosting reads: numbers, and words as categories."""

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.core.errors import require, unknown

MISSING = frozenset({"", "NA", "NaN", "nan", "null", "None"})
#: Where a model keeps what its categories and classes are called.
CATEGORIES, CLASSES = "drivetrain.categories", "drivetrain.classes"

Column = NDArray[Any]
#: Trees, or a line.
Model = Booster | LinearBooster


def read_table(path: str | Path, *, delimiter: str = ",") -> dict[str, Column]:
    """Return the columns of a CSV or Parquet file: float64 where all are numbers, else text.

    Args:
        path: The file; ``.parquet`` is read by pyarrow.
        delimiter: Of CSV.

    Raises:
        ValueError: Empty, no header, or rows of another length; the line is named.
        MissingDependency: Parquet without pyarrow.
    """
    if Path(path).suffix in (".parquet", ".pq"):
        return _read_parquet(path)
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=delimiter)
        header = next(reader, None)
        if not header:
            raise ValueError(f"{path} is empty: a header line was expected.")
        if len(set(header)) != len(header):
            raise ValueError(f"{path} names a column twice: {sorted(header)!r:.80}.")
        rows: list[list[str]] = []
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                where = f"{path} line {reader.line_num}"
                raise ValueError(f"{where} must have {len(header)} fields. Got {len(row)}.")
            rows.append(row)
    if not rows:
        raise ValueError(f"{path} has a header but no rows.")
    return {name: _typed(list(values)) for name, values in zip(header, zip(*rows))}


def _typed(values: list[str]) -> Column:
    try:
        return np.array([np.nan if v in MISSING else float(v) for v in values])
    except ValueError:
        return np.array([None if v in MISSING else v for v in values], object)


def _read_parquet(path: str | Path) -> dict[str, Column]:
    parquet = require("pyarrow.parquet", "drivetrain[parquet]")
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is no Parquet file: {str(error).splitlines()[0]}") from None
    columns = {}
    for name in table.column_names:
        values = table.column(name).to_pylist()
        numeric = all(v is None or isinstance(v, (int, float, bool)) for v in values)
        columns[name] = (
            np.array([np.nan if v is None else float(v) for v in values])
            if numeric
            else np.array([None if v is None else str(v) for v in values], object)
        )
    return columns


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """A table as numbers, and what its words became.

    Attributes:
        x: Values, (n, F).
        names: Columns.
        categorical: Which columns were words, (F,).
        categories: The words of each column, sorted; empty for numbers.
    """

    x: NDArray[np.float32]
    names: tuple[str, ...]
    categorical: NDArray[np.bool_]
    categories: tuple[tuple[str, ...], ...]

    def dataset(self, **given: Any) -> Dataset:
        """Return a dataset of these columns with labels and weights."""
        return Dataset(
            x=self.x, feature_names=self.names, categorical=self.categorical,
            categories=self.categories, **given,
        )  # fmt: skip


def encode(
    columns: dict[str, Column], categories: dict[str, tuple[str, ...]] | None = None
) -> Encoded:
    """Return columns as float32, words as whole numbers in their sorted order.

    Args:
        columns: By name.
        categories: The words known already; a table to predict may have no others.

    Raises:
        ValueError: A word that is not known, with its column and row.
    """
    made: list[NDArray[np.float32]] = []
    words: list[tuple[str, ...]] = []
    for name, values in columns.items():
        known = (categories or {}).get(name, ())
        if values.dtype.kind == "f" and not known:
            made.append(values.astype(np.float32))
            words.append(())
            continue
        texts = _texts(values)
        own = known or tuple(sorted({text for text in texts if text is not None}))
        made.append(_codes(name, texts, own))
        words.append(own)
    return Encoded(
        x=np.ascontiguousarray(np.stack(made, axis=1)),
        names=tuple(columns),
        categorical=np.array([bool(own) for own in words]),
        categories=tuple(words),
    )


def _texts(values: Column) -> list[str | None]:
    if values.dtype.kind != "f":
        return [None if v is None else str(v) for v in values]
    return [None if np.isnan(v) else f"{v:g}" for v in values]


def _codes(name: str, texts: list[str | None], known: tuple[str, ...]) -> NDArray[np.float32]:
    place = {word: k for k, word in enumerate(known)}
    codes = np.empty(len(texts), np.float32)
    for row, text in enumerate(texts):
        if text is None:
            codes[row] = np.nan
        elif text in place:
            codes[row] = place[text]
        else:
            raise ValueError(f"Column {name!r} has a category never seen: {text!r} in row {row}.")
    return codes


def remember(model: Model, encoded: Encoded, classes: tuple[str, ...] = ()) -> Model:
    """Return the model with the words of its table among its attributes, where files keep them."""
    words = {n: list(own) for n, own in zip(encoded.names, encoded.categories) if own}
    kept = dict(model.attributes)
    if words:
        kept[CATEGORIES] = json.dumps(words)
    if classes:
        kept[CLASSES] = json.dumps(classes)
    return replace(model, attributes=kept)


def encode_for(model: Model, columns: dict[str, Column]) -> Encoded:
    """Return the columns a model wants, in its order.

    Raises:
        ValueError: A column is missing, or holds a category never seen.
    """
    wanted = model.feature_names or tuple(columns)
    for name in wanted:
        if name not in columns:
            raise unknown("column", name, columns)
    words = json.loads(model.attributes.get(CATEGORIES, "{}"))
    known = {name: tuple(own) for name, own in words.items()}
    return encode({name: columns[name] for name in wanted}, known)


def classes_of(model: Model) -> tuple[str, ...]:
    """Return what the model's classes are called; empty where they are numbers."""
    return tuple(json.loads(model.attributes.get(CLASSES, "[]")))

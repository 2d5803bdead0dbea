"""From tables on disk to rows to fit and rows to watch."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.params import loss_of, named
from drivetrain.boosting.queries import offsets_of
from drivetrain.boosting.tables import Column, Encoded, encode, read_table
from drivetrain.commands.boosted.flags import Loss, Rows, Trees
from drivetrain.core.errors import unknown

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Parted:
    """A table ready to learn from.

    Attributes:
        train: Rows to fit.
        held: Rows to watch.
        encoded: The columns of both, and their words.
        objective: What is minimized.
        given: Every parameter, under XGBoost's names.
        classes: What the classes are called; empty for numbers.
        how: In words, which rows are held out.
    """

    train: Dataset
    held: Dataset
    encoded: Encoded
    objective: Objective
    given: dict[str, Any]
    classes: tuple[str, ...]
    how: str


def load(table: Path, target: str, *, rows: Rows, loss: Loss, trees: Trees, seed: int) -> Parted:
    """Return the rows of a table, part of them held out, and what they are learned by.

    Raises:
        ValueError: A column is missing, a target or a weight is not what it must be.
    """
    columns = read_table(table)
    own = len(next(iter(columns.values())))
    if rows.valid is not None:
        columns = _below(columns, read_table(rows.valid), table, rows.valid)
    labels = _take(columns, target)
    weight = _weights(columns, rows.weight)
    upper = None if rows.upper is None else _upper(columns, rows.upper, labels)
    keys = {name: _take(columns, name) for name in (rows.time, rows.group, rows.query) if name}
    for name in rows.ignore:
        _take(columns, name)
    if not columns:
        raise ValueError(f"The table has no column but the target {target!r}.")
    encoded = encode(columns)
    given = named(loss.parameters() | trees.parameters(encoded.names))
    objective, label, classes = _objective(loss.objective, loss_of(given), target, labels)
    weight = _class_weights(loss.class_weight, label, classes, weight)
    kept, held, how = _places(rows, label, keys, own=own, seed=seed, by_class=bool(classes))
    data = encoded.dataset(label=label[:, None], weight=weight, label_bounds=upper)
    if rows.query is not None:
        # Rows of a query stand side by side, the held-out queries after the others.
        codes = np.unique(_complete(keys[rows.query], rows.query), return_inverse=True)[1]
        kept, held = (own[np.argsort(codes[own], kind="stable")] for own in (kept, held))
    train, watched = data.take(kept), data.take(held)
    if rows.query is not None:
        train, watched = _in_queries(train, codes[kept]), _in_queries(watched, codes[held])
    return Parted(
        train=train,
        held=watched,
        given=given,
        encoded=encoded,
        objective=objective,
        classes=classes,
        how=how,
    )


def _take(columns: dict[str, Column], name: str) -> Column:
    if name not in columns:
        raise unknown("column", name, columns)
    return columns.pop(name)


def _below(
    first: dict[str, Column], second: dict[str, Column], path: Path, other: Path
) -> dict[str, Column]:
    """Return the rows of both tables, the columns of the first."""
    whole = {}
    for name, values in first.items():
        if name not in second:
            raise ValueError(f"{other} has no column {name!r}, which {path} has.")
        below = second[name]
        if (values.dtype.kind == "f") != (below.dtype.kind == "f"):
            words = path if values.dtype.kind != "f" else other
            raise ValueError(f"Column {name!r} holds words in {words} and numbers in the other.")
        whole[name] = np.concatenate([values, below])
    return whole


def _weights(columns: dict[str, Column], name: str | None) -> Floats | None:
    if name is None:
        return None
    given = _take(columns, name)
    if given.dtype.kind != "f":
        raise ValueError(f"weight must be a column of numbers. Got words in {name!r}.")
    wrong = np.flatnonzero(~(given >= 0) | np.isinf(given))
    if len(wrong):
        got = f"{given[wrong[0]]:g} in row {wrong[0]} of {name!r}"
        raise ValueError(f"weight must be >= 0 and finite. Got {got}.")
    return given.astype(np.float32)


def _in_queries(data: Dataset, codes: Indices) -> Dataset:
    return replace(data, group_offsets=offsets_of(codes))


def _upper(columns: dict[str, Column], name: str, labels: Column) -> Floats:
    """Return the earliest and the latest time of each row; a gap is never."""
    latest = _take(columns, name)
    if latest.dtype.kind != "f" or labels.dtype.kind != "f":
        raise ValueError(f"upper must be a column of numbers, as the target. Got words: {name!r}.")
    known = np.where(np.isnan(latest), np.inf, latest)
    wrong = np.flatnonzero(known < labels)
    if len(wrong):
        row = int(wrong[0])
        got = f"{latest[row]:g} after {labels[row]:g} in row {row} of {name!r}"
        raise ValueError(f"upper must not lie before the target. Got {got}.")
    return np.stack([labels, known], axis=1).astype(np.float32)


def _objective(
    name: str, parameters: dict[str, Any], target: str, labels: Column
) -> tuple[Objective, Floats, tuple[str, ...]]:
    """Return the loss, the labels as numbers, and what their classes are called."""
    words = labels.dtype.kind != "f"
    absent = np.array([v is None for v in labels]) if words else np.isnan(labels)
    if absent.any():
        row = int(np.flatnonzero(absent)[0])
        raise ValueError(f"target {target!r} is missing in row {row} ({absent.sum()} in all).")
    binary = not words and set(np.unique(labels)) <= {0.0, 1.0}
    if not (words or (binary and name == "auto") or name.startswith("multi:")):
        chosen = "reg:squarederror" if name == "auto" else name
        names = ("0", "1") if binary and chosen.startswith("binary:") else ()
        return objective_named(chosen, parameters), labels.astype(np.float32), names
    found, codes = np.unique(labels.astype(str) if words else labels, return_inverse=True)
    classes = tuple(str(one) if words else f"{one:g}" for one in found)
    chosen = name
    if name == "auto":
        chosen = "multi:softprob" if len(found) > 2 else "binary:logistic"
    objective = objective_named(chosen, parameters | {"num_class": len(found)})
    if words and not chosen.startswith(("binary:", "multi:")):
        raise ValueError(f"{chosen} wants numbers. Got words in the target {target!r}.")
    if chosen.startswith("binary:") and len(found) > 2:
        raise ValueError(f"{chosen} wants two classes. Got {len(found)} in {target!r}.")
    return objective, codes.astype(np.float32), classes


def _class_weights(
    given: tuple[str, ...], label: Floats, classes: tuple[str, ...], weight: Floats | None
) -> Floats | None:
    if not given:
        return weight
    if not classes:
        raise ValueError("class_weight wants classes. The target is a number.")
    codes = label.astype(np.int64)
    each = np.ones(len(classes))
    if given == ("balanced",):
        each = len(label) / (len(classes) * np.bincount(codes, minlength=len(classes)).clip(1))
    else:
        for word in given:
            name, _, value = word.rpartition("=")
            if name not in classes:
                raise unknown("class", name or word, classes)
            each[classes.index(name)] = _positive(word, value)
    whole = each[codes].astype(np.float32)
    return whole if weight is None else whole * weight


def _positive(word: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = np.nan
    if not 0 < number < np.inf:
        raise ValueError(f"class_weight must be NAME=WEIGHT, the weight > 0. Got {word!r}.")
    return number


def _places(
    rows: Rows,
    label: Floats,
    keys: dict[str, Column],
    *,
    own: int,
    seed: int,
    by_class: bool,
) -> tuple[Indices, Indices, str]:
    """Return which rows are fitted and which are held out, and how they were chosen."""
    n = len(label)
    everyone = np.arange(n)
    if rows.valid is not None:
        return everyone[:own], everyone[own:], f"{n - own:,} rows of {rows.valid.name}"
    if rows.time is not None:
        held = _latest(keys[rows.time], rows.time, rows.holdout)
        how = f"the latest by {rows.time}"
    elif rows.group is not None or rows.query is not None:
        name = rows.group or rows.query or ""
        held = _groups(keys[name], name, rows.holdout, seed)
        how = f"whole groups of {name}" if rows.group else f"whole queries by {name}"
    else:
        held = _random(label if by_class else None, n, rows.holdout, seed)
        how = "drawn at random" + (", class by class" if by_class else "")
    return everyone[~held], everyone[held], how


def _random(label: Floats | None, n: int, share: float, seed: int) -> NDArray[np.bool_]:
    if n < 2:
        raise ValueError(f"The table must have at least 2 rows. Got {n}.")
    count = min(max(1, round(share * n)), n - 1)
    order = np.random.default_rng(seed).permutation(n)
    held = np.zeros(n, np.bool_)
    if label is None:
        held[order[:count]] = True
        return held
    # Every so-many-th of the rows in the order of their class: each class in its share.
    order = order[np.argsort(label[order], kind="stable")]
    held[order[((np.arange(count) + 0.5) * n / count).astype(np.int64)]] = True
    return held


def _latest(times: Column, name: str, share: float) -> NDArray[np.bool_]:
    known = _complete(times, name)
    distinct, place = np.unique(known, return_inverse=True)
    if len(distinct) < 2:
        raise ValueError(f"time column {name!r} must hold two times or more. Got one.")
    at = min(max(1, round((1 - share) * len(known))), len(known) - 1)
    # Rows of one time stay together.
    first = max(1, int(np.sort(place)[at]))
    return np.asarray(place >= first)


def _groups(groups: Column, name: str, share: float, seed: int) -> NDArray[np.bool_]:
    distinct, place = np.unique(_complete(groups, name), return_inverse=True)
    if len(distinct) < 2:
        raise ValueError(f"group column {name!r} must hold two groups or more. Got one.")
    order = np.random.default_rng(seed).permutation(len(distinct))
    sizes = np.bincount(place)[order]
    count = int(np.searchsorted(np.cumsum(sizes), share * len(place))) + 1
    return np.isin(place, order[: min(count, len(distinct) - 1)])


def _complete(values: Column, name: str) -> NDArray[Any]:
    absent = np.array([v is None for v in values]) if values.dtype.kind != "f" else np.isnan(values)
    if absent.any():
        row = int(np.flatnonzero(absent)[0])
        raise ValueError(f"Column {name!r} is missing in row {row}: rows cannot be held out by it.")
    return values.astype(str) if values.dtype.kind != "f" else values

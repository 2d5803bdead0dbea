"""What predict and explain write: one line a row, columns named by the model's classes."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.tables import Model, classes_of
from drivetrain.core.files import write_text

Matrix = NDArray[Any]


def predictions(model: Model, given: NDArray[np.float32]) -> tuple[list[str], Matrix]:
    """Return predictions under their names: a probability a class, or the value."""
    rows = given.reshape(len(given), -1)
    names = classes_of(model)
    if rows.shape[1] == len(names) > 1:
        return [f"p({name})" for name in names], rows
    if rows.shape[1] == 1 and names and model.objective.name == "multi:softmax":
        return ["prediction"], np.array([[names[int(k)]] for k in rows[:, 0]], object)
    if rows.shape[1] == 1 and len(names) == 2:
        return [f"p({names[1]})"], rows
    return _numbered("prediction", rows.shape[1]), rows


def with_class(model: Model, header: list[str], rows: Matrix) -> tuple[list[str], Matrix]:
    """Return probabilities with the likeliest class in front; anything else as it is."""
    names = classes_of(model)
    if len(names) < 2 or not header[0].startswith("p("):
        return header, rows
    likely = rows.argmax(axis=1) if rows.shape[1] > 1 else (rows[:, 0] > 0.5).astype(int)
    first = np.array([names[k] for k in likely], object)[:, None]
    return ["class", *header], np.concatenate([first, rows.astype(object)], axis=1)


def margins(model: Model, given: NDArray[np.float32]) -> tuple[list[str], Matrix]:
    """Return margins under their names."""
    names = classes_of(model)
    if given.shape[1] == len(names):
        return [f"margin({name})" for name in names], given
    return _numbered("margin", given.shape[1]), given


def leaves(given: NDArray[np.int32]) -> tuple[list[str], Matrix]:
    """Return the leaves that rows reach, a column a tree."""
    return [f"tree_{k}" for k in range(given.shape[1])], given


def contributions(
    model: Model, names: Sequence[str], values: NDArray[np.float64]
) -> tuple[list[str], Matrix]:
    """Return Shapley values, (n, groups, F + 1), under the features' names."""
    groups, classes = values.shape[1], classes_of(model)
    columns = [*names, "base"]
    if groups == 1:
        return columns, values[:, 0]
    told = classes if len(classes) == groups else [str(k) for k in range(groups)]
    header = [f"{name} [{one}]" for one in told for name in columns]
    return header, values.reshape(len(values), -1)


def pairs(names: Sequence[str], size: NDArray[np.float64]) -> tuple[list[str], list[list[str]]]:
    """Return the mean size of each pair's interaction, the largest first.

    Args:
        names: Features.
        size: Mean absolute interaction of each pair, (F, F).
    """
    # Both halves of a pair: what is lost if they do not act together.
    found = [
        (2 * size[i, j], names[i], names[j])
        for i in range(len(names))
        for j in range(i + 1, len(names))
    ]
    found.sort(key=lambda one: -one[0])
    return ["feature", "other", "mean"], [[a, b, str(v)] for v, a, b in found]


def _numbered(word: str, count: int) -> list[str]:
    return [word] if count == 1 else [f"{word}_{k}" for k in range(count)]


def write_csv(path: Path, header: Sequence[str], rows: Any) -> None:
    """Write a table; numbers as the shortest text that reads back to the same float."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[str(v) for v in row] for row in rows])
    write_text(path, text.getvalue())

"""Open Images: a CSV of boxes in parts of the image, a tree of classes, verified labels."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from os import fspath
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.detection.annotations import Detections, Federation, Floats, GroundTruth, Ids
from drivetrain.detection.issues import Issue, Issues
from drivetrain.detection.readers.cells import Table, read_table
from drivetrain.detection.readers.names import Names, listed, stem
from drivetrain.detection.readers.rows import (
    Listing,
    Rows,
    corners_to_size,
    refuse_rows,
    to_detections,
    to_truth,
)
from drivetrain.detection.readers.sizes import by_stem, told_sizes
from drivetrain.detection.readers.told import Told

CORNERS = ("XMin", "YMin", "XMax", "YMax")
COLUMNS = ("ImageID", "LabelName", *CORNERS)
_SCORES = ("Score", "Confidence", "Conf")


def read_ground_truth(path: Path, told: Told, issues: Issues) -> GroundTruth:
    """Return the truths of an Open Images CSV of boxes.

    Boxes are in parts of the image and stay so where its size is not told: overlaps are the same,
    areas are not. With ``labels``, the classes verified for an image that have no box there
    are its ``federation.negative``: a detection of them is false; one of a class that nobody
    verified counts for nothing. With ``hierarchy``, ``federation.parents`` holds the ancestors
    of each class, without the root.

    Args:
        path: The CSV, of columns ImageID, LabelName, XMin, XMax, YMin, YMax, perhaps IsGroupOf.
        told: ``sizes``, ``hierarchy``, ``labels``, ``names``, ``images``.
        issues: Where findings are told.

    Raises:
        ValueError: A column that is missing, a row whose numbers are none, unless lenient.

    References:
        Kuznetsova et al., The Open Images Dataset V4, IJCV 2020.
    """
    table = read_table(path, issues)
    rows = _rows(table, issues, scored=False)
    labels = _read_labels(told, issues)
    tree = _ancestors(told)
    images = {*table.words("ImageID"), *(image for image, _ in labels)} - {""}
    classes = {*rows.classes, *(name for _, name in labels), *tree, *_all(tree)}
    names = sorted(classes) if told.names is None else listed("names", told.names)
    sizes = _sizes(told, images)
    rows.boxes = _scaled(rows.boxes, rows.images, sizes)
    listing = Listing(images=images, classes=names, sizes=sizes)
    truth = to_truth(rows, listing, told, issues, str(path))
    if told.labels is None and told.hierarchy is None:
        return truth
    return replace(truth, federation=_federation(truth, labels, tree, told))


def read_detections(path: Path, truth: GroundTruth, told: Told, issues: Issues) -> Detections:
    """Return the detections of a CSV: ImageID, LabelName, Score, XMin, XMax, YMin, YMax.

    Boxes take the sizes of the truth's images, and stay in parts where it has none.

    Args:
        path: The CSV; the score may be called Confidence or Conf.
        truth: Whose images, sizes and classes are meant.
        told: ``sizes`` where the truth has none but is in pixels.
        issues: Where findings are told.

    Raises:
        ValueError: A column that is missing, a row whose numbers are none, an image or class that
            the truth lacks, unless lenient.
    """
    rows = _rows(read_table(path, issues), issues, scored=True)
    names = Names.images(truth)
    sizes = _sizes(told, set(rows.images))
    if told.sizes is None and truth.image_sizes is not None:
        table = dict(zip(truth.image_ids.tolist(), map(tuple, truth.image_sizes.tolist())))
        known = {image: names.named(image) for image in dict.fromkeys(rows.images)}
        sizes = {image: table[one] for image, one in known.items() if one is not None}
    rows.boxes = _scaled(rows.boxes, rows.images, sizes)
    return to_detections(rows, truth, issues, str(path))


def _rows(table: Table, issues: Issues, *, scored: bool) -> Rows:
    score = next((name for name in _SCORES if name in table.head), None)
    missing = [name for name in COLUMNS if name not in table.head]
    if missing or (scored and score is None):
        lacking = [*missing, *(["Score"] if scored and score is None else [])]
        raise ValueError(
            f"{table.source}: there is no column {', '.join(lacking)}. "
            f"The columns are {', '.join(map(repr, table.head[:20]))}."
        )
    cells = {name: table.numbers(name) for name in CORNERS}
    corners = np.stack([values for values, _ in cells.values()], axis=1)
    rows = Rows(
        images=table.words("ImageID"),
        classes=table.words("LabelName"),
        boxes=corners_to_size(corners),
        lines=table.lines,
    )
    wrong = {f"{name} is no number": bad for name, (_, bad) in cells.items()}
    wrong["no ImageID or no LabelName"] = np.array(
        [not (one and two) for one, two in zip(rows.images, rows.classes)], np.bool_
    )
    if scored and score is not None:
        rows.scores, wrong[f"{score} is no number"] = table.numbers(score)
    elif "IsGroupOf" in table.head:
        values, wrong["IsGroupOf is no number"] = table.numbers("IsGroupOf")
        rows.columns["group_of"] = values > 0
    return _without(rows, wrong, issues, table.source)


def _without(rows: Rows, wrong: dict[str, Any], issues: Issues, source: str) -> Rows:
    for what in list(wrong):
        bad = wrong[what]
        if bad.any():
            rows = refuse_rows(rows, bad, "bad-cell", what, issues, source)
            wrong = {other: flags[~bad] for other, flags in wrong.items()}
    return rows


def _scaled(boxes: Floats, images: Any, sizes: Mapping[str, tuple[int, int]]) -> Floats:
    """Return boxes in pixels, where the size of their image is known."""
    scale = np.array([sizes.get(name, (1, 1)) for name in images], np.float64).reshape(-1, 2)
    scale[scale == 0] = 1
    return boxes * scale[:, [1, 0, 1, 0]]


def _sizes(told: Told, images: set[str]) -> dict[str, tuple[int, int]]:
    """Return the told sizes under the names that the table gives the images."""
    sizes = {} if told.sizes is None else told_sizes(told.sizes)
    loose = by_stem(sizes)
    found = {name: sizes.get(name) or loose.get(stem(name)) for name in images}
    return {name: size for name, size in found.items() if size is not None}


def _read_labels(told: Told, issues: Issues) -> dict[tuple[str, str], float]:
    """Return the confidence (0 or 1) of each verified pair of image and class."""
    if told.labels is None:
        return {}
    path = Path(fspath(told.labels))
    if not path.is_file():
        raise ValueError(f"labels must be a CSV of verified labels. There is no file {path}.")
    table = read_table(path, issues)
    missing = [name for name in ("ImageID", "LabelName", "Confidence") if name not in table.head]
    if missing:
        raise ValueError(
            f"labels: {path} has no column {', '.join(missing)}. "
            f"The columns are {', '.join(map(repr, table.head[:20]))}."
        )
    values, bad = table.numbers("Confidence")
    for row in np.flatnonzero(bad).tolist():
        issues.refuse(
            Issue(
                kind="bad-cell",
                source=str(path),
                what="Confidence is no number",
                done="dropped",
                entry=row,
                place=table.lines[row] if table.lines else None,
            )
        )
    pairs = zip(table.words("ImageID"), table.words("LabelName"))
    return {pair: value for pair, value, wrong in zip(pairs, values.tolist(), bad) if not wrong}


def _ancestors(told: Told) -> dict[str, set[str]]:
    """Return the classes above each class, without the root of the tree."""
    if told.hierarchy is None:
        return {}
    path = Path(fspath(told.hierarchy))
    try:
        tree = json.loads(path.read_bytes())
    except OSError:
        raise ValueError(f"hierarchy must be a JSON file. There is no file {path}.") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"hierarchy: {path} is no JSON: {error}") from None
    above: dict[str, set[str]] = {}
    for name, parents in _walk(tree, path):
        above.setdefault(name, set()).update(parents)
    return above


def _walk(tree: Any, path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each class under the root with the classes above it, depth first, without recursion."""
    waiting: list[tuple[Any, tuple[str, ...]]] = [(node, ()) for node in _children(tree, path)]
    while waiting:
        node, parents = waiting.pop()
        children = _children(node, path)
        name = node.get("LabelName")
        if not isinstance(name, str):
            raise ValueError(f"hierarchy: {path} has a class without LabelName.")
        yield name, parents
        waiting += [(child, (*parents, name)) for child in children]


def _children(node: Any, path: Path) -> list[Any]:
    children = node.get("Subcategory", []) if isinstance(node, dict) else None
    if not isinstance(children, list):
        raise ValueError(f"hierarchy: {path} must hold objects with LabelName and Subcategory.")
    return children


def _all(tree: Mapping[str, set[str]]) -> set[str]:
    return set().union(*tree.values()) if tree else set()


def _federation(
    truth: GroundTruth,
    labels: Mapping[tuple[str, str], float],
    tree: Mapping[str, set[str]],
    told: Told,
) -> Federation:
    images, classes = Names.images(truth), Names.categories(truth)
    boxed = set(zip(truth.images.tolist(), truth.categories.tolist()))
    pairs = ((images.named(image), classes.named(name)) for image, name in labels)
    negative = sorted((i, k) for i, k in pairs if i is not None and k is not None)
    links = ((classes.named(one), classes.named(up)) for one in tree for up in sorted(tree[one]))
    parents = sorted((one, up) for one, up in links if one is not None and up is not None)
    return Federation(
        negative=_pairs([pair for pair in negative if pair not in boxed]),
        parents=_pairs(parents),
    )


def _pairs(pairs: list[tuple[int, int]]) -> Ids:
    return np.array(pairs, np.int64).reshape(-1, 2)

"""Tables: a row an entry, from CSV and from Parquet."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from drivetrain.core.errors import did_you_mean
from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth
from drivetrain.detection.issues import Issues
from drivetrain.detection.readers.cells import Table, read_table, word_of
from drivetrain.detection.readers.rows import (
    Listing,
    Rows,
    corners_to_size,
    drop,
    refuse_rows,
    to_detections,
    to_truth,
)
from drivetrain.detection.readers.told import BoxFormat, Told

#: What a column may be called, by our name. Case, blanks and underscores do not matter.
ALIASES: dict[str, tuple[str, ...]] = {
    "image": ("image", "imageid", "imagename", "img", "filename", "file", "frame", "path"),
    "class": ("class", "classname", "label", "category", "categoryname", "name"),
    "class id": ("categoryid", "classid"),
    "x": ("x", "bboxx", "boxx", "left", "xmin", "x1"),
    "y": ("y", "bboxy", "boxy", "top", "ymin", "y1"),
    "w": ("w", "width", "bboxw", "boxw", "bboxwidth"),
    "h": ("h", "height", "bboxh", "boxh", "bboxheight"),
    "x1": ("x1", "xmin", "left", "bboxx1", "bboxxmin"),
    "y1": ("y1", "ymin", "top", "bboxy1", "bboxymin"),
    "x2": ("x2", "xmax", "right", "bboxx2", "bboxxmax"),
    "y2": ("y2", "ymax", "bottom", "bboxy2", "bboxymax"),
    "cx": ("cx", "xcenter", "centerx", "xcentre"),
    "cy": ("cy", "ycenter", "centery", "ycentre"),
    "score": ("score", "confidence", "conf", "probability", "prob"),
    "difficult": ("difficult", "ignore"),
    "crowd": ("crowd", "iscrowd"),
    "area": ("area",),
    "id": ("id", "annotationid"),
    "image height": ("imageheight",),
    "image width": ("imagewidth",),
}

#: Our names of the four numbers of a box; the first set whose columns are all there is meant.
BOXES: dict[BoxFormat, tuple[str, ...]] = {
    "xyxy": ("x1", "y1", "x2", "y2"),
    "cxcywh": ("cx", "cy", "w", "h"),
    "xywh": ("x", "y", "w", "h"),
}
_OF_TRUTHS = ("difficult", "crowd", "area", "id", "image height", "image width")
_FLAGS = {"difficult": "ignore", "crowd": "crowd"}


def read_ground_truth(path: Path, told: Told, issues: Issues) -> GroundTruth:
    """Return the truths of a table: a row an annotation, of columns image, class and a box.

    The box is ``x y w h``, ``x1 y1 x2 y2`` (or ``xmin ymin xmax ymax``) or ``cx cy w h``, in
    pixels and continuous coordinates. Read where they are there: ``difficult``, ``crowd``,
    ``area``, ``id``, ``image_height`` and ``image_width``. A row with an image alone says that
    the image has no object.

    Args:
        path: A CSV (comma, semicolon or tab) with a line of names, or a Parquet file.
        told: ``columns`` where theirs are called otherwise; ``box_format``; ``names``;
            ``images``; ``sizes``.
        issues: Where findings are told.

    Raises:
        ValueError: A column that is missing, a row whose numbers are none, unless lenient.
        MissingDependency: A Parquet file, and pyarrow is not installed.
    """
    table = read_table(path, issues)
    at = find_columns(table, told, scored=False)
    every = list(dict.fromkeys(table.words(at["image"])))
    rows = _rows(table, at, issues)
    from drivetrain.detection.readers.sizes import told_sizes

    sizes = _sizes(table, at) if told.sizes is None else told_sizes(told.sizes)
    listing = Listing(images=[name for name in every if name], sizes=sizes)
    return to_truth(rows, listing, told, issues, str(path))


def read_detections(path: Path, truth: GroundTruth, told: Told, issues: Issues) -> Detections:
    """Return the detections of a table: columns image, class, score and a box.

    Args:
        path: A CSV with a line of names, or a Parquet file.
        truth: Whose images and classes are meant, by name or by id.
        told: ``columns``, ``box_format``.
        issues: Where findings are told.

    Raises:
        ValueError: A column that is missing, a row whose numbers are none, an image or class
            that the truth lacks, unless lenient.
        MissingDependency: A Parquet file, and pyarrow is not installed.
    """
    table = read_table(path, issues)
    at = find_columns(table, told, scored=True)
    return to_detections(_rows(table, at, issues), truth, issues, str(path))


def find_columns(table: Table, told: Told, *, scored: bool) -> dict[str, str]:
    """Return what the table calls each of our columns.

    Raises:
        ValueError: One that is needed is not there; those that are there are listed.
    """
    named = _named(table, told, scored=scored)
    formats = [told.box_format] if told.box_format else list(BOXES)
    box = next((BOXES[one] for one in formats if all(name in named for name in BOXES[one])), None)
    kind = "class" if "class" in named else "class id"
    missing = [
        *([] if "image" in named else ["image"]),
        *([] if kind in named else ["class"]),
        *([] if box is not None else [" ".join(BOXES[formats[-1]])]),
        *(["score"] if scored and "score" not in named else []),
    ]
    if missing:
        raise ValueError(
            f"{table.source}: there is no column for {', '.join(missing)}: tell columns=, such "
            f"as {{'image': ...}}. The columns are {', '.join(map(repr, table.head[:20]))}."
        )
    # Beside corners, width and height are those of the image.
    if box == BOXES["xyxy"]:
        renamed = {"image height": named.get("h"), "image width": named.get("w")}
        named = {name: one for name, one in renamed.items() if one} | named
    used = ["image", *(box or ()), *(["score"] if scored else [])]
    extra = () if scored else _OF_TRUTHS
    chosen = {name: named[name] for name in [*used, *extra] if name in named}
    return chosen | {"class": named[kind]}


def _named(table: Table, told: Told, *, scored: bool) -> dict[str, str]:
    given = dict(told.columns or {})
    # What is told holds for truths and detections, each of which lacks some columns.
    apart = _OF_TRUTHS if scored else ("score",)
    for ours, theirs in given.items():
        if ours not in ALIASES:
            known = ", ".join(ALIASES)
            raise ValueError(
                f"columns: {ours!r} is none of {known}.{did_you_mean(str(ours), ALIASES)}"
            )
        if theirs not in table.head and ours not in apart:
            raise ValueError(
                f"{table.source}: there is no column {theirs!r}. "
                f"The columns are {', '.join(map(repr, table.head[:20]))}."
                f"{did_you_mean(str(theirs), table.head)}"
            )
    plain = {_plain(name): name for name in reversed(table.head)}
    found = {
        ours: next(plain[one] for one in names if one in plain)
        for ours, names in ALIASES.items()
        if any(one in plain for one in names)
    }
    return found | {ours: theirs for ours, theirs in given.items() if theirs in table.head}


def _plain(name: str) -> str:
    return "".join(one for one in name.lower() if one.isalnum())


def _rows(table: Table, at: Mapping[str, str], issues: Issues) -> Rows:
    """Return the entries of a table, without those whose cells are none."""
    form = next(one for one, names in BOXES.items() if all(name in at for name in names))
    cells = {name: table.numbers(at[name]) for name in BOXES[form]}
    corners = np.stack([values for values, _ in cells.values()], axis=1).reshape(-1, 4)
    rows = Rows(
        images=table.words(at["image"]),
        classes=table.words(at["class"]),
        boxes=_boxes(form, corners),
        lines=table.lines,
    )
    wrong = {f"{at[name]!r} is no number": bad for name, (_, bad) in cells.items()}
    _further(table, at, rows, wrong)
    return _keep(table, at, rows, wrong, issues)


def _further(table: Table, at: Mapping[str, str], rows: Rows, wrong: dict[str, Flags]) -> None:
    """Add the score and the columns that a truth may have."""
    if "score" in at:
        rows.scores, wrong[f"score {at['score']!r} is no number"] = table.numbers(at["score"])
    for name, ours in _FLAGS.items():
        if name in at:
            words = [word.lower() for word in table.words(at[name])]
            rows.columns[ours] = np.array(
                [word not in ("", "0", "0.0", "false", "no") for word in words], np.bool_
            )
    if "area" in at:
        rows.columns["areas"], wrong[f"{at['area']!r} is no number"] = table.numbers(at["area"])
    if "id" in at:
        values, bad = table.numbers(at["id"])
        if not bad.any() and (values == np.round(values)).all() and (abs(values) < 2**53).all():
            rows.columns["ids"] = values.astype(np.int64)


def _keep(
    table: Table, at: Mapping[str, str], rows: Rows, wrong: dict[str, Flags], issues: Issues
) -> Rows:
    """Return the rows that are entries: rows of images alone go, rows with bad cells are told."""
    bare = _bare(table, at) if any(bad.any() for bad in wrong.values()) else None
    if bare is not None and "score" not in at:
        rows = drop(rows, bare)
        wrong = {what: bad[~bare] for what, bad in wrong.items()}
    if not (all(rows.images) and all(rows.classes)):
        named = [bool(one and two) for one, two in zip(rows.images, rows.classes)]
        wrong = {"no image or no class": ~np.array(named, np.bool_)} | wrong
    for what in list(wrong):
        bad = wrong[what]
        if bad.any():
            kind = "missing-score" if what.startswith("score") else "bad-cell"
            rows = refuse_rows(rows, bad, kind, what, issues, table.source)
            wrong = {other: flags[~bad] for other, flags in wrong.items()}
    return rows


def _bare(table: Table, at: Mapping[str, str]) -> Flags:
    """Return the rows that hold an image and nothing else."""
    names = [name for name in at if name in ("class", *sum(BOXES.values(), ()))]
    cells = [[word_of(one) for one in table.columns[at[name]]] for name in names]
    empty = np.array([not any(row) for row in zip(*cells)], np.bool_)
    return empty & np.array([bool(word) for word in table.words(at["image"])], np.bool_)


def _boxes(form: BoxFormat, values: Floats) -> Floats:
    if form == "xyxy":
        return corners_to_size(values)
    if form == "cxcywh":
        return np.hstack([values[:, :2] - values[:, 2:] / 2, values[:, 2:]])
    return values


def _sizes(table: Table, at: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    if "image height" not in at or "image width" not in at:
        return {}
    (height, _), (width, _) = table.numbers(at["image height"]), table.numbers(at["image width"])
    fine = (height >= 1) & (width >= 1) & (height < 2**31) & (width < 2**31)
    names = table.words(at["image"])
    rows = np.flatnonzero(fine).tolist()
    return {names[row]: (int(height[row]), int(width[row])) for row in rows}

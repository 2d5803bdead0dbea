"""Detection's readers: folders of VOC XML and of text beside globox; tables, which have no peer."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.bench.harness.case import Case, Contender, Measure, Race
from drivetrain.bench.peers import globox
from drivetrain.bench.problems import detection as problem
from drivetrain.core.errors import MissingDependency, require
from drivetrain.detection import read_detections, read_ground_truth
from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.issues import Issues
from drivetrain.detection.writers import write_detections, write_ground_truth
from drivetrain.detection.writers.folder import atomic_folder

_REPEATS = 5


def cases() -> Iterator[Case]:
    """Yield the reading of folders beside globox, and of tables."""
    home = problem.home()
    problem.write_boxes(home)
    truth = read_ground_truth(home / "gt.json", issues=Issues())
    found = read_detections(home / "dt_bbox.json", truth, issues=Issues())
    yield _voc(home / "voc", truth)
    yield _text(home / "padilla", truth, found)
    for to in ("csv", "parquet"):
        if to == "csv" or _has_arrow():
            yield _table(home / f"found.{to}", to, truth, found)


def _voc(folder: Path, truth: GroundTruth) -> Race:
    _once(folder, partial(write_ground_truth, truth, to="voc", issues=Issues(lenient=True)))
    return Race(
        name="read-voc",
        what="5,000 VOC XML files with 36,348 objects, to columns",
        ours=Contender(
            name="drivetrain",
            run=partial(read_ground_truth, folder, issues=Issues()),
            answer=lambda: _corners(read_ground_truth(folder, issues=Issues()), first_pixel=True),
        ),
        peers=(lambda: _globox(globox.read_voc(folder)),),
        equal=_same,
        floor=1.0,
        aim=2.0,
        work=(float(len(truth)), "objects"),
        repeats=_REPEATS,
    )


def _text(folder: Path, truth: GroundTruth, found: Detections) -> Race:
    _once(folder, partial(_write_text, truth, found))

    def read() -> Detections:
        return read_detections(folder, truth, format="padilla", issues=Issues())

    return Race(
        name="read-text",
        what="5,000 text files with 500,000 detections (class confidence x y w h), to columns",
        ours=Contender(
            name="drivetrain",
            run=read,
            answer=lambda: _corners(read(), first_pixel=False, truth=truth),
        ),
        peers=(lambda: _globox(globox.read_text(folder)),),
        equal=_same,
        floor=1.0,
        aim=2.0,
        work=(float(len(found)), "detections"),
        repeats=3,
    )


def _table(path: Path, to: str, truth: GroundTruth, found: Detections) -> Measure:
    _once(path, lambda path: write_detections(found, truth, path, to=to, issues=Issues()))

    def seconds() -> float:
        taken = []
        for _ in range(_REPEATS):
            start = time.perf_counter()
            read_detections(path, truth, issues=Issues())
            taken.append(time.perf_counter() - start)
        return float(np.median(taken))

    return Measure(
        name=f"read-{to}",
        what=f"500,000 detections of one {to} file, to columns; no peer reads it",
        value=seconds,
        unit="s",
    )


def _globox(read: Callable[[], Any]) -> Contender:
    return Contender(name="globox", run=read, answer=lambda: globox.corners_of(read()))


def _once(path: Path, write: Callable[[Path], None]) -> None:
    if not path.exists():
        write(path)


def _write_text(truth: GroundTruth, found: Detections, path: Path) -> None:
    lines: dict[int, list[str]] = {one: [] for one in truth.image_ids.tolist()}
    names = dict(zip(truth.category_ids.tolist(), truth.category_names))
    rows = zip(found.images.tolist(), found.categories.tolist(), found.scores, found.boxes.tolist())
    for image, category, score, box in rows:
        words = [names[category].replace(" ", "_"), repr(float(score)), *map(repr, box)]
        lines[image].append(" ".join(words) + "\n")
    with atomic_folder(path) as folder:
        for name, written in zip(truth.image_names, lines.values()):
            (folder / Path(name).with_suffix(".txt")).write_text("".join(written))


def _corners(
    columns: GroundTruth | Detections, *, first_pixel: bool, truth: GroundTruth | None = None
) -> globox.Boxes:
    """Return the sorted corners of each image; of VOC's the pixels that the files name."""
    of = truth if truth is not None else columns
    assert isinstance(of, GroundTruth)
    low = columns.boxes[:, :2] + first_pixel
    corners = np.hstack([low, columns.boxes[:, :2] + columns.boxes[:, 2:]]).tolist()
    names = dict(zip(of.image_ids.tolist(), of.image_names))
    listed: globox.Boxes = {str(name).rsplit(".", 1)[0]: [] for name in of.image_names}
    for image, box in zip(columns.images.tolist(), corners):
        listed[names[image].rsplit(".", 1)[0]].append(tuple(box))
    return {name: sorted(boxes) for name, boxes in listed.items()}


def _same(ours: globox.Boxes, theirs: globox.Boxes) -> str:
    """Compare corners: ours went through x and width, three roundings of numbers below 1024."""
    assert ours.keys() == theirs.keys()
    assert all(len(ours[name]) == len(theirs[name]) for name in ours)
    mine = np.array([box for name in ours for box in ours[name]])
    other = np.array([box for name in ours for box in theirs[name]])
    off = float(np.abs(mine - other).max())
    assert off <= 3 * np.spacing(1024.0), off
    return f"{len(mine):,} boxes, corners within {off:.1e} pixels"


def _has_arrow() -> bool:
    try:
        require("pyarrow", "drivetrain[parquet]")
    except MissingDependency:
        return False
    return True

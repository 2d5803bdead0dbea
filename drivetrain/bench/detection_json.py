"""Detection's files alone: JSON to columns, beside the loaders of hotcoco and ultrafast.

Each side reads a data set and results, warm, with the same number of threads. The peers keep
what they read in their own structures; what is compared is every 97th detection they give back.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.bench.detection import share_threads
from drivetrain.bench.harness.case import Case, Contender, Race
from drivetrain.bench.peers.cocoeval import HOTCOCO, ULTRAFAST, Evaluator
from drivetrain.bench.problems import detection as problem
from drivetrain.bench.problems import detection_keypoints

if TYPE_CHECKING:
    from drivetrain.detection.annotations import Detections

Files = tuple[Path, Path]
Entries = list[dict[str, Any]]
STEP = 97


def cases() -> Iterator[Case]:
    """Yield the loading of boxes, in short numbers and in 17 digits, and of keypoints."""
    threads = share_threads()
    folder = problem.home()
    problem.write_boxes(folder)
    detection_keypoints.write(folder)
    truth = folder / "gt.json"
    yield _race("boxes", "500,000 boxes", (truth, folder / "dt_bbox.json"), "bbox", threads)
    long = "500,000 boxes in 17 digits"
    yield _race("17-digits", long, (truth, folder / "dt_bbox_f32.json"), "bbox", threads)
    poses = folder / "gt_kpt.json", folder / "dt_kpt.json"
    yield _race("keypoints", "100,000 poses of 17 points", poses, "keypoints", threads)


def _race(name: str, what: str, files: Files, task: str, threads: int) -> Race:
    return Race(
        name=f"json-{name}",
        what=f"{what} and their truths, from two JSON files to memory",
        ours=Contender(name="drivetrain", run=partial(_load, files, task, threads)),
        peers=(
            _thunk("hotcoco", partial(_peer, HOTCOCO, files)),
            _thunk("ultrafast", partial(_peer, ULTRAFAST, files)),
            _thunk("json", partial(_python, files)),
        ),
        equal=partial(_same, task),
        work=(float(sum(path.stat().st_size for path in files)), "B"),
        repeats=9,
    )


def _load(files: Files, task: str, threads: int) -> "Detections":
    from drivetrain.detection.readers.coco import read_detections, read_ground_truth

    truth = read_ground_truth(files[0], task=task, threads=threads)
    return read_detections(files[1], truth, task=task, threads=threads)


def _peer(peer: Evaluator, files: Files) -> Contender:
    peer.load(*files)  # Raises here where it is not installed.
    return Contender(
        name=peer.name,
        run=partial(peer.load, *files),
        answer=lambda: _some(peer.load(*files)[1]),
    )


def _some(found: Any) -> Entries:
    listed: Entries = found.loadAnns(sorted(found.getAnnIds())[::STEP])
    return listed


def _python(files: Files) -> Contender:
    def run() -> list[Any]:
        return [json.loads(path.read_bytes()) for path in files]

    return Contender(name="Python's json, parsed only", run=run, answer=lambda: run()[1][::STEP])


def _same(task: str, ours: "Detections", theirs: Entries) -> str:
    images = [one["image_id"] for one in theirs]
    assert np.array_equal(ours.images[::STEP], images), "image ids differ"
    assert np.array_equal(ours.scores[::STEP], [one["score"] for one in theirs]), "scores differ"
    numbers = ours.boxes if ours.keypoints is None else ours.keypoints.reshape(len(ours), -1)
    listed = [one["bbox" if task == "bbox" else "keypoints"] for one in theirs]
    assert np.array_equal(numbers[::STEP], listed), "coordinates differ"
    return f"{len(theirs)} of {len(ours)} detections are the same to the last bit"


def _thunk(name: str, build: Callable[[], Contender]) -> Callable[[], Contender]:
    def thunk() -> Contender:
        return build()

    thunk.__name__ = name
    return thunk

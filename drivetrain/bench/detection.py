"""Detection: files to numbers beside hotcoco, ultrafast, faster-coco-eval and pycocotools.

Precision, recall and scores must agree bit for bit before anything is timed. Every library runs
with the same number of threads; those written in Rust read it from the environment once.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.bench.harness.case import Case, Contender, Race
from drivetrain.bench.peers.cocoeval import (
    FASTER,
    HOTCOCO,
    PYCOCOTOOLS,
    ULTRAFAST,
    Curves,
    Evaluator,
)
from drivetrain.bench.problems import detection as problem
from drivetrain.bench.problems import detection_keypoints, detection_queries

if TYPE_CHECKING:
    from drivetrain.detection.curves import Tables

Files = tuple[Path, Path]
COLUMNS = ("precision", "recall", "scores")
#: What faster-coco-eval's precision may be off by: one rounding of a quotient at most 1.
ONE_ROUNDING = 2.3e-16


def cases() -> Iterator[Case]:
    """Yield boxes, in one precision and two distributions, keypoints, and evaluation alone."""
    threads = share_threads()
    folder = problem.home()
    problem.write_boxes(folder)
    detection_queries.write(folder)
    detection_keypoints.write(folder)
    boxes = folder / "gt.json", folder / "dt_bbox.json"
    race = partial(_race, threads=threads)
    what = "500,000 boxes on 5,000 images, two JSON files to all numbers"
    yield race("boxes", what, boxes, (HOTCOCO,), floor=2.5, aim=4.0)
    yield race("boxes-ultrafast", what, boxes, (ULTRAFAST,), floor=1.7, aim=2.5)
    exact = folder / "gt.json", folder / "dt_bbox_f32.json"
    long = "the same from float32, written with 17 digits"
    yield race("boxes-17-digits", long, exact, (HOTCOCO,), floor=2.0, aim=3.0)
    yield race("boxes-17-digits-ultrafast", long, exact, (ULTRAFAST,), floor=1.5, aim=2.0)
    queries = folder / "gt_queries.json", folder / "dt_queries.json"
    spread = "500,000 boxes as a transformer's queries: few match, most are unsure"
    yield race("boxes-queries", spread, queries, (HOTCOCO, ULTRAFAST))
    yield evaluation_only(boxes, threads)
    poses = folder / "gt_kpt.json", folder / "dt_kpt.json"
    people = "100,000 poses on 5,000 images, two JSON files to all numbers"
    yield race("keypoints", people, poses, (HOTCOCO,), task="keypoints", floor=1.5, aim=2.5)
    # All three in turn: after ultrafast's two seconds the caches of both others are cold.
    yield race("keypoints-ultrafast", people, poses, (ULTRAFAST, HOTCOCO), task="keypoints")
    yield race("boxes-faster-coco-eval", what, boxes, (FASTER,), floor=30.0, repeats=3)
    small = folder / "small"
    problem.write_boxes(small, images=500)
    few = small / "gt.json", small / "dt_bbox.json"
    fewer = "50,000 boxes on 500 images, two JSON files to all numbers"
    yield race("boxes-pycocotools", fewer, few, (PYCOCOTOOLS,), repeats=3)


def share_threads() -> int:
    """Return the harness' number of threads, and tell it to the libraries written in Rust."""
    import numba

    threads = int(numba.get_num_threads())
    os.environ.setdefault("RAYON_NUM_THREADS", str(threads))
    return threads


def same(ours: "Tables", theirs: Curves, *, off: float = 0.0) -> str:
    """Refuse arrays that differ: in any bit, or in precision by more than ``off``."""
    for name in COLUMNS:
        mine = np.nan_to_num(getattr(ours, name), nan=-1.0)
        assert mine.shape == theirs[name].shape, f"{name}: {mine.shape} and {theirs[name].shape}"
        apart = float(np.max(np.abs(mine - theirs[name]), initial=0.0))
        allowed = off if name == "precision" else 0.0
        assert apart <= allowed, f"{name} is up to {apart:.1e} apart"
    return f"precision within {off:.1e}, the rest bit for bit" if off else "equal bit for bit"


def _race(
    name: str,
    what: str,
    files: Files,
    peers: tuple[Evaluator, ...],
    *,
    threads: int,
    task: str = "bbox",
    **goal: Any,
) -> Race:
    peer_off = ONE_ROUNDING if FASTER in peers else 0.0
    return Race(
        name=name,
        what=what,
        ours=Contender(name="drivetrain", run=partial(_tables, *files, task, threads)),
        peers=tuple(_from_files(peer, files, task) for peer in peers),
        equal=partial(same, off=peer_off),
        work=(float(sum(file.stat().st_size for file in files)), "B"),
        **{"repeats": 11, **goal},
    )


def _tables(truth: Any, found: Any, task: str, threads: int) -> "Tables":
    from drivetrain.detection import evaluate

    return evaluate(truth, found, task=task, threads=threads).tables


def _from_files(peer: Evaluator, files: Files, task: str) -> Callable[[], Contender]:
    return lambda: Contender(name=peer.name, run=partial(peer.evaluate, *files, task))


def evaluation_only(files: Files, threads: int) -> Race:
    """Return the race from what is in memory: columns here, the peers' own data sets there."""
    from drivetrain.detection.issues import Issues
    from drivetrain.detection.readers.coco import read_detections, read_ground_truth

    truth = read_ground_truth(files[0], issues=Issues())
    found = read_detections(files[1], truth, issues=Issues())

    def loaded(peer: Evaluator) -> Callable[[], Contender]:
        return lambda: Contender(name=peer.name, run=partial(peer.judge, peer.load(*files), "bbox"))

    return Race(
        name="boxes-in-memory",
        what="the same 500,000 boxes from memory to all numbers",
        ours=Contender(name="drivetrain", run=partial(_tables, truth, found, "bbox", threads)),
        peers=(loaded(HOTCOCO), loaded(ULTRAFAST)),
        equal=same,
        floor=2.5,
        aim=4.0,
        repeats=11,
    )

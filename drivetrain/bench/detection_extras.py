"""What comes on top of an evaluation: streams and merging, the bootstrap, all protocols at once."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.bench.detection import same, share_threads
from drivetrain.bench.harness.case import Case, Contender, Measure, Race
from drivetrain.bench.peers import hotcoco_streams
from drivetrain.bench.problems import detection as problem
from drivetrain.detection import (
    STYLES,
    Detections,
    GroundTruth,
    MeanAveragePrecision,
    Result,
    Tables,
    evaluate,
)

Array = NDArray[np.float64]
BATCH, SHARDS, RESAMPLES, PAIRED = 32, 4, 1000, 10


def cases() -> Iterator[Case]:
    """Yield two streams, two bootstraps and all protocols in one call."""
    yield _stream("stream", "5,000 images in batches of 32, then all numbers", 1)
    yield _stream("stream-merge", "the same over 4 processes' shards, merged", SHARDS)
    yield Measure(
        name="bootstrap",
        what="95 % interval of AP: 1000 resamples of 5,000 images, 500,000 detections",
        value=_bootstrap_seconds,
        high=10.0,
        aim=3.0,
        unit="s",
    )
    yield _paired()
    yield Measure(
        name="all-protocols",
        what="one call for COCO, VOC07, VOC10, LVIS, Open Images, Ultralytics / COCO alone",
        value=_all_protocols_ratio,
        aim=1.5,
        unit="x",
    )


@cache
def _data() -> tuple[GroundTruth, Detections]:
    """The benchmark's problem as columns, read once."""
    folder = problem.home()
    problem.write_boxes(folder)
    result = evaluate(folder / "gt.json", folder / "dt_bbox.json")
    return result.truth, result.found


# Streams.


@dataclass(frozen=True)
class _Batch:
    """A batch as a training loop holds it, and as hotcoco takes it."""

    ids: list[int]
    preds: list[dict[str, Any]]
    target: list[dict[str, Any]]
    part: hotcoco_streams.Part


def _stream(name: str, what: str, n_shards: int) -> Race:
    truth, found = _data()
    batches = _batches(truth, found)
    # Dealt in turn, as a distributed sampler deals them.
    shards = [batches[i::n_shards] for i in range(n_shards)]
    categories = [{"id": i, "name": str(i)} for i in truth.category_ids.tolist()]

    threads = share_threads()

    def ours() -> Tables:
        metrics = []
        for shard in shards:
            metric = MeanAveragePrecision(
                box_format="xywh", categories=truth.category_ids, threads=threads
            )
            for batch in shard:
                metric.update(batch.preds, batch.target, image_ids=batch.ids)
            metrics.append(metric)
        metrics[0].merge(*metrics[1:])
        result = metrics[0].compute()
        assert isinstance(result, Result)
        return result.tables

    return Race(
        name=name,
        what=what,
        ours=Contender(name="drivetrain", run=ours),
        peers=(
            lambda: Contender(
                name="hotcoco",
                run=hotcoco_streams.streams(categories, [[b.part for b in s] for s in shards]),
            ),
        ),
        equal=same,
        floor=1.0,
        aim=2.0,
        repeats=5,
    )


def _batches(truth: GroundTruth, found: Detections) -> list[_Batch]:
    rows = _rows(found)
    of = [_by_image(one.images, truth.image_ids) for one in (truth, found)]
    return [
        _batch(truth, rows, truth.image_ids[low : low + BATCH], [o[low : low + BATCH] for o in of])
        for low in range(0, len(truth.image_ids), BATCH)
    ]


def _by_image(images: NDArray[np.int64], known: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    order = np.argsort(images, kind="stable")
    low = np.searchsorted(images[order], known, side="left")
    high = np.searchsorted(images[order], known, side="right")
    return [order[a:b] for a, b in zip(low, high)]


def _batch(
    truth: GroundTruth,
    rows: Array,
    ids: NDArray[np.int64],
    of: Sequence[list[NDArray[np.intp]]],
) -> _Batch:
    return _Batch(
        ids=ids.tolist(),
        preds=[{"boxes": rows[d, 1:5], "scores": rows[d, 5], "labels": rows[d, 6]} for d in of[1]],
        target=[
            {
                "boxes": truth.boxes[g],
                "labels": truth.categories[g],
                "iscrowd": truth.crowd[g],
                "area": truth.areas[g],
            }
            for g in of[0]
        ],
        part=(
            [{"id": i} for i in ids.tolist()],
            [_annotation(truth, i) for g in of[0] for i in g.tolist()],
            rows[np.concatenate(of[1])],
        ),
    )


def _rows(found: Detections) -> Array:
    """Image id, x, y, width, height, score, class id of each detection, (n, 7)."""
    return np.column_stack((found.images, found.boxes, found.scores, found.categories))


def _annotation(truth: GroundTruth, i: int) -> dict[str, Any]:
    return {
        "id": int(truth.ids[i]),
        "image_id": int(truth.images[i]),
        "category_id": int(truth.categories[i]),
        "bbox": truth.boxes[i].tolist(),
        "area": float(truth.areas[i]),
        "iscrowd": int(truth.crowd[i]),
    }


# The bootstrap.


def _bootstrap_seconds() -> float:
    result = evaluate(*_data())
    result.bootstrap(1, random_state=0)
    start = time.perf_counter()
    result.bootstrap(RESAMPLES, random_state=0)
    return time.perf_counter() - start


def _paired() -> Race:
    truth, found = _data()
    moved = found.boxes + np.random.default_rng(0).normal(0, 1.0, found.boxes.shape)
    moved[:, 2:] = np.maximum(moved[:, 2:], 1.0)
    other = replace(found, boxes=moved)
    a, b = evaluate(truth, found), evaluate(truth, other)

    def ours() -> Array:
        interval = b.bootstrap(PAIRED, a, random_state=0, method="percentile")
        return np.array([interval.estimate, interval.low, interval.high])

    def theirs() -> Contender:
        dataset = {
            "images": [{"id": i} for i in truth.image_ids.tolist()],
            "annotations": [_annotation(truth, i) for i in range(len(truth))],
            "categories": [{"id": i, "name": str(i)} for i in truth.category_ids.tolist()],
        }
        rows = [_rows(found), _rows(other)]
        return Contender(
            name="hotcoco", run=hotcoco_streams.paired_bootstrap(dataset, rows, PAIRED)
        )

    return Race(
        name="bootstrap-paired",
        what=f"interval of the difference of two detectors' AP, {PAIRED} resamples of 5,000 images",
        ours=Contender(name="drivetrain", run=ours),
        peers=(theirs,),
        equal=_same_difference,
        repeats=3,
    )


def _same_difference(ours: Array, theirs: Array) -> str:
    """The estimates agree to rounding; the draws are each library's own, so the widths roughly."""
    np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=1e-12)
    share = (ours[2] - ours[1]) / (theirs[2] - theirs[1])
    assert 1 / 3 < share < 3, f"interval widths differ by {share:.2f}"
    return f"differences equal to 1e-12, interval widths {share:.2f}"


# All protocols.


def _all_protocols_ratio() -> float:
    data, names = _data(), list(STYLES)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: evaluate(*data),
        lambda: evaluate(*data, style=names),
    )
    seconds = np.array([[_seconds(call) for call in calls] for _ in range(8)])
    return float(np.median(seconds[1:, 1] / seconds[1:, 0]))


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start

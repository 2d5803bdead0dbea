"""Precision, recall and scores: against the reference, and against pycocotools on long lists."""

import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.curves import Tables
from drivetrain.detection.matching import Index, find_candidates, match
from drivetrain.detection.precision import accumulate
from drivetrain.detection.problem import tables
from drivetrain.detection.styles import COCO_AREAS, COCO_THRESHOLDS, Style

Problem = tuple[GroundTruth, Detections]
NAMES = ("precision", "recall", "scores")


def computed(
    truth: GroundTruth,
    found: Detections,
    style: Style,
    *,
    task: str = "bbox",
    threads: int | None = None,
    sigmas: list[float] | None = None,
) -> Tables:
    index = Index.build(truth, found, per_class=style.per_class, threads=threads)
    candidates = find_candidates(
        index,
        truth,
        found,
        task,
        min(style.thresholds),
        style=style,
        sigmas=sigmas,
        threads=threads,
    )
    matches = match(index, candidates, truth, found, style, task=task, threads=threads)
    return accumulate(index, matches, style, threads=threads)


def assert_equal(ours: Tables, theirs: Tables) -> None:
    for name in (*NAMES, "image_ids", "category_ids"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


def test_one_class_by_hand() -> None:
    # Found, false, found of three truths: P = 1, 1/2, 2/3 at R = 1/3, 1/3, 2/3.
    boxes = [[20.0 * i, 0, 10, 10] for i in range(4)]
    truth = GroundTruth.from_arrays(images=[1] * 3, categories=[1] * 3, boxes=boxes[:3])
    found = Detections.from_arrays(
        images=[1] * 3,
        categories=[1] * 3,
        scores=[0.9, 0.8, 0.7],
        boxes=[boxes[i] for i in (0, 3, 1)],
    )
    style = Style(name="any", recalls=(0.0, 0.3, 0.4, 0.7))
    got = computed(truth, found, style)
    # COCO's eps keeps 1 from being reached.
    one, third = 1 / (1 + np.spacing(1)), 2 / (3 + np.spacing(1))
    assert got.precision.ravel().tolist() == [one, one, third, 0.0]
    assert got.scores.ravel().tolist() == [0.9, 0.9, 0.7, 0.0]
    assert got.recall.ravel().tolist() == [2 / 3]


@pytest.mark.parametrize("seed", range(8))
def test_tables_equal_the_reference(make: Callable[[int], Problem], rule: Style, seed: int) -> None:
    truth, found = make(seed)
    assert_equal(computed(truth, found, rule), tables(truth, found, rule))


@pytest.mark.parametrize("seed", range(8))
def test_tables_of_keypoints_equal_the_reference(
    make_poses: Callable[..., Problem], seed: int
) -> None:
    truth, found = make_poses(seed, points=9)
    sigmas = [0.05 + 0.02 * i for i in range(9)]
    style = Style(name="any", thresholds=COCO_THRESHOLDS, areas=COCO_AREAS, max_detections=(20,))
    ours = computed(truth, found, style, task="keypoints", sigmas=sigmas)
    assert_equal(ours, tables(truth, found, style, "keypoints", sigmas=sigmas))


def test_tables_do_not_depend_on_threads(make: Callable[[int], Problem], rule: Style) -> None:
    truth, found = make(11)
    one, four = (computed(truth, found, rule, threads=threads) for threads in (1, 4))
    assert_equal(one, four)


def test_a_class_without_truths_or_detections_is_nan_or_zero() -> None:
    truth = GroundTruth.from_arrays(
        images=[1], categories=[1], boxes=[[0, 0, 5, 5]], category_ids=[1, 2, 3]
    )
    found = Detections.from_arrays(images=[1], categories=[3], scores=[0.5], boxes=[[0, 0, 5, 5]])
    got = computed(truth, found, Style(name="any"))
    # Class 1 has a truth that nobody found; 2 has nothing, 3 nothing to be found.
    assert got.recall.ravel()[0] == 0
    assert not got.precision[:, :, 0].any()
    assert np.isnan(got.precision[:, :, 1:]).all()
    assert np.isnan(got.recall.ravel()[1:]).all()


def long_lists(seed: int, score: Callable[[np.random.Generator, int], Any]) -> Problem:
    """So many detections of a class that scores are sorted by their bits, on many images."""
    rng = np.random.default_rng(seed)
    n, m = 300, 3000
    corner, size = rng.integers(0, 40, (n, 2)) * 8.0, rng.integers(2, 14, (n, 2)) * 8.0
    truths = np.hstack([corner, size])
    copied = rng.integers(0, n, m)
    boxes = truths[copied] + rng.choice([0, 0, 1, -1], (m, 4)) * 8.0 * (rng.random((m, 1)) < 0.6)
    images = rng.integers(0, 12, n)
    truth = GroundTruth.from_arrays(
        images=images,
        categories=np.ones(n, np.int64),
        boxes=truths,
        image_ids=np.arange(12),
        areas=rng.choice([500.0, 1024.0, 5000.0, 9216.0, 2e4], n),
        crowd=rng.random(n) < 0.05,
        ids=np.arange(n),
    )
    found = Detections.from_arrays(
        images=images[copied],
        categories=np.ones(m, np.int64),
        scores=score(rng, m),
        boxes=np.maximum(boxes, 1.0),
    )
    return truth, found


@pytest.mark.peer
@pytest.mark.parametrize(
    "score",
    [
        lambda rng, m: rng.random(m).round(2),
        lambda rng, m: rng.random(m),
        lambda rng, m: 1 - rng.integers(0, 2**12, m) * 2.0**-53,
        lambda rng, m: rng.normal(0, 1, m).round(1),
    ],
    ids=["ties", "distinct", "last bits", "signed"],
)
def test_long_lists_equal_pycocotools(score: Callable[..., Any]) -> None:
    pytest.importorskip("pycocotools")
    truth, found = long_lists(3, score)
    style = Style(
        name="peer",
        thresholds=COCO_THRESHOLDS,
        areas=COCO_AREAS,
        max_detections=(1, 10, 100),
        zero_id_unmatched=True,
    )
    ours, theirs = computed(truth, found, style), by_pycocotools(truth, found)
    for name in NAMES:
        mine = np.nan_to_num(getattr(ours, name), nan=-1.0)
        np.testing.assert_array_equal(mine.view(np.int64), theirs[name].view(np.int64))


def by_pycocotools(truth: GroundTruth, found: Detections) -> dict[str, Any]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    data = {
        "images": [{"id": int(i)} for i in truth.image_ids],
        "categories": [{"id": int(k)} for k in truth.category_ids],
        "annotations": [
            {
                "id": int(truth.ids[i]),
                "image_id": int(truth.images[i]),
                "category_id": int(truth.categories[i]),
                "bbox": truth.boxes[i].tolist(),
                "area": float(truth.areas[i]),
                "iscrowd": int(truth.crowd[i]),
            }
            for i in range(len(truth))
        ],
    }
    results = [
        {
            "image_id": int(found.images[i]),
            "category_id": int(found.categories[i]),
            "bbox": found.boxes[i].tolist(),
            "score": float(found.scores[i]),
        }
        for i in range(len(found))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        real = COCO()
        real.dataset = data
        real.createIndex()
        judge = COCOeval(real, real.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
    return judge.eval

"""COCOeval in scripts that evaluate batch by batch, gather evalImgs and put them back.

torchvision's references and DETR do so; some with a loop of their own over images.
"""

import contextlib
import copy
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from drivetrain.bench.problems.detection_fuzz import FuzzProblem, Task, fuzz_problem
from drivetrain.detection.compat import COCO, COCOeval

TASKS: tuple[Task, ...] = ("bbox", "segm", "keypoints")
TABLES = ("precision", "recall", "scores")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return a.shape == b.shape and np.array_equal(a.view(np.int64), b.view(np.int64))


def evaluated() -> Any:
    """Evaluate two images, each with a truth that a result finds."""
    box = {"bbox": [10.0, 10.0, 20.0, 20.0], "category_id": 1}
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 1}, {"id": 2}],
        "categories": [{"id": 1}],
        "annotations": [
            {**box, "id": i, "image_id": i, "area": 400.0, "iscrowd": 0} for i in (1, 2)
        ],
    }
    truth.createIndex()
    found = truth.loadRes([{**box, "image_id": i, "score": 0.5} for i in (1, 2)])
    e = COCOeval(truth, found, "bbox")
    e.evaluate()
    e.accumulate()
    e.summarize()
    return e


def own_evaluate(e: Any) -> None:
    """Evaluate as scripts do that bring their own loop."""
    p = e.params
    p.imgIds, p.catIds = list(np.unique(p.imgIds)), list(np.unique(p.catIds))
    p.maxDets = sorted(p.maxDets)
    e._prepare()
    overlap = e.computeOks if p.iouType == "keypoints" else e.computeIoU
    e.ious = {(i, c): overlap(i, c) for i in p.imgIds for c in p.catIds}
    e.evalImgs = [
        e.evaluateImg(i, c, area, p.maxDets[-1])
        for c in p.catIds
        for area in p.areaRng
        for i in p.imgIds
    ]
    e._paramsEval = copy.deepcopy(p)


def gathered(problem: FuzzProblem, data: Any, judge: Any, own: bool) -> Any:
    problem = copy.deepcopy(problem)
    truth = data()
    truth.dataset = problem.truth
    truth.createIndex()
    e = judge(truth, iouType=problem.task)
    for name, value in problem.settings.items():
        setattr(e.params, name, value)
    parts, seen, every = [], [], sorted(truth.getImgIds())
    for batch in (every[::2], every[1::2]):
        found = [one for one in problem.found if one["image_id"] in batch]
        e.cocoDt = truth.loadRes(found) if found else data()
        e.params.imgIds = batch
        if own:
            own_evaluate(e)
        else:
            e.evaluate()
        shape = (-1, len(e.params.areaRng), len(e.params.imgIds))
        parts.append(np.asarray(e.evalImgs).reshape(shape))
        seen += batch
    order = np.argsort(seen)
    e.evalImgs = list(np.concatenate(parts, axis=2)[..., order].flatten())
    e.params.imgIds = list(np.sort(seen))
    e._paramsEval = copy.deepcopy(e.params)
    e.accumulate()
    e.summarize()
    return e


@pytest.mark.peer
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_matches_gathered_over_batches_equal_pycocotools(task: Task, own: bool) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    for seed in range(6):
        problem = fuzz_problem(task, seed, tame=True)
        kept = {k: v for k, v in problem.settings.items() if k == "kpt_oks_sigmas"}
        problem = replace(problem, settings=kept)
        if len({image["id"] for image in problem.truth["images"]}) < 2:
            continue
        with np.errstate(all="ignore"):
            theirs = gathered(problem, coco.COCO, cocoeval.COCOeval, own)
        ours = gathered(problem, COCO, COCOeval, own)
        for table in TABLES:
            assert same_bits(ours.eval[table], theirs.eval[table]), (seed, table)
        assert same_bits(ours.stats, theirs.stats)


def test_matches_that_a_script_changes_are_what_is_counted() -> None:
    e = evaluated()
    before = e.stats[0]
    for one in e.evalImgs:
        if one is not None:
            one["dtMatches"][:] = 0
    e.accumulate()
    e.summarize()
    assert before > 0
    assert e.stats[0] == 0


def test_too_few_matches_and_a_strange_range_are_named() -> None:
    e = evaluated()
    p = e.params
    with pytest.raises(ValueError, match="aRng must be one of"):
        e.evaluateImg(p.imgIds[0], p.catIds[0], [3, 4], p.maxDets[-1])
    with pytest.raises(ValueError, match="maxDet must be the last"):
        e.evaluateImg(p.imgIds[0], p.catIds[0], p.areaRng[0], 7)
    with pytest.raises(ValueError, match="imgId must be one of"):
        e.computeIoU(-5, p.catIds[0])
    e.evalImgs = e.evalImgs[:1]
    with pytest.raises(ValueError, match="evalImgs must hold an entry"):
        e.accumulate()

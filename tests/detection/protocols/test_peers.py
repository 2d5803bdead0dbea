"""LVIS, Open Images and rotated boxes against the evaluators that others use."""

import logging
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from drivetrain.detection.annotations import Detections, Federation, GroundTruth
from drivetrain.detection.protocols.judge import judge_all
from drivetrain.detection.styles import STYLES

EPS = np.finfo(float).eps
IMAGES, CLASSES = np.arange(1, 6), np.arange(1, 4)


def scene(seed, *, coarse=False, **flags):
    """Truths, and detections near them; on a coarse grid overlaps and scores tie often."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 40)), int(rng.integers(0, 90))
    boxes = rng.uniform([0, 0, 8, 8], 50, (n, 4))
    images, kinds = rng.choice(IMAGES, n), rng.choice(CLASSES, n)
    pick = rng.integers(0, n, m)
    near = boxes[pick] + rng.normal(0, 3, (m, 4))
    scores = rng.permutation(m) / max(m, 1)
    if coarse:
        boxes, near, scores = np.round(boxes / 8) * 8, np.round(near / 8) * 8, np.round(scores, 1)
    truth = GroundTruth.from_arrays(
        images=images,
        categories=kinds,
        boxes=boxes,
        image_ids=IMAGES,
        category_ids=CLASSES,
        **{name: rng.random(n) < chance for name, chance in flags.items()},
    )
    found = Detections.from_arrays(
        images=images[pick],
        categories=np.where(rng.random(m) < 0.15, rng.choice(CLASSES, m), kinds[pick]),
        scores=scores,
        boxes=np.maximum(near, [0, 0, 4, 4]),
    )
    return truth, found


# LVIS: its own evaluator.


@pytest.fixture
def lvis(monkeypatch):
    # It asks for np.float, which numpy 2 has no more; and its drawings for OpenCV.
    monkeypatch.setattr(np, "float", float, raising=False)
    drawings = ModuleType("lvis.vis")
    drawings.LVISVis = None
    monkeypatch.setitem(sys.modules, "lvis.vis", drawings)
    return pytest.importorskip("lvis")


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")
@pytest.mark.parametrize("seed", range(12))
def test_lvis(lvis, seed):
    coarse = seed % 2 == 0
    truth, found = scene(seed, coarse=coarse, ignore=0.1)
    if not len(found):
        pytest.skip("the peer reads no empty results")
    rng = np.random.default_rng(seed)
    draw = [np.stack((rng.choice(IMAGES, 4), rng.choice(CLASSES, 4)), axis=1) for _ in range(2)]
    cap = 8 if seed % 3 == 0 else 300
    federation = Federation(negative=draw[0], not_exhaustive=draw[1], frequency="rcf")
    truth = replace(truth, federation=federation)
    style = replace(STYLES["lvis"], max_per_image=cap)
    ours = judge_all(truth, found, [style])["lvis"]
    peer = _lvis(lvis, truth, found, cap)
    precision = np.nan_to_num(ours.tables.precision[..., 0], nan=-1)
    np.testing.assert_array_equal(precision, peer.eval["precision"])
    recall = np.nan_to_num(ours.tables.recall[..., 0], nan=-1)
    np.testing.assert_array_equal(recall, peer.eval["recall"])
    assert ours.mean == peer.results["AP"]


def _lvis(lvis, truth, found, cap):
    pairs = truth.federation
    data = {
        "info": {},
        "licenses": [],
        "images": [
            {
                "id": int(i),
                "neg_category_ids": pairs.negative[pairs.negative[:, 0] == i, 1].tolist(),
                "not_exhaustive_category_ids": pairs.not_exhaustive[
                    pairs.not_exhaustive[:, 0] == i, 1
                ].tolist(),
            }
            for i in truth.image_ids
        ],
        "categories": [
            {"id": int(k), "frequency": f} for k, f in zip(truth.category_ids, pairs.frequency)
        ],
        "annotations": [
            {
                "id": i + 1,
                "image_id": int(truth.images[i]),
                "category_id": int(truth.categories[i]),
                "bbox": truth.boxes[i].tolist(),
                "area": float(truth.areas[i]),
                "ignore": int(truth.ignore[i]),
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
    gt = lvis.LVIS.__new__(lvis.LVIS)
    gt.logger = logging.getLogger("lvis")
    gt.dataset = data
    gt._create_index()
    peer = lvis.LVISEval(gt, lvis.LVISResults(gt, results, max_dets=cap), "bbox")
    peer.run()
    return peer


# hotcoco: rotated boxes, and Open Images by its own lights.


@pytest.fixture
def hotcoco():
    return pytest.importorskip("hotcoco")


def _hotcoco_data(truth, shapes):
    return {
        "images": [{"id": int(i), "width": 100, "height": 100} for i in truth.image_ids],
        "categories": [{"id": int(k), "name": str(k)} for k in truth.category_ids],
        "annotations": [
            {
                "id": i + 1,
                "image_id": int(truth.images[i]),
                "category_id": int(truth.categories[i]),
                "bbox": truth.boxes[i].tolist(),
                "area": float(truth.areas[i]),
                "iscrowd": 0,
                **shapes[i],
            }
            for i in range(len(truth))
        ],
    }


def _hotcoco_results(found, name, values):
    columns = zip(found.images, found.categories, found.scores, values)
    return [
        {"image_id": int(i), "category_id": int(k), "score": float(s), name: value.tolist()}
        for i, k, s, value in columns
    ]


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:hotcoco. oriented-box evaluation:UserWarning")
@pytest.mark.parametrize("seed", range(6))
def test_rotated_equals_hotcoco(hotcoco, seed):
    truth, found = scene(seed)
    if not len(found):
        pytest.skip("the peer reads no empty results")
    rng = np.random.default_rng(seed)
    turned = []
    for columns in (truth, found):
        angle = columns.boxes[:, 0] / 9 + rng.normal(0, 0.05, len(columns))
        turned.append(np.column_stack((columns.boxes, angle)))
    areas = turned[0][:, 2] * turned[0][:, 3]
    truth = replace(truth, rotated=turned[0], areas=areas)
    found = replace(found, rotated=turned[1])
    ours = judge_all(truth, found, ["coco"], "rotated")["coco"]
    coco = hotcoco.COCO(_hotcoco_data(truth, [{"obb": r.tolist()} for r in turned[0]]))
    results = coco.load_res(_hotcoco_results(found, "obb", turned[1]))
    peer = hotcoco.COCOeval(coco, results, "obb")
    peer.evaluate()
    peer.accumulate()
    precision = np.nan_to_num(ours.tables.precision, nan=-1)
    # Overlaps differ in their last bits; no overlap of random boxes lies that close to a
    # threshold, so every decision, and with it every number, is the same.
    np.testing.assert_array_equal(precision, peer.eval["precision"])


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:hotcoco. Open Images:UserWarning")
@pytest.mark.parametrize("seed", range(6))
def test_open_images_by_hotcoco(hotcoco, seed):
    # Its assignment is COCO's, where the Object Detection API takes each detection's best truth
    # only; its group-of boxes are the challenge's, each to be found once.
    truth, found = scene(seed, group_of=0.2)
    if not len(found):
        pytest.skip("the peer reads no empty results")
    parents = np.array([[2, 1], [3, 1]])
    federated = replace(truth, federation=Federation(parents=parents))
    style = replace(STYLES["openimages"], assignment="best-free", federated=False, group_of="once")
    ours = judge_all(federated, found, [style])["openimages"]
    shapes = [{"is_group_of": bool(flag)} for flag in truth.group_of]
    coco = hotcoco.COCO(_hotcoco_data(truth, shapes))
    results = coco.load_res(_hotcoco_results(found, "bbox", found.boxes))
    above = hotcoco.Hierarchy.from_parent_map({2: 1, 3: 1})
    peer = hotcoco.COCOeval(coco, results, "bbox", oid_style=True, hierarchy=above)
    peer.run()
    # Sums of some ten numbers <= 1 in another order.
    assert ours.mean == pytest.approx(peer.get_results()["AP"], rel=0, abs=16 * EPS)

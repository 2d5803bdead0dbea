"""Each protocol against its own evaluator: ported here line by line, or the evaluator itself."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection import problem
from drivetrain.detection.annotations import Detections, Federation, GroundTruth
from drivetrain.detection.protocols.interpolation import GRIDS
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


# PASCAL VOC: the devkit's evaluation as py-faster-rcnn ported it, on boxes x1, y1, x2, y2.


def voc_ap(rec, prec, use_07_metric):
    if use_07_metric:
        ap = 0.0
        for t in np.arange(0.0, 1.1, 0.1):
            p = 0 if np.sum(rec >= t) == 0 else np.max(prec[rec >= t])
            ap = ap + p / 11.0
        return ap
    mrec = np.concatenate(([0.0], rec, [1.0]))
    mpre = np.concatenate(([0.0], prec, [0.0]))
    for i in range(mpre.size - 1, 0, -1):
        mpre[i - 1] = np.maximum(mpre[i - 1], mpre[i])
    i = np.where(mrec[1:] != mrec[:-1])[0]
    return np.sum((mrec[i + 1] - mrec[i]) * mpre[i + 1])


def voc_eval(truth, found, classname, ovthresh, use_07_metric):
    class_recs, npos = {}, 0
    for image in truth.image_ids:
        rows = (truth.images == image) & (truth.categories == classname)
        box = truth.boxes[rows]
        corners = np.concatenate((box[:, :2], box[:, :2] + box[:, 2:] - 1), axis=1)
        difficult = truth.ignore[rows]
        npos += int(np.sum(~difficult))
        class_recs[image] = [corners, difficult, np.zeros(len(box), bool)]
    if npos == 0:
        return np.nan
    rows = np.flatnonzero(found.categories == classname)
    # Its argsort is not stable; equal scores here follow their images, then the file.
    order = rows[np.lexsort((rows, found.images[rows], -found.scores[rows]))]
    tp, fp = np.zeros(len(order)), np.zeros(len(order))
    for d, row in enumerate(order):
        BBGT, difficult, det = class_recs[found.images[row]]
        x, y, w, h = found.boxes[row]
        bb = np.array([x, y, x + w - 1, y + h - 1])
        ovmax, jmax = -np.inf, -1
        if BBGT.size > 0:
            iw = np.minimum(BBGT[:, 2], bb[2]) - np.maximum(BBGT[:, 0], bb[0]) + 1.0
            ih = np.minimum(BBGT[:, 3], bb[3]) - np.maximum(BBGT[:, 1], bb[1]) + 1.0
            inters = np.maximum(iw, 0.0) * np.maximum(ih, 0.0)
            uni = (bb[2] - bb[0] + 1.0) * (bb[3] - bb[1] + 1.0)
            uni += (BBGT[:, 2] - BBGT[:, 0] + 1.0) * (BBGT[:, 3] - BBGT[:, 1] + 1.0) - inters
            overlaps = inters / uni
            ovmax, jmax = np.max(overlaps), np.argmax(overlaps)
        if ovmax > ovthresh:
            if not difficult[jmax]:
                if not det[jmax]:
                    tp[d] = 1.0
                    det[jmax] = True
                else:
                    fp[d] = 1.0
        else:
            fp[d] = 1.0
    fp, tp = np.cumsum(fp), np.cumsum(tp)
    prec = tp / np.maximum(tp + fp, np.finfo(np.float64).eps)
    return voc_ap(tp / float(npos), prec, use_07_metric)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), old=st.booleans(), coarse=st.booleans())
def test_voc_devkit(seed, old, coarse):
    truth, found = scene(seed, coarse=coarse, ignore=0.2)
    whole = replace(truth, boxes=np.round(truth.boxes))
    found = replace(found, boxes=np.round(found.boxes))
    # Corners that hold their last pixel are one less than x + w: the port adds that one again,
    # so the overlaps are those of the plain boxes.
    style = replace(STYLES["voc2007" if old else "voc2010"], strict=True, grid="arange")
    verdict = judge_all(whole, found, [style])[style.name]
    expected = [voc_eval(whole, found, k, 0.5, old) for k in CLASSES]
    # The port adds eleven p/11, ours divides the sum: 11 roundings of numbers <= 1.
    np.testing.assert_allclose(verdict.ap[0, :, 0, 0], expected, rtol=0, atol=11 * EPS)
    known = [ap for ap in expected if not np.isnan(ap)]
    mean = np.mean(known) if known else np.nan
    assert verdict.mean == pytest.approx(mean, rel=0, abs=12 * EPS, nan_ok=True)


def test_voc_grids_differ_where_recall_is_a_tenth():
    # Ten truths, three found at once: recall .3 is reached by i/10, by 0.30000000000000004 not.
    boxes = np.arange(10)[:, None] * [20.0, 0, 0, 0] + [0, 0, 10, 10]
    truth = GroundTruth.from_arrays(images=np.ones(10), categories=np.ones(10), boxes=boxes)
    found = Detections.from_arrays(
        images=np.ones(3), categories=np.ones(3), scores=[0.9, 0.8, 0.7], boxes=boxes[:3]
    )
    styles = [replace(STYLES["voc2007"], name=grid, grid=grid) for grid in GRIDS]
    numbers = {name: one.mean for name, one in judge_all(truth, found, styles).items()}
    assert numbers == {"tenths": 4 / 11, "arange": 3 / 11, "matlab": 3 / 11}
    # MATLAB's 0:0.1:1 counts its second half down from 1.
    assert (GRIDS["matlab"] != GRIDS["tenths"]).nonzero()[0].tolist() == [3]
    assert (GRIDS["arange"] != GRIDS["tenths"]).nonzero()[0].tolist() == [3, 6, 7]


# Ultralytics: match_predictions and ap_per_class, with sorts made stable.


def match_predictions(pred_classes, true_classes, overlap, thresholds):
    correct = np.zeros((len(pred_classes), len(thresholds)), bool)
    overlap = overlap * (true_classes[:, None] == pred_classes)
    for i, threshold in enumerate(thresholds):
        matches = np.array(np.nonzero(overlap >= threshold)).T
        if not matches.shape[0]:
            continue
        matches = matches[overlap[matches[:, 0], matches[:, 1]].argsort(kind="stable")[::-1]]
        matches = matches[np.unique(matches[:, 1], return_index=True)[1]]
        matches = matches[np.unique(matches[:, 0], return_index=True)[1]]
        correct[matches[:, 1], i] = True
    return correct


def compute_ap(recall, precision):
    mrec = np.concatenate(([0.0], recall, [1.0]))
    mpre = np.concatenate(([1.0], precision, [0.0]))
    mpre = np.flip(np.maximum.accumulate(np.flip(mpre)))
    x = np.linspace(0, 1, 101)
    return np.trapezoid(np.interp(x, mrec, mpre), x)


def ultralytics(truth, found, thresholds, cap):
    tp, conf, kinds = [], [], []
    for image in truth.image_ids:
        d = np.flatnonzero(found.images == image)
        d = d[np.argsort(-found.scores[d], kind="stable")][:cap]
        g = np.flatnonzero(truth.images == image)
        x, y = found.boxes[d], truth.boxes[g]
        low = np.maximum(x[None, :, :2], y[:, None, :2])
        high = np.minimum((x[:, 2:] + x[:, :2])[None], (y[:, 2:] + y[:, :2])[:, None])
        inter = np.prod(np.clip(high - low, 0, None), axis=-1)
        areas = np.prod(x[:, 2:], axis=-1)[None] + np.prod(y[:, 2:], axis=-1)[:, None]
        matched = match_predictions(
            found.categories[d], truth.categories[g], inter / (areas - inter), thresholds
        )
        tp.append(matched)
        conf.append(found.scores[d])
        kinds.append(found.categories[d])
    tp, conf, kinds = np.concatenate(tp), np.concatenate(conf), np.concatenate(kinds)
    order = np.argsort(-conf, kind="stable")
    tp, kinds = tp[order], kinds[order]
    unique, counts = np.unique(truth.categories, return_counts=True)
    ap = np.zeros((len(unique), len(thresholds)))
    for c, (kind, n) in enumerate(zip(unique, counts)):
        own = tp[kinds == kind]
        if not len(own):
            continue
        tpc, fpc = own.cumsum(0), (1 - own).cumsum(0)
        for j in range(len(thresholds)):
            ap[c, j] = compute_ap(tpc[:, j] / (n + 1e-16), (tpc / (tpc + fpc))[:, j])
    return unique, ap


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), coarse=st.booleans(), cap=st.sampled_from([3, 300]))
def test_ultralytics(seed, coarse, cap):
    truth, found = scene(seed, coarse=coarse)
    style = replace(STYLES["ultralytics"], max_per_image=cap)
    verdict = judge_all(truth, found, [style])["ultralytics"]
    kinds, expected = ultralytics(truth, found, style.thresholds, cap)
    np.testing.assert_array_equal(verdict.ap[:, kinds - 1, 0, 0].T, expected)
    missing = np.setdiff1d(CLASSES, kinds) - 1
    assert np.isnan(verdict.ap[:, missing]).all()


# Open Images: per_image_evaluation of tensorflow/models, without masks.


def open_images(truth, found, weight, thr=0.5):
    scores, labels = {k: [] for k in CLASSES}, {k: [] for k in CLASSES}
    npos = dict.fromkeys(CLASSES, 0.0)
    verified = set(zip(truth.images.tolist(), truth.categories.tolist()))
    verified |= set(map(tuple, truth.federation.negative.tolist()))
    for k in CLASSES:
        of = truth.categories == k
        npos[k] = np.sum(of & ~truth.group_of) + weight * np.sum(of & truth.group_of)
        for image in truth.image_ids:
            if (int(image), int(k)) not in verified:
                continue
            rows = np.flatnonzero((found.images == image) & (found.categories == k))
            rows = rows[np.argsort(-found.scores[rows], kind="stable")]
            g = truth.boxes[of & (truth.images == image)]
            group = truth.group_of[of & (truth.images == image)]
            s, tp = one_image(
                found.boxes[rows], found.scores[rows], g[~group], g[group], weight, thr
            )
            scores[k] += s
            labels[k] += tp
    aps = []
    for k in CLASSES:
        if not npos[k]:
            aps.append(np.nan)
            continue
        order = np.argsort(-np.array(scores[k]), kind="stable")
        tp = np.array(labels[k], float)[order]
        tpc, fpc = np.cumsum(tp), np.cumsum((tp <= 0).astype(float))
        aps.append(voc_ap(tpc / npos[k], tpc / (tpc + fpc), False) if len(tp) else 0.0)
    return aps


def one_image(boxes, scores, plain, groups, weight, thr):
    iou = problem.iou(boxes, plain)
    ioa = problem.iou(boxes, groups, crowd=np.ones(len(groups)))
    tp, in_group = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool)
    detected = np.zeros(len(plain), bool)
    for i in range(len(boxes)):
        if len(plain) and iou[i].max() >= thr and not detected[np.argmax(iou[i])]:
            tp[i] = detected[np.argmax(iou[i])] = True
    best = np.zeros(len(groups))
    for i in range(len(boxes)):
        if len(groups) and not tp[i] and ioa[i].max() >= thr:
            in_group[i] = True
            best[np.argmax(ioa[i])] = max(best[np.argmax(ioa[i])], scores[i])
    kept = ~in_group
    extra = best[(best > 0) & (weight > 0)]
    return [*scores[kept], *extra], [*tp[kept].astype(float), *np.full(len(extra), weight)]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), once=st.booleans())
def test_open_images(seed, once):
    truth, found = scene(seed, group_of=0.25)
    rng = np.random.default_rng(seed)
    # Scores of 0 would lose their group-of box there; no two are equal.
    found = replace(found, scores=found.scores + 0.01)
    negative = np.stack((rng.choice(IMAGES, 6), rng.choice(CLASSES, 6)), axis=1)
    truth = replace(truth, federation=Federation(negative=negative))
    style = replace(STYLES["openimages"], group_of="once" if once else "ignore")
    verdict = judge_all(truth, found, [style])["openimages"]
    expected = open_images(truth, found, 1.0 if once else 0.0)
    np.testing.assert_array_equal(verdict.ap[0, :, 0, 0], expected)


def test_open_images_hierarchy():
    # 1 is the parent of 2 and 3; a 2 is a 1 too, and where 1 is absent so are 2 and 3.
    truth = GroundTruth.from_arrays(
        images=[1],
        categories=[2],
        boxes=[[0, 0, 10, 10]],
        image_ids=[1, 2],
        category_ids=CLASSES,
        federation=Federation(negative=np.array([[2, 1]]), parents=np.array([[2, 1], [3, 1]])),
    )
    box = [[0, 0, 10, 10]]
    found = Detections.from_arrays(
        images=[1, 1, 2], categories=[2, 1, 3], scores=[0.9, 0.8, 0.7], boxes=box * 3
    )
    verdict = judge_all(truth, found, ["openimages"])["openimages"]
    np.testing.assert_array_equal(verdict.ap[0, :, 0, 0], [1, 1, np.nan])
    # The 3 of image 2 was verified as absent: it counts, and is false.
    outcome = verdict.outcome
    order = verdict.pool.index.detections
    assert outcome.ignored[0][np.flatnonzero(order == 2)] == 0

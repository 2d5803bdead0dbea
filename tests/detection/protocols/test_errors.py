"""Error kinds, confusion and worst images: small scenes by hand, an oracle by lists, the peer."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.annotations import Detections, Federation, GroundTruth
from drivetrain.detection.examples import survey_data
from drivetrain.detection.protocols.confusion import confusion
from drivetrain.detection.protocols.errors import KINDS, error_kinds
from drivetrain.detection.protocols.images import worst_images
from drivetrain.detection.reference import ap_101_point, iou
from drivetrain.detection.styles import STYLES, Style

COCO = STYLES["coco"]


@dataclass
class Judged:
    truth: GroundTruth
    found: Detections
    style: Style
    task: str = "bbox"
    limits: dict = field(default_factory=dict)


def scene(detections):
    """One image: truths of class 1 at (0, 0), of 2 at (100, 0), of 1 at (0, 100).

    Detections: class, score, box.
    """
    truth = GroundTruth.from_arrays(
        images=[1, 1, 1],
        categories=[1, 2, 1],
        boxes=[[0, 0, 10, 10], [100, 0, 10, 10], [0, 100, 10, 10]],
        category_ids=[1, 2],
        category_names=("cat", "dog"),
    )
    kinds, scores, boxes = zip(*detections)
    found = Detections.from_arrays(
        images=np.ones(len(kinds)), categories=kinds, scores=scores, boxes=boxes
    )
    return Judged(truth, found, COCO)


RIGHT = (1, 0.9, [0, 0, 10, 10])


@pytest.mark.parametrize(
    ("detection", "kind", "missed"),
    [
        ((1, 0.5, [100, 0, 10, 10]), "class", [False, False, True]),
        ((2, 0.5, [104, 0, 10, 10]), "localisation", [False, False, True]),
        ((1, 0.5, [104, 0, 10, 10]), "both", [False, True, True]),
        ((1, 0.5, [0, 1, 10, 10]), "duplicate", [False, True, True]),
        ((1, 0.5, [50, 50, 10, 10]), "background", [False, True, True]),
    ],
)
def test_each_kind(detection, kind, missed):
    errors = error_kinds(scene([RIGHT, detection]))
    assert KINDS[errors.kinds[1]] == kind
    assert errors.kinds[0] == -1
    assert errors.missed.tolist() == missed
    assert errors.counts == dict.fromkeys(KINDS, 0) | {kind: 1, "missed": sum(missed)}
    assert errors.per_class.sum() == 1 + sum(missed)
    row = 0 if detection[0] == 1 else 1
    assert errors.per_class[row, KINDS.index(kind)] == 1


def test_gains_by_hand():
    # Class 1: one of two found, precision 1: 51 of 101 points. Class 2: nothing.
    errors = error_kinds(scene([RIGHT, (1, 0.5, [100, 0, 10, 10])]))
    assert errors.ap == pytest.approx((51 / 101 + 0) / 2)
    # Repaired, the second is right in class 2.
    assert errors.gains["class"] == pytest.approx(0.5)
    # The far truth is no longer asked for: class 1 is perfect.
    assert errors.gains["missed"] == pytest.approx((1 - 51 / 101) / 2)
    # Class 2 has nothing right, so not asking for its truth leaves nothing.
    assert errors.false_negatives == pytest.approx((1 - 51 / 101) / 2)
    assert errors.false_positives == 0
    assert [errors.gains[k] for k in ("localisation", "both", "duplicate", "background")] == [0] * 4


def tide(judged, fg, bg):
    """TIDE by lists: its greedy matching, the order of its tests, its repairs."""
    truth, found = judged.truth, judged.found
    rows, missed = {}, set()
    best_of = {}
    for image in truth.image_ids:
        g = np.flatnonzero((truth.images == image) & ~truth.crowd)
        d = np.flatnonzero(found.images == image)
        d = d[np.argsort(-found.scores[d], kind="stable")]
        overlap = iou(found.boxes[d], truth.boxes[g])
        same = found.categories[d][:, None] == truth.categories[g][None, :]
        crowds = np.flatnonzero((truth.images == image) & truth.crowd)
        used = np.zeros(len(g), bool)
        hit = np.zeros(len(d), bool)
        for i in range(len(d)):
            free = np.where(same[i] & ~used, overlap[i], 0)
            # Of equal overlaps the later truth, as COCO.
            if len(g) and free.max() >= fg:
                used[len(g) - 1 - np.argmax(free[::-1])] = True
                hit[i] = True
        into = iou(found.boxes[d], truth.boxes[crowds], crowd=np.ones(len(crowds)))
        inside = found.categories[d][:, None] == truth.categories[crowds][None, :]
        ignored = ~hit & ((into >= fg) & inside).any(axis=1)
        usable = np.zeros(len(g), bool)
        for i in range(len(d)):
            at, kind = -1, "background"
            own = np.where(same[i], overlap[i], 0)
            other = np.where(~same[i], overlap[i], 0)
            if hit[i] or ignored[i]:
                kind = "right" if hit[i] else "ignored"
            elif len(g) and bg <= own.max() < fg:
                kind, at = "localisation", int(np.argmax(own))
            elif len(g) and other.max() >= fg:
                kind, at = "class", int(np.argmax(other))
            elif len(g) and np.where(used, own, 0).max() >= fg:
                kind = "duplicate"
            elif len(g) and overlap[i].max() >= bg:
                kind = "both"
            if at >= 0 and not used[at]:
                usable[at] = True
                best_of.setdefault(int(g[at]), int(d[i]))
            rows[int(d[i])] = (kind, int(g[at]) if at >= 0 else -1)
        missed |= set(g[~used & ~usable].tolist())
    return rows, missed, best_of


def tide_ap(judged, rows, best_of, repaired=None, dropped=()):
    truth, found = judged.truth, judged.found
    aps = []
    for k in truth.category_ids:
        n = int(np.count_nonzero((truth.categories == k) & ~truth.crowd))
        if not n:
            continue
        n -= sum(int(truth.categories[g]) == k for g in dropped)
        flags = []
        for i in np.lexsort((np.arange(len(found)), found.images, -found.scores)).tolist():
            kind, g = rows[i]
            label, right = found.categories[i], kind == "right"
            if kind == "ignored" or (kind == repaired and best_of.get(g) != i):
                continue
            if kind == repaired:
                label, right = truth.categories[g], True
            if label == k:
                flags.append(right)
        tp = np.cumsum(flags)
        at = np.arange(1, len(flags) + 1)
        aps.append(ap_101_point(tp / n, tp / at) if n and flags else 0.0)
    return float(np.mean(aps)) if aps else np.nan


def random_judged(seed, crowds=True):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 30)), int(rng.integers(1, 70))
    boxes = rng.uniform([0, 0, 8, 8], 40, (n, 4))
    images, kinds = rng.integers(1, 5, n), rng.integers(1, 4, n)
    pick = rng.integers(0, n, m)
    truth = GroundTruth.from_arrays(
        images=images,
        categories=kinds,
        boxes=boxes,
        image_ids=np.arange(1, 5),
        category_ids=np.arange(1, 4),
        crowd=rng.random(n) < (0.15 if crowds else 0),
    )
    found = Detections.from_arrays(
        images=images[pick],
        categories=np.where(rng.random(m) < 0.3, rng.integers(1, 4, m), kinds[pick]),
        scores=rng.permutation(m) / m,
        boxes=np.maximum(boxes[pick] + rng.normal(0, 4, (m, 4)), [0, 0, 1, 1]),
    )
    return Judged(truth, found, COCO)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_equals_tide(seed):
    judged = random_judged(seed)
    errors = error_kinds(judged)
    rows, missed, best_of = tide(judged, 0.5, 0.1)
    names = {-1: "right", -2: "ignored"} | dict(enumerate(KINDS))
    assert [names[k] for k in errors.kinds.tolist()] == [rows[i][0] for i in range(len(rows))]
    assert set(np.flatnonzero(errors.missed).tolist()) == missed
    base = tide_ap(judged, rows, best_of)
    if np.isnan(base):
        assert np.isnan(errors.ap)
        return
    # The rules add 2.2e-16 to the denominators, TIDE does not: one ulp of each of 101 terms.
    close = {"rel": 0, "abs": 4 * np.finfo(float).eps}
    assert errors.ap == pytest.approx(base, **close)
    for kind in KINDS[:-1]:
        repaired = tide_ap(judged, rows, best_of, repaired=kind)
        assert errors.gains[kind] == pytest.approx(repaired - base, **close)
    dropped = tide_ap(judged, rows, best_of, dropped=missed)
    assert errors.gains["missed"] == pytest.approx(dropped - base, **close)


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(sorted(STYLES)),
    group_of=st.sampled_from(["plain", "ignore", "once"]),
    per_class=st.booleans(),
)
def test_every_style_accounts_for_every_row(seed, name, group_of, per_class):
    judged = random_judged(seed)
    flags = np.random.default_rng(seed).random(len(judged.truth)) < 0.2
    parents = Federation(parents=np.array([[2, 1], [3, 1]]), negative=np.array([[1, 1]]))
    truth = replace(judged.truth, group_of=flags, federation=parents)
    style = replace(STYLES[name], group_of=group_of, per_class=per_class)
    judged = replace(judged, truth=truth, style=style)
    errors = error_kinds(judged)
    assert set(errors.kinds.tolist()) <= set(range(-2, 5))
    false = np.count_nonzero(errors.kinds >= 0)
    # Where classes are parts of others, a truth is to be found once more for each ancestor.
    own = false + np.count_nonzero(errors.missed)
    total = sum(errors.counts.values())
    assert own == total or (style.hierarchy and own < total)
    assert errors.per_class.sum() == sum(errors.counts.values())
    # Removing every false detection, or asking for no more than was found, never costs.
    slack = 4 * np.finfo(float).eps
    assert np.isnan(errors.ap) or min(errors.false_positives, errors.false_negatives) >= -slack
    table = confusion(judged, score=0.3)
    sure = (judged.found.scores >= 0.3) & (errors.kinds != -2)
    assert table.matrix[:, :-1].sum() == np.count_nonzero(sure)
    listed = worst_images(judged, 10, score=0, kinds=errors)
    assert sum(one.total for one in listed) == own
    totals = [one.total for one in listed]
    assert totals == sorted(totals, reverse=True)


def test_confusion_by_hand():
    judged = scene(
        [
            RIGHT,
            (2, 0.8, [0, 0, 10, 10]),  # the truth is taken by an equal overlap of its own class
            (1, 0.7, [100, 1, 10, 10]),  # dog taken for cat
            (1, 0.1, [0, 100, 10, 10]),  # not sure enough
        ]
    )
    table = confusion(judged)
    assert table.matrix.tolist() == [[1, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert table.names == ("cat", "dog", "background")
    assert table.worst() == [("dog", "cat", 1)]
    assert table.normalised()[0].tolist() == [0.5, 0, 0.5]
    assert "| cat | 1 | 0 | 1 |" in table.to_markdown()
    assert table.to_dict()["category_ids"] == [1, 2]


def test_worst_images_by_hand():
    judged = Judged(*survey_data(), COCO)
    listed = worst_images(judged, 3, score=0.0)
    counts = {1: [], 2: []}
    errors = error_kinds(judged)
    for image in counts:
        false = np.count_nonzero((errors.kinds >= 0) & (judged.found.images == image))
        missed = np.count_nonzero(errors.missed & (judged.truth.images == image))
        counts[image] = false + missed
    assert {one.image_id: one.total for one in worst_images(judged, score=0.0)}[1] == counts[1]
    assert len(listed) == 3
    assert listed[0].truths == np.count_nonzero(judged.truth.images == listed[0].image_id)


def test_nothing_found_and_nothing_there():
    nothing = {"images": [], "categories": [], "boxes": np.empty((0, 4))}
    judged = scene([RIGHT])
    silent = replace(judged, found=Detections.from_arrays(**nothing, scores=[]))
    errors = error_kinds(silent)
    assert (errors.ap, errors.counts["missed"]) == (0, 3)
    assert confusion(silent).matrix[:, -1].tolist() == [2, 1, 0]
    empty = GroundTruth.from_arrays(**nothing, image_ids=[1], category_ids=[1, 2])
    errors = error_kinds(replace(judged, truth=empty))
    assert np.isnan(errors.ap)
    assert errors.counts["background"] == 1
    assert worst_images(replace(judged, truth=empty))[0].errors["background"] == 1


def test_refusals():
    judged = scene([RIGHT])
    with pytest.raises(ValueError, match="foreground must be > 0 and <= 1"):
        error_kinds(judged, foreground=0)
    with pytest.raises(ValueError, match=r"background must be > 0 and <= 0\.5"):
        error_kinds(judged, background=0.6)
    with pytest.raises(ValueError, match="iou must be"):
        confusion(judged, iou=2)
    with pytest.raises(ValueError, match="n must be >= 0"):
        worst_images(judged, -1)


@pytest.mark.peer
@pytest.mark.parametrize("seed", range(6))
def test_counts_equal_hotcoco(seed):
    hotcoco = pytest.importorskip("hotcoco")
    judged = random_judged(seed, crowds=False)
    peer = _hotcoco(hotcoco, judged)
    peer.evaluate()
    theirs = peer.tide_errors(pos_thr=0.5, bg_thr=0.1)
    ours = error_kinds(judged)
    keys = dict(zip(KINDS, ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")))
    assert ours.counts == {kind: theirs["counts"][key] for kind, key in keys.items()}
    # The peer adds 101 precisions one by one: the partial sums, up to 101, round 101 times by
    # half an ulp; over 101 that is <= 51 eps. Two such numbers are subtracted.
    close = {"rel": 0, "abs": 2 * 51 * np.finfo(float).eps}
    assert ours.ap == pytest.approx(theirs["ap_base"], **close)
    for kind, key in keys.items():
        # The peer, as TIDE, shows no losses.
        gain = max(ours.gains[kind], 0)
        assert gain == pytest.approx(theirs["delta_ap"][key], **close)


def _hotcoco(hotcoco, judged):
    truth, found = judged.truth, judged.found
    data = {
        "images": [{"id": int(i), "width": 200, "height": 200} for i in truth.image_ids],
        "categories": [{"id": int(i), "name": str(i)} for i in truth.category_ids],
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
    coco = hotcoco.COCO(data)
    return hotcoco.COCOeval(coco, coco.load_res(results), "bbox")

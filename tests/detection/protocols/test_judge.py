"""The protocols from one set of pairs: golden numbers, oracles written apart, properties."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection import problem
from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.examples import (
    ARTICLE_FLAGS,
    ARTICLE_TRUTHS,
    SURVEY_FLAGS,
    SURVEY_TRUTHS,
    survey_data,
    survey_style,
)
from drivetrain.detection.masks.dense import from_dense
from drivetrain.detection.protocols.judge import Pools, judge_all
from drivetrain.detection.protocols.pool import gather
from drivetrain.detection.styles import STYLES, Style


def random_problem(seed, n_images=4, n_classes=3, **chances):
    """Grid boxes and coarse scores, so that overlaps and scores tie often."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(0, 25)), int(rng.integers(0, 60))
    boxes = rng.integers(0, 12, (n, 4)) * 4.0 + [0, 0, 4, 4]
    some = boxes[rng.integers(0, n, m)] if n else np.full((m, 4), 8.0)
    moved = np.maximum(some + rng.integers(-2, 3, (m, 4)) * 2.0, [0, 0, 2, 2])
    images = rng.integers(1, n_images + 1, n)
    kinds = rng.integers(1, n_classes + 1, n)
    pick = rng.integers(0, max(n, 1), m)
    if n:
        some_images, some_kinds = images[pick], kinds[pick]
        moved = np.maximum(boxes[pick] + rng.integers(-2, 3, (m, 4)) * 2.0, [0, 0, 2, 2])
    else:
        some_images, some_kinds = np.ones(m), np.ones(m)
    wrong = rng.random(m) < 0.2
    some_kinds = np.where(wrong, rng.integers(1, n_classes + 1, m), some_kinds)
    flags = {name: rng.random(n) < chance for name, chance in chances.items()}
    truth = GroundTruth.from_arrays(
        images=images,
        categories=kinds,
        boxes=boxes,
        image_ids=np.arange(1, n_images + 1),
        category_ids=np.arange(1, n_classes + 1),
        areas=boxes[:, 2] * boxes[:, 3] * rng.choice([0.5, 1.0, 2.0], n),
        **flags,
    )
    found = Detections.from_arrays(
        images=some_images,
        categories=some_kinds,
        scores=rng.integers(0, 12, m) / 10,
        boxes=moved,
    )
    return truth, found


SMALL_AREAS = (("all", 0.0, 1e10), ("small", 0.0, 300.0), ("large", 300.0, 1e10))
FREE = Style(
    name="free",
    thresholds=(0.5, 0.6, 0.75, 0.9),
    areas=SMALL_AREAS,
    max_detections=(1, 3, 100),
)
BEST = replace(FREE, name="best", assignment="best", interpolation="all-point")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("voc2007", 0.26839826839826836),
        ("voc2010", 0.24568668046928915),
        ("coco", 0.24816021974868288),
    ],
)
def test_survey_example(name, expected):
    style = survey_style(name)
    verdict = judge_all(*survey_data(), [style])[name]
    assert verdict.mean == expected
    assert verdict.ap.shape[0] == 1


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    style=st.sampled_from([FREE, BEST]),
    strict=st.booleans(),
    crowd=st.booleans(),
    ignore=st.booleans(),
    inclusive=st.booleans(),
    per_class=st.booleans(),
    zero=st.booleans(),
)
def test_equals_the_definitions(seed, style, strict, crowd, ignore, inclusive, per_class, zero):
    truth, found = random_problem(seed, crowd=0.15, ignore=0.15)
    truth = replace(truth, ids=truth.ids - 1)
    style = replace(
        style,
        strict=strict,
        crowd=crowd,
        honour_ignore=ignore,
        inclusive=inclusive,
        per_class=per_class,
        zero_id_unmatched=zero,
    )
    verdict = Pools(truth, found).judge(style)
    expected = problem.tables(truth, found, style)
    np.testing.assert_array_equal(verdict.tables.precision, expected.precision)
    np.testing.assert_array_equal(verdict.tables.scores, expected.scores)
    np.testing.assert_array_equal(verdict.tables.recall, expected.recall)


def test_survey_areas_are_the_definitions_to_the_bit():
    truth, found = survey_data()
    for name in ("voc2007", "voc2010"):
        style = survey_style(name)
        verdict = judge_all(truth, found, [style])[name]
        expected = problem.average_precisions(truth, found, style)
        np.testing.assert_array_equal(verdict.ap, expected)


def test_article_example_through_the_whole_path():
    truth, found = flagged(ARTICLE_FLAGS, ARTICLE_TRUTHS)
    numbers = {n: v.mean for n, v in judge_all(truth, found, VOC_AND_COCO).items()}
    # All three rules rate it .5: as 5.5/11, as a sum of steps, and as 50.5/101 with 2.2e-16
    # added to its denominators, of which 1 is the only one to feel it.
    assert numbers == {
        "voc2007": 0.5,
        "voc2010": 0.49999999999999994,
        "coco": pytest.approx(0.5, rel=0, abs=4 * EPS),
    }


def test_second_example_through_the_whole_path():
    truth, found = flagged(SURVEY_FLAGS, SURVEY_TRUTHS)
    numbers = {n: v.mean for n, v in judge_all(truth, found, VOC_AND_COCO).items()}
    assert numbers == {
        "voc2007": 0.26839826839826836,
        "voc2010": 0.24568668046928915,
        "coco": 0.24816021974868288,
    }


EPS = np.finfo(float).eps
VOC_AND_COCO = [
    STYLES["voc2007"],
    STYLES["voc2010"],
    replace(STYLES["coco"], thresholds=(0.5,), areas=STYLES["coco"].areas[:1]),
]


def flagged(flags, n_truths):
    """Truths apart from each other; detections on the next truth, or on nothing, by rank."""
    boxes = np.arange(n_truths)[:, None] * [20.0, 0, 0, 0] + [0, 0, 10, 10]
    truth = GroundTruth.from_arrays(
        images=np.ones(n_truths), categories=np.ones(n_truths), boxes=boxes
    )
    at = np.cumsum(flags) - 1
    places = np.where(np.array(flags)[:, None], boxes[at], [0.0, 500, 10, 10])
    n = len(flags)
    found = Detections.from_arrays(
        images=np.ones(n), categories=np.ones(n), scores=1 - np.arange(n) / n, boxes=places
    )
    return truth, found


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(["voc2007", "voc2010"]))
def test_areas_equal_the_definitions(seed, name):
    truth, found = random_problem(seed, ignore=0.2)
    verdict = Pools(truth, found).judge(name)
    expected = problem.average_precisions(truth, found, name)
    np.testing.assert_array_equal(verdict.ap, expected)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), style=st.sampled_from([FREE, BEST]), crowd=st.booleans())
def test_masks_equal_the_definitions(seed, style, crowd):
    truth, found = random_problem(seed, crowd=0.3)
    masks = [painted(columns.boxes) for columns in (truth, found)]
    truth, found = replace(truth, masks=masks[0]), replace(found, masks=masks[1])
    style = replace(style, crowd=crowd)
    verdict = Pools(truth, found, "segm").judge(style)
    expected = problem.tables(truth, found, style, "segm")
    np.testing.assert_array_equal(verdict.tables.precision, expected.precision)


def painted(boxes):
    """Masks of 64 x 64 pixels, each a box without its first corner."""
    pictures = np.zeros((len(boxes), 64, 64), np.uint8)
    for picture, (x, y, w, h) in zip(pictures, boxes.astype(int)):
        picture[y : y + h, x : x + w] = 1
        picture[y, x] = 0
    return from_dense(pictures)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), style=st.sampled_from([FREE, BEST]))
def test_keypoints_equal_the_definitions(seed, style):
    truth, found = random_problem(seed, crowd=0.1)
    rng = np.random.default_rng(seed)
    parts = []
    for boxes in (truth.boxes, found.boxes):
        points = rng.uniform(0, 1, (len(boxes), 17, 3))
        points[:, :, :2] = boxes[:, None, :2] + points[:, :, :2] * boxes[:, None, 2:]
        labelled = rng.random((len(boxes), 1)) < 0.9
        points[:, :, 2] = rng.integers(0, 3, points.shape[:2]) * labelled
        parts.append(points)
    truth, found = replace(truth, keypoints=parts[0]), replace(found, keypoints=parts[1])
    verdict = Pools(truth, found, "keypoints").judge(style)
    expected = problem.tables(truth, found, style, "keypoints")
    np.testing.assert_array_equal(verdict.tables.precision, expected.precision)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(["coco", "voc2010", "ultralytics"]))
def test_upright_rotated_boxes_are_boxes(seed, name):
    truth, found = random_problem(seed)
    upright = []
    for columns in (truth, found):
        centre = columns.boxes[:, :2] + columns.boxes[:, 2:] / 2
        upright.append(np.column_stack((centre, columns.boxes[:, 2:], np.zeros(len(columns)))))
    truth, found = replace(truth, rotated=upright[0]), replace(found, rotated=upright[1])
    # Whole even numbers: centres and products are exact, and so the overlaps are the same.
    plain = Pools(truth, found).judge(name)
    turned = Pools(truth, found, "rotated").judge(name)
    np.testing.assert_array_equal(turned.ap, plain.ap)


def test_any_number_of_threads_gives_the_same():
    truth, found = random_problem(7, crowd=0.1)
    for name in STYLES:
        one, many = (Pools(truth, found, threads=n).judge(name) for n in (1, 5))
        np.testing.assert_array_equal(one.ap, many.ap)
        np.testing.assert_array_equal(one.outcome.found, many.outcome.found)


def test_order_of_the_file_only_decides_ties():
    truth, found = random_problem(11, crowd=0.1, ignore=0.1)
    rng = np.random.default_rng(0)
    found = replace(found, scores=rng.permutation(len(found)) / len(found))
    order = rng.permutation(len(found))
    shuffled = Detections.from_arrays(
        images=found.images[order],
        categories=found.categories[order],
        scores=found.scores[order],
        boxes=found.boxes[order],
    )
    for name in STYLES:
        np.testing.assert_array_equal(
            Pools(truth, found).judge(name).ap, Pools(truth, shuffled).judge(name).ap
        )


@pytest.mark.parametrize("name", sorted(STYLES))
def test_nothing_to_find_or_nothing_found(name):
    nothing = {"images": [], "categories": [], "boxes": np.empty((0, 4))}
    ids = {"image_ids": [1, 2], "category_ids": [1]}
    no_truth = GroundTruth.from_arrays(**nothing, **ids)
    no_found = Detections.from_arrays(**nothing, scores=[])
    box = {"images": [1], "categories": [1], "boxes": [[0, 0, 9, 9]]}
    some_truth = GroundTruth.from_arrays(**box, **ids)
    some_found = Detections.from_arrays(**box, scores=[0.5])
    assert np.isnan(Pools(no_truth, no_found).judge(name).mean)
    assert np.isnan(Pools(no_truth, some_found).judge(name).mean)
    silent = Pools(some_truth, no_found).judge(name)
    assert silent.mean == 0
    assert silent.tables.recall[0, 0, 0, -1] == 0
    # Ultralytics' lines fall from the last point to precision 0 at recall 1, half a hundredth.
    right = 1 - 0.005 if name == "ultralytics" else pytest.approx(1, abs=EPS)
    assert Pools(some_truth, some_found).judge(name).mean == pytest.approx(right)


def test_classes_without_truths_are_nan_and_no_part_of_the_mean():
    box = [[0, 0, 9, 9]]
    truth = GroundTruth.from_arrays(images=[1], categories=[1], boxes=box, category_ids=[1, 2])
    found = Detections.from_arrays(images=[1, 1], categories=[1, 2], scores=[1, 1], boxes=box * 2)
    verdict = Pools(truth, found).judge("voc2010")
    np.testing.assert_array_equal(verdict.ap[0, :, 0, 0], [1, np.nan])
    assert verdict.mean == 1


def test_refusals():
    truth, found = random_problem(3)
    with pytest.raises(ValueError, match="Did you mean 'voc2007'"):
        Pools(truth, found).judge("voc207")
    with pytest.raises(ValueError, match=r"thresholds must be >= 0\.5.* Got 0\.3"):
        Pools(truth, found).judge(replace(FREE, thresholds=(0.3,)))
    with pytest.raises(ValueError, match=r"minimum must be > 0"):
        gather(truth, found, minimum=0)
    with pytest.raises(ValueError, match="task must be one of"):
        gather(truth, found, "boxes")
    with pytest.raises(ValueError, match="number of thresholds must be"):
        Pools(truth, found).judge(replace(FREE, thresholds=tuple(np.linspace(0.5, 0.9, 33))))
    with pytest.raises(ValueError, match="no rotated"):
        Pools(truth, found, "rotated").judge("voc2010")

"""The protocols from one set of pairs: golden numbers, oracles written apart, properties."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection import problem
from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.examples import survey_data, survey_style
from drivetrain.detection.protocols.judge import Pools, judge_all
from drivetrain.detection.styles import Style


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

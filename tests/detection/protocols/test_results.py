"""Gaps, errors, confusion and worst images asked of results, as users do."""

from dataclasses import replace

import numpy as np
import pytest

from drivetrain.detection import evaluate
from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.protocols.gap import decompose
from drivetrain.detection.styles import STYLES


def scene(seed=0, n=40, m=120):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform([0, 0, 8, 8], 50, (n, 4))
    images, kinds = rng.integers(1, 5, n), rng.integers(1, 4, n)
    pick = rng.integers(0, n, m)
    truth = GroundTruth.from_arrays(
        images=images,
        categories=kinds,
        boxes=boxes,
        crowd=rng.random(n) < 0.1,
        ignore=rng.random(n) < 0.1,
        category_names=("ant", "bee", "fly"),
    )
    found = Detections.from_arrays(
        images=images[pick],
        categories=kinds[pick],
        scores=rng.random(m),
        boxes=np.maximum(boxes[pick] + rng.normal(0, 3, (m, 4)), [0, 0, 1, 1]),
    )
    return truth, found


@pytest.mark.parametrize("name", sorted(STYLES))
def test_the_walk_ends_at_the_numbers_that_are_quoted(name):
    truth, found = scene()
    first, last = (evaluate(truth, found, style=one) for one in ("coco", name))
    gap = decompose(first, last)
    # To the last bit, although the walk and the evaluation of COCO are different kernels.
    assert (gap.first, gap.last) == (first.ap, last.ap)


def test_asked_of_a_result():
    result = evaluate(*scene(), style="coco")
    gap = result.compare("voc2007")
    assert gap.names == ("coco", "voc2007")
    assert gap.first == result.ap
    errors = result.errors()
    assert errors.ap == pytest.approx(result.ap50, rel=0, abs=4 * np.finfo(float).eps)
    assert result.confusion().names == ("ant", "bee", "fly", "background")
    worst = result.worst_images(2)
    assert len(worst) == 2
    assert worst[0].total >= worst[1].total


def test_limits_hold_in_the_walk():
    truth, found = scene()
    a = evaluate(truth, found, style="coco", images=[1, 2], categories=[1, 3])
    b = evaluate(truth, found, style="voc2010", images=[1, 2], categories=[1, 3])
    gap = decompose(a, b)
    assert (gap.first, gap.last) == (a.ap, b.ap)
    assert np.all(a.errors().kinds[(found.images > 2) | (found.categories == 2)] == -2)


def test_area_ranges_are_a_rule_too():
    truth, found = scene()
    small = replace(STYLES["coco"], name="small", areas=(("small", 0.0, 400.0),))
    a, b = evaluate(truth, found, style="coco"), evaluate(truth, found, style=small)
    (term,) = decompose(a, b).terms
    assert (term.rule, term.what) == ("area range", "areas all → small")
    assert term.after == b.ap

"""Gaps: parts that sum exactly, name their rule, and are nothing where nothing differs."""

from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.annotations import Detections, Federation, GroundTruth
from drivetrain.detection.examples import survey_data, survey_style
from drivetrain.detection.protocols.gap import RULES, decompose
from drivetrain.detection.protocols.judge import judge_all
from drivetrain.detection.protocols.quirks import PYCOCOTOOLS, rounded, single_precision
from drivetrain.detection.styles import STYLES, Style


@dataclass
class Judged:
    truth: GroundTruth
    found: Detections
    style: Style
    task: str = "bbox"
    limits: dict = field(default_factory=dict)


def scene(seed, n=30, m=80):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform([0, 0, 3, 3], 60, (n, 4))
    pick = rng.integers(0, n, m)
    images, kinds = rng.integers(1, 5, n), rng.integers(1, 4, n)
    found = np.maximum(boxes[pick] + rng.normal(0, 2, (m, 4)), [0, 0, 1, 1])
    truth = GroundTruth.from_arrays(
        images=images,
        categories=kinds,
        boxes=boxes,
        ids=np.arange(n),
        image_ids=np.arange(1, 5),
        category_ids=np.arange(1, 4),
        crowd=rng.random(n) < 0.15,
        ignore=rng.random(n) < 0.15,
        group_of=rng.random(n) < 0.15,
        federation=Federation(
            negative=np.array([[1, 1], [2, 3]]),
            not_exhaustive=np.array([[3, 2], [4, 1]]),
            parents=np.array([[1, 2]]),
        ),
    )
    detections = Detections.from_arrays(
        images=images[pick],
        categories=np.where(rng.random(m) < 0.2, rng.integers(1, 4, m), kinds[pick]),
        scores=rng.random(m),
        boxes=found,
    )
    return truth, detections


NAMES = sorted(STYLES)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), a=st.sampled_from(NAMES), b=st.sampled_from(NAMES))
def test_parts_sum_exactly(seed, a, b):
    truth, found = scene(seed)
    gap = decompose(Judged(truth, found, STYLES[a]), Judged(truth, found, STYLES[b]))
    numbers = judge_all(truth, found, [a, b])
    assert gap.first == numbers[a].mean
    assert gap.last == numbers[b].mean
    # Printed in full, the parts are rationals that add up to the printed difference.
    changes = [Fraction(str(term.change)) for term in gap.terms]
    assert sum(changes, Fraction(0)) == Fraction(repr(gap.last)) - Fraction(repr(gap.first))
    assert Fraction(str(gap.difference)) == sum(changes, Fraction(0))
    before = gap.first
    for term in gap.terms:
        assert term.before == before
        assert 0 <= term.moved <= len(found)
        before = term.after
    assert before == gap.last


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), digits=st.integers(0, 12) | st.none())
def test_printed_parts_sum_exactly(seed, digits):
    truth, found = scene(seed)
    gap = decompose(Judged(truth, found, STYLES["coco"]), Judged(truth, found, STYLES["lvis"]))
    rows = [line.split(" | ") for line in gap.to_markdown(digits).splitlines()[3:]]
    parts, total = [Fraction(row[2]) for row in rows[:-1]], Fraction(rows[-1][2])
    assert sum(parts, Fraction(0)) == total
    assert len(parts) == len(gap.terms)


def test_rules_cover_every_field_of_a_style():
    named = {name for _, names in RULES for name in names}
    assert named == set(Style.__dataclass_fields__) - {"name"}


def test_only_what_differs_is_a_term():
    truth, found = scene(1)
    coco = STYLES["coco"]
    assert decompose(Judged(truth, found, coco), Judged(truth, found, coco)).terms == ()
    strict = replace(coco, strict=True)
    (term,) = decompose(Judged(truth, found, coco), Judged(truth, found, strict)).terms
    assert (term.rule, term.what) == ("threshold itself", "strict off → on")
    # No overlap of random boxes is a threshold itself.
    assert (term.moved, term.change) == (0, 0)


def test_rules_that_touch_one_detection():
    truth = GroundTruth.from_arrays(
        images=[1, 1], categories=[1, 1], boxes=[[0, 0, 10, 10], [50, 50, 10, 10]], ids=[0, 1]
    )
    found = Detections.from_arrays(
        images=[1, 1], categories=[1, 1], scores=[0.9, 0.8], boxes=truth.boxes
    )
    coco = STYLES["coco"]
    (term,) = decompose(Judged(truth, found, coco), Judged(truth, found, PYCOCOTOOLS)).terms
    assert (term.rule, term.moved, term.before) == ("truth id 0", 1, 1.0)
    # One of two is found, after a false one: precision 1/2 up to recall 1/2.
    assert term.after == pytest.approx(0.5 * 51 / 101)


def test_tools_that_round():
    truth, found = scene(3)
    coco = STYLES["coco"]
    coarse = rounded(found, scores=1)
    (term,) = decompose(Judged(truth, found, coco), Judged(truth, coarse, coco)).terms
    assert (term.rule, term.what) == ("scores", "scores to 1 decimals")
    both = rounded(found, scores=2, boxes=0)
    terms = decompose(Judged(truth, found, coco), Judged(truth, both, coco)).terms
    assert [(t.rule, t.what) for t in terms] == [
        ("scores", "scores to 2 decimals"),
        ("shapes", "boxes to 0 decimals"),
    ]
    back = decompose(Judged(truth, both, coco), Judged(truth, found, coco)).terms
    assert back[1].what == "boxes no more to 0 decimals"
    single = single_precision(found)
    terms = decompose(Judged(truth, found, coco), Judged(truth, single, coco)).terms
    assert [t.what for t in terms] == ["scores to single precision", "boxes to single precision"]
    other = replace(truth, crowd=~truth.crowd)
    (term,) = decompose(Judged(truth, found, coco), Judged(other, found, coco)).terms
    assert (term.rule, term.what) == ("truths", "other crowd")


def test_survey():
    truth, found = survey_data()
    a, b = (Judged(truth, found, survey_style(name)) for name in ("voc2007", "coco"))
    gap = decompose(a, b)
    assert gap.names == ("voc2007", "coco")
    assert str(gap.difference) == "-0.02023804864958548"
    assert gap.to_dict()["terms"][-1]["rule"] == "interpolation"
    assert gap.to_markdown(3).splitlines()[-1] == "| coco | sum | -0.020 | 0.248 | |"


def test_refusals():
    truth, found = scene(2)
    coco = STYLES["coco"]
    a = Judged(truth, found, coco)
    fewer = Detections.from_arrays(images=[1], categories=[1], scores=[1], boxes=[[0, 0, 1, 1]])
    with pytest.raises(ValueError, match="Got 80 and 1 of them"):
        decompose(a, Judged(truth, fewer, coco))
    other = replace(found, categories=np.roll(found.categories, 1))
    with pytest.raises(ValueError, match="Got other categories from entry"):
        decompose(a, Judged(truth, other, coco))
    with pytest.raises(ValueError, match="Got 'bbox' and 'segm'"):
        decompose(a, Judged(truth, found, coco, "segm"))
    with pytest.raises(ValueError, match="images must be the same"):
        decompose(a, Judged(truth, found, coco, limits={"images": [1]}))
    with pytest.raises(ValueError, match=r"digits must be >= 0\. Got -1\."):
        decompose(a, a).to_markdown(-1)


def test_without_truths_there_is_no_number():
    nothing = np.empty((0, 4))
    truth = GroundTruth.from_arrays(
        images=[], categories=[], boxes=nothing, image_ids=[1], category_ids=[1]
    )
    found = Detections.from_arrays(images=[1], categories=[1], scores=[1], boxes=[[0, 0, 1, 1]])
    gap = decompose(Judged(truth, found, STYLES["coco"]), Judged(truth, found, STYLES["voc2007"]))
    assert np.isnan(gap.first)
    assert gap.difference.is_nan()
    assert "NaN" in gap.to_markdown()

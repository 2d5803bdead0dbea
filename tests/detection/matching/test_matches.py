"""COCO's matching, all thresholds in one word: against the plain loops of the reference."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.matching import Index, Matches, find_candidates, match
from drivetrain.detection.problem import pose
from drivetrain.detection.styles import Style

Problem = tuple[GroundTruth, Detections]


def matched(
    truth: GroundTruth, found: Detections, style: Style, **options: object
) -> tuple[Index, Matches]:
    index = Index.build(truth, found, per_class=style.per_class)
    least = min(style.thresholds)
    candidates = find_candidates(index, truth, found, "bbox", least, style=style)
    return index, match(index, candidates, truth, found, style, **options)


def set_bits(words: np.ndarray, n: int) -> np.ndarray:
    """Bits of words as flags, (n, ...)."""
    return np.array([(words >> t) & 1 for t in range(n)], np.bool_)


@pytest.mark.parametrize("seed", range(10))
def test_matches_equal_the_reference(
    make: Callable[[int], Problem], rule: Style, seed: int
) -> None:
    truth, found = make(seed)
    index, matches = matched(truth, found, rule, keep_truths=True)
    plain = pose(truth, found, rule)
    n, cap = len(rule.thresholds), rule.max_detections[-1]
    compared = 0
    dense = np.full((len(rule.areas), n, len(index.detections)), -1)
    dense[:, :, matches.touched] = matches.matched
    for g in range(len(index.classes)):
        d0, d1 = index.first_detection[g : g + 2].tolist()
        t0, t1 = index.first_truth[g : g + 2].tolist()
        d1 = min(d1, d0 + cap)
        image, kind = index.image_ids[index.images[g]], index.category_ids[index.classes[g]]
        for a in range(len(rule.areas)):
            judged = plain.judge(int(image), int(kind), a)
            np.testing.assert_array_equal(judged.detections, index.detections[d0:d1])
            np.testing.assert_array_equal(judged.truths, index.truths[t0:t1])
            here = set_bits(matches.found[a, d0:d1], n)
            np.testing.assert_array_equal(here, judged.correct)
            np.testing.assert_array_equal(set_bits(matches.ignored[a, d0:d1], n), judged.ignored)
            np.testing.assert_array_equal(
                (matches.truth_ignored[t0:t1] >> a) & 1, judged.truth_ignored
            )
            who = np.where(judged.match < 0, -1, judged.match + t0)
            np.testing.assert_array_equal(dense[a, :, d0:d1], who)
            compared += here.size
    assert compared > 0


def test_a_crowd_absorbs_and_a_truth_does_not() -> None:
    truth = GroundTruth.from_arrays(
        images=[1, 1],
        categories=[1, 1],
        boxes=[[0, 0, 10, 10], [20, 0, 10, 10]],
        crowd=[True, False],
    )
    found = Detections.from_arrays(
        images=[1] * 4,
        categories=[1] * 4,
        scores=[0.9, 0.8, 0.7, 0.6],
        boxes=[[0, 0, 10, 10], [0, 0, 10, 10], [20, 0, 10, 10], [20, 0, 10, 10]],
    )
    _, matches = matched(truth, found, Style(name="any"))
    assert matches.ignored.tolist() == [[1, 1, 0, 0]]
    assert matches.found.tolist() == [[0, 0, 1, 0]]


def test_the_match_of_id_zero_is_taken_for_none_only_where_asked() -> None:
    truth = GroundTruth.from_arrays(images=[1], categories=[1], boxes=[[0, 0, 9, 9]], ids=[0])
    found = Detections.from_arrays(images=[1], categories=[1], scores=[0.5], boxes=[[0, 0, 9, 9]])
    for fault, bits in ((False, 1), (True, 0)):
        _, matches = matched(truth, found, Style(name="any", zero_id_unmatched=fault))
        assert matches.found.tolist() == [[bits]]
        assert matches.ignored.tolist() == [[0]]


def test_all_thirty_two_bits_are_used(make: Callable[[int], Problem]) -> None:
    truth, _ = make(2)
    found = Detections.from_arrays(
        images=truth.images,
        categories=truth.categories,
        scores=np.ones(len(truth)),
        boxes=truth.boxes,
    )
    style = Style(name="any", thresholds=tuple(np.linspace(0.1, 1, 32).tolist()), crowd=False)
    _, matches = matched(truth, found, style)
    assert np.any(matches.found == 2**32 - 1)


def test_matches_do_not_depend_on_threads(make: Callable[[int], Problem], rule: Style) -> None:
    truth, found = make(7)
    (_, one), (_, four) = (matched(truth, found, rule, threads=threads) for threads in (1, 4))
    np.testing.assert_array_equal(one.found_bits, four.found_bits)
    np.testing.assert_array_equal(one.ignored_bits, four.ignored_bits)
    np.testing.assert_array_equal(one.inside, four.inside)


def test_areas_of_detections_may_be_given(make: Callable[[int], Problem]) -> None:
    truth, found = make(1)
    style = Style(name="any", areas=(("big", 100.0, 1e10),))
    _, matches = matched(truth, replace(found, areas=np.full(len(found), 99.0)), style)
    assert not matches.inside.any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"thresholds": (0.5,) * 33}, "style must have 1 to 32 thresholds. Got 33."),
        ({"areas": (("all", 0.0, 1.0),) * 25}, "style must have 1 to 24 areas. Got 25."),
        ({"max_detections": ()}, "style must have 1 to 255 max_detections. Got 0."),
        ({"thresholds": (0.4,)}, "thresholds must be >= 0.5, the candidates' least overlap."),
    ],
)
def test_rules_that_do_not_fit_are_refused(
    make: Callable[[int], Problem], changes: dict, words: str
) -> None:
    truth, found = make(0)
    index = Index.build(truth, found)
    candidates = find_candidates(index, truth, found, style=Style(name="any"))
    with pytest.raises(ValueError, match=re.escape(words)):
        match(index, candidates, truth, found, Style(name="any", **changes))


def test_unknown_options_are_refused(make: Callable[[int], Problem]) -> None:
    truth, found = make(0)
    with pytest.raises(TypeError, match="Unknown option 'keep'"):
        matched(truth, found, Style(name="any"), keep=True)

"""Pairs that overlap enough: against every pair's overlap by the reference."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.matching import Candidates, Index, find_candidates
from drivetrain.detection.reference import iou, oks
from drivetrain.detection.styles import Style

Problem = tuple[GroundTruth, Detections]
STYLE = Style(name="any")


def every_pair(
    index: Index, overlap: Callable[[np.ndarray, np.ndarray], np.ndarray], minimum: float, cap: int
) -> list[tuple[int, int, float]]:
    """Detections, truths and overlaps, the best first, of equal ones the later truth first."""
    pairs = []
    for g in range(len(index.classes)):
        d0, d1 = index.first_detection[g : g + 2].tolist()
        t0, t1 = index.first_truth[g : g + 2].tolist()
        matrix = overlap(index.detections[d0:d1], index.truths[t0:t1])
        for d, row in list(enumerate(matrix, d0))[:cap]:
            kept = [(-v, -t) for t, v in enumerate(row, t0) if v >= minimum and v > 0]
            pairs += [(d, -t, -v) for v, t in sorted(kept)]
    return pairs


def listed(candidates: Candidates) -> list[tuple[int, int, float]]:
    """The same from candidates."""
    at = np.repeat(candidates.touched, np.diff(candidates.first)).tolist()
    assert np.all(np.diff(candidates.touched) > 0)
    assert np.all(np.diff(candidates.first) > 0)
    return list(zip(at, candidates.truths.tolist(), candidates.overlaps.tolist(), strict=True))


@pytest.mark.parametrize("minimum", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("crowd", [True, False])
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_boxes_equal_the_reference_bit_for_bit(
    make: Callable[[int], Problem], seed: int, inclusive: bool, crowd: bool, minimum: float
) -> None:
    truth, found = make(seed)
    style = Style(name="any", crowd=crowd, inclusive=inclusive)
    index = Index.build(truth, found)

    def overlap(d: np.ndarray, g: np.ndarray) -> np.ndarray:
        alone = truth.crowd[g] if crowd else None
        return iou(found.boxes[d], truth.boxes[g], crowd=alone, inclusive=inclusive)

    candidates = find_candidates(index, truth, found, "bbox", minimum, style=style, cap=7)
    # COCO lowers a threshold of 1 by 1e-10.
    assert listed(candidates) == every_pair(index, overlap, min(minimum, 1 - 1e-10), 7)


@pytest.mark.parametrize("minimum", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("points", [1, 5, 8, 17])
@pytest.mark.parametrize("seed", range(4))
def test_keypoints_equal_the_reference_bit_for_bit(
    make_poses: Callable[..., Problem], seed: int, points: int, minimum: float
) -> None:
    truth, found = make_poses(seed, points=points)
    index = Index.build(truth, found)
    sigmas = np.random.default_rng(seed).uniform(0.02, 0.3, points).tolist()

    def overlap(d: np.ndarray, g: np.ndarray) -> np.ndarray:
        return oks(
            found.keypoints[d], truth.keypoints[g], truth.boxes[g], truth.areas[g], sigmas=sigmas
        )

    candidates = find_candidates(
        index, truth, found, "keypoints", minimum, style=STYLE, sigmas=sigmas
    )
    assert listed(candidates) == every_pair(index, overlap, minimum, 1000)


@pytest.mark.parametrize("cap", [1, 3, 40])
def test_capping_later_is_capping_at_once(make: Callable[[int], Problem], cap: int) -> None:
    truth, found = make(3)
    index = Index.build(truth, found)
    whole = find_candidates(index, truth, found, minimum=0.1, style=STYLE)
    at_once = find_candidates(index, truth, found, minimum=0.1, style=STYLE, cap=cap)
    assert listed(whole.capped(index, cap)) == listed(at_once)
    assert at_once.capped(index, cap) is at_once


def test_candidates_do_not_depend_on_threads(make: Callable[[int], Problem]) -> None:
    truth, found = make(4)
    index = Index.build(truth, found)
    one, five = (
        find_candidates(index, truth, found, minimum=0.2, style=STYLE, threads=threads)
        for threads in (1, 5)
    )
    assert listed(one) == listed(five)


def test_many_truths_of_one_group() -> None:
    # More than one vector of eight, and more than any array was made for beforehand.
    rng = np.random.default_rng(0)
    n = 301
    boxes = np.hstack([rng.random((n, 2)) * 20, rng.random((n, 2)) * 10 + 1])
    ones = np.ones(n, np.int64)
    truth = GroundTruth.from_arrays(images=ones, categories=ones, boxes=boxes)
    found = Detections.from_arrays(
        images=ones, categories=ones, scores=rng.random(n), boxes=boxes[::-1]
    )
    index = Index.build(truth, found)
    candidates = find_candidates(index, truth, found, minimum=0.3, style=STYLE)
    assert listed(candidates) == every_pair(
        index, lambda d, g: iou(found.boxes[d], truth.boxes[g]), 0.3, n
    )


def test_nothing_to_compare() -> None:
    none = np.empty(0, np.int64)
    truth = GroundTruth.from_arrays(images=none, categories=none, boxes=[])
    found = Detections.from_arrays(images=none, categories=none, scores=[], boxes=[])
    index = Index.build(truth, found)
    candidates = find_candidates(index, truth, found, style=STYLE)
    assert listed(candidates) == []
    assert candidates.first.tolist() == [0]


@pytest.mark.parametrize(
    ("task", "minimum", "options", "words"),
    [
        ("box", 0.5, {}, "task must be one of"),
        ("bbox", 0.0, {}, "minimum must be > 0"),
        ("bbox", 0.5, {"caps": 3}, "Unknown option 'caps'. Expected one of: cap, sigmas, threads"),
        ("keypoints", 0.5, {}, "task 'keypoints' needs keypoints. The ground truth hold"),
    ],
)
def test_what_is_wrong_is_said(
    make: Callable[[int], Problem], task: str, minimum: float, options: dict, words: str
) -> None:
    truth, found = make(0)
    index = Index.build(truth, found)
    with pytest.raises((ValueError, TypeError), match=re.escape(words)):
        find_candidates(index, truth, found, task, minimum, style=STYLE, **options)


def test_sigmas_that_do_not_fit(make_poses: Callable[..., Problem]) -> None:
    truth, found = make_poses(0, points=5)
    index = Index.build(truth, found)
    with pytest.raises(ValueError, match=r"truths have 5 keypoints\. Got 17 sigmas"):
        find_candidates(index, truth, found, "keypoints", style=STYLE)

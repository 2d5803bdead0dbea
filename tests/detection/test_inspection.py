"""Findings in truths and detections: each is named, and done to as the table of defects says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.inspection import inspect
from drivetrain.detection.issues import Issues


def truths(**columns: Any) -> GroundTruth:
    given = {
        "images": [1, 1, 2],
        "categories": [1, 2, 1],
        "boxes": [[10, 10, 20, 20], [40, 40, 30, 30], [0, 0, 50, 50]],
        "ids": [1, 2, 3],
        "source": "gt.json",
    } | columns
    return GroundTruth.from_arrays(**given)


def detections(**columns: Any) -> Detections:
    given = {
        "images": [1, 1, 2, 2],
        "categories": [1, 2, 1, 1],
        "boxes": [[10, 10, 20, 20], [40, 40, 30, 28], [0, 0, 50, 50], [60, 60, 5, 5]],
        "scores": [0.9, 0.8, 0.7, 0.95],
        "source": "dt.json",
    } | columns
    return Detections.from_arrays(**given)


def with_row(array: Any, row: int, value: Any) -> np.ndarray:
    changed = np.array(array, np.float64)
    changed[row] = value
    return changed


NAN, INF = float("nan"), float("inf")
BOXES = detections().boxes
TRUE_BOXES = truths().boxes

# kind, the side, the columns, the row, what is left of the side, words of the error.
DEFECTS = {
    "nan-score": ("found", {"scores": [NAN, 0.8, 0.7, 0.95]}, 0, 3, "score is NaN"),
    "infinite-score": ("found", {"scores": [INF, 0.8, 0.7, 0.95]}, 0, 4, "score is inf"),
    "nan-box": ("found", {"boxes": with_row(BOXES, 1, [40, NAN, 3, 3])}, 1, 3, "must be finite"),
    "negative-box": ("found", {"boxes": with_row(BOXES, 2, [0, 0, -5, 3])}, 2, 3, "width -5.0"),
    "unknown-image": ("found", {"images": [1, 1, 99, 2]}, 2, 3, "image 99 is not among the 2"),
    "unknown-category": ("found", {"categories": [1, 2, 1, 77]}, 3, 3, "category 77 is not"),
    "nan-keypoints": (
        "found",
        {"keypoints": with_row(np.zeros((4, 2, 3)), 3, NAN)},
        3,
        3,
        "must be finite",
    ),
    "nan-rotated": ("found", {"rotated": with_row(np.ones((4, 5)), 1, INF)}, 1, 3, "finite"),
    "negative-rotated": (
        "found",
        {"rotated": with_row(np.ones((4, 5)), 1, [1, 1, -1, 1, 0])},
        1,
        3,
        "width -1.0",
    ),
    "duplicate-id": ("truth", {"ids": [1, 1, 3]}, 1, 3, "annotation id 1 is used before"),
    "bad-area": ("truth", {"areas": [1.0, NAN, 2.0]}, 1, 3, "area nan must be"),
}
TRUTH_TOO = {
    "nan-box": ({"boxes": with_row(TRUE_BOXES, 1, [NAN, 0, 3, 3])}, 1),
    "negative-box": ({"boxes": with_row(TRUE_BOXES, 0, [0, 0, 3, -3])}, 0),
    "unknown-image": ({"images": [1, 99, 2], "image_ids": [1, 2]}, 1),
    "unknown-category": ({"categories": [1, 2, 9], "category_ids": [1, 2]}, 2),
}


def both(side: str, columns: dict[str, Any]) -> tuple[GroundTruth, Detections]:
    if side == "truth":
        return truths(**columns), detections()
    return truths(), detections(**columns)


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defect_is_an_error_that_names_file_entry_and_value(kind: str) -> None:
    side, columns, row, _, words = DEFECTS[kind]
    truth, found = both(side, columns)
    source = {"truth": "gt.json", "found": "dt.json"}[side]
    with pytest.raises(ValueError, match=words) as caught:
        inspect(truth, found, Issues())
    assert str(caught.value).startswith(f"{source} entry {row}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_lenient_defect_is_counted_and_dropped_or_kept(kind: str) -> None:
    side, columns, row, left, words = DEFECTS[kind]
    truth, found = both(side, columns)
    issues = Issues(lenient=True)
    kept = dict(zip(("truth", "found"), inspect(truth, found, issues)))
    assert issues.counts == {kind: 1}
    (issue,) = issues.found
    assert (issue.kind, issue.entry) == (kind, row)
    assert words.split(" ")[0] in issue.what
    assert len(kept[side]) == left
    assert issue.done == (
        "dropped"
        if left < len({"truth": truth, "found": found}[side])
        else "repaired"
        if kind == "bad-area"
        else "kept"
    )


@pytest.mark.parametrize("kind", TRUTH_TOO)
def test_truths_are_held_to_the_same(kind: str) -> None:
    columns, row = TRUTH_TOO[kind]
    with pytest.raises(ValueError, match=f"^gt.json entry {row}"):
        inspect(truths(**columns), detections(), Issues())
    issues = Issues(lenient=True)
    truth, _ = inspect(truths(**columns), detections(), issues)
    assert len(truth) == 2 and issues.counts[kind] == 1
    assert row + 1 not in truth.ids


def test_notes_are_no_errors() -> None:
    flat = truths(boxes=with_row(TRUE_BOXES, 0, [10, 10, 0, 0]), ids=[0, 2, 3])
    issues = Issues()
    truth, found = inspect(flat, detections(), issues)
    assert truth is flat and len(found) == 4
    assert issues.counts == {"zero-id": 1, "zero-size": 1}


@pytest.mark.parametrize("lenient", [False, True])
def test_nothing_to_find_and_nothing_found_are_told(lenient: bool) -> None:
    none = {"images": [], "categories": [], "boxes": []}
    issues = Issues(lenient=lenient)
    inspect(
        truths(**none, ids=[], image_ids=[1, 2], category_ids=[1, 2]),
        detections(**none, scores=[]),
        issues,
    )
    assert issues.counts == {"empty-truth": 1, "empty-detections": 1}


def test_a_bad_area_becomes_the_box_s() -> None:
    issues = Issues(lenient=True)
    truth, _ = inspect(truths(areas=[7.0, -1.0, NAN]), detections(), issues)
    assert truth.areas.tolist() == [7.0, 900.0, 2500.0]
    assert issues.counts == {"bad-area": 2}


def test_clean_columns_come_back_themselves() -> None:
    truth, found, issues = truths(), detections(), Issues()
    assert inspect(truth, found, issues) == (truth, found)
    assert len(issues) == 0


def test_an_entry_with_two_defects_is_told_twice_and_dropped_once() -> None:
    found = detections(scores=[NAN, 0.8, 0.7, 0.95], images=[99, 1, 2, 2])
    issues = Issues(lenient=True)
    assert len(inspect(truths(), found, issues)[1]) == 3
    assert issues.counts == {"nan-score": 1, "unknown-image": 1}


def test_an_image_listed_twice_is_refused_and_loses_its_second_listing() -> None:
    truth = replace(
        truths(),
        image_ids=np.array([1, 2, 1]),
        image_names=("a", "b", "c"),
        image_sizes=np.array([[1, 2], [3, 4], [5, 6]]),
    )
    with pytest.raises(ValueError, match=r"^gt.json entry 2 \(id 1\): image id 1 is listed twice"):
        inspect(truth, detections(), Issues())
    kept, _ = inspect(truth, detections(), Issues(lenient=True))
    assert kept.image_ids.tolist() == [1, 2]
    assert kept.image_names == ("a", "b")
    assert kept.image_sizes is not None and kept.image_sizes.tolist() == [[1, 2], [3, 4]]


def test_findings_past_the_limit_are_counted_only() -> None:
    found = detections(scores=[NAN] * 4)
    issues = Issues(lenient=True, keep=2)
    inspect(truths(), found, issues)
    assert issues.counts["nan-score"] == 4
    assert [issue.entry for issue in issues if issue.kind == "nan-score"] == [0, 1]


def test_values_near_the_largest_float_are_finite() -> None:
    issues = Issues()
    inspect(truths(), detections(scores=[1.7e308, 1.7e308, -1.7e308, 1.0]), issues)
    assert len(issues) == 0


@settings(deadline=None, max_examples=60)
@given(
    known=st.lists(st.integers(-(2**62), 2**62) | st.integers(-3, 9), unique=True, max_size=8),
    values=st.lists(st.integers(-(2**62), 2**62) | st.integers(-3, 9), min_size=1, max_size=8),
)
def test_unknown_ids_are_those_that_are_not_in_the_list(
    known: list[int], values: list[int]
) -> None:
    n = len(values)
    found = detections(images=values, categories=[1] * n, boxes=np.ones((n, 4)), scores=np.ones(n))
    truth = truths(images=[], categories=[], boxes=[], ids=[], image_ids=known, category_ids=[1, 2])
    issues = Issues(lenient=True)
    _, kept = inspect(truth, found, issues)
    assert kept.images.tolist() == [value for value in values if value in known]
    assert issues.counts["unknown-image"] == sum(value not in known for value in values)

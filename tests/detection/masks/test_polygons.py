"""Polygons drawn as runs, against the walk of their outline."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.masks import from_boxes, from_polygons, reference, to_dense, union
from drivetrain.detection.masks._numba import merge_sort

SEEDS = st.integers(0, 2**32 - 1)


def test_a_square_by_hand():
    square = from_polygons([[1, 1, 3, 1, 3, 3, 1, 3]], (4, 4))
    want = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert to_dense(square).tolist() == want
    assert from_boxes([[1, 1, 2, 2]], (4, 4)).runs.tolist() == square.runs.tolist()


@given(SEEDS)
@settings(max_examples=100)
def test_drawing_equals_the_walk(polygon, seed):
    corners, height, width = polygon(seed)
    drawn = from_polygons([corners], (height, width))
    assert drawn.runs.tolist() == reference.polygon(corners, height, width)
    assert drawn.runs.sum() == height * width


@given(SEEDS)
@settings(max_examples=30)
def test_parts_of_an_object_are_united(polygon, seed):
    corners, height, width = polygon(seed)
    other = polygon(seed + 1)[0]
    parts = from_polygons([corners, other], (height, width))
    want = to_dense(parts, 0) | to_dense(parts, 1)
    assert to_dense(union(parts)).tolist() == want.tolist()


def test_an_object_larger_than_its_picture_fills_it():
    around = [-500, -500, 700, -500, 700, 600, -500, 600]
    assert from_polygons([around], (30, 40)).areas.tolist() == [1200]


def test_nothing_is_drawn_outside_or_of_no_width():
    corners = [[50, 50, 60, 50, 60, 60], [5, 5, 5, 9, 5, 20], [3, 3, 3, 3, 3, 3]]
    masks = from_polygons(corners, (30, 40))
    assert masks.areas.tolist() == [0, 0, 0]
    assert masks.runs.tolist() == [1200, 1200, 1200]


def test_corners_as_far_as_allowed_do_not_hang():
    far = 2.0**27
    corners = [-far, -far, far, -far + 0.7, far, far, -far, far - 0.3]
    assert from_polygons([corners], (20, 20)).areas.tolist() == [400]


@given(st.lists(st.integers(0, 50), max_size=400))
@settings(max_examples=60)
def test_sorting(values):
    array = np.array(values, np.int64)
    merge_sort(array, np.empty_like(array))
    assert array.tolist() == sorted(values)


def test_a_zigzag_of_many_corners_is_drawn_in_time():
    # All crossings lie in one column: a quadratic sort of them would take minutes.
    n = 200_000
    corners = np.stack([np.arange(n) % 2 * 5.0, np.random.default_rng(0).uniform(0, 90, n)], axis=1)
    drawn = from_polygons([corners.ravel()], (100, 3))
    assert drawn.runs.sum() == 300


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        ([1, 1, 3, 1], "polygon 0 must be x, y of three corners or more. Got 4 numbers"),
        ([1, 1, 3, 1, 3, 3, 1], "Got 7 numbers"),
        ([], "Got 0 numbers"),
        ([[1, 1], [3, 1], [3, 3]], r"Got 6 numbers in an array of shape \(3, 2\)"),
        ([1, 1, 3, np.nan, 3, 3], "polygon 0 must be finite. Got nan at position 3"),
        ([1, 1, 3, 1e300, 3, 3], "polygon 0 must lie within 2\\*\\*27 pixels. Got 1e\\+300"),
    ],
)
def test_bad_corners_are_named(corners, words):
    with pytest.raises(ValueError, match=words):
        from_polygons([corners], (4, 4))


def test_wrong_kinds_are_named():
    with pytest.raises(TypeError, match=r"polygon 0 must hold real numbers"):
        from_polygons([["a"] * 6], (4, 4))
    with pytest.raises(ValueError, match=r"boxes must be \(n, 4\). Got shape \(1, 5\)"):
        from_boxes([[1, 2, 3, 4, 5]], (4, 4))
    with pytest.raises(ValueError, match=r"polygon 0 must be finite"):
        from_boxes([[1, 2, np.inf, 4]], (4, 4))

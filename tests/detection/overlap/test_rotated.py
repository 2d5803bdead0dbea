"""Rotated boxes: golden areas, invariances, an exact oracle of another algorithm, hostile input."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.overlap.rotated import corners, iou, pair_iou, rectangles, reference

EPS = np.finfo(float).eps
# Corners of boxes of size <= 64 within 64 of each other are off by some ulps of 64 (cosine, two
# products, two sums: <= 8 ulps); the shared area then by perimeter (<= 512) times that; the union
# is >= 1. Fewer than 16 corners: one more factor 2 for the shoelace's own sums.
TOLERANCE = 2 * 512 * 8 * 64 * EPS

sizes = st.floats(1, 64)
places = st.floats(-32, 32)
angles = st.floats(-7, 7)
boxes = st.tuples(places, places, sizes, sizes, angles).map(list)


def exact_overlap(p, q):
    """The IoU of two convex polygons with float corners, in rationals.

    The corners of what they share are the corners of each inside the other and the crossings of
    their sides; in the order of their direction from the mean they bound it.
    """
    p, q = ([tuple(map(Fraction, point)) for point in polygon] for polygon in (p, q))

    def cross(o, a, b):
        return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])

    def area(polygon):
        return sum(cross((0, 0), a, b) for a, b in zip(polygon, polygon[1:] + polygon[:1])) / 2

    def sides(polygon):
        return list(zip(polygon, polygon[1:] + polygon[:1]))

    found = [a for a in p if all(cross(s, e, a) >= 0 for s, e in sides(q))]
    found += [a for a in q if all(cross(s, e, a) >= 0 for s, e in sides(p))]
    for a, b in sides(p):
        for c, d in sides(q):
            denominator = (b[0] - a[0]) * (d[1] - c[1]) - (b[1] - a[1]) * (d[0] - c[0])
            if denominator == 0:
                continue
            t = ((c[0] - a[0]) * (d[1] - c[1]) - (c[1] - a[1]) * (d[0] - c[0])) / denominator
            u = ((c[0] - a[0]) * (b[1] - a[1]) - (c[1] - a[1]) * (b[0] - a[0])) / denominator
            if 0 <= t <= 1 and 0 <= u <= 1:
                found.append((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])))
    found = list(set(found))
    if len(found) < 3:
        return Fraction(0)
    mx, my = (sum(point[i] for point in found) / len(found) for i in range(2))

    def turn(point):
        x, y = point[0] - mx, point[1] - my
        half = 0 if y > 0 or (y == 0 and x > 0) else 1
        return half, -x / (abs(x) + abs(y)) if half == 0 else x / (abs(x) + abs(y))

    shared = abs(area(sorted(found, key=turn)))
    return shared / (abs(area(p)) + abs(area(q)) - shared)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 2, 2, 0], [0, 0, 2, 2, 0], 1.0),
        ([0, 0, 4, 2, 0], [1, 0, 4, 2, 0], 0.6),
        ([0, 0, 2, 2, 0], [0, 0, 2, 2, math.pi / 4], 1 / math.sqrt(2)),
        ([0, 0, 4, 2, 0], [0, 0, 4, 2, math.pi / 2], 4 / 12),
        ([0, 0, 10, 10, 0.3], [0, 0, 2, 2, 1.1], 0.04),
        ([0, 0, 2, 2, 0], [2, 0, 2, 2, 0], 0.0),
        ([0, 0, 2, 2, 0], [9, 9, 2, 2, 0.5], 0.0),
    ],
)
@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_golden(a, b, expected, backend):
    assert iou([a], [b], backend=backend)[0, 0] == pytest.approx(expected, abs=TOLERANCE)


@settings(deadline=None, max_examples=60)
@given(a=boxes, b=boxes)
def test_equals_exact_clipping_by_another_algorithm(a, b):
    exact = exact_overlap(corners([a])[0].tolist(), corners([b])[0].tolist())
    assert abs(iou([a], [b])[0, 0] - float(exact)) <= TOLERANCE


@settings(deadline=None, max_examples=60)
@given(a=boxes, b=boxes, turn=angles)
def test_invariances(a, b, turn):
    value = iou([a], [b])[0, 0]
    half_turn = [*a[:4], a[4] + math.pi]
    swapped = [a[0], a[1], a[3], a[2], a[4] + math.pi / 2]
    cos, sin = math.cos(turn), math.sin(turn)
    turned = [
        [x * cos - y * sin, x * sin + y * cos, w, h, angle + turn] for x, y, w, h, angle in (a, b)
    ]
    assert iou([half_turn], [b])[0, 0] == pytest.approx(value, abs=TOLERANCE)
    assert iou([swapped], [b])[0, 0] == pytest.approx(value, abs=TOLERANCE)
    assert iou([b], [a])[0, 0] == pytest.approx(value, abs=TOLERANCE)
    assert iou(turned[:1], turned[1:])[0, 0] == pytest.approx(value, abs=TOLERANCE)
    assert 0 <= value <= 1


@settings(deadline=None, max_examples=30)
@given(a=boxes)
def test_itself_and_its_corners(a):
    assert iou([a], [a])[0, 0] == pytest.approx(1, abs=TOLERANCE)
    assert iou(rectangles(corners([a])), [a])[0, 0] == pytest.approx(1, abs=TOLERANCE)
    upright = [*a[:4], 0.0]
    x, y, w, h = a[:4]
    assert corners([upright])[0, 0] == pytest.approx([x - w / 2, y - h / 2])


@settings(deadline=None, max_examples=30)
@given(p=st.lists(boxes, min_size=1, max_size=5), q=st.lists(boxes, min_size=1, max_size=5))
def test_kernel_equals_reference(p, q):
    crowd = np.arange(len(q)) % 2 == 0
    # The same operations in the same order, but for what lies out of reach.
    np.testing.assert_array_equal(
        iou(p, q, crowd=crowd, backend="numba"), reference.iou(p, q, crowd=crowd)
    )


def test_pairs_of_columns():
    rotated = np.array([[0, 0, 4, 2, 0.1], [3, 1, 2, 5, 1.0], [0, 1, 4, 2, 0.3]])
    columns = {"images": [1, 1, 1], "categories": [1, 1, 1], "boxes": np.zeros((3, 4))}
    truth = GroundTruth.from_arrays(**columns, rotated=rotated)
    found = Detections.from_arrays(**columns, scores=[1, 1, 1], rotated=rotated[::-1])
    d, g = np.array([0, 1, 2, 0], np.int32), np.array([0, 1, 1, 2], np.int32)
    crowd = np.array([True, False, False, False])
    expected = [
        reference.iou(rotated[::-1][[i]], rotated[[j]], crowd=[c])[0, 0]
        for i, j, c in zip(d, g, crowd)
    ]
    np.testing.assert_array_equal(pair_iou(truth, found, d, g, crowd), expected)
    with pytest.raises(ValueError, match="detections has no rotated"):
        pair_iou(truth, Detections.from_arrays(**columns, scores=[1, 1, 1]), d, g, crowd)


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize("flat", [[0, 0, 0, 2, 0.3], [0, 0, 2, 0, 0], [0, 0, -1, 2, 0]])
def test_without_area_nothing_is_shared(flat, backend):
    square = [0, 0, 2, 2, 0]
    assert iou([flat], [square], backend=backend)[0, 0] == 0
    assert iou([square], [flat], backend=backend)[0, 0] == 0
    assert iou([flat], [flat], backend=backend)[0, 0] == 0


def test_far_from_the_origin_and_huge():
    a, b = [1e7, -1e7, 30, 10, 0.4], [1e7 + 3, -1e7 + 1, 28, 12, 0.6]
    near = iou([[0, 0, *a[2:]]], [[3, 1, *b[2:]]])
    np.testing.assert_array_equal(iou([a], [b]), near)
    assert iou([[0, 0, 1e150, 1e150, 0]], [[0, 0, 1e150, 1e150, 0]])[0, 0] == pytest.approx(1)


def test_refusals():
    assert iou([], [[0, 0, 1, 1, 0]]).shape == (0, 1)
    with pytest.raises(ValueError, match=r"b_p must be of shape \(n, 5\). Got \(1, 4\)."):
        iou([[0, 0, 1, 1]], [])
    with pytest.raises(ValueError, match=r"crowd must be of shape \(1,\). Got \(2,\)."):
        iou([[0, 0, 1, 1, 0]], [[0, 0, 1, 1, 0]], crowd=[True, False])
    with pytest.raises(ValueError, match="points must be of shape"):
        rectangles([[0, 0, 1]])
    with pytest.raises(TypeError, match="b_g must hold real numbers"):
        iou([[0, 0, 1, 1, 0]], [["a"] * 5])

"""Kernels of run-length masks against their definitions on pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from drivetrain.detection.masks import (
    Masks,
    boundaries,
    from_counts,
    from_dense,
    from_polygons,
    from_strings,
    iou,
    reference,
    to_dense,
    to_strings,
    union,
)
from drivetrain.detection.masks.boundaries import depths
from drivetrain.detection.masks.overlap import overlaps

SEEDS = st.integers(0, 2**32 - 1)


def test_a_mask_by_hand():
    m = np.zeros((4, 4), bool)
    m[1:3, 1:3] = True
    masks = from_dense(m[None])
    assert masks.runs.tolist() == reference.runs(m) == [5, 2, 2, 2, 5]
    assert to_strings(masks) == [b"52203"]
    assert masks.areas.tolist() == [4]
    assert masks.boxes.tolist() == [[1, 1, 2, 2]]


def test_strings_hold_differences_of_both_signs_and_several_characters():
    lengths = [1000, 7, 3, 40, 2, 5, 100000 - 1057]
    text = reference.compressed(lengths)
    masks = from_strings([text, text.decode()], [[1000, 100]] * 2)
    assert masks.runs.tolist() == lengths * 2
    assert to_strings(masks) == [text, text]


def test_leading_zero_run_and_wrapping_columns():
    masks = from_strings([reference.compressed([0, 5, 4])], [[3, 3]])
    assert masks.boxes.tolist() == [[0, 0, 2, 3]]
    assert to_dense(masks).tolist() == [[1, 1, 0], [1, 1, 0], [1, 0, 0]]


@given(SEEDS)
@settings(max_examples=60)
def test_measures_and_round_trips_equal_the_reference(pictures, seed):
    m = pictures(seed, count=3)
    masks = from_dense(m)
    size = m.shape[1:]
    for i, one in enumerate(m):
        assert masks.runs_of(i).tolist() == reference.runs(one)
        assert masks.areas[i] == reference.area(one)
        assert masks.boxes[i].tolist() == reference.box(one)
        assert to_dense(masks, i).tolist() == one.tolist()
        assert reference.pixels(reference.runs(one), *size).tolist() == one.tolist()
    texts = to_strings(masks)
    assert texts == [reference.compressed(reference.runs(one)) for one in m]
    for again in (
        from_strings(texts, masks.sizes),
        from_counts([reference.runs(one) for one in m], masks.sizes),
        from_strings(texts, masks.sizes).unpacked(),
    ):
        assert again.runs.tolist() == masks.runs.tolist()
        assert again.offsets.tolist() == masks.offsets.tolist()
        assert again.areas.tolist() == masks.areas.tolist()
        assert again.boxes.tolist() == masks.boxes.tolist()


@given(SEEDS, SEEDS)
@settings(max_examples=60)
def test_iou_equals_the_reference_bit_for_bit(pictures, seed, other):
    m, k = pictures(seed, count=3), pictures(other, count=2)
    k = np.resize(k, (2, *m.shape[1:])) if other % 4 else k
    crowd = np.array([seed % 2 == 0, True])
    p, q = from_dense(m), from_dense(k)
    want = [[reference.iou(a, b, bool(c)) for b, c in zip(k, crowd)] for a in m]
    assert iou(p, q, crowd=crowd).tolist() == want
    packed = from_strings(to_strings(p), p.sizes)
    assert iou(packed, q, crowd=crowd).tolist() == want
    assert iou(p, packed).tolist() == [[reference.iou(a, b) for b in m] for a in m]


@given(SEEDS, st.sampled_from([0.1, 0.5, 0.75, 1 - 1e-10, 1.0]))
@settings(max_examples=60)
def test_a_minimum_changes_only_what_is_below_it(pictures, seed, minimum):
    masks = from_dense(pictures(seed, count=4))
    d, g = np.indices((4, 4)).reshape(2, -1)
    crowd = np.arange(16) % 3 == 0
    exact = overlaps(masks, masks, d, g, crowd)
    bounded = overlaps(masks, masks, d, g, crowd, minimum=minimum)
    enough = exact >= minimum
    assert bounded[enough].tolist() == exact[enough].tolist()
    assert np.isin(bounded[~enough], [0.0, *exact]).all()
    assert (bounded[~enough] < minimum).all()


@given(SEEDS, st.booleans())
@settings(max_examples=60)
def test_merging_equals_logic_on_pixels(pictures, seed, intersect):
    m = pictures(seed, count=3)
    want = m.all(axis=0) if intersect else m.any(axis=0)
    merged = union(from_dense(m), intersect=intersect)
    assert merged.runs.tolist() == reference.runs(want)
    assert merged.areas.tolist() == [want.sum()]


@given(SEEDS, st.sampled_from([0.02, 0.1, 0.2, 0.5]))
@settings(max_examples=25)
def test_boundaries_equal_the_reference(pictures, seed, ratio):
    m = pictures(seed, count=2, most=24)
    edges = boundaries(from_dense(m), ratio=ratio)
    for i, one in enumerate(m):
        want = reference.boundary(one, ratio)
        assert to_dense(edges, i).tolist() == want.tolist()
        assert edges.runs_of(i).tolist() == reference.runs(want)


@given(SEEDS)
@settings(max_examples=40)
def test_boundaries_are_the_authors_erosions(polygon, seed):
    """The authors erode by 3 x 3 d times, all outside the picture being 0."""
    corners, height, width = polygon(seed)
    height, width = height * 7, width * 7
    masks = from_polygons([(np.array(corners) * 7).tolist()], (height, width))
    m = to_dense(masks)
    d = int(depths(masks.sizes)[0])
    core = ndimage.binary_erosion(m, np.ones((3, 3)), iterations=d, border_value=0)
    assert to_dense(boundaries(masks)).tolist() == (m - core).tolist()


def test_boundary_of_a_picture_wide_enough_to_be_hollow():
    m = np.zeros((1, 480, 640), bool)
    m[0, 100:300, 50:640] = True
    m[0, 150:152, 300:302] = False
    edges = boundaries(from_dense(m))
    assert depths(edges.sizes).tolist() == [16]
    assert to_dense(edges).tolist() == reference.boundary(m[0]).astype(int).tolist()


def test_zero_runs_inside_do_not_part_what_is_eroded():
    split = from_counts([[0, 40, 0, 60]], [[10, 10]])
    whole = from_counts([[0, 100]], [[10, 10]])
    assert to_dense(boundaries(split)).tolist() == to_dense(boundaries(whole)).tolist()


def test_depth_rounds_half_to_even_and_is_at_least_one():
    # 0.02 times a diagonal of 125 is 2.5 exactly after rounding; python's round gives 2 as well.
    sizes = np.array([[75, 100], [105, 140], [3, 4]], np.int32)
    want = [max(1, round(0.02 * float(np.hypot(h, w)))) for h, w in sizes.tolist()]
    assert depths(sizes).tolist() == want


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_pictures_without_pixels(size):
    masks = from_dense(np.zeros((2, *size)))
    assert masks.runs.tolist() == [0, 0]
    assert masks.boxes.tolist() == [[0] * 4] * 2
    assert iou(masks, masks).tolist() == [[0, 0], [0, 0]]
    assert to_dense(masks).shape == size
    assert len(boundaries(masks)) == 2


def test_sizes_that_differ_share_nothing():
    a, b = Masks.of_runs([0, 16], [0, 2], [[4, 4]]), Masks.of_runs([0, 15], [0, 2], [[3, 5]])
    assert iou(a, b).tolist() == [[0.0]]
    with pytest.raises(ValueError, match=r"one size\. Got \[\[3, 5\], \[4, 4\]\]"):
        union(Masks.concatenate([a, b]))


BAD_STRINGS = [
    (["5220"], "mask 0: its runs must sum to height x width = 4 x 4 = 16. Got 11."),
    (["52203", "522030"], "mask 1: its runs must sum"),
    (["5 203"], "mask 0: its counts hold ' ' at position 1, characters must be from '0' to 'o'."),
    (["52203~"], "hold '~' at position 5"),
    (["5220é"], "hold 'é' at position 4"),
    (["5220\U0001f600"], "hold '\U0001f600' at position 4"),
    (["5220S"], "mask 0: its counts end in the middle of a number."),
    (["5220oooooooooo"], "mask 0: its counts end in the middle of a number."),
    (["oooooooo1"], "mask 0: run 0 must be >= 0 and < 2\\*\\*32. Got"),
    (["5O203"], "mask 0: run 1 must be >= 0 and < 2\\*\\*32. Got -1."),
    ([""], "mask 0: its runs must sum to height x width = 4 x 4 = 16. Got 0."),
]


@pytest.mark.parametrize(("texts", "words"), BAD_STRINGS)
def test_bad_strings_are_named(texts, words):
    with pytest.raises(ValueError, match=words):
        from_strings(texts, [[4, 4]] * len(texts))


def test_wrong_kinds_are_named():
    with pytest.raises(TypeError, match=r"counts of mask 0 must be str or bytes. Got int"):
        from_strings([5], [[4, 4]])
    with pytest.raises(ValueError, match=r"same number. Got 1 and 2"):
        from_strings(["52203"], [[4, 4]] * 2)
    with pytest.raises(ValueError, match=r"runs must be >= 0 and < 2\*\*32. Got -1"):
        from_counts([[17, -1]], [[4, 4]])
    with pytest.raises(ValueError, match=r"whole numbers"):
        from_counts([[1.5, 14.5]], [[4, 4]])
    with pytest.raises(ValueError, match=r"mask 1: its runs must sum .* Got 17"):
        from_counts([[16], [17]], [[4, 4]] * 2)
    with pytest.raises(
        ValueError, match=r"pixels must be \(n, height, width\). Got shape \(4, 4\)"
    ):
        from_dense(np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"ratio must be > 0. Got 0"):
        boundaries(from_dense(np.zeros((1, 2, 2))), ratio=0)
    with pytest.raises(ValueError, match=r"crowd must be \(1,\). Got \(2,\)"):
        iou(from_dense(np.zeros((1, 2, 2))), from_dense(np.zeros((1, 2, 2))), crowd=[0, 1])
    with pytest.raises(ValueError, match=r"one mask or more"):
        union(from_dense(np.zeros((0, 2, 2))))


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ([[-1, 4]], "sizes must be >= 0 and < 2\\*\\*31. Got -1 x 4"),
        ([[2**31, 4]], "Got 2147483648 x 4"),
        ([[2**17, 2**16]], "must have < 2\\*\\*32 pixels. Got 131072 x 65536"),
        ([4, 4], "must be \\(n, 2\\): height and width. Got shape \\(2,\\)"),
    ],
)
def test_bad_sizes_are_named(sizes, words):
    with pytest.raises(ValueError, match=words):
        from_counts([[16]], sizes)

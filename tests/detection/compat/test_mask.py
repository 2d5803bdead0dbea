"""pycocotools.mask's names: its answers, bit for bit, and words where it crashes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.compat import mask

SEEDS = st.integers(0, 2**32 - 1)
SQUARE = {"size": [4, 4], "counts": b"52203"}


def test_a_square_through_every_name():
    pixels = np.zeros((4, 4), np.uint8, order="F")
    pixels[1:3, 1:3] = 1
    assert mask.encode(pixels) == SQUARE
    assert mask.decode(SQUARE).tolist() == pixels.tolist()
    assert mask.area(SQUARE) == 4 and mask.area(SQUARE).dtype == np.uint32
    assert mask.toBbox(SQUARE).tolist() == [1, 1, 2, 2]
    assert mask.iou([SQUARE], [SQUARE], [0]).tolist() == [[1.0]]
    assert mask.merge([SQUARE, SQUARE]) == SQUARE
    assert mask.frPyObjects([[1, 1, 3, 1, 3, 3, 1, 3]], 4, 4) == [SQUARE]
    assert mask.frPyObjects({"size": [4, 4], "counts": [5, 2, 2, 2, 5]}, 4, 4) == SQUARE
    assert mask.frPyObjects(np.array([[1.0, 1, 2, 2]]), 4, 4) == [SQUARE]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: mask.encode(np.zeros((4, 5), np.uint8)), ValueError, "not Fortran contiguous"),
        (lambda: mask.encode(np.zeros(4, np.uint8)), ValueError, "Got uint8 of shape"),
        (lambda: mask.encode(np.zeros((4, 4), order="F")), ValueError, "Got float64"),
        (lambda: mask.decode({"size": [2, 2], "counts": "52203"}), ValueError, "Invalid RLE"),
        (lambda: mask.area({"size": [2, 2], "counts": [1, 3]}), TypeError, "by frPyObjects first"),
        (lambda: mask.iou([SQUARE], [SQUARE], [0, 1]), AssertionError, "same length as gt"),
        (lambda: mask.iou([SQUARE], [[1, 1, 2, 2]], [0]), TypeError, "same data type"),
        (lambda: mask.iou(np.zeros((1, 5)), [SQUARE], [0]), TypeError, r"boxes \(n, 4\)"),
        (lambda: mask.iou(["a"], [SQUARE], [0]), TypeError, "list of masks or boxes"),
        (lambda: mask.frPyObjects([], 4, 4), TypeError, "not supported"),
        (lambda: mask.frPyObjects([[1, 1, 2, 2]], 4, 4), ValueError, "three corners"),
        (
            lambda: mask.frPyObjects({"size": [4, 4], "counts": [-1, 17]}, 4, 4),
            OverflowError,
            "-1 out of bounds",
        ),
    ],
)
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_sums_that_differ_are_refused_where_the_peer_hangs():
    short = {"size": [4, 4], "counts": b"52"}
    for call in (lambda: mask.merge([SQUARE, short]), lambda: mask.iou([SQUARE], [short], [0])):
        with pytest.raises(ValueError, match=r"runs of one sum.* Got sums \[7, 16\]"):
            call()


def pictures(seed: int, count: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 15, 2)
    noise = rng.random((height, width, count)) < rng.random(count)
    return np.asfortranarray(noise.astype(np.uint8))


def same(ours, theirs) -> None:
    if isinstance(theirs, np.ndarray | np.generic):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        assert ours.tolist() == theirs.tolist()
    else:
        assert ours == theirs


# The peer's own code is older than numpy 2's protocol.
@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.peer
@given(SEEDS)
@settings(max_examples=60)
def test_every_name_answers_as_the_peer(seed):
    peer = pytest.importorskip("pycocotools.mask")
    m = pictures(seed)
    rles = peer.encode(m)
    same(mask.encode(m), rles)
    same(mask.encode(m[:, :, 0]), peer.encode(m[:, :, 0]))
    same(mask.decode(rles), peer.decode(rles))
    same(mask.decode(rles[0]), peer.decode(rles[0]))
    same(mask.area(rles), peer.area(rles))
    same(mask.area(rles[0]), peer.area(rles[0]))
    same(mask.toBbox(rles), peer.toBbox(rles))
    same(mask.toBbox(rles[0]), peer.toBbox(rles[0]))
    other = peer.encode(pictures(seed + 1))
    for crowd in ([0, 0, 0], [1, 0, 1]):
        same(mask.iou(rles, rles[::-1], crowd), peer.iou(rles, rles[::-1], crowd))
        same(mask.iou(rles, other, crowd), peer.iou(rles, other, crowd))
    for intersect in (0, 1):
        same(mask.merge(rles, intersect), peer.merge(rles, intersect))
        same(mask.merge([rles[0], *other], intersect), peer.merge([rles[0], *other], intersect))


@pytest.mark.peer
@given(SEEDS)
@settings(max_examples=60)
def test_boxes_overlap_as_the_peers(seed):
    peer = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    dt, gt = rng.uniform(0, 10, (4, 4)), rng.uniform(0, 10, (3, 4)).round()
    crowd = rng.integers(0, 2, 3).tolist()
    same(mask.iou(dt, gt, crowd), peer.iou(dt, gt, crowd))
    same(mask.iou(dt.tolist(), gt.tolist(), crowd), peer.iou(dt.tolist(), gt.tolist(), crowd))
    same(mask.iou(dt[:0], gt, crowd), peer.iou(dt[:0], gt, crowd))


@pytest.mark.peer
@given(SEEDS)
@settings(max_examples=100)
def test_runs_that_fill_no_picture_answer_as_the_peer(seed):
    """Zero runs inside and totals that are too small, which pycocotools takes as they are.

    Its merge and iou are not asked: on such runs they write past their memory, or never return.
    """
    peer = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    size = [int(v) for v in rng.integers(3, 8, 2)]
    missing = int(rng.integers(0, 2) * rng.integers(0, size[0] * size[1]))
    rles = []
    for _ in range(4):
        total, counts = size[0] * size[1] - missing, []
        while total > 0 and len(counts) < 9:
            counts.append(int(rng.integers(0, min(total, 6) + 1)) * int(rng.random() < 0.7))
            total -= counts[-1]
        counts.append(total)
        raw = {"size": size, "counts": counts}
        rles.append(mask.frPyObjects(raw, *size))
        same(rles[-1], peer.frPyObjects(raw, *size))
    same(mask.area(rles), peer.area(rles))
    same(mask.toBbox(rles), peer.toBbox(rles))


@pytest.mark.peer
@given(SEEDS)
@settings(max_examples=60)
def test_python_objects_become_the_peers_masks(seed):
    peer = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(1, 30, 2))
    many = [rng.uniform(-5, 35, int(rng.integers(6, 20))).tolist() for _ in range(3)]
    same(mask.frPyObjects(many, height, width), peer.frPyObjects(many, height, width))
    boxes = rng.uniform(0, 20, (3, 4))
    same(mask.frPyObjects(boxes, height, width), peer.frPyObjects(boxes, height, width))

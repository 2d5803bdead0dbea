"""Against pycocotools.mask and faster-coco-eval: the same bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.masks import (
    from_boxes,
    from_dense,
    from_polygons,
    iou,
    to_strings,
    union,
)

pytestmark = [
    pytest.mark.peer,
    # The peer's own code is older than numpy 2's protocol.
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
]
peer = pytest.importorskip("pycocotools.mask")

SEEDS = st.integers(0, 2**32 - 1)


def written(masks):
    return [
        {"size": size, "counts": counts}
        for size, counts in zip(masks.sizes.tolist(), to_strings(masks))
    ]


@given(SEEDS)
@settings(max_examples=200)
def test_drawn_polygons_are_the_peers(polygon, seed):
    corners, height, width = polygon(seed)
    ours = from_polygons([corners], (height, width))
    assert written(ours) == peer.frPyObjects([corners], height, width)


@given(SEEDS)
@settings(max_examples=60)
def test_drawn_boxes_are_the_peers(seed):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(-5, 30, (5, 4)).round(int(rng.integers(3)))
    height, width = rng.integers(1, 30, 2).tolist()
    ours = from_boxes(boxes, (height, width))
    assert written(ours) == peer.frPyObjects(boxes, height, width)


@given(SEEDS)
@settings(max_examples=60)
def test_measures_are_the_peers(pictures, seed):
    m = pictures(seed, count=4, most=20)
    ours = from_dense(m)
    theirs = peer.encode(np.asfortranarray(m.transpose(1, 2, 0)).astype(np.uint8, order="F"))
    assert written(ours) == theirs
    assert ours.areas.tolist() == peer.area(theirs).tolist()
    assert ours.boxes.tolist() == peer.toBbox(theirs).tolist()
    crowd = [seed & 1, 1, 0, 0]
    assert iou(ours, ours, crowd=crowd).tolist() == peer.iou(theirs, theirs, crowd).tolist()
    for intersect in (False, True):
        assert written(union(ours, intersect=intersect)) == [peer.merge(theirs, intersect)]

"""Open Images' hierarchy: rows repeated for every ancestor, absence for every descendant."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.annotations import Detections, Federation, GroundTruth
from drivetrain.detection.masks.dense import from_dense
from drivetrain.detection.protocols.expansion import expanded, expanded_detections

#: An animal (1) may be a dog (2) or a cat (3); a poodle (4) is a dog.
PARENTS = np.array([[2, 1], [3, 1], [4, 2], [4, 1]])


def zoo(categories, negative=()):
    n = len(categories)
    return GroundTruth.from_arrays(
        images=np.arange(n),
        categories=categories,
        boxes=np.arange(4 * n).reshape(n, 4),
        ids=np.arange(n) + 7,
        category_ids=[1, 2, 3, 4],
        crowd=np.arange(n) % 2 == 0,
        group_of=np.arange(n) % 3 == 0,
        masks=from_dense(np.tri(4)[None].repeat(n, 0).astype(np.uint8)),
        federation=Federation(parents=PARENTS, negative=np.reshape(negative, (-1, 2))),
    )


def test_every_row_follows_its_class_upwards():
    truth = zoo([4, 3, 1])
    wide = expanded(truth)
    assert wide.categories.tolist() == [4, 3, 1, 1, 2, 1]
    rows = [0, 1, 2, 0, 0, 1]
    for name in ("images", "ids", "boxes", "areas", "crowd", "ignore", "group_of"):
        np.testing.assert_array_equal(getattr(wide, name), getattr(truth, name)[rows])
    assert len(wide.masks) == 6
    np.testing.assert_array_equal(wide.masks.areas, truth.masks.areas[rows])
    assert (wide.image_ids is truth.image_ids) and (wide.category_ids is truth.category_ids)


def test_what_is_absent_is_absent_with_all_below_it():
    wide = expanded(zoo([1], [[5, 1], [6, 2], [7, 4]]))
    pairs = sorted(map(tuple, wide.federation.negative.tolist()))
    assert pairs == [(5, 1), (5, 2), (5, 3), (5, 4), (6, 2), (6, 4), (7, 4)]


def test_without_a_hierarchy_nothing_changes():
    truth = replace(zoo([4, 2]), federation=None)
    assert expanded(truth) is truth
    bare = replace(zoo([4, 2]), federation=Federation())
    assert expanded(bare) is bare


def test_detections_where_the_caller_wants_it():
    found = Detections.from_arrays(
        images=[1, 2], categories=[4, 9], scores=[0.5, 0.6], boxes=np.ones((2, 4))
    )
    wide = expanded_detections(found, Federation(parents=PARENTS))
    assert wide.categories.tolist() == [4, 9, 1, 2]
    assert wide.scores.tolist() == [0.5, 0.6, 0.5, 0.5]


@settings(deadline=None, max_examples=30)
@given(
    categories=st.lists(st.integers(1, 4), max_size=8),
    parents=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), max_size=6),
)
def test_equals_a_loop(categories, parents):
    relations = np.array(parents, np.int64).reshape(-1, 2)
    truth = replace(zoo(categories), federation=Federation(parents=relations))
    expected = list(categories)
    for category in categories:
        expected += sorted({above for child, above in parents if child == category})
    assert expanded(truth).categories.tolist() == expected

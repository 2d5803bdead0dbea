"""Composed scenes: the same everywhere, boxes that hold ink, and no digit in both splits."""

import numpy as np
import pytest

from drivetrain.data import digit_scenes


def test_first_scenes_do_not_depend_on_how_many_follow() -> None:
    few, many = digit_scenes(3, random_state=5), digit_scenes(9, random_state=5)
    assert np.array_equal(few.images, many.images[:3])
    own = many.scene < 3
    assert np.array_equal(few.boxes, many.boxes[own])
    assert np.array_equal(few.labels, many.labels[own])


def test_seeds_and_splits_differ() -> None:
    one, other, test = (
        digit_scenes(2),
        digit_scenes(2, random_state=1),
        digit_scenes(2, split="test"),
    )
    assert not np.array_equal(one.images, other.images)
    assert not np.array_equal(one.images, test.images)


def test_shapes_ranges_and_sources() -> None:
    scenes = digit_scenes(40)
    m = len(scenes.labels)
    assert scenes.images.shape == (40, 180, 240) and scenes.images.dtype == np.uint8
    assert scenes.boxes.shape == (m, 4) and len(scenes) == 40
    for column in (scenes.scene, scenes.inks, scenes.crowd, scenes.hidden):
        assert len(column) == m
    assert set(np.unique(scenes.labels)) == set(range(10))
    low, high = scenes.boxes[:, :2], scenes.boxes[:, :2] + scenes.boxes[:, 2:]
    assert (low >= 0).all() and (high <= (240, 180)).all() and (scenes.boxes[:, 2:] > 0).all()
    areas = scenes.boxes[:, 2] * scenes.boxes[:, 3]
    assert (scenes.inks > 0).all() and (scenes.inks <= areas).all()
    # Small, medium and large in COCO's sense, crowds every eighth scene, some half hidden.
    assert min((areas < 1024).sum(), ((areas > 1024) & (areas < 9216)).sum()) > 20
    assert (areas > 9216).any() and scenes.hidden.any()
    assert sorted(scenes.scene[scenes.crowd].tolist()) == list(range(0, 40, 8))
    assert "composed" in scenes.source and scenes.licence


def test_boxes_hold_darker_pixels_than_the_paper() -> None:
    scenes = digit_scenes(10)
    for number in np.flatnonzero(~scenes.crowd):
        x, y, w, h = scenes.boxes[number].astype(int)
        image = scenes.images[scenes.scene[number]]
        # The faintest ink leaves 65 % of the light of paper that is at least 0.8 bright.
        assert image[y : y + h, x : x + w].min() < 0.75 * np.median(image)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"count": 0}, "count must be >= 1"),
        ({"count": 1, "random_state": -1}, "random_state must be >= 0"),
        ({"count": 1, "split": "validate"}, "split must be one of"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        digit_scenes(**arguments)

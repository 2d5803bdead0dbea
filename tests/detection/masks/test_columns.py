"""The container: taking, slicing, joining, packed and unpacked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.masks import Masks, from_dense, from_strings, to_dense, to_strings
from drivetrain.detection.masks.overlap import overlaps

SEEDS = st.integers(0, 2**32 - 1)


def packed(masks: Masks) -> Masks:
    return from_strings(to_strings(masks), masks.sizes)


def same(masks: Masks, pixels: np.ndarray) -> None:
    want = from_dense(pixels)
    assert len(masks) == len(want)
    for name in ("runs", "offsets", "sizes", "areas", "boxes"):
        assert getattr(masks, name).tolist() == getattr(want, name).tolist(), name


@given(SEEDS, st.booleans(), st.lists(st.integers(-5, 4), max_size=8))
@settings(max_examples=60)
def test_taking_masks_takes_their_pixels(pictures, seed, compressed, positions):
    m = pictures(seed, count=5)
    masks = packed(from_dense(m)) if compressed else from_dense(m)
    same(masks.take(positions), m[np.array(positions, int)])
    same(masks[np.array(positions, int)], m[np.array(positions, int)])
    same(masks[1:4], m[1:4])
    same(masks[::-2], m[::-2])
    same(masks[3:1], m[3:1])
    flags = np.array([seed >> i & 1 for i in range(5)], bool)
    same(masks[flags], m[flags])
    assert masks.take([2, 2]).runs_of(1).tolist() == masks.runs_of(2).tolist()


@given(SEEDS)
@settings(max_examples=40)
def test_joining_keeps_every_mask(pictures, seed):
    m = pictures(seed, count=4)
    loose, tight, tighter = from_dense(m), packed(from_dense(m)), packed(from_dense(m))
    parts = [loose.take([3, 0]), tight.take([1]), loose[:0], tight.take([2, 0])]
    same(Masks.concatenate(parts), m[[3, 0, 1, 2, 0]])
    assert Masks.concatenate(parts).packed.tolist() == [False, False, True, True, True]
    same(Masks.concatenate([tight, tighter.take([0])]), m[[0, 1, 2, 3, 0]])
    same(Masks.concatenate([loose.take([1]), tight.unpacked()]), m[[1, 0, 1, 2, 3]])


def test_nothing_joined_is_no_masks():
    none = Masks.concatenate([])
    assert len(none) == 0 and none.runs.tolist() == [] and none.offsets.tolist() == [0]


def test_in_order_runs_are_not_copied():
    masks = from_dense(np.eye(4)[None].repeat(2, axis=0))
    assert masks.runs is masks.store
    assert masks.take([1, 0]).runs is not masks.store


@pytest.mark.parametrize("which", [1.5, [[0, 1]], "a", [0.5]])
def test_wrong_choices_are_named(which):
    with pytest.raises(TypeError, match=r"by a slice, or by an array of positions or flags"):
        from_dense(np.zeros((2, 2, 2)))[which]


def test_positions_out_of_reach_are_refused():
    masks = from_dense(np.zeros((2, 2, 2)))
    with pytest.raises(IndexError):
        masks.take([2])
    with pytest.raises(IndexError):
        masks.runs_of(2)


@pytest.mark.parametrize(
    ("runs", "offsets", "words"),
    [
        ([4], [0, 2], r"offsets must rise from 0 to the number of runs, 1.* Got \[0, 2\]"),
        ([4], [0], r"Got \[0\]"),
        ([4, 4, 4], [0, 2, 1, 3], r"Got \[0, 2, 1, 3\]"),
        ([5], [0, 1], "mask 0: its runs must sum to height x width = 2 x 2 = 4. Got 5"),
        ([-4], [0, 1], "runs must be >= 0"),
        ([2.5], [0, 1], "whole numbers"),
    ],
)
def test_runs_that_are_no_masks_are_named(runs, offsets, words):
    sizes = [[2, 2]] * max(len(offsets) - 1, 1)
    with pytest.raises(ValueError, match=words):
        Masks.of_runs(runs, offsets, sizes)


def test_a_text_overwritten_in_use_is_told():
    text = bytearray(b"52203")
    masks = from_strings([bytes(text)], [[4, 4]])
    changed = np.frombuffer(bytes(text), np.uint8).copy()
    changed[0] = ord("6")
    changed.flags.writeable = False
    stale = Masks(
        masks.store, changed, masks.packed, masks.places, masks.sizes, masks.areas, masks.boxes
    )
    with pytest.raises(RuntimeError, match=r"overwritten while in use"):
        _ = stale.runs
    at = np.zeros(1, np.int32)
    with pytest.raises(RuntimeError, match=r"mask 0 can no longer be read"):
        overlaps(stale, masks, at, at, np.zeros(1, bool))
    assert to_dense(masks).sum() == 4

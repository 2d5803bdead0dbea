"""Object keypoint similarity: against the reference, which is pycocotools', bit for bit."""

from collections.abc import Sequence

import numpy as np
import pytest

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.overlap.keypoints import pair_oks
from drivetrain.detection.reference import oks


def poses(points: int, *, seed: int = 0, n: int = 25) -> tuple[GroundTruth, Detections]:
    """As many truths as poses, near and far; every fifth truth shows no keypoint."""
    rng = np.random.default_rng(seed)
    boxes = rng.random((n, 4)) * 100 + 1
    true = np.concatenate(
        [
            boxes[:, None, :2] + rng.random((n, points, 2)) * boxes[:, None, 2:],
            rng.integers(0, 3, (n, points, 1)).astype(np.float64),
        ],
        axis=2,
    )
    true[::5, :, 2] = 0
    far = rng.choice([0.0, 1.0, 5.0, 200.0], (n, 1, 1))
    ones = np.ones(n, np.int64)
    truth = GroundTruth.from_arrays(
        images=ones, categories=ones, boxes=boxes, areas=rng.random(n) * 5000, keypoints=true
    )
    found = Detections.from_arrays(
        images=ones,
        categories=ones,
        scores=rng.random(n),
        boxes=boxes,
        keypoints=true + rng.normal(0, 1, true.shape) * far,
    )
    return truth, found


def every(
    truth: GroundTruth, found: Detections, sigmas: Sequence[float] | None, minimum: float = 0.0
) -> np.ndarray:
    d, g = np.indices((len(found), len(truth)), np.int32).reshape(2, -1)
    flat = pair_oks(truth, found, sigmas, d, g, np.zeros(len(d), np.bool_), minimum=minimum)
    return flat.reshape(len(found), len(truth))


# numpy adds up to 7 numbers one by one, up to 128 in eight lanes, and more in halves.
@pytest.mark.parametrize("points", [1, 2, 7, 8, 9, 17, 128, 129, 133, 300])
def test_oks_equals_the_reference(points: int) -> None:
    truth, found = poses(points)
    sigmas = np.random.default_rng(points).uniform(0.01, 0.4, points).tolist()
    exact = oks(found.keypoints, truth.keypoints, truth.boxes, truth.areas, sigmas)
    np.testing.assert_array_equal(every(truth, found, sigmas), exact)


@pytest.mark.parametrize("minimum", [1e-6, 0.1, 0.5, 0.95, 1.0])
def test_what_is_given_up_is_below_the_minimum(minimum: float) -> None:
    truth, found = poses(17, seed=3, n=60)
    exact = oks(found.keypoints, truth.keypoints, truth.boxes, truth.areas)
    got = every(truth, found, None, minimum)
    np.testing.assert_array_equal(got[exact >= minimum], exact[exact >= minimum])
    assert np.all(got[exact < minimum] < minimum)
    assert np.any(got[exact < minimum] == 0)
    assert np.any(exact >= minimum)


def test_a_truth_without_keypoints_measures_to_its_doubled_box() -> None:
    truth = GroundTruth.from_arrays(
        images=[1], categories=[1], boxes=[[10, 10, 10, 10]], keypoints=[[[0, 0, 0]]], areas=[50.0]
    )
    inside, outside = [[25.0, 5.0, 1.0]], [[32.0, 10.0, 1.0]]
    found = Detections.from_arrays(
        images=[1, 1],
        categories=[1, 1],
        scores=[0.5, 0.4],
        boxes=[[0, 0, 1, 1]] * 2,
        keypoints=[inside, outside],
    )
    # From x = 32 to the right end, 10 + 2 * 10.
    by_hand = np.exp(-(2.0**2) / (2 * 0.5) ** 2 / (50 + np.spacing(1)) / 2)
    assert every(truth, found, [0.5]).ravel().tolist() == [1.0, by_hand]


def test_missing_or_unequal_keypoints_are_named() -> None:
    truth, found = poses(3)
    with pytest.raises(ValueError, match="truths have 3 keypoints"):
        every(truth, found, None)
    bare = Detections.from_arrays(images=[1], categories=[1], scores=[1.0], boxes=[[0, 0, 1, 1]])
    with pytest.raises(ValueError, match="The detections hold none"):
        every(truth, bare, [0.1] * 3)


def test_no_pairs() -> None:
    truth, found = poses(4)
    none = np.empty(0, np.int32)
    assert len(pair_oks(truth, found, [0.1] * 4, none, none, np.empty(0, np.bool_))) == 0

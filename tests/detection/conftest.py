"""Small hostile problems as columns, and rules to judge them by."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.styles import COCO_AREAS, COCO_THRESHOLDS, Style

Problem = tuple[GroundTruth, Detections]


def columns(seed: int) -> Problem:
    """Boxes on a grid, so that overlaps tie and hit thresholds; crowds, odd areas, an id of 0."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 40)), int(rng.integers(1, 120))
    step = 8.0 if rng.random() < 0.6 else 1e-3
    truths = _boxes(rng, n, step)
    copied = rng.integers(0, n, m)
    near = truths[copied] + rng.choice([0, 0, 0, 1, -1], (m, 4)) * step
    boxes = np.where(rng.random((m, 1)) < 0.7, np.abs(near), _boxes(rng, m, step))
    images, kinds = rng.integers(0, 3, n), rng.integers(0, 2, n)
    truth = GroundTruth.from_arrays(
        images=images,
        categories=kinds,
        boxes=truths,
        image_ids=[0, 1, 2],
        category_ids=[0, 1],
        ids=rng.permutation(n),
        areas=rng.choice([1.0, 300.0, 1024.0, 9216.0, 2e4], n),
        crowd=rng.random(n) < 0.2,
        ignore=rng.random(n) < 0.2,
    )
    found = Detections.from_arrays(
        images=images[copied],
        categories=kinds[copied],
        scores=rng.random(m).round(int(rng.integers(1, 4))),
        boxes=boxes,
    )
    return truth, found


def _boxes(rng: np.random.Generator, n: int, step: float) -> np.ndarray:
    corner, size = rng.integers(0, 10, (n, 2)), rng.integers(1, 12, (n, 2))
    return np.hstack([corner, size]) * step


def poses(seed: int, *, points: int = 5) -> Problem:
    """The same with keypoints, of which some truths show none."""
    truth, found = columns(seed)
    rng = np.random.default_rng(seed)
    at = truth.boxes[:, None, :2] + rng.random((len(truth), points, 2)) * truth.boxes[:, None, 2:]
    seen = rng.integers(0, 3, (len(truth), points, 1)) * (rng.random((len(truth), 1, 1)) < 0.8)
    true = np.concatenate([at.round(), seen], 2)
    which = rng.integers(0, len(truth), len(found))
    moved = true[which] + rng.normal(0, 3, (len(found), points, 3)) * rng.integers(0, 2)
    visible = np.count_nonzero(seen[..., 0], 1)
    return replace(truth, keypoints=true, visible=visible), replace(found, keypoints=moved)


RULES = {
    "coco": Style(
        name="coco", thresholds=COCO_THRESHOLDS, areas=COCO_AREAS, max_detections=(1, 10, 100)
    ),
    "peer": Style(
        name="peer",
        thresholds=COCO_THRESHOLDS,
        areas=COCO_AREAS,
        max_detections=(1, 10, 100),
        zero_id_unmatched=True,
    ),
    "strict": Style(name="strict", thresholds=(0.25, 0.5), strict=True, max_detections=(3, 4)),
    "plain crowds": Style(name="plain", crowd=False, honour_ignore=True, areas=COCO_AREAS),
    "inclusive": Style(name="inclusive", inclusive=True, thresholds=(0.3, 0.7, 1.0)),
    "pooled": Style(name="pooled", per_class=False, areas=COCO_AREAS, max_detections=(2, 2, 50)),
    "unsorted": Style(
        name="unsorted",
        thresholds=(0.75, 0.1, 0.5, 0.5),
        recalls=(0.5, 0.2, 1.0, 0.0, 0.3),
        areas=(("odd", 10.0, 10.0), ("all", 0.0, 1e10)),
    ),
    "widest": Style(
        name="widest",
        thresholds=tuple(float(t) for t in np.linspace(0.05, 1, 32)),
        areas=tuple((f"to {n}", 0.0, 500.0 * n) for n in range(1, 25)),
        max_detections=(1, 5),
    ),
}


@pytest.fixture
def make() -> Callable[[int], Problem]:
    return columns


@pytest.fixture
def make_poses() -> Callable[..., Problem]:
    return poses


@pytest.fixture(params=list(RULES))
def rule(request: pytest.FixtureRequest) -> Style:
    return RULES[request.param]

"""A keypoint problem of COCO's shape: persons of 17 points, 20 found poses an image."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.bench.problems.detection import dump

SEED, IMAGES, POINTS, POSES = 20250102, 5000, 17, 20
Floats = NDArray[np.float64]
Json = dict[str, Any]


def write(folder: Path, *, images: int = IMAGES, seed: int = SEED) -> None:
    """Write ``gt_kpt.json`` and ``dt_kpt.json``; files that are there are left as they are."""
    paths = folder / "gt_kpt.json", folder / "dt_kpt.json"
    if all(path.exists() for path in paths):
        return
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in zip(paths, make(images=images, seed=seed)):
        dump(path, content)


def make(*, images: int = IMAGES, seed: int = SEED) -> tuple[Json, list[Json]]:
    """Return the truths and the found poses, as ``json`` would load them."""
    rng = np.random.default_rng(seed)
    listed = [{"id": 1000 + 7 * i, "width": 640, "height": 480} for i in range(images)]
    truths: list[Json] = []
    found: list[Json] = []
    for image in listed:
        people = rng.negative_binomial(1.2, 1.2 / (1.2 + 2.2))
        boxes = _boxes(rng, people)
        poses = _poses(rng, boxes)
        for box, pose in zip(boxes, poses):
            truths.append(_truth(rng, len(truths) + 1, image["id"], box, pose))
        found.extend(_found(rng, image["id"], boxes, poses))
    person = {
        "id": 1,
        "name": "person",
        "keypoints": [f"p{i}" for i in range(POINTS)],
        "skeleton": [],
    }
    truth = {"info": {}, "images": listed, "annotations": truths, "categories": [person]}
    return truth, found


def _boxes(rng: np.random.Generator, n: int) -> Floats:
    size = np.exp(rng.normal(np.log(90), 0.8, n)).clip(12, 400)
    w, h = size * 0.6, size * 1.4
    x = rng.uniform(0, 1, n) * np.maximum(640 - w, 1)
    y = rng.uniform(0, 1, n) * np.maximum(480 - h, 1)
    return np.stack([x, y, w, h], 1).round(2)


def _poses(rng: np.random.Generator, boxes: Floats) -> Floats:
    """Return points (n, 17, 2) inside their boxes."""
    inside = rng.beta(1.5, 1.5, (len(boxes), POINTS, 2))
    return boxes[:, None, :2] + inside * boxes[:, None, 2:]


def _truth(rng: np.random.Generator, id_: int, image: int, box: Floats, pose: Floats) -> Json:
    seen = rng.choice(3, POINTS, p=[0.35, 0.1, 0.55])
    # A third of COCO's persons have no labelled point; the rule for them is one of its own.
    if rng.random() < 0.33:
        seen[:] = 0
    points = np.where(seen[:, None] > 0, pose.round(), 0.0)
    triples = np.concatenate([points, seen[:, None]], 1).astype(int).ravel().tolist()
    return {
        "id": id_,
        "image_id": image,
        "category_id": 1,
        "iscrowd": int(rng.random() < 0.02),
        "area": round(float(box[2] * box[3] * rng.uniform(0.4, 0.8)), 4),
        "bbox": box.tolist(),
        "num_keypoints": int((seen > 0).sum()),
        "keypoints": triples,
    }


def _found(rng: np.random.Generator, image: int, boxes: Floats, poses: Floats) -> list[Json]:
    """Return jittered truths, the nearer the surer, filled up with poses anywhere."""
    copies = rng.poisson(2.0, len(boxes))
    which = np.repeat(np.arange(len(boxes)), copies)[:POSES]
    far = np.abs(rng.normal(0, 0.06, len(which)))
    size = np.sqrt(boxes[which, 2] * boxes[which, 3])
    shift = rng.normal(0, 1, (len(which), POINTS, 2)) * (far * size)[:, None, None]
    near = poses[which] + shift
    rest = POSES - len(which)
    poses = np.concatenate([near, _poses(rng, _boxes(rng, rest))])
    sure = 1 / (1 + np.exp(-(rng.normal(1.6, 1.3, len(which)) - 15 * far)))
    scores = np.concatenate([sure, rng.beta(1, 12, rest)]).round(4)
    drawn = np.concatenate([poses.round(2), np.ones((POSES, POINTS, 1))], 2)
    return [
        {"image_id": image, "category_id": 1, "keypoints": flat, "score": score}
        for flat, score in zip(drawn.reshape(POSES, -1).tolist(), scores.tolist())
    ]

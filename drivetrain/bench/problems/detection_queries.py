"""A second distribution: a detector of queries, each of which answers for several classes.

Two thousand images, 250 detections each, as transformers of the DETR kind write them: the same box
under several classes, float32 scores that hardly tie, most of them low, and truths of which a
quarter is never found. Boxes of one query agree to the last bit, so overlaps tie instead.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.bench.problems.detection import CATEGORY_IDS, CLASSES, clip, dump

SEED, IMAGES, QUERIES, ANSWERS = 20250103, 2000, 100, 250
WIDTH, HEIGHT = 640, 480
Floats = NDArray[np.float64]
Json = dict[str, Any]


def write(folder: Path, *, images: int = IMAGES, seed: int = SEED) -> None:
    """Write ``gt_queries.json`` and ``dt_queries.json``; files that are there are left so."""
    paths = folder / "gt_queries.json", folder / "dt_queries.json"
    if all(path.exists() for path in paths):
        return
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in zip(paths, make(images=images, seed=seed)):
        dump(path, content)


def make(*, images: int = IMAGES, seed: int = SEED) -> tuple[Json, list[Json]]:
    """Return the truths and the detections, as ``json`` would load them."""
    rng = np.random.default_rng(seed)
    # Classes are as uneven as photographs': a third of all objects are persons.
    weights = np.exp(-np.arange(CLASSES) / 22.0)
    weights[0] = 0.5 * weights.sum()
    weights /= weights.sum()
    listed = [{"id": 3 * i + 1, "width": WIDTH, "height": HEIGHT} for i in range(images)]
    truths: list[Json] = []
    found: list[Json] = []
    for image in listed:
        n = int(rng.geometric(1 / 11)) - 1
        boxes, classes = _boxes(rng, n), rng.choice(CLASSES, n, p=weights)
        for box, kind in zip(boxes, classes):
            truths.append(_truth(rng, len(truths) + 1, image["id"], box, int(kind)))
        found.extend(_found(rng, weights, image["id"], boxes, classes))
    categories = [{"id": int(c), "name": f"c{c}"} for c in CATEGORY_IDS]
    truth = {"info": {}, "images": listed, "annotations": truths, "categories": categories}
    return truth, found


def _boxes(rng: np.random.Generator, n: int) -> Floats:
    size = np.exp(rng.normal(np.log(55), 1.1, n)).clip(5, 420)
    aspect = np.exp(rng.normal(0, 0.45, n))
    w, h = size * np.sqrt(aspect), size / np.sqrt(aspect)
    x, y = rng.uniform(0, 1, n) * (WIDTH - w), rng.uniform(0, 1, n) * (HEIGHT - h)
    return clip(np.stack([x, y, w, h], 1), WIDTH, HEIGHT)


def _truth(rng: np.random.Generator, id_: int, image: int, box: Floats, kind: int) -> Json:
    return {
        "id": id_,
        "image_id": image,
        "category_id": int(CATEGORY_IDS[kind]),
        "iscrowd": int(rng.random() < 0.01),
        "area": round(float(box[2] * box[3] * rng.uniform(0.45, 0.95)), 2),
        "bbox": box.tolist(),
    }


def _found(
    rng: np.random.Generator, weights: Floats, image: int, boxes: Floats, classes: NDArray[np.int64]
) -> list[Json]:
    """Return the surest of queries x classes."""
    aimed = np.flatnonzero(rng.random(len(boxes)) < 0.75)[:QUERIES]
    error = rng.gamma(1.2, 0.06, len(aimed))
    shift = rng.normal(0, 1, (len(aimed), 4)) * error[:, None]
    near = boxes[aimed].copy()
    near[:, :2] += shift[:, :2] * near[:, 2:]
    near[:, 2:] *= np.exp(shift[:, 2:])
    placed = np.concatenate([near, _boxes(rng, QUERIES - len(aimed))])
    logits = np.log(weights) / 2 + rng.normal(-4.5, 1.3, (QUERIES, CLASSES))
    logits[np.arange(len(aimed)), classes[aimed]] += 7.5 - 12 * error
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    best = np.argsort(-scores, axis=None, kind="stable")[:ANSWERS]
    query, kind = np.divmod(best, CLASSES)
    exact = placed.astype(np.float32).astype(np.float64)[query].tolist()
    sure = scores.astype(np.float64).ravel()[best].tolist()
    return [
        {"image_id": image, "category_id": int(category), "bbox": box, "score": score}
        for category, box, score in zip(CATEGORY_IDS[kind], exact, sure)
    ]

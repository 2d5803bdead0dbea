"""A detection problem of COCO val2017's shape: 5,000 images, 80 classes, 500,000 detections.

Truths are drawn per image from a few classes of a Zipf-like distribution; detections are jittered
truths, some of the wrong class, and background, the best 100 an image. Scores have three decimals,
so that ties abound. Every number is a draw of one seeded generator in a fixed order.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.files import write_text
from drivetrain.detection.masks.polygons import from_polygons
from drivetrain.detection.masks.strings import to_strings

SEED, IMAGES, CLASSES = 20250101, 5000, 80
#: COCO's 80 ids of 1..90.
MISSING = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
CATEGORY_IDS = np.array([i for i in range(1, 91) if i not in MISSING])

Floats = NDArray[np.float64]
Json = dict[str, Any]


@dataclass
class _Scene:
    """What one image holds: its truths' boxes and classes, and what was detected."""

    width: int
    height: int
    boxes: Floats
    classes: NDArray[np.int64]
    present: NDArray[np.int64]
    outlines: list[Floats] = field(default_factory=list)
    crowd: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))


@dataclass
class Problem:
    """The parsed content of the files, as ``json`` would load them."""

    truth: Json
    found: list[Json]
    generator: np.random.Generator


def home() -> Path:
    """Return the folder of temporary files where the problems' files are kept between runs."""
    return Path(tempfile.gettempdir()) / "drivetrain-detection-problems"


def write_boxes(folder: Path, *, images: int = IMAGES, seed: int = SEED) -> None:
    """Write ``gt.json``, ``dt_bbox.json`` and ``dt_bbox_f32.json``; what is there stays.

    Args:
        folder: Where to.
        images: Number of images.
        seed: Of the generator.
    """
    if all((folder / name).exists() for name in ("gt.json", "dt_bbox.json", "dt_bbox_f32.json")):
        return
    problem = make(images=images, seed=seed)
    dump(folder / "gt.json", problem.truth)
    dump(folder / "dt_bbox.json", problem.found)
    dump(folder / "dt_bbox_f32.json", list(map(in_single_precision, problem.found)))


def write_masks(folder: Path, *, images: int = IMAGES, seed: int = SEED) -> None:
    """Write ``gt.json`` and ``dt_segm.json``: a blob in each detected box; what is there stays."""
    if (folder / "gt.json").exists() and (folder / "dt_segm.json").exists():
        return
    problem = make(images=images, seed=seed)
    dump(folder / "gt.json", problem.truth)
    dump(folder / "dt_segm.json", list(segments(problem)))


def dump(path: Path, value: object) -> None:
    """Write JSON without spaces, as the fast writers do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, separators=(",", ":")))


def in_single_precision(entry: Json) -> Json:
    """Return a detection as a network in float32 writes it: doubles of up to 17 digits."""
    box = [float(np.float32(number)) for number in entry["bbox"]]
    return {**entry, "bbox": box, "score": float(np.float32(entry["score"]))}


def make(*, images: int = IMAGES, seed: int = SEED) -> Problem:
    """Return the problem with boxes; its generator stands where the masks begin."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, CLASSES + 1) ** 0.9
    weights[0] *= 1.6
    weights /= weights.sum()
    widths, heights = (
        rng.choice([640, 500, 640, 612], images),
        rng.choice([480, 375, 427, 612], images),
    )
    counts = rng.negative_binomial(1.6, 1.6 / (1.6 + 7.36), images)
    listed: list[Json] = []
    truths: list[Json] = []
    found: list[Json] = []
    for number in range(images):
        image = int(1000 + 7 * number)
        width, height = int(widths[number]), int(heights[number])
        listed.append(
            {"id": image, "width": width, "height": height, "file_name": f"{number:012d}.jpg"}
        )
        scene = _scene(rng, weights, int(counts[number]), width, height)
        truths.extend(_truths(scene, image, len(truths) + 1))
        found.extend(_detections(rng, weights, scene, image))
    categories = [
        {"id": int(c), "name": f"c{c}", "supercategory": f"s{c % 12}"} for c in CATEGORY_IDS
    ]
    truth = {
        "info": {},
        "licenses": [],
        "images": listed,
        "annotations": truths,
        "categories": categories,
    }
    return Problem(truth=truth, found=found, generator=rng)


def clip(boxes: Floats, width: int, height: int) -> Floats:
    """Return boxes (n, 4) inside the image, at least one pixel wide, with two decimals."""
    x, y, w, h = boxes.T
    x, y = np.clip(x, 0, width - 2), np.clip(y, 0, height - 2)
    w, h = np.clip(w, 1, width - x), np.clip(h, 1, height - y)
    return np.stack([np.round(side, 2) for side in (x, y, w, h)], 1)


def outline(rng: np.random.Generator, box: Floats) -> Floats:
    """Return the corners (m, 2) of a star-shaped blob inside a box."""
    x, y, w, h = box
    corners = rng.integers(8, 24)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = rng.uniform(0.7, 1.0, corners)
    across = x + w / 2 + np.cos(angles) * radii * w / 2
    down = y + h / 2 + np.sin(angles) * radii * h / 2
    return np.stack([across, down], 1)


def _scene(rng: np.random.Generator, weights: Floats, n: int, width: int, height: int) -> _Scene:
    kinds = min(1 + rng.poisson(2.0), 8)
    present = rng.choice(CLASSES, kinds, replace=False, p=weights)
    classes = rng.choice(present, n)
    size = np.exp(rng.normal(np.log(65), 1.05, n)).clip(4, 600)
    aspect = np.exp(rng.normal(0, 0.5, n))
    w, h = size * np.sqrt(aspect), size / np.sqrt(aspect)
    x = rng.uniform(0, 1, n) * np.maximum(width - w, 1)
    y = rng.uniform(0, 1, n) * np.maximum(height - h, 1)
    boxes = clip(np.stack([x, y, w, h], 1), width, height)
    scene = _Scene(width, height, boxes, classes, present)
    scene.crowd = rng.random(n) < 0.0122
    scene.outlines = [outline(rng, box) for box in boxes]
    return scene


def _truths(scene: _Scene, image: int, first: int) -> Iterator[Json]:
    for offset, (box, corners) in enumerate(zip(scene.boxes, scene.outlines)):
        points = corners.round(2).ravel().tolist()
        crowd = bool(scene.crowd[offset])
        segmentation: Any = [points]
        if crowd:
            runs = from_polygons([points], (scene.height, scene.width)).runs.tolist()
            segmentation = {"size": [scene.height, scene.width], "counts": runs}
            area: float = sum(runs[1::2])
        else:
            area = round(_shoelace(corners), 4)
        yield {
            "id": first + offset,
            "image_id": image,
            "category_id": int(CATEGORY_IDS[scene.classes[offset]]),
            "iscrowd": int(crowd),
            "area": area,
            "bbox": box.tolist(),
            "segmentation": segmentation,
        }


def _shoelace(corners: Floats) -> float:
    x, y = corners.T
    return float(0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))


def _detections(
    rng: np.random.Generator, weights: Floats, scene: _Scene, image: int
) -> Iterator[Json]:
    parts = [_near(rng, scene, number) for number in range(len(scene.boxes))]
    parts.append(_background(rng, weights, scene, sum(len(part[2]) for part in parts)))
    boxes, classes, scores = (np.concatenate(column) for column in zip(*parts))
    best = np.argsort(-scores, kind="stable")[:100]
    boxes = clip(boxes[best], scene.width, scene.height)
    scores = np.round(scores[best], 3)
    for box, kind, score in zip(boxes.tolist(), classes[best], scores.tolist()):
        category = int(CATEGORY_IDS[kind])
        yield {"image_id": image, "category_id": category, "bbox": box, "score": score}


def _near(
    rng: np.random.Generator, scene: _Scene, number: int
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Return detections around one truth: the farther, the less sure."""
    x, y, w, h = scene.boxes[number]
    n = rng.poisson(4.0)
    far = np.abs(rng.normal(0, 0.11, (n,)))
    d = rng.normal(0, 1, (n, 4)) * far[:, None]
    boxes = np.stack(
        [x + d[:, 0] * w, y + d[:, 1] * h, w * np.exp(d[:, 2]), h * np.exp(d[:, 3])], 1
    )
    scores = 1 / (1 + np.exp(-(rng.normal(1.6, 1.3, n) - 9 * far)))
    right = rng.random(n) < 0.85
    classes = np.where(right, scene.classes[number], rng.choice(scene.present, n))
    return boxes, classes, scores


def _background(
    rng: np.random.Generator, weights: Floats, scene: _Scene, taken: int
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Return what fills the image's hundred, anywhere and unsure."""
    n = max(0, 100 - taken)
    size = np.exp(rng.normal(np.log(70), 1.0, n))
    aspect = np.exp(rng.normal(0, 0.5, n))
    w, h = size * np.sqrt(aspect), size / np.sqrt(aspect)
    x = rng.uniform(0, 1, n) * scene.width
    y = rng.uniform(0, 1, n) * scene.height
    likely = rng.random(n) < 0.5
    classes = np.where(likely, rng.choice(scene.present, n), rng.choice(CLASSES, n, p=weights))
    return np.stack([x, y, w, h], 1), classes, rng.beta(1, 12, n)


def segments(problem: Problem) -> Iterator[Json]:
    """Yield the detections as masks: a star-shaped blob in each box, as compressed runs."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in problem.truth["images"]}
    for image, entries in groupby(problem.found, key=lambda entry: entry["image_id"]):
        batch, size = list(entries), sizes[image]
        blobs = [outline(problem.generator, np.array(entry["bbox"])).round(2) for entry in batch]
        texts = to_strings(from_polygons([blob.ravel() for blob in blobs], size))
        for entry, text in zip(batch, texts, strict=True):
            mask = {"size": list(size), "counts": text.decode()}
            ids = {name: entry[name] for name in ("image_id", "category_id")}
            yield {**ids, "segmentation": mask, "score": entry["score"]}

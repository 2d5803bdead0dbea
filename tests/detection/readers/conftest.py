"""One small problem in every format, written by hand: no writer of ours has a part in it.

Coordinates are quarters of a pixel and image sides powers of two, so that parts of an image,
centres, and corners of continuous boxes are exact in every format.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drivetrain.detection.annotations import Detections, GroundTruth

NAMES = ("bird", "cat", "traffic light")
IMAGES = ("a1", "b2", "c3", "d4")
HEIGHT, WIDTH = 256, 512


class Problem:
    """Truths and detections, and each format's text of them."""

    def __init__(self, *, seed: int, whole: bool) -> None:
        rng = np.random.default_rng(seed)
        step = 1.0 if whole else 0.25
        n, m = 24, 60

        def boxes(count: int) -> np.ndarray:
            corner = rng.integers(0, 400, (count, 2)) * [step, step / 2]
            return np.hstack([corner, rng.integers(8, 200, (count, 2)) * step])

        self.images = rng.integers(0, len(IMAGES) - 1, n)
        self.classes = rng.integers(0, len(NAMES), n)
        self.boxes = boxes(n)
        self.difficult = rng.random(n) < 0.2
        # Detections: truths, shifted, and inventions; few scores, so that many tie.
        which = rng.integers(0, n, m)
        near = self.boxes[which] + rng.integers(-3, 4, (m, 4)) * step
        wild = rng.random(m) < 0.3
        self.found_boxes = np.where(wild[:, None], boxes(m), near)
        self.found_images = np.where(wild, rng.integers(0, len(IMAGES), m), self.images[which])
        self.found_classes = np.where(wild, rng.integers(0, len(NAMES), m), self.classes[which])
        self.scores = rng.integers(1, 8, m) / 8
        # Every class occurs, so that formats without lists of classes know all of them.
        self.classes[: len(NAMES)] = range(len(NAMES))

    def truth(self, *, difficult: bool = True) -> GroundTruth:
        ignore = self.difficult if difficult else np.zeros(len(self.boxes), np.bool_)
        return GroundTruth.from_arrays(
            images=self.images + 1,
            categories=self.classes + 1,
            boxes=self.boxes,
            ignore=ignore,
            image_ids=[1, 2, 3, 4],
            category_ids=[1, 2, 3],
            image_names=IMAGES,
            category_names=NAMES,
            image_sizes=np.array([[HEIGHT, WIDTH]] * 4),
        )

    def found(self) -> Detections:
        return Detections.from_arrays(
            images=self.found_images + 1,
            categories=self.found_classes + 1,
            boxes=self.found_boxes,
            scores=self.scores,
        )

    def rows(self) -> list[tuple[str, str, list[float], bool]]:
        return [
            (IMAGES[i], NAMES[k], box, bool(hard))
            for i, k, box, hard in zip(
                self.images, self.classes, self.boxes.tolist(), self.difficult
            )
        ]

    def found_rows(self) -> list[tuple[str, str, list[float], float]]:
        return [
            (IMAGES[i], NAMES[k], box, score)
            for i, k, box, score in zip(
                self.found_images,
                self.found_classes,
                self.found_boxes.tolist(),
                self.scores.tolist(),
            )
        ]


def corners(box: list[float]) -> tuple[float, float, float, float]:
    x, y, w, h = box
    return x + 1, y + 1, x + w, y + h


def voc(problem: Problem, folder: Path) -> tuple[Path, Path]:
    truth, found = folder / "voc", folder / "voc_found"
    truth.mkdir()
    found.mkdir()
    for image in IMAGES:
        things = "".join(
            f"<object><name>{name}</name><difficult>{int(hard)}</difficult><bndbox>"
            + "".join(
                f"<{tag}>{value}</{tag}>"
                for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), corners(box))
            )
            + "</bndbox></object>"
            for one, name, box, hard in problem.rows()
            if one == image
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
        (truth / f"{image}.xml").write_text(f"<annotation>{size}{things}</annotation>")
    for name in NAMES:
        lines = [
            f"{image} {score} " + " ".join(map(str, corners(box))) + "\n"
            for image, one, box, score in problem.found_rows()
            if one == name
        ]
        (found / f"comp4_det_test_{name}.txt").write_text("".join(lines))
    return truth, found


def voc_scored(problem: Problem, folder: Path) -> tuple[Path, Path]:
    truth, _ = voc(problem, folder)
    found = folder / "voc_scored"
    found.mkdir()
    for image in IMAGES:
        things = "".join(
            f"<object><name>{name}</name><confidence>{score}</confidence><bndbox>"
            "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>".format(*corners(box))
            + "</bndbox></object>"
            for one, name, box, score in problem.found_rows()
            if one == image
        )
        (found / f"{image}.xml").write_text(f"<annotation>{things}</annotation>")
    return truth, found


def per_image(folder: Path, lines: dict[str, list[str]]) -> Path:
    folder.mkdir()
    for image in IMAGES:
        (folder / f"{image}.txt").write_text("".join(f"{x}\n" for x in lines.get(image, [])))
    return folder


def yolo(problem: Problem, folder: Path) -> tuple[Path, Path]:
    def line(name: str, box: list[float]) -> str:
        x, y, w, h = box
        values = ((x + w / 2) / WIDTH, (y + h / 2) / HEIGHT, w / WIDTH, h / HEIGHT)
        return " ".join([str(NAMES.index(name)), *map(repr, values)])

    truth: dict[str, list[str]] = {}
    found: dict[str, list[str]] = {}
    for image, name, box, _ in problem.rows():
        truth.setdefault(image, []).append(line(name, box))
    for image, name, box, score in problem.found_rows():
        found.setdefault(image, []).append(f"{line(name, box)} {score}")
    paths = per_image(folder / "yolo", truth), per_image(folder / "yolo_found", found)
    (paths[0] / "classes.txt").write_text("".join(f"{name}\n" for name in NAMES))
    return paths


def padilla(problem: Problem, folder: Path) -> tuple[Path, Path]:
    return _text(problem, folder, tuple, difficult=False)


def cartucho(problem: Problem, folder: Path) -> tuple[Path, Path]:
    return _text(problem, folder, corners, difficult=True)


def _text(
    problem: Problem,
    folder: Path,
    shape: Callable[[list[float]], tuple[float, ...]],
    *,
    difficult: bool,
) -> tuple[Path, Path]:
    truth: dict[str, list[str]] = {}
    found: dict[str, list[str]] = {}
    for image, name, box, hard in problem.rows():
        words = [name, *map(str, shape(box)), *(["difficult"] if hard and difficult else [])]
        truth.setdefault(image, []).append(" ".join(words))
    for image, name, box, score in problem.found_rows():
        found.setdefault(image, []).append(" ".join([name, str(score), *map(str, shape(box))]))
    return per_image(folder / "text", truth), per_image(folder / "text_found", found)


def csv(problem: Problem, folder: Path) -> tuple[Path, Path]:
    truth, found = folder / "truth.csv", folder / "found.csv"
    head = "image,class,x,y,w,h"
    lines = [
        f"{image},{name},{','.join(map(repr, box))},{int(hard)}"
        for image, name, box, hard in problem.rows()
    ]
    truth.write_text("\n".join([f"{head},difficult", *lines, f"{IMAGES[-1]},,,,,,"]) + "\n")
    lines = [
        f"{image},{name},{','.join(map(repr, box))},{score}"
        for image, name, box, score in problem.found_rows()
    ]
    found.write_text("\n".join([f"{head},score", *lines]) + "\n")
    return truth, found


def csv_corners(problem: Problem, folder: Path) -> tuple[Path, Path]:
    truth, found = folder / "truth.csv", folder / "found.csv"

    def cells(box: list[float]) -> str:
        x, y, w, h = box
        return f"{x};{y};{x + w};{y + h}"

    lines = [
        f'"{image}";"{name}";{cells(box)};{"TRUE" if hard else "false"};{WIDTH};{HEIGHT}'
        for image, name, box, hard in problem.rows()
    ]
    head = "Filename;Label;XMin;YMin;XMax;YMax"
    head_truth = f"{head};Difficult;width;height"
    truth.write_text("\r\n".join([head_truth, *lines, f"{IMAGES[-1]};;;;;;;;"]))
    lines = [
        f"{image};{name};{cells(box)};{score}" for image, name, box, score in problem.found_rows()
    ]
    found.write_bytes(("\ufeff" + "\n".join([f"{head};Conf", *lines])).encode())
    return truth, found


def parquet(problem: Problem, folder: Path) -> tuple[Path, Path]:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    truth, found = folder / "truth.parquet", folder / "found.parquet"

    def table(images: np.ndarray, classes: np.ndarray, boxes: np.ndarray, **more: np.ndarray):
        named = {"image": [IMAGES[i] for i in images], "class": [NAMES[k] for k in classes]}
        placed = {name: boxes[:, i] for i, name in enumerate("xywh")}
        return arrow.table(named | placed | more)

    files.write_table(
        table(problem.images, problem.classes, problem.boxes, difficult=problem.difficult), truth
    )
    files.write_table(
        table(
            problem.found_images, problem.found_classes, problem.found_boxes, score=problem.scores
        ),
        found,
    )
    return truth, found


def openimages(problem: Problem, folder: Path) -> tuple[Path, Path]:
    truth, found = folder / "truth.csv", folder / "found.csv"

    def cells(image: str, name: str, box: list[float]) -> str:
        x, y, w, h = box
        sides = (x / WIDTH, (x + w) / WIDTH, y / HEIGHT, (y + h) / HEIGHT)
        return f"{image},{name},{','.join(map(repr, sides))}"

    lines = [f"{cells(image, name, box)},0" for image, name, box, _ in problem.rows()]
    head = "ImageID,LabelName,XMin,XMax,YMin,YMax"
    truth.write_text("\n".join([f"{head},IsGroupOf", *lines]))
    lines = [f"{cells(*row[:3])},{row[3]}" for row in problem.found_rows()]
    found.write_text("\n".join([f"{head},Score", *lines]))
    return truth, found


def coco(problem: Problem, folder: Path) -> tuple[Path, Path]:
    truth, found = folder / "truth.json", folder / "found.json"
    document = {
        "images": [
            {"id": i + 1, "file_name": f"{name}.jpg", "height": HEIGHT, "width": WIDTH}
            for i, name in enumerate(IMAGES)
        ],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(NAMES)],
        "annotations": [
            {
                "id": row + 1,
                "image_id": IMAGES.index(image) + 1,
                "category_id": NAMES.index(name) + 1,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
                "ignore": int(hard),
            }
            for row, (image, name, box, hard) in enumerate(problem.rows())
        ],
    }
    truth.write_text(json.dumps(document))
    results = [
        {
            "image_id": IMAGES.index(image) + 1,
            "category_id": NAMES.index(name) + 1,
            "bbox": box,
            "score": score,
        }
        for image, name, box, score in problem.found_rows()
    ]
    found.write_text(json.dumps(results))
    return truth, found


Maker = Callable[[Problem, Path], tuple[Path, Path]]

MAKERS: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        coco,
        voc,
        voc_scored,
        yolo,
        padilla,
        cartucho,
        csv,
        csv_corners,
        parquet,
        openimages,
    )
}

# What must be told: only what nobody could see in the files.
TOLD: dict[str, dict[str, object]] = {
    "cartucho": {"format": "cartucho"},
    "parquet": {"images": IMAGES},
    "openimages": {"images": IMAGES, "sizes": dict.fromkeys(IMAGES, (HEIGHT, WIDTH))},
    "yolo": {"sizes": dict.fromkeys(IMAGES, (HEIGHT, WIDTH))},
}


@pytest.fixture(params=sorted(MAKERS))
def format_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make() -> Callable[..., tuple[Problem, Path, Path, dict[str, object]]]:
    """Return a function that writes a problem: (problem, path of truths, of detections, told)."""

    def made(
        name: str, folder: Path, *, seed: int = 0, whole: bool = False
    ) -> tuple[Problem, Path, Path, dict[str, object]]:
        problem = Problem(seed=seed, whole=whole)
        truth, found = MAKERS[name](problem, folder)
        return problem, truth, found, TOLD.get(name, {})

    return made

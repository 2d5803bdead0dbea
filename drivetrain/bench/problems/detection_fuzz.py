"""Small hostile COCO problems: ties, grids, crowds, id 0, odd scores, odd settings, odd files."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np

Task = Literal["bbox", "segm", "keypoints"]
Entry = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class FuzzProblem:
    """One problem as COCO's dictionaries.

    Attributes:
        task: ``bbox``, ``segm`` or ``keypoints``.
        truth: The data set's JSON.
        found: The results' JSON, never empty.
        settings: Attributes of COCOeval's ``params`` that differ from their defaults.
    """

    task: Task
    truth: Entry
    found: list[Entry]
    settings: dict[str, Any] = field(default_factory=dict)


def fuzz_problem(task: Task, seed: int, *, tame: bool = False) -> FuzzProblem:
    """Return the problem of that seed; the same one each time.

    Args:
        task: What is compared.
        seed: Which problem.
        tame: Nothing that a reader would refuse: no NaN, no unknown or repeated or text ids, no
            mask of another size than its image; and classes in rising order.

    Example:
        >>> problem = fuzz_problem("bbox", 3)
        >>> problem.task, problem == fuzz_problem("bbox", 3)
        ('bbox', True)
    """
    return _Maker(task, np.random.default_rng([seed, len(task)]), tame).problem()


class _Maker:
    def __init__(self, task: Task, rng: np.random.Generator, tame: bool) -> None:
        self.task = task
        self.tame = tame
        self.rng = rng
        self.size = (int(rng.integers(1, 50)), int(rng.integers(1, 50)))
        self.grid = bool(rng.random() < 0.4)
        self.span = float(rng.choice([60.0, 200.0]))
        self.n_keypoints = int(rng.choice([1, 2, 5, 17]))
        self.images = self._ids(int(rng.integers(1, 6)), lowest=int(rng.integers(0, 2)))
        self.classes = self._ids(int(rng.integers(1, 5)), lowest=int(rng.integers(0, 2)))
        # The results' kind follows from the first entry, so it is one for all of them.
        # pycocotools takes a box's area before a mask's, which is not what a mask's task means.
        self.with_box = task == "bbox" or (bool(rng.random() < 0.3) and not tame)
        self.wild = bool(rng.random() < 0.3) and not tame

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, values: list[Any]) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def _ids(self, n: int, *, lowest: int) -> list[int]:
        return [int(i) for i in np.cumsum(self.rng.integers(1, 4, n)) - 1 + lowest]

    def problem(self) -> FuzzProblem:
        anns = self._annotations()
        found = [self._result(anns) for _ in range(int(self.rng.integers(1, 90)))]
        height, width = self.size
        images = [{"id": i, "height": height, "width": width} for i in self.images]
        classes = [{"id": k, "name": f"class {k}"} for k in self.classes]
        if self.chance(0.3):
            self.rng.shuffle(images)
            self.rng.shuffle(classes)
        truth = {"info": {}, "images": images, "categories": classes, "annotations": anns}
        problem = FuzzProblem(task=self.task, truth=truth, found=found, settings=self._settings())
        return _with_text_ids(problem) if self.chance(0.03) and not self.tame else problem

    # Annotations and results.

    def _annotations(self) -> list[Entry]:
        n = int(self.rng.integers(0, 40))
        ids = [int(i) for i in np.arange(n) + int(self.rng.integers(0, 2))]
        if self.chance(0.2):
            self.rng.shuffle(ids)
        if n > 2 and self.chance(0.08) and not self.tame:
            ids[0] = ids[-1]
        if n and self.chance(0.1):
            ids[-1] = 2**40 + 1
        return [self._annotation(key) for key in ids]

    def _annotation(self, key: int) -> Entry:
        box = self._box()
        entry: Entry = {
            "id": key,
            "image_id": self.pick(self.images),
            "category_id": self.pick(self.classes),
            "bbox": box,
            "area": self._area(box),
            "iscrowd": int(self.chance(0.15)),
        }
        if self.wild and self.chance(0.1):
            entry["category_id"] = 10_000
        # A polygon on an unknown image can have no size; pycocotools looks it up all the same.
        if self.wild and self.task != "segm" and self.chance(0.05):
            entry["image_id"] = 10_000
        if self.wild and self.chance(0.3):
            entry["ignore"] = int(self.chance(0.5))
        if self.task == "segm" or self.chance(0.1):
            entry["segmentation"] = self._segmentation(box)
        if self.task == "keypoints":
            points = self._keypoints(box)
            seen = sum(v > 0 for v in points[2::3])
            entry["keypoints"] = points
            entry["num_keypoints"] = int(self.chance(0.5)) if self.chance(0.1) else seen
        return entry

    def _result(self, anns: list[Entry]) -> Entry:
        near = self.pick(anns) if anns and self.chance(0.75) else None
        known = near is not None and near["image_id"] in self.images
        entry: Entry = {
            "image_id": near["image_id"] if near and known else self.pick(self.images),
            "category_id": near["category_id"] if near else self.pick(self.classes),
            "score": self._score(),
        }
        if self.wild and self.chance(0.05):
            entry["category_id"] = 20_000
        box = self._jittered(near["bbox"]) if near else self._box()
        if self.with_box:
            entry["bbox"] = box
        if self.task == "segm":
            entry["segmentation"] = self._found_segmentation(near, box)
        if self.task == "keypoints":
            entry["keypoints"] = self._found_keypoints(near, box)
        return entry

    def _box(self) -> list[float]:
        if self.grid:
            corner, size = self.rng.integers(0, 5, 2) * 16.0, self.rng.integers(1, 5, 2) * 16.0
        else:
            corner = self.rng.uniform(0, self.span / 2, 2)
            size = self.rng.uniform(0, self.span, 2)
        box = [float(v) for v in (*corner, *size)]
        if self.chance(0.03):
            box[int(self.rng.integers(2, 4))] = 0.0
        return [int(v) for v in box] if self.chance(0.1) else box

    def _jittered(self, box: list[float]) -> list[float]:
        if self.chance(0.35):
            return list(box)
        moved = np.array(box, np.float64) + self.rng.normal(0, self.pick([1.0, 6.0]), 4)
        return [float(v) for v in np.maximum(0, moved)]

    def _area(self, box: list[float]) -> float:
        whole = box[2] * box[3]
        return self.pick([whole, whole, whole * self.rng.uniform(0.3, 1), 1024.0, 9216, 0, 1e6])

    def _score(self) -> float:
        common = [round(self.rng.random(), 1), self.rng.random(), 0.5, 1]
        rare = [0.0, -0.0, 1e-300, -self.rng.random(), 5e-324, 1e300]
        never = [float("nan"), float("inf"), float("-inf")]
        if self.wild and self.chance(0.1):
            return float(self.pick(never))
        return float(self.pick(rare)) if self.chance(0.1) else self.pick(common)

    # Masks.

    def _segmentation(self, box: list[float]) -> Any:
        if self.chance(0.5):
            return [self._polygon(box) for _ in range(int(self.rng.integers(1, 4)))]
        return run_length(self._pixels(box), compressed=self.chance(0.5))

    def _found_segmentation(self, near: Entry | None, box: list[float]) -> Any:
        if not self.with_box:
            same = near is not None and isinstance(near["segmentation"], dict)
            if (
                same
                and near
                and isinstance(near["segmentation"]["counts"], str)
                and self.chance(0.4)
            ):
                return near["segmentation"]
            return run_length(self._pixels(box), compressed=True)
        if near is not None and self.chance(0.4):
            return near["segmentation"]
        return self._segmentation(box)

    def _polygon(self, box: list[float]) -> list[float]:
        n = int(self.rng.integers(3, 8))
        unit = self.rng.random((n, 2)) * 1.2 - 0.1
        unit = np.round(unit * 4) / 4 if self.grid else unit
        points = np.array(self._inside(box[:2])) + unit * self._inside(box[2:])
        return [float(v) for v in points.reshape(-1)]

    def _inside(self, pair: list[float]) -> Any:
        return np.array(pair) * np.array(self.size[::-1]) / self.span

    def _pixels(self, box: list[float]) -> np.ndarray:
        height, width = self.size
        if self.chance(0.05) and not self.tame:
            height += 1
        pixels = np.zeros((height, width), np.bool_)
        (x, y), (w, h) = (
            self._inside(box[:2]).astype(int),
            np.ceil(self._inside(box[2:])).astype(int),
        )
        pixels[y : y + h, x : x + w] = True
        if self.chance(0.4):
            pixels &= self.rng.random(pixels.shape) < 0.9
        return pixels

    # Keypoints.

    def _keypoints(self, box: list[float]) -> list[float]:
        at = np.array(box[:2]) + self.rng.random((self.n_keypoints, 2)) * box[2:]
        seen = self.rng.integers(0, 3, (self.n_keypoints, 1)) * (not self.chance(0.15))
        points = np.round(np.hstack([at, seen])).reshape(-1).tolist()
        return [int(v) for v in points] if self.chance(0.5) else points

    def _found_keypoints(self, near: Entry | None, box: list[float]) -> list[float]:
        if near is None:
            return self._keypoints(box)
        if self.chance(0.3):
            return list(near["keypoints"])
        points = np.array(near["keypoints"], np.float64).reshape(-1, 3)
        points[:, :2] += self.rng.normal(0, self.pick([1.0, 5.0, 20.0]), (len(points), 2))
        return [float(v) for v in points.reshape(-1)]

    # Settings.

    def _settings(self) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        if self.task == "keypoints" and (self.n_keypoints != 17 or self.chance(0.2)):
            chosen["kpt_oks_sigmas"] = self.rng.uniform(0.02, 0.2, self.n_keypoints)
        if self.chance(0.4):
            chosen["maxDets"] = self.pick(
                [
                    [1, 2, 3],
                    [5, 10, 20],
                    [100, 10, 1],
                    [2, 2, 100],
                    [3, 100, 300],
                    [1, 10, 100, 500],
                ]
            )
        if self.chance(0.15):
            chosen["iouThrs"] = self.pick(
                [
                    np.array([0.5]),
                    np.array([0.75, 0.5]),
                    np.array([0.1, 0.3, 0.5, 0.5, 1.0]),
                    np.linspace(0.05, 1, 20),
                ]
            )
        if self.chance(0.15):
            chosen["recThrs"] = self.pick(
                [
                    np.linspace(0, 1, 11),
                    np.array([0.0]),
                    np.array([0.5, 0.2, 1.0]),
                    np.arange(11) / 10,
                ]
            )
        if self.chance(0.15):
            chosen["areaRng"] = [[0, 1e10], [0, 64], [64, 1024.0], [1024, 5000], [10, 10]]
            chosen["areaRngLbl"] = ["all", "small", "medium", "large", "odd"]
        return {**chosen, **self._subsets()}

    def _subsets(self) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        if self.chance(0.15):
            chosen["imgIds"] = [self.pick([*self.images, 30_000]) for _ in self.images]
        if self.chance(0.15):
            chosen["catIds"] = [self.pick([*self.classes, 10_000]) for _ in self.classes]
            if self.tame:
                chosen["catIds"] = sorted(set(chosen["catIds"]))
        # Pooled keypoints are never compared by pycocotools: a fault, not a rule.
        if self.chance(0.15) and not (self.tame and self.task == "keypoints"):
            chosen["useCats"] = 0
        return chosen


def _with_text_ids(problem: FuzzProblem) -> FuzzProblem:
    """The same with texts for ids of images."""
    entries = [*problem.truth["annotations"], *problem.found]
    for entry in problem.truth["images"]:
        entry["id"] = f"{entry['id']}.jpg"
    for entry in entries:
        entry["image_id"] = f"{entry['image_id']}.jpg"
    if "imgIds" in problem.settings:
        problem.settings["imgIds"] = [f"{i}.jpg" for i in problem.settings["imgIds"]]
    return problem


def run_length(pixels: np.ndarray, *, compressed: bool) -> Entry:
    """Return a mask as COCO's runs, column by column, from the count of leading zeros.

    Example:
        >>> run_length(np.array([[0, 1], [1, 1]], bool), compressed=False)
        {'size': [2, 2], 'counts': [1, 3]}
        >>> run_length(np.array([[0, 1], [1, 1]], bool), compressed=True)
        {'size': [2, 2], 'counts': '13'}
    """
    flat = pixels.reshape(-1, order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    edges = [0, *ends.tolist(), len(flat)]
    counts = [b - a for a, b in pairwise(edges)]
    counts = [0, *counts] if flat[0] else counts
    size = [int(n) for n in pixels.shape]
    return {"size": size, "counts": _letters(counts) if compressed else counts}


def _letters(counts: list[int]) -> str:
    """COCO's text of runs: 5 bits a letter from 48 on; from the fourth run on, differences."""
    text = []
    for at, count in enumerate(counts):
        rest = count - counts[at - 2] if at > 2 else count
        more = True
        while more:
            bits, rest = rest & 31, rest >> 5
            more = rest != (-1 if bits & 16 else 0)
            text.append(chr(48 + bits + 32 * more))
    return "".join(text)

"""The matrix of bad input: refused in words by default, counted and survived when lenient.

The toy problem has AP .7833 when nothing is wrong with it. Its classes: of two truths one is
found first try, the other behind a false one; and a single truth, found with IoU 28/30.
"""

import copy
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drivetrain.detection import evaluate
from drivetrain.detection.styles import STYLES

NAN, INF = float("nan"), float("inf")
WHOLE = 0.7833
#: The first truth is missed: class a falls from 2/3 to 51/101 of a half.
MISSED = 0.5762
#: The first truth is missed because nothing can find it; its detection is a false one on top.
UNFINDABLE = 0.5342
#: The best detection outranks the false one.
OUTRANKS = 0.8675

Problem = tuple[dict[str, Any], list[dict[str, Any]]]


def toy() -> Problem:
    def ann(key: int, image: int, category: int, box: list[float]) -> dict[str, Any]:
        area = box[2] * box[3]
        return {"id": key, "image_id": image, "category_id": category, "bbox": box} | {
            "area": area,
            "iscrowd": 0,
        }

    def det(image: int, category: int, box: list[float], score: float) -> dict[str, Any]:
        return {"image_id": image, "category_id": category, "bbox": box, "score": score}

    truth = {
        "info": {},
        "images": [{"id": 1, "width": 100, "height": 100}, {"id": 2, "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [
            ann(1, 1, 1, [10, 10, 20, 20]),
            ann(2, 1, 2, [40, 40, 30, 30]),
            ann(3, 2, 1, [0, 0, 50, 50]),
        ],
    }
    found = [
        det(1, 1, [10, 10, 20, 20], 0.9),
        det(1, 2, [40, 40, 30, 28], 0.8),
        det(2, 1, [0, 0, 50, 50], 0.7),
        det(2, 1, [60, 60, 5, 5], 0.95),
    ]
    return truth, found


@dataclass(frozen=True)
class Case:
    """One way to spoil the toy problem.

    Attributes:
        spoil: Does it, given annotations and results.
        ap: AP when lenient; NaN where there is no answer.
        kind: Slug of the issue that tells of it; None where nothing is wrong.
        says: What the error says by default; None where the value is kept or its repair exact.
    """

    spoil: Callable[[list[dict[str, Any]], list[dict[str, Any]]], Any]
    ap: float
    kind: str | None
    says: str | None = None


CASES = {
    "nothing": Case(lambda anns, dets: None, WHOLE, None),
    "NaN score": Case(
        lambda anns, dets: dets[0].update(score=NAN), MISSED, "nan-score", "entry 0.*score is NaN"
    ),
    "infinite score": Case(
        lambda anns, dets: dets[0].update(score=INF), OUTRANKS, "infinite-score", "entry 0.*inf"
    ),
    "NaN box": Case(
        lambda anns, dets: dets[0].update(bbox=[NAN, 10, 20, 20]),
        MISSED,
        "nan-box",
        "entry 0.*finite",
    ),
    "infinite box": Case(
        lambda anns, dets: dets[0].update(bbox=[10, 10, INF, 20]),
        MISSED,
        "nan-box",
        "entry 0.*finite",
    ),
    "negative width": Case(
        lambda anns, dets: dets[0].update(bbox=[10, 10, -20, 20]),
        MISSED,
        "negative-box",
        "entry 0.*width -20",
    ),
    "zero-size truth": Case(
        lambda anns, dets: anns[0].update(bbox=[10, 10, 0, 0], area=0), UNFINDABLE, "zero-size"
    ),
    "result on an unknown image": Case(
        lambda anns, dets: dets.append({**dets[3], "image_id": 99, "score": 0.99}),
        WHOLE,
        "unknown-image",
        r"entry 4 \(id 99\).*image 99",
    ),
    "result of an unknown category": Case(
        lambda anns, dets: dets.append({**dets[3], "category_id": 77, "score": 0.99}),
        WHOLE,
        "unknown-category",
        "entry 4.*category 77",
    ),
    "truth on an unknown image": Case(
        lambda anns, dets: anns.append({**anns[0], "id": 9, "image_id": 55}),
        WHOLE,
        "unknown-image",
        "entry 3.*image 55",
    ),
    "truth of an unknown category": Case(
        lambda anns, dets: anns.append({**anns[0], "id": 9, "category_id": 55}),
        WHOLE,
        "unknown-category",
        "entry 3.*category 55",
    ),
    "no results": Case(lambda anns, dets: dets.clear(), 0.0, "empty-detections"),
    "no truths": Case(lambda anns, dets: anns.clear(), NAN, "empty-truth"),
    "duplicate id": Case(
        lambda anns, dets: anns[1].update(id=1), WHOLE, "duplicate-id", r"entry 1 \(id 1\)"
    ),
    "id 0": Case(lambda anns, dets: anns[0].update(id=0), WHOLE, "zero-id"),
    "ignore": Case(lambda anns, dets: anns[0].update(ignore=1), WHOLE, None),
    "missing iscrowd": Case(
        lambda anns, dets: [ann.pop("iscrowd") for ann in anns], WHOLE, "missing-iscrowd"
    ),
    "missing area": Case(
        lambda anns, dets: [ann.pop("area") for ann in anns], WHOLE, "missing-area"
    ),
    "missing score": Case(
        lambda anns, dets: dets[0].pop("score"), MISSED, "missing-score", "entry 0.*score"
    ),
    "missing box": Case(
        lambda anns, dets: dets[0].pop("bbox"), MISSED, "missing-bbox", "entry 0.*bbox"
    ),
    "missing image": Case(
        lambda anns, dets: dets[0].pop("image_id"), MISSED, "missing-image-id", "entry 0.*image_id"
    ),
    "a word for a score": Case(
        lambda anns, dets: dets[0].update(score="high"), MISSED, "bad-score", "entry 0.*score"
    ),
    "three numbers for a box": Case(
        lambda anns, dets: dets[0].update(bbox=[10, 10, 20]), MISSED, "bad-bbox", "entry 0.*bbox"
    ),
}


def spoilt(name: str) -> Problem:
    truth, found = copy.deepcopy(toy())
    CASES[name].spoil(truth["annotations"], found)
    return truth, found


def given(problem: Problem, route: str, folder: Path) -> tuple[Any, Any]:
    """Return the problem as dictionaries, or as the paths of files."""
    if route == "dictionaries":
        return problem
    for name, content in zip(("truth.json", "found.json"), problem):
        (folder / name).write_text(json.dumps(content))
    return folder / "truth.json", folder / "found.json"


ROUTES = ("dictionaries", "files")
every = pytest.mark.parametrize("name", CASES)
routes = pytest.mark.parametrize("route", ROUTES)


@routes
@every
def test_lenient_survives_and_tells(name: str, route: str, tmp_path: Path) -> None:
    case = CASES[name]
    truth, found = given(spoilt(name), route, tmp_path)
    for backend in ("numba", "reference"):
        result = evaluate(truth, found, lenient=True, backend=backend)
        kinds = {issue.kind for issue in result.issues}
        assert case.kind is None or case.kind in kinds
        assert case.kind is not None or not kinds
        if math.isnan(case.ap):
            with pytest.warns(match="NaN|no truth|nothing to find"):
                assert math.isnan(result.ap)
        else:
            assert round(result.ap, 4) == case.ap


@routes
@every
def test_by_default_a_defect_is_an_error_that_names_it(
    name: str, route: str, tmp_path: Path
) -> None:
    case = CASES[name]
    truth, found = given(spoilt(name), route, tmp_path)
    if case.says is not None:
        with pytest.raises(ValueError, match=re.compile(case.says, re.S)):
            evaluate(truth, found)
    elif not math.isnan(case.ap):
        assert round(evaluate(truth, found).ap, 4) == case.ap


@routes
def test_texts_for_ids_work(route: str, tmp_path: Path) -> None:
    truth, found = toy()
    for entry in truth["images"]:
        entry["id"] = f"{entry['id']}.jpg"
    for entry in [*truth["annotations"], *found]:
        entry["image_id"] = f"{entry['image_id']}.jpg"
    assert round(evaluate(*given((truth, found), route, tmp_path)).ap, 4) == WHOLE


def test_ignore_is_honoured_where_the_style_says() -> None:
    from dataclasses import replace

    style = replace(STYLES["coco"], honour_ignore=True)
    truth, found = spoilt("ignore")
    # One truth left in class a, behind the false detection, and its first detection ignored.
    assert round(evaluate(truth, found, style=style).ap, 4) == round((0.5 + 0.9) / 2, 4)


@pytest.mark.parametrize("file", ["truth.json", "found.json"])
@pytest.mark.parametrize("lenient", [False, True])
def test_a_truncated_file_is_an_error_at_its_byte(file: str, lenient: bool, tmp_path: Path) -> None:
    truth, found = given(toy(), "files", tmp_path)
    whole = (tmp_path / file).read_bytes()
    for keep in (0, 1, len(whole) // 2, len(whole) - 1):
        (tmp_path / file).write_bytes(whole[:keep])
        with pytest.raises(ValueError, match=rf"{file}.*"):
            evaluate(truth, found, lenient=lenient)


def test_a_wrong_style_is_named() -> None:
    with pytest.raises(ValueError, match="Did you mean 'coco'"):
        evaluate(*toy(), style="cocoo")
    with pytest.raises(ValueError, match="Did you mean 'bbox'"):
        evaluate(*toy(), task="box")

"""Files that are not in order: what each evaluator makes of them."""

import copy
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drivetrain.detection import evaluate
from drivetrain.gallery.detection_figures.peers import answer, installed
from drivetrain.gallery.page.section import Figure, Number, Table

Json = dict[str, Any]
RIGHT = 0.7833


def _truth(id: int, image: int, category: int, box: list[float]) -> Json:
    area = box[2] * box[3]
    return {
        "id": id,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": area,
        "iscrowd": 0,
    }


def _found(image: int, category: int, box: list[float], score: float) -> Json:
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


_GOOD: Json = {
    "info": {},
    "images": [{"id": n, "width": 100, "height": 100} for n in (1, 2)],
    "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    "annotations": [
        _truth(1, 1, 1, [10, 10, 20, 20]),
        _truth(2, 1, 2, [40, 40, 30, 30]),
        _truth(3, 2, 1, [0, 0, 50, 50]),
    ],
}
_SAID = [
    _found(1, 1, [10, 10, 20, 20], 0.9),
    _found(1, 2, [40, 40, 30, 28], 0.8),
    _found(2, 1, [0, 0, 50, 50], 0.7),
    _found(2, 1, [60, 60, 5, 5], 0.95),
]


def _as_text(data: Json, said: list[Json]) -> None:
    for one in data["images"]:
        one["id"] = str(one["id"])
    for one in (*data["annotations"], *said):
        one["image_id"] = str(one["image_id"])


def _drop(rows: list[Json], name: str) -> None:
    for row in rows:
        del row[name]


Spoil = Callable[[Json, list[Json]], object]
CASES: dict[str, Spoil] = {
    "nothing wrong": lambda data, said: None,
    "NaN score": lambda data, said: said[0].update(score=math.nan),
    "infinite score of the best": lambda data, said: said[0].update(score=math.inf),
    "NaN in a box": lambda data, said: said[0].update(bbox=[math.nan, 10, 20, 20]),
    "negative width": lambda data, said: said[0].update(bbox=[10, 10, -20, 20]),
    "truth without size": lambda data, said: data["annotations"][0].update(
        bbox=[10, 10, 0, 0], area=0
    ),
    "detection of an unknown image": lambda data, said: said.append(
        _found(99, 1, [0, 0, 5, 5], 0.99)
    ),
    "detection of an unknown class": lambda data, said: said.append(
        _found(1, 77, [0, 0, 5, 5], 0.99)
    ),
    "truth of an unknown image": lambda data, said: data["annotations"].append(
        _truth(9, 55, 1, [0, 0, 5, 5])
    ),
    "truth of an unknown class": lambda data, said: data["annotations"].append(
        _truth(9, 1, 55, [0, 0, 5, 5])
    ),
    "no detections": lambda data, said: said.clear(),
    "no truths": lambda data, said: data["annotations"].clear(),
    "annotation id used twice": lambda data, said: data["annotations"][1].update(id=1),
    "annotation id 0": lambda data, said: data["annotations"][0].update(id=0),
    "ignore flag": lambda data, said: data["annotations"][0].update(ignore=1),
    "no iscrowd": lambda data, said: _drop(data["annotations"], "iscrowd"),
    "no area": lambda data, said: _drop(data["annotations"], "area"),
    "a score is missing": lambda data, said: said[0].pop("score"),
    "image ids are text": _as_text,
}


def figure(seed: int) -> Figure:
    """Return the figure: a row a fault, ours beside each evaluator that is installed."""
    judges = installed()
    rows, named = [], dict.fromkeys(("ours", *judges), 0)
    with tempfile.TemporaryDirectory() as folder:
        for case, spoil in CASES.items():
            paths = _spoilt(Path(folder), spoil)
            told, cells = _strict(*paths), []
            # A number alone, without a kind of finding behind it, names nothing.
            named["ours"] += " " in told
            for name, judge in judges.items():
                said = answer(judge, *paths)
                value = said.raised if said.numbers is None else _shown(float(said.numbers[0]))
                cells.append(value + ", warned" * (said.warned and not said.raised))
                named[name] += bool(said.raised) or said.warned
            rows.append((case, _lenient(*paths), *cells, told))
    ours = named.pop("ours")
    return Figure(
        title="Files that are not in order: named by entry and id, not turned into a number",
        caption=f"AP of a toy problem whose right answer is {RIGHT}. By default ours stops at the "
        "first entry that cannot be judged, with the words of the last column; leniently it "
        "counts, drops or repairs it, and lists what it did. A name in another evaluator's column "
        "is what it raised; most of their numbers come without a word.",
        table=Table(
            header=("fault", "ours, lenient", *judges, "ours, by default"),
            rows=tuple(rows),
            note=""
            if judges
            else "No other evaluator is installed: pip install 'drivetrain[peers]'.",
        ),
        numbers=tuple(
            Number(
                what="faults named, by an error, a warning or a finding",
                ours=str(ours),
                reference=str(count),
                source=f"{name}, of {len(CASES) - 1}",
            )
            for name, count in named.items()
        ),
    )


def _spoilt(folder: Path, spoil: Spoil) -> tuple[Path, Path]:
    data, said = copy.deepcopy(_GOOD), copy.deepcopy(_SAID)
    spoil(data, said)
    paths = folder / "gt.json", folder / "dt.json"
    for path, held in zip(paths, (data, said), strict=True):
        path.write_text(json.dumps(held), encoding="utf8")
    return paths


def _strict(truth: Path, found: Path) -> str:
    try:
        result = evaluate(truth, found)
    except ValueError as error:
        words = str(error).replace(f"{truth.parent}/", "")
        return words if len(words) < 110 else words[:107] + "..."
    return f"{_shown(result.summary['AP'])}{_kinds(result.issues.counts)}"


def _lenient(truth: Path, found: Path) -> str:
    try:
        result = evaluate(truth, found, lenient=True)
    except ValueError:
        return "ValueError"
    return _shown(result.summary["AP"]) + _kinds(result.issues.counts)


def _kinds(counts: dict[str, int]) -> str:
    return f" ({', '.join(counts)})" if counts else ""


def _shown(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.4f}"

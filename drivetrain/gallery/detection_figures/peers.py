"""The other evaluators that are installed, and files for them to read."""

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivetrain.bench.peers.cocoeval import EVALUATORS, Evaluator
from drivetrain.core.errors import MissingDependency, require
from drivetrain.detection import Detections, GroundTruth
from drivetrain.detection.annotations import Floats


def installed() -> dict[str, Evaluator]:
    """Return the evaluators that are installed, by name."""
    found: dict[str, Evaluator] = {}
    for one in EVALUATORS:
        try:
            require(one.judge_module, "drivetrain[peers]")
        except MissingDependency:
            continue
        found[one.name] = one
    return found


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an evaluator made of two files.

    Attributes:
        numbers: The twelve numbers; None where it raised.
        raised: Name of what it raised, or an empty string.
        warned: Whether it said anything on the way.
    """

    numbers: Floats | None = None
    raised: str = ""
    warned: bool = False


def answer(judge: Evaluator, truth: Path, found: Path) -> Answer:
    """Return what an evaluator says of two files, and whether it warned."""
    with warnings.catch_warnings(record=True) as told, _silenced() as said:
        warnings.simplefilter("always")
        try:
            numbers, raised = judge.numbers(truth, found), ""
        except (KeyboardInterrupt, SystemExit):
            raise
        # A panic in Rust is no Exception.
        except BaseException as error:
            numbers, raised = None, type(error).__name__
    # Its own code may be deprecated by numpy, which says nothing about the files.
    about = [one for one in told if issubclass(one.category, UserWarning)]
    return Answer(numbers=numbers, raised=raised, warned=bool(about) or any(said))


@contextmanager
def _silenced() -> Iterator[list[bytes]]:
    """Keep what is written on standard error, by compiled code too; it is there at the end."""
    said: list[bytes] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        said.append(file.read())


def write(folder: Path, truth: GroundTruth, found: Detections, name: str) -> tuple[Path, Path]:
    """Write truths and detections as COCO JSON; return the two paths."""
    paths = folder / "truth.json", folder / f"{name}.json"
    paths[0].write_text(json.dumps(_truths(truth)), encoding="utf8")
    listed = [
        {"image_id": image, "category_id": category, "bbox": box, "score": score}
        for image, category, box, score in zip(
            found.images.tolist(),
            found.categories.tolist(),
            found.boxes.tolist(),
            found.scores.tolist(),
            strict=True,
        )
    ]
    paths[1].write_text(json.dumps(listed), encoding="utf8")
    return paths


def _truths(truth: GroundTruth) -> dict[str, Any]:
    names = truth.category_names
    rows = zip(
        truth.ids.tolist(),
        truth.images.tolist(),
        truth.categories.tolist(),
        truth.boxes.tolist(),
        truth.areas.tolist(),
        truth.crowd.tolist(),
        strict=True,
    )
    return {
        "info": {},
        "images": [{"id": image} for image in truth.image_ids.tolist()],
        "categories": [
            {"id": one, "name": name}
            for one, name in zip(truth.category_ids.tolist(), names, strict=True)
        ],
        "annotations": [
            {
                "id": one,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "area": area,
                "iscrowd": int(crowd),
            }
            for one, image, category, box, area, crowd in rows
        ],
    }

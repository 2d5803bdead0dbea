"""Bit for bit pycocotools: precision, recall, scores and the printed numbers of hostile problems.

Each problem goes four ways: COCOeval's names and ``evaluate``, by the kernels and by the
definitions. A few hundred here; the ten thousand of each task under ``-m slow``.
"""

import contextlib
import copy
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.bench.problems.detection_fuzz import FuzzProblem, fuzz_problem
from drivetrain.core import backend
from drivetrain.detection import evaluate
from drivetrain.detection.compat import COCO, COCOeval
from drivetrain.detection.styles import STYLES, Style

pytestmark = pytest.mark.peer

TASKS = ("bbox", "segm", "keypoints")
BACKENDS = ("numba", "reference")
TABLES = ("precision", "recall", "scores")
KEYPOINT_AREAS = tuple(a for a in STYLES["coco"].areas if a[0] != "small")


def evaluated(problem: FuzzProblem, data: Any, judge: Any, folder: Path | None = None) -> Any:
    """Run what every script runs, on copies (pycocotools writes into its input) or on files."""
    problem = copy.deepcopy(problem)
    # pycocotools divides by areas of 0 and subtracts infinities without a word.
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        if folder is None:
            truth = data()
            truth.dataset = problem.truth
            truth.createIndex()
            found = truth.loadRes(problem.found)
        else:
            (folder / "truth.json").write_text(json.dumps(problem.truth))
            (folder / "found.json").write_text(json.dumps(problem.found))
            truth = data(str(folder / "truth.json"))
            found = truth.loadRes(str(folder / "found.json"))
        e = judge(truth, found, problem.task)
        for name, value in problem.settings.items():
            setattr(e.params, name, value)
        e.evaluate()
        e.accumulate()
        if problem.task == "keypoints" or len(e.params.maxDets) > 2:
            e.summarize()
    return e


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Return the names of what differs in any bit (of NaN only that it is one)."""
    return [
        name
        for name in ours
        if np.shape(ours[name]) != np.shape(theirs[name])
        or not np.array_equal(ours[name], theirs[name], equal_nan=True)
        or not np.array_equal(np.signbit(ours[name]), np.signbit(theirs[name]))
    ]


def left_by(e: Any) -> dict[str, Any]:
    return {**{name: e.eval[name] for name in TABLES}, "stats": np.asarray(e.stats, np.float64)}


def peer() -> tuple[Any, Any]:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    return coco.COCO, cocoeval.COCOeval


def compare_compat(task: Any, seeds: range, folder: Path) -> list[Any]:
    wrong = []
    for seed in seeds:
        problem = fuzz_problem(task, seed)
        theirs = left_by(evaluated(problem, *peer()))
        for name, files in (("numba", None), ("numba", folder), ("reference", None)):
            with backend.use(name):
                ours = left_by(evaluated(problem, COCO, COCOeval, files))
            bad = differences(ours, theirs)
            if bad:
                wrong.append((seed, name, files, bad, problem.settings))
    return wrong


def style_of(problem: FuzzProblem, e: Any) -> Style:
    """Return COCOeval's parameters as a style: rising thresholds, caps each once."""
    p = e.params
    return replace(
        STYLES["coco"],
        thresholds=tuple(float(t) for t in np.unique(p.iouThrs)),
        recalls=tuple(float(r) for r in np.sort(p.recThrs)),
        areas=tuple((n, float(a), float(b)) for n, (a, b) in zip(p.areaRngLbl, p.areaRng)),
        max_detections=tuple(sorted(set(p.maxDets))),
        per_class=bool(problem.settings.get("useCats", 1)),
        zero_id_unmatched=True,
    )


def as_given(tables: Any, e: Any) -> dict[str, Any]:
    """Return our tables in the order and with the repetitions and the -1 of ``params``."""
    p = e.params
    t = np.searchsorted(np.unique(p.iouThrs), p.iouThrs)
    m = np.searchsorted(np.unique(p.maxDets), p.maxDets)
    undefined = np.isnan(tables.recall)[t][..., m]
    recall = np.where(undefined, -1.0, tables.recall[t][..., m])
    sampled = {
        name: np.where(undefined[:, None], -1.0, getattr(tables, name)[t][..., m])
        for name in ("precision", "scores")
    }
    return {"recall": recall, **sampled}


def compare_evaluate(task: Any, seeds: range, folder: Path) -> list[Any]:
    wrong = []
    for seed in seeds:
        problem = fuzz_problem(task, seed, tame=True)
        if "recThrs" in problem.settings:
            problem.settings["recThrs"] = np.sort(problem.settings["recThrs"])
        e = evaluated(problem, *peer())
        theirs = {name: e.eval[name] for name in TABLES}
        (folder / "truth.json").write_text(json.dumps(problem.truth))
        (folder / "found.json").write_text(json.dumps(problem.found))
        for name in BACKENDS:
            result = evaluate(
                folder / "truth.json",
                folder / "found.json",
                style=style_of(problem, e),
                task=task,
                backend=name,
                images=problem.settings.get("imgIds"),
                categories=problem.settings.get("catIds"),
                sigmas=problem.settings.get("kpt_oks_sigmas"),
            )
            bad = differences(as_given(result.tables, e), theirs)
            if bad:
                wrong.append((seed, name, bad, problem.settings))
    return wrong


@pytest.mark.parametrize("task", TASKS)
def test_compat_equals_pycocotools(task: str, tmp_path: Path) -> None:
    assert compare_compat(task, range(60), tmp_path) == []


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_equals_pycocotools(task: str, tmp_path: Path) -> None:
    assert compare_evaluate(task, range(40), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_compat_equals_pycocotools_on_ten_thousand(task: str, tmp_path: Path) -> None:
    assert compare_compat(task, range(10_000), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_evaluate_equals_pycocotools_on_ten_thousand(task: str, tmp_path: Path) -> None:
    assert compare_evaluate(task, range(10_000), tmp_path) == []

"""Hostile problems, bit for bit: how many of ten thousand differ from pycocotools."""

import contextlib
import copy
import io
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import numpy as np

from drivetrain.bench.harness.case import Case, Measure
from drivetrain.bench.problems.detection_fuzz import FuzzProblem, fuzz_problem
from drivetrain.core.errors import require

PROBLEMS = 10_000
TASKS: tuple[Literal["bbox", "segm", "keypoints"], ...] = ("bbox", "segm", "keypoints")


def cases() -> Iterator[Case]:
    """Yield one count a task; each takes minutes, nearly all of them pycocotools'."""
    for task in TASKS:
        yield Measure(
            name=f"parity-{task}",
            what=f"problems of {PROBLEMS:,} whose precision, recall or scores differ in any bit",
            value=partial(differing, task, PROBLEMS),
            high=0.0,
            detail=lambda: "pycocotools' names on both sides; ties, crowds, id 0, odd settings",
        )


def differing(task: Literal["bbox", "segm", "keypoints"], problems: int) -> float:
    """Return how many of the first problems come out differently.

    Raises:
        MissingDependency: pycocotools is not installed.
    """
    from drivetrain.detection import compat

    peer: Any = require("pycocotools.coco", "drivetrain[peers]")
    judge: Any = require("pycocotools.cocoeval", "drivetrain[peers]")
    different = 0
    for seed in range(problems):
        problem = fuzz_problem(task, seed)
        ours = _arrays(problem, compat.COCO, compat.COCOeval)
        theirs = _arrays(problem, peer.COCO, judge.COCOeval)
        different += ours != theirs
    return float(different)


def _arrays(problem: FuzzProblem, data: Any, judge: Any) -> list[bytes]:
    """Return the bytes of the three arrays; the input is copied, as pycocotools writes into it."""
    problem = copy.deepcopy(problem)
    # pycocotools divides by areas of 0 and subtracts infinities without a word.
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        truth = data()
        truth.dataset = problem.truth
        truth.createIndex()
        evaluator = judge(truth, truth.loadRes(problem.found), problem.task)
        for name, value in problem.settings.items():
            setattr(evaluator.params, name, value)
        evaluator.evaluate()
        evaluator.accumulate()
    # Of NaN only that it is one: its own bits depend on the processor.
    arrays = (np.asarray(evaluator.eval[name]) for name in ("precision", "recall", "scores"))
    return [np.where(np.isnan(array), np.nan, array).tobytes() for array in arrays]

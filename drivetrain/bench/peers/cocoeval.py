"""The evaluators with pycocotools' names, as contenders: files to curves, and the halves of it."""

import contextlib
import io
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import require

Curves = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Evaluator:
    """Where a peer keeps what pycocotools calls COCO, loadRes and COCOeval.

    Attributes:
        name: As printed.
        data: Module of the data set.
        judge_module: Module of the evaluator.
        judge_class: Its name.
        results: The method that reads results.
    """

    name: str
    data: str
    judge_module: str
    judge_class: str = "COCOeval"
    results: str = "loadRes"

    def load(self, truth: str | os.PathLike[str], found: str | os.PathLike[str]) -> tuple[Any, Any]:
        """Return the data set and the results of two files.

        Raises:
            MissingDependency: The peer is not installed.
        """
        module: Any = require(self.data, "drivetrain[peers]")
        with contextlib.redirect_stdout(io.StringIO()):
            real = module.COCO(os.fspath(truth))
            return real, getattr(real, self.results)(os.fspath(found))

    def judge(self, loaded: tuple[Any, Any], task: str) -> Curves:
        """Return precision, recall and scores of what was loaded, -1 where undefined."""
        evaluator = self._judged(loaded, task)
        names = ("precision", "recall", "scores")
        return {name: np.asarray(evaluator.eval[name], np.float64) for name in names}

    def numbers(
        self, truth: str | os.PathLike[str], found: str | os.PathLike[str], task: str = "bbox"
    ) -> NDArray[np.float64]:
        """Return the twelve numbers (ten of keypoints) that the peer prints of two files.

        Raises:
            MissingDependency: The peer is not installed.
        """
        evaluator = self._judged(self.load(truth, found), task)
        with contextlib.redirect_stdout(io.StringIO()):
            evaluator.summarize()
        return np.array(evaluator.stats, np.float64)[: 10 if task == "keypoints" else 12]

    def _judged(self, loaded: tuple[Any, Any], task: str) -> Any:
        module: Any = require(self.judge_module, "drivetrain[peers]")
        with contextlib.redirect_stdout(io.StringIO()):
            evaluator = getattr(module, self.judge_class)(*loaded, task)
            evaluator.evaluate()
            evaluator.accumulate()
        return evaluator

    def evaluate(
        self, truth: str | os.PathLike[str], found: str | os.PathLike[str], task: str
    ) -> Curves:
        """Return precision, recall and scores of two files, -1 where undefined.

        Raises:
            MissingDependency: The peer is not installed.
        """
        return self.judge(self.load(truth, found), task)


HOTCOCO = Evaluator("hotcoco", "hotcoco", "hotcoco", results="load_res")
ULTRAFAST = Evaluator("ultrafast-pycocotools", "ultrafast_pycocotools", "ultrafast_pycocotools")
FASTER = Evaluator("faster-coco-eval", "faster_coco_eval", "faster_coco_eval", "COCOeval_faster")
PYCOCOTOOLS = Evaluator("pycocotools", "pycocotools.coco", "pycocotools.cocoeval")
EVALUATORS = (PYCOCOTOOLS, FASTER, HOTCOCO, ULTRAFAST)

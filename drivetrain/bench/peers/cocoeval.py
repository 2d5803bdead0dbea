"""The four evaluators with pycocotools' names, called as their users call them: paths to numbers."""

import contextlib
import io
from collections.abc import Callable
from os import PathLike, fspath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import require

Floats = NDArray[np.float64]
#: Name as printed: module, name of its evaluator's class.
EVALUATORS = {
    "pycocotools": ("pycocotools", "COCOeval"),
    "faster-coco-eval": ("faster_coco_eval", "COCOeval_faster"),
    "hotcoco": ("hotcoco", "COCOeval"),
    "ultrafast-pycocotools": ("ultrafast_pycocotools", "COCOeval"),
}


def evaluator(
    name: str,
) -> Callable[[str | PathLike[str], str | PathLike[str]], Floats]:
    """Return a call from the paths of truths and detections (COCO JSON) to the twelve numbers.

    Args:
        name: One of ``EVALUATORS``.

    Raises:
        MissingDependency: The package is not installed.
    """
    package, kind = EVALUATORS[name]
    require(package, "drivetrain[peers]")
    if name == "pycocotools":
        coco: Any = require("pycocotools.coco", "drivetrain[peers]").COCO
        judge: Any = require("pycocotools.cocoeval", "drivetrain[peers]").COCOeval
    else:
        module: Any = require(package, "drivetrain[peers]")
        coco, judge = module.COCO, getattr(module, kind)

    def run(truth: str | PathLike[str], found: str | PathLike[str]) -> Floats:
        # They print as they go.
        with contextlib.redirect_stdout(io.StringIO()):
            data = coco(fspath(truth))
            judged = judge(data, data.loadRes(fspath(found)), "bbox")
            judged.evaluate()
            judged.accumulate()
            judged.summarize()
        return np.array(judged.stats, np.float64)[:12]

    return run

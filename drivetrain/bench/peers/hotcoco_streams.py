"""hotcoco's streaming evaluator and its bootstrap (Rust) as contenders."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import require

Json = dict[str, Any]
Array = NDArray[np.float64]
Curves = dict[str, Array]
#: Images, annotations, and rows of image id, x, y, width, height, score, class id, (n, 7).
Part = tuple[list[Json], list[Json], Array]


def streams(categories: list[Json], shards: Sequence[Sequence[Part]]) -> Callable[[], Curves]:
    """Return a call that streams each shard's parts, merges the shards and gives the curves.

    Raises:
        MissingDependency: hotcoco is not installed.
    """
    hotcoco: Any = require("hotcoco", "drivetrain[peers]")

    def run() -> Curves:
        evaluators = []
        for shard in shards:
            evaluator = hotcoco.StreamingEval(categories, iou_type="bbox")
            for part in shard:
                evaluator.update(*part)
            evaluators.append(evaluator)
        whole = evaluators[0]
        if len(evaluators) > 1:
            whole = hotcoco.StreamingEval.merge(evaluators)
        found = whole.finalize()
        found.accumulate()
        return {name: np.asarray(found.eval[name]) for name in ("precision", "recall", "scores")}

    return run


def paired_bootstrap(truth: Json, found: Sequence[Array], n: int) -> Callable[[], Array]:
    """Return a call that gives AP of B - A and its 95 % interval from ``n`` resamples of images.

    The evaluations themselves are done here, outside of the call.

    Args:
        truth: COCO's dictionary.
        found: Rows of A's and of B's detections, (n, 7).
        n: Number of resamples.

    Raises:
        MissingDependency: hotcoco is not installed.
    """
    hotcoco: Any = require("hotcoco", "drivetrain[peers]")
    evaluations = []
    for rows in found:
        data = hotcoco.COCO(truth)
        one = hotcoco.COCOeval(data, data.loadRes(rows), "bbox")
        one.evaluate()
        one.accumulate()
        evaluations.append(one)

    def run() -> Array:
        said = hotcoco.compare(*evaluations, n_bootstrap=n, seed=0, confidence=0.95)
        interval = said["ci"]["AP"]
        return np.array([said["deltas"]["AP"], interval["lower"], interval["upper"]])

    return run

"""LVIS' federated rules, bit for bit its own tool's tables and numbers."""

import copy
import logging
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from drivetrain.bench.problems.detection_fuzz import fuzz_problem
from drivetrain.detection import evaluate
from drivetrain.detection.compat import mask
from drivetrain.detection.styles import STYLES

pytestmark = pytest.mark.peer

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf")


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """lvis-api, which draws with OpenCV (not needed here) and speaks of a numpy before 1.24."""
    monkeypatch.setitem(sys.modules, "cv2", types.ModuleType("cv2"))
    monkeypatch.setattr(np, "float", float, raising=False)
    logging.getLogger("lvis").setLevel(logging.ERROR)
    yield pytest.importorskip("lvis", exc_type=ImportError)


def federated(task: Any, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a tame problem whose images and classes say what LVIS' say."""
    problem = fuzz_problem(task, seed, tame=True)
    rng = np.random.default_rng(seed)
    classes = [one["id"] for one in problem.truth["categories"]]
    for image in problem.truth["images"]:
        for key in ("neg_category_ids", "not_exhaustive_category_ids"):
            image[key] = [k for k in classes if rng.random() < 0.4]
    for one in problem.truth["categories"]:
        one["frequency"] = str(rng.choice(["r", "c", "f"]))
    for ann in problem.truth["annotations"]:
        ann["id"] += 1
        ann["iscrowd"] = 0
        ann["ignore"] = int(rng.random() < 0.2)
        # The tool passes over whatever has no area at all.
        ann["area"] = max(ann["area"], 0.5)
    return problem.truth, [one for one in problem.found if area(one) > 0]


def area(result: dict[str, Any]) -> float:
    if "bbox" in result:
        return result["bbox"][2] * result["bbox"][3]
    return mask.area(result["segmentation"])


def their(peer: Any, truth: Any, found: Any, task: str, folder: Any) -> Any:
    data = peer.LVIS.__new__(peer.LVIS)
    data.logger = logging.getLogger("lvis.quiet")
    data.logger.setLevel(logging.ERROR)
    data.dataset = copy.deepcopy(truth)
    data._create_index()
    with warnings.catch_warnings():
        # It warns by a name of logging's that is about to go.
        warnings.simplefilter("ignore", DeprecationWarning)
        results = peer.LVISResults(data, copy.deepcopy(found), max_dets=30)
    judge = peer.LVISEval(data, results, task)
    judge.params.max_dets = 30
    judge.run()
    return judge


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize("task", ["bbox", "segm"])
def test_lvis_equals_its_own_tool(peer: Any, task: str, backend: str, tmp_path: Any) -> None:
    # Of 300 detections an image none would be left out here: 30.
    style = replace(STYLES["lvis"], max_per_image=30)
    capped = 0
    for seed in range(40):
        truth, found = federated(task, seed)
        images = [one["image_id"] for one in found]
        capped += max(images.count(i) for i in images) > 30
        judge = their(peer, truth, found, task, tmp_path)
        ours = evaluate(truth, found, style=style, task=task, backend=backend)
        for name in ("precision", "recall"):
            table = getattr(ours.tables, name)[..., 0]
            expected = judge.eval[name]
            assert np.array_equal(np.where(np.isnan(table), -1.0, table), expected), (seed, name)
        for name in NAMES:
            value = ours.summary[name]
            assert (-1.0 if np.isnan(value) else value) == judge.results[name], (seed, name)
    assert capped > 3

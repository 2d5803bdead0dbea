"""COCOeval: an unmodified script gives the same bits and the same text."""

import contextlib
import copy
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.bench.problems.detection_fuzz import FuzzProblem, fuzz_problem
from drivetrain.core import backend
from drivetrain.detection.compat import COCO, COCOeval, Params

TASKS = ("bbox", "segm", "keypoints")
TABLES = ("precision", "recall", "scores")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def evaluated(problem: FuzzProblem, data: Any = COCO, judge: Any = COCOeval) -> Any:
    """Run what every script runs, on copies: pycocotools writes into its input."""
    problem = copy.deepcopy(problem)
    truth = data()
    truth.dataset = problem.truth
    truth.createIndex()
    e = judge(truth, truth.loadRes(problem.found), problem.task)
    for name, value in problem.settings.items():
        setattr(e.params, name, value)
    e.evaluate()
    e.accumulate()
    if problem.task == "keypoints" or len(e.params.maxDets) > 2:
        e.summarize()
    return e


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return a.shape == b.shape and np.array_equal(a.view(np.int64), b.view(np.int64))


def peer_evaluated(problem: FuzzProblem) -> Any:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    # It divides by areas of 0 and subtracts infinities without a word.
    with np.errstate(all="ignore"):
        return evaluated(problem, coco.COCO, cocoeval.COCOeval)


# The three lines that everyone runs.

SCRIPT = """
import json
from {package}.coco import COCO
from {package}.cocoeval import COCOeval

truth = COCO("truth.json")
found = truth.loadRes("found.json")
for kind in {kinds}:
    judge = COCOeval(truth, found, kind)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    print(repr(judge.stats.tolist()))
judge = COCOeval(truth, found, iouType={kinds}[0])
judge.params.imgIds = sorted(truth.getImgIds())[:3]
judge.params.catIds = truth.getCatIds()[:1]
judge.params.useCats = 0
judge.evaluate()
judge.accumulate()
judge.summarize()
print(judge.eval["counts"], judge.eval["precision"].shape, judge.params.catIds)
print(sorted(truth.imgs), len(truth.anns), truth.loadCats(truth.getCatIds())[0]["name"])
"""


def printed(package: str, kinds: list[str], folder: Path, monkeypatch: Any) -> str:
    monkeypatch.chdir(folder)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), np.errstate(all="ignore"):
        exec(SCRIPT.format(package=package, kinds=kinds), {})
    return re.sub(r"t=\d+\.\d+s", "t", out.getvalue())


@pytest.mark.peer
@pytest.mark.parametrize("task", TASKS)
def test_an_unmodified_script_prints_the_same(task: Any, tmp_path: Path, monkeypatch: Any) -> None:
    pytest.importorskip("pycocotools")
    for seed in (1, 4):
        problem = fuzz_problem(task, seed)
        (tmp_path / "truth.json").write_text(json.dumps(problem.truth))
        (tmp_path / "found.json").write_text(json.dumps(problem.found))
        kinds = [task] if task != "segm" else ["segm", "bbox"]
        if "kpt_oks_sigmas" in problem.settings:
            continue
        ours = printed("drivetrain.detection.compat", kinds, tmp_path, monkeypatch)
        theirs = printed("pycocotools", kinds, tmp_path, monkeypatch)
        assert ours == theirs


# Parity on small hostile problems; the ten thousand are in tests/detection/fuzz.


@pytest.mark.peer
@pytest.mark.parametrize("task", TASKS)
def test_everything_that_evaluate_leaves_equals_pycocotools(task: Any) -> None:
    for seed in range(40):
        problem = fuzz_problem(task, seed)
        ours, theirs = evaluated(problem), peer_evaluated(problem)
        assert ours.eval["counts"] == theirs.eval["counts"]
        assert all(same_bits(ours.eval[name], theirs.eval[name]) for name in TABLES), seed
        assert same_bits(ours.stats, theirs.stats), seed
        assert len(ours.evalImgs) == len(theirs.evalImgs)
        for a, b in zip(ours.evalImgs, theirs.evalImgs):
            assert (a is None) == (b is None)
            assert a is None or a.keys() == b.keys()
            for name in a or ():
                assert np.array_equal(a[name], b[name], equal_nan=name == "dtScores"), (seed, name)
        assert ours.ious.keys() == theirs.ious.keys()
        for key in ours.ious:
            assert np.shape(ours.ious[key]) == np.shape(theirs.ious[key])
            if task == "bbox":
                assert same_bits(ours.ious[key], theirs.ious[key]), (seed, key)


@pytest.mark.peer
def test_other_parameters_of_accumulate_equal_pycocotools() -> None:
    changes: list[dict[str, Any]] = [
        {"maxDets": [100]},
        {"maxDets": [10, 3, 1]},
        {"recThrs": np.linspace(0, 1, 5)},
        {"areaRng": [[0, 1e10]], "areaRngLbl": ["all"]},
        {"areaRng": [[1024.0, 9216.0], [0, 1e10]], "areaRngLbl": ["medium", "all"]},
        {"imgIds": "the second"},
    ]
    for seed in range(12):
        problem = fuzz_problem("bbox", seed)
        problem.settings.clear()
        ours, theirs = evaluated(problem), peer_evaluated(problem)
        for change in changes:
            for e in (ours, theirs):
                e.params = copy.deepcopy(e._paramsEval)
                for name, value in change.items():
                    setattr(e.params, name, value)
                if "imgIds" in change:
                    e.params.imgIds = e._paramsEval.imgIds[1:2]
                e.accumulate()
            assert all(same_bits(ours.eval[n], theirs.eval[n]) for n in TABLES), (seed, change)


def simple(**change: Any) -> FuzzProblem:
    """Three truths, four detections: the toy problem whose AP is .7833."""

    def ann(key: int, image: int, category: int, box: list[float]) -> dict[str, Any]:
        return {
            "id": key,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
        }

    def det(image: int, category: int, box: list[float], score: float) -> dict[str, Any]:
        return {"image_id": image, "category_id": category, "bbox": box, "score": score}

    truth = {
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
    return FuzzProblem(task="bbox", truth=truth, found=found, settings=change)


def test_the_toy_problem_is_its_known_number() -> None:
    assert round(evaluated(simple()).stats[0], 4) == 0.7833


# pycocotools' column of bad input: what it accepts gives its number, what it breaks on, words.

NAN, INF = float("nan"), float("inf")


def spoilt(case: str) -> FuzzProblem:
    problem = simple()
    anns, dets = problem.truth["annotations"], problem.found
    if case == "NaN score":
        dets[0]["score"] = NAN
    elif case == "infinite score":
        dets[0]["score"] = INF
    elif case == "NaN box":
        dets[0]["bbox"] = [NAN, 10, 20, 20]
    elif case == "negative width":
        dets[0]["bbox"] = [10, 10, -20, 20]
    elif case == "zero-size truth":
        anns[0].update(bbox=[10, 10, 0, 0], area=0)
    elif case == "unknown category":
        dets.append({"image_id": 1, "category_id": 77, "bbox": [0, 0, 5, 5], "score": 0.99})
    elif case == "truth of unknown category":
        anns.append({**anns[0], "id": 9, "category_id": 55})
    elif case == "truth of unknown image":
        anns.append({**anns[0], "id": 9, "image_id": 55})
    elif case == "no truths":
        anns.clear()
    elif case == "duplicate id":
        anns[1]["id"] = 1
    elif case == "id 0":
        anns[0]["id"] = 0
    elif case == "ignore":
        anns[0]["ignore"] = 1
    elif case == "texts for ids":
        for entry in problem.truth["images"]:
            entry["id"] = str(entry["id"])
        for entry in [*anns, *dets]:
            entry["image_id"] = str(entry["image_id"])
    return problem


ACCEPTED = {
    "NaN score": None,
    "infinite score": 0.8675,
    "NaN box": 0.7833,
    "negative width": 0.5762,
    "zero-size truth": 0.5342,
    "unknown category": 0.7833,
    "truth of unknown category": 0.7833,
    "truth of unknown image": 0.7833,
    "no truths": -1.0,
    "duplicate id": 0.3939,
    "id 0": 0.5342,
    "ignore": 0.7833,
    "texts for ids": 0.7833,
}


@pytest.mark.parametrize("name", ["reference", "numba"])
@pytest.mark.parametrize("case", ACCEPTED)
def test_bad_input_that_pycocotools_accepts_gives_its_number(case: str, name: str) -> None:
    with backend.use(name):
        ours = evaluated(spoilt(case))
    if ACCEPTED[case] is not None:
        assert round(ours.stats[0], 4) == ACCEPTED[case]


@pytest.mark.peer
@pytest.mark.parametrize("case", ACCEPTED)
def test_bad_input_that_pycocotools_accepts_gives_its_bits(case: str) -> None:
    theirs = peer_evaluated(spoilt(case))
    for name in ("reference", "numba"):
        with backend.use(name):
            ours = evaluated(spoilt(case))
        assert all(same_bits(ours.eval[table], theirs.eval[table]) for table in TABLES)
        assert same_bits(ours.stats, theirs.stats)


@pytest.mark.parametrize("key", ["iscrowd", "area", "bbox"])
def test_a_truth_that_lacks_something_is_named(key: str) -> None:
    problem = simple()
    del problem.truth["annotations"][1][key]
    with pytest.raises(ValueError, match=f"annotation of id 2 has no '{key}'"):
        evaluated(problem)


def test_a_result_that_lacks_its_score_is_named() -> None:
    problem = simple()
    del problem.found[2]["score"]
    with pytest.raises(ValueError, match="result of id 3 has no 'score'"):
        evaluated(problem)


def test_a_box_of_three_numbers_is_named() -> None:
    problem = simple()
    problem.truth["annotations"][0]["bbox"] = [1, 2, 3]
    with pytest.raises(ValueError, match="bbox of annotation id 1 must be 4 numbers"):
        evaluated(problem)


def test_a_word_for_a_number_is_named() -> None:
    problem = simple()
    problem.found[1]["score"] = "high"
    with pytest.raises(ValueError, match=r"score of result id 2 must be a number\. Got 'high'"):
        evaluated(problem)


# The faces' own edges.


def test_what_is_changed_in_the_dictionaries_is_evaluated(tmp_path: Path) -> None:
    problem = simple()
    (tmp_path / "truth.json").write_text(json.dumps(problem.truth))
    (tmp_path / "found.json").write_text(json.dumps(problem.found))
    truth = COCO(tmp_path / "truth.json")
    found = truth.loadRes(tmp_path / "found.json")

    def rated() -> float:
        e = COCOeval(truth, found, "bbox")
        e.evaluate()
        e.accumulate()
        e.summarize()
        return round(float(e.stats[0]), 4)

    # Class a has AP 2/3, class b .9. The false .95 detection of class a comes down to the end:
    assert rated() == 0.7833
    found.anns[4]["score"] = 0.1
    assert rated() == 0.95
    truth.anns[2]["bbox"] = [40, 40, 30, 28]
    assert rated() == 1.0


def test_steps_out_of_order_are_errors_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    e = COCOeval(iouType="bbox")
    with pytest.raises(RuntimeError, match=re.escape("accumulate() first")):
        e.summarize()
    with pytest.raises(RuntimeError, match=re.escape("evaluate()")):
        e.accumulate()
    with pytest.raises(ValueError, match="needs cocoGt and cocoDt"):
        e.evaluate()


def test_fewer_than_three_caps_are_an_index_error() -> None:
    e = evaluated(simple(maxDets=[100]))
    with pytest.raises(IndexError, match="needs three maxDets"):
        e.summarize()


def test_another_last_cap_gives_minus_one() -> None:
    e = evaluated(simple(maxDets=[1, 10, 50]))
    assert e.stats[0] == -1
    assert round(e.stats[1], 4) == 0.8333


def test_another_type_is_an_error() -> None:
    with pytest.raises(ValueError, match="Did you mean 'keypoints'"):
        Params("keypoint")


@pytest.mark.peer
@pytest.mark.parametrize("task", TASKS)
def test_parameters_are_pycocotools(task: str) -> None:
    peer = pytest.importorskip("pycocotools.cocoeval")
    ours, theirs = vars(Params(task)), vars(peer.Params(task))
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert np.array_equal(np.asarray(ours[name]), np.asarray(theirs[name])), name


def test_the_old_name_of_the_type_still_works() -> None:
    assert evaluated(simple(useSegm=0)).params.iouType == "bbox"

"""COCO: pycocotools' names answer alike, and files become dictionaries only when asked."""

import copy
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.core import backend
from drivetrain.detection.compat import COCO, COCOeval
from drivetrain.detection.compat.results import EmptyResultsError, ResultsError

TRUTH: dict[str, Any] = {
    "info": {"year": 2026, "version": "1"},
    "images": [
        {"id": 7, "width": 12, "height": 9, "file_name": "a.jpg"},
        {"id": 3, "width": 10, "height": 10, "file_name": "b.jpg"},
    ],
    "categories": [
        {"id": 5, "name": "cat", "supercategory": "animal"},
        {"id": 1, "name": "car", "supercategory": "vehicle"},
    ],
    "annotations": [
        {
            "id": 11,
            "image_id": 3,
            "category_id": 5,
            "bbox": [1, 2, 4, 5],
            "area": 20,
            "iscrowd": 0,
            "segmentation": [[1, 2, 5, 2, 5, 7, 1, 7]],
        },
        {
            "id": 12,
            "image_id": 7,
            "category_id": 5,
            "bbox": [0, 0, 3, 3],
            "area": 9,
            "iscrowd": 1,
            "segmentation": {"size": [9, 12], "counts": [0, 3, 6, 3, 6, 3, 87]},
        },
        {
            "id": 13,
            "image_id": 7,
            "category_id": 1,
            "bbox": [2, 2, 8, 6],
            "area": 48,
            "iscrowd": 0,
            "segmentation": [[2, 2, 10, 2, 10, 8, 2, 8], [3.5, 3.5, 4, 3.5, 4, 4]],
        },
    ],
}
RESULTS: list[dict[str, Any]] = [
    {"image_id": 7, "category_id": 1, "bbox": [2.0, 2.0, 8.0, 5.0], "score": 0.9},
    {"image_id": 3, "category_id": 5, "bbox": [1.0, 2.0, 4.0, 5.0], "score": 0.5},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH))
    (tmp_path / "found.json").write_text(json.dumps(RESULTS))
    return tmp_path


QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "all images": lambda c: c.getImgIds(),
    "images of a class": lambda c: sorted(c.getImgIds(catIds=5)),
    "images of two classes": lambda c: c.getImgIds(catIds=[5, 1]),
    "one image of a class": lambda c: c.getImgIds(imgIds=[7], catIds=[5]),
    "all classes": lambda c: c.getCatIds(),
    "a class by name": lambda c: c.getCatIds(catNms=["cat"]),
    "a class by a word": lambda c: c.getCatIds(catNms="cat"),
    "a class by its kind": lambda c: c.getCatIds(supNms=["vehicle"]),
    "a class by id": lambda c: c.getCatIds(catIds=5),
    "all annotations": lambda c: c.getAnnIds(),
    "annotations of an image": lambda c: c.getAnnIds(imgIds=7),
    "annotations of images": lambda c: c.getAnnIds(imgIds=[3, 7, 99]),
    "annotations of a class": lambda c: c.getAnnIds(catIds=[5]),
    "annotations by area": lambda c: c.getAnnIds(areaRng=[9, 30]),
    "crowds": lambda c: c.getAnnIds(iscrowd=True),
    "no crowds": lambda c: c.getAnnIds(imgIds=[7], iscrowd=False),
    "entries": lambda c: (c.loadAnns([11, 13]), c.loadAnns(12), c.loadImgs(7), c.loadCats([1])),
    "no entries": lambda c: (c.loadAnns([]), c.loadImgs([]), c.loadCats([])),
    "dictionaries": lambda c: (
        c.dataset,
        c.anns,
        c.imgs,
        c.cats,
        dict(c.imgToAnns),
        dict(c.catToImgs),
    ),
}


@pytest.mark.peer
@pytest.mark.parametrize("question", QUESTIONS)
def test_it_answers_as_pycocotools(question: str, path: Path) -> None:
    peer = pytest.importorskip("pycocotools.coco")
    ask = QUESTIONS[question]
    assert ask(COCO(str(path / "truth.json"))) == ask(peer.COCO(str(path / "truth.json")))


FORMS: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: str(path / "found.json"),
    "list": lambda path: copy.deepcopy(RESULTS),
    "array": lambda path: np.array(
        [[r["image_id"], *r["bbox"], r["score"], r["category_id"]] for r in RESULTS]
    ),
    "keypoints": lambda path: [
        {"image_id": 7, "category_id": 1, "keypoints": [1, 5, 2, 8.5, 2, 0], "score": 1}
    ],
    "captions": lambda path: [{"image_id": 3, "caption": "a cat"}],
}


@pytest.mark.peer
@pytest.mark.parametrize("form", FORMS)
def test_results_are_completed_as_pycocotools_does(form: str, path: Path) -> None:
    peer = pytest.importorskip("pycocotools.coco")
    ours = COCO(str(path / "truth.json")).loadRes(FORMS[form](path))
    theirs = peer.COCO(str(path / "truth.json")).loadRes(FORMS[form](path))
    assert ours.dataset == theirs.dataset
    assert ours.anns == theirs.anns
    assert dict(ours.imgToAnns) == dict(theirs.imgToAnns)
    assert ours.getAnnIds(imgIds=[7]) == theirs.getAnnIds(imgIds=[7])
    assert sorted(ours.getImgIds()) == sorted(theirs.getImgIds())
    if form != "captions":
        assert ours.getCatIds() == theirs.getCatIds()


@pytest.mark.peer
def test_masks_of_annotations_equal_pycocotools(path: Path) -> None:
    peer = pytest.importorskip("pycocotools.coco")
    ours, theirs = COCO(path / "truth.json"), peer.COCO(str(path / "truth.json"))
    for key in (11, 12, 13):
        assert ours.annToRLE(ours.anns[key]) == theirs.annToRLE(theirs.anns[key])
        with warnings.catch_warnings():
            # pycocotools' decode speaks an older numpy.
            warnings.simplefilter("ignore", DeprecationWarning)
            expected = theirs.annToMask(theirs.anns[key])
        assert np.array_equal(ours.annToMask(ours.anns[key]), expected)


def test_results_that_are_given_as_a_list_are_completed_in_it() -> None:
    data = COCO()
    data.dataset = copy.deepcopy(TRUTH)
    data.createIndex()
    given = copy.deepcopy(RESULTS)
    data.loadRes(given)
    assert [entry["id"] for entry in given] == [1, 2]
    assert [entry["area"] for entry in given] == [40.0, 20.0]


def test_dictionaries_are_built_when_they_are_read(path: Path) -> None:
    data = COCO(path / "truth.json")
    found = data.loadRes(path / "found.json")
    assert data.getImgIds() == [7, 3]
    assert data.getCatIds() == [5, 1]
    assert not found.touched
    assert found.anns[2]["bbox"] == [1.0, 2.0, 4.0, 5.0]
    assert found.touched


def test_a_plain_file_is_evaluated_from_its_columns(path: Path) -> None:
    data = COCO(path / "truth.json")
    found = data.loadRes(path / "found.json")
    for task, read in (("bbox", False), ("segm", True), ("bbox", True)):
        e = COCOeval(data, found, task)
        e.evaluate()
        e.accumulate()
        assert len(e.evalImgs) == 2 * 4 * 2
        # Results without masks are drawn from their boxes, which only the dictionaries know.
        assert data.touched == found.touched == read


def test_an_odd_file_is_read_into_dictionaries(path: Path) -> None:
    odd = copy.deepcopy(TRUTH)
    for image in odd["images"]:
        image["id"] = str(image["id"])
    for entry in odd["annotations"]:
        entry["image_id"] = str(entry["image_id"])
    (path / "odd.json").write_text(json.dumps(odd))
    data = COCO(path / "odd.json")
    assert data.touched
    assert data.getImgIds() == ["7", "3"]


def test_the_definitions_read_no_columns(path: Path) -> None:
    with backend.use("reference"):
        assert COCO(path / "truth.json").touched


def test_an_unknown_attribute_is_an_attribute_error(path: Path) -> None:
    with pytest.raises(AttributeError, match="'COCO' object has no attribute 'annotations'"):
        COCO(path / "truth.json").annotations  # noqa: B018


def test_a_copy_is_another_data_set(path: Path) -> None:
    data = COCO(path / "truth.json")
    twin = copy.deepcopy(data)
    twin.anns[11]["area"] = 0
    assert data.anns[11]["area"] == 20


def test_it_prints_what_pycocotools_prints(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    COCO(path / "truth.json").loadRes(path / "found.json")
    lines = [line.split("(t=")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "loading annotations into memory...",
        "Done ",
        "creating index...",
        "index created!",
        "Loading and preparing results...",
        "DONE ",
        "creating index...",
        "index created!",
    ]


def test_info_prints_pairs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = COCO(path / "truth.json")
    capsys.readouterr()
    data.info()
    assert capsys.readouterr().out == "year: 2026\nversion: 1\n"


# What it refuses, in words.


def test_a_result_on_an_unknown_image_is_named(path: Path) -> None:
    bad = [*RESULTS, {"image_id": 99, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]
    data = COCO(path / "truth.json")
    with pytest.raises(ResultsError, match=r"entry 2 is of image id 99, .* of the 2 images"):
        data.loadRes(bad)
    with pytest.raises(AssertionError):
        data.loadRes(bad)
    (path / "found.json").write_text(json.dumps(bad))
    with pytest.raises(ResultsError, match="entry 2"):
        data.loadRes(path / "found.json")


def test_empty_results_are_an_error(path: Path) -> None:
    data = COCO(path / "truth.json")
    with pytest.raises(EmptyResultsError, match="results are empty"):
        data.loadRes([])
    with pytest.raises(IndexError):
        data.loadRes([])
    (path / "found.json").write_text("[]")
    with pytest.raises(IndexError, match="results are empty"):
        data.loadRes(path / "found.json")


@pytest.mark.parametrize("results", [{"image_id": 7}, "[]", np.zeros((2, 6)), (), None])
def test_other_results_are_an_error(results: Any, path: Path) -> None:
    data = COCO(path / "truth.json")
    if isinstance(results, str):
        with pytest.raises(FileNotFoundError):
            data.loadRes(results)
        return
    with pytest.raises(ResultsError, match=r"must be a list|must be of shape \(n, 7\)"):
        data.loadRes(results)


def test_an_entry_of_another_kind_is_named(path: Path) -> None:
    bad = [*RESULTS, {"image_id": 7, "category_id": 1, "score": 1}]
    with pytest.raises(ValueError, match="results entry 2 has no 'bbox', which entry 0 has"):
        COCO(path / "truth.json").loadRes(bad)


@pytest.mark.parametrize("text", ["", "{", '{"images": [', '{"a": tru}', "[1, 2]"])
def test_what_is_no_data_set_is_an_error_that_names_the_file(text: str, path: Path) -> None:
    (path / "bad.json").write_text(text)
    with pytest.raises(ValueError, match=r"bad\.json|must be a JSON object"):
        COCO(path / "bad.json")


def test_a_missing_file_is_missing_at_once(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        COCO(path / "none.json")


def test_it_neither_draws_nor_downloads(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = COCO(path / "truth.json")
    assert data.showAnns([]) == 0
    with pytest.raises(NotImplementedError, match="annToMask"):
        data.showAnns(data.loadAnns([11]))
    capsys.readouterr()
    assert data.download() == -1
    assert capsys.readouterr().out == "Please specify target directory\n"
    with pytest.raises(NotImplementedError, match="coco_url"):
        data.download(str(path))

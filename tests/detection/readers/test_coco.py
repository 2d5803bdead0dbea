"""COCO and LVIS files: what is read, what is filled in, what is refused and by which words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.issues import Issues
from drivetrain.detection.json.source import Source
from drivetrain.detection.readers.coco import (
    detections_from,
    ground_truth_from,
    read_detections,
    read_ground_truth,
)

DATASET: dict[str, Any] = {
    "images": [
        {"id": 10, "width": 64, "height": 48, "file_name": "a/é.jpg"},
        {"id": 2**60 + 1, "width": 5, "height": 7, "file_name": "b.jpg"},
    ],
    "annotations": [
        {"id": 7, "image_id": 10, "category_id": 90, "bbox": [1, 2.5, 10, 20], "area": 150.5,
         "iscrowd": 0, "segmentation": [[1, 2, 11, 2, 11, 22, 1, 22]]},
        {"id": 9, "image_id": 2**60 + 1, "category_id": 3, "bbox": [0, 0, 2, 3], "area": 6,
         "iscrowd": 1, "segmentation": {"size": [7, 5], "counts": [0, 3, 4, 3, 25]}},
    ],
    "categories": [{"id": 90, "name": "tooth\nbrush"}, {"id": 3, "name": "car"}],
}  # fmt: skip
RESULTS: list[dict[str, Any]] = [
    {"image_id": 10, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.1},
    {"image_id": 2**60 + 1, "category_id": 90, "bbox": [5, 6.25, 7, 8], "score": 0.9999},
]


def truth_from(dataset: Any, issues: Issues | None = None, task: str = "bbox") -> GroundTruth:
    text = dataset if isinstance(dataset, bytes) else json.dumps(dataset).encode()
    return ground_truth_from(Source("gt.json", text), issues=issues, task=task, threads=2)


def found_from(
    results: Any, truth: GroundTruth, issues: Issues | None = None, task: str = "bbox"
) -> Detections:
    text = json.dumps(results).encode()
    return detections_from(Source("dt.json", text), truth, issues=issues, task=task, threads=2)


def changed(key: str, value: Any, row: int = 1) -> list[dict[str, Any]]:
    """The results with one member of one entry changed, or left out where it is ``...``."""
    results = [dict(one) for one in RESULTS]
    results[row][key] = value
    if value is ...:
        del results[row][key]
    return results


def altered(section: str, key: str, value: Any, row: int = 1) -> dict[str, Any]:
    """The data set with one member of one entry changed, or left out where it is ``...``."""
    dataset: dict[str, Any] = json.loads(json.dumps(DATASET))
    dataset[section][row][key] = None if value is ... else value
    if value is ...:
        del dataset[section][row][key]
    return dataset


# Golden values.


def test_a_data_set(tmp_path: Path) -> None:
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(DATASET, indent=2), encoding="utf-8-sig")
    issues = Issues()
    truth = read_ground_truth(path, issues=issues)
    assert len(issues) == 0
    assert truth.image_ids.tolist() == [10, 2**60 + 1]
    assert truth.images.tolist() == [10, 2**60 + 1]
    assert truth.categories.tolist() == [90, 3]
    assert truth.ids.tolist() == [7, 9]
    assert truth.boxes.tolist() == [[1.0, 2.5, 10.0, 20.0], [0.0, 0.0, 2.0, 3.0]]
    assert truth.areas.tolist() == [150.5, 6.0]
    assert truth.crowd.tolist() == [False, True]
    assert truth.ignore.tolist() == [False, False]
    assert truth.image_sizes is not None
    assert truth.image_sizes.tolist() == [[48, 64], [7, 5]]
    assert list(truth.image_names) == ["a/é.jpg", "b.jpg"]
    assert list(truth.category_names) == ["tooth\nbrush", "car"]
    assert truth.masks is None
    assert truth.federation is None
    assert truth.source == str(path)
    text = path.read_bytes()
    assert truth.places is not None
    assert [text[at : at + 1] for at in truth.places] == [b"{", b"{"]


def test_results(tmp_path: Path) -> None:
    path = tmp_path / "dt.json"
    path.write_text(json.dumps(RESULTS))
    truth = truth_from(DATASET)
    for written in (RESULTS, {"annotations": RESULTS}):
        path.write_text(json.dumps(written))
        found = read_detections(path, truth)
        assert found.images.tolist() == [10, 2**60 + 1]
        assert found.categories.tolist() == [3, 90]
        assert found.scores.tolist() == [0.1, 0.9999]
        assert found.boxes.tolist() == [[1.0, 2.0, 3.0, 4.0], [5.0, 6.25, 7.0, 8.0]]
        assert found.areas is None


def test_no_results_are_results() -> None:
    truth = truth_from(DATASET)
    for task in ("bbox", "segm", "keypoints", "rotated"):
        found = found_from([], truth, task=task)
        assert len(found) == 0
        assert found.boxes.shape == (0, 4)


def test_a_data_set_without_annotations() -> None:
    for task in ("bbox", "segm", "keypoints"):
        truth = truth_from(DATASET | {"annotations": []}, task=task)
        assert (len(truth), len(truth.image_ids), truth.boxes.shape) == (0, 2, (0, 4))


# Masks, keypoints, rotated boxes.


def test_masks_of_truths() -> None:
    truth = truth_from(DATASET, task="segm")
    assert truth.masks is not None
    assert truth.masks.areas.tolist() == [200, 6]
    assert truth.masks.sizes.tolist() == [[48, 64], [7, 5]]
    assert truth.areas.tolist() == [150.5, 6.0]


def test_results_of_masks_have_the_masks_boxes() -> None:
    truth = truth_from(DATASET)
    masks = [{"size": [48, 64], "counts": [50, 3, 45, 3, 2971]}]
    results = [{"image_id": 10, "category_id": 3, "score": 0.5, "segmentation": masks[0]}]
    for task in ("segm", "bbox"):
        found = found_from(results, truth, task=task)
        assert found.boxes.tolist() == [[1.0, 2.0, 2.0, 3.0]]
        assert found.areas is None
        assert (found.masks is None) == (task == "bbox")
    # As in pycocotools, a box in the first result makes all areas those of boxes.
    found = found_from([results[0] | {"bbox": [0, 0, 4, 5]}], truth, task="segm")
    assert found.boxes.tolist() == [[0.0, 0.0, 4.0, 5.0]]
    assert found.areas is not None
    assert found.areas.tolist() == [20.0]


def test_a_mask_that_is_none() -> None:
    dataset = altered("annotations", "segmentation", {"size": [7, 5], "counts": [3]})
    with pytest.raises(ValueError, match=r"gt.json entry 1 \(id 9\): .* at byte \d+"):
        truth_from(dataset, task="segm")
    issues = Issues(lenient=True)
    truth = truth_from(dataset, issues, task="segm")
    assert truth.ids.tolist() == [7]
    assert issues.counts == {"bad-mask": 1}
    assert truth.masks is not None
    assert len(truth.masks) == 1


def test_keypoints() -> None:
    points = [3, 4, 2, 9, 1, 0]
    dataset = altered("annotations", "keypoints", points, 0)
    dataset["annotations"][0]["num_keypoints"] = 5
    issues = Issues()
    truth = truth_from(dataset, issues, task="keypoints")
    assert truth.keypoints is not None
    assert truth.keypoints.tolist() == [[[3, 4, 2], [9, 1, 0]], [[0, 0, 0], [0, 0, 0]]]
    assert truth.visible is not None
    assert truth.visible.tolist() == [5, 0]
    assert issues.counts == {"missing-num-keypoints": 1}
    results = [{"image_id": 10, "category_id": 3, "score": 0.5, "keypoints": points}]
    for task in ("keypoints", "bbox"):
        found = found_from(results, truth, task=task)
        assert found.boxes.tolist() == [[3.0, 1.0, 6.0, 3.0]]
        assert (found.keypoints is None) == (task == "bbox")


def test_keypoints_that_are_no_threes() -> None:
    dataset = altered("annotations", "keypoints", [1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"x, y, visibility of each point. Got 4 numbers"):
        truth_from(dataset, task="keypoints")


def test_rotated_boxes() -> None:
    dataset = altered("annotations", "bbox", [5, 5, 4, 2, np.pi / 2])
    dataset["annotations"][0]["bbox"] = [5, 5, 4, 2, 0]
    truth = truth_from(dataset, task="rotated")
    assert truth.rotated is not None
    assert truth.rotated[1].tolist() == [5.0, 5.0, 4.0, 2.0, np.pi / 2]
    np.testing.assert_allclose(truth.boxes, [[3, 4, 4, 2], [4, 3, 2, 4]], rtol=1e-15)


# LVIS.


def test_federated_labels() -> None:
    dataset = altered("images", "neg_category_ids", [3, 90], 0)
    dataset["images"][1]["not_exhaustive_category_ids"] = [3]
    dataset["images"][0]["not_exhaustive_category_ids"] = []
    dataset["categories"][0]["frequency"], dataset["categories"][1]["frequency"] = "r", "f"
    federation = truth_from(dataset).federation
    assert federation is not None
    assert federation.negative.tolist() == [[10, 3], [10, 90]]
    assert federation.not_exhaustive.tolist() == [[2**60 + 1, 3]]
    assert federation.frequency == "rf"
    dataset["images"][0]["neg_category_ids"] = ["x"]
    with pytest.raises(ValueError, match=r"neg_category_ids at byte \d+ must be a list"):
        truth_from(dataset)


# What is filled in, once and told.


@pytest.mark.parametrize(
    ("key", "column", "value"),
    [("iscrowd", "crowd", False), ("area", "areas", 6.0), ("id", "ids", 8)],
)
def test_members_that_have_a_default(key: str, column: str, value: Any) -> None:
    for given in (..., None):
        issues = Issues()
        truth = truth_from(altered("annotations", key, given), issues)
        assert getattr(truth, column)[1] == value
        assert issues.counts == {f"missing-{key}": 1}
        assert issues.found[0].done == "repaired"


def test_a_missing_area_is_the_masks() -> None:
    truth = truth_from(altered("annotations", "area", ..., 0), Issues(), task="segm")
    assert truth.areas.tolist() == [200.0, 6.0]


def test_sections_that_are_missing() -> None:
    issues = Issues()
    truth = truth_from({"annotations": DATASET["annotations"]}, issues)
    assert truth.image_ids.tolist() == [10, 2**60 + 1]
    assert truth.category_ids.tolist() == [3, 90]
    assert issues.counts == {"no-images": 1, "no-categories": 1}
    with pytest.raises(ValueError, match="expected an object with the member 'annotations'"):
        truth_from({"images": []})
    with pytest.raises(ValueError, match="expected a list of detections"):
        found_from({"images": []}, truth)


def test_ignore_and_flags_in_every_spelling() -> None:
    for value in (1, True, 1.0):
        truth = truth_from(altered("annotations", "ignore", value))
        assert truth.ignore.tolist() == [False, True]
    assert truth_from(altered("annotations", "iscrowd", False)).crowd.tolist() == [False, False]


def test_equal_image_ids() -> None:
    dataset = altered("images", "id", 10)
    dataset["annotations"].pop()
    issues = Issues()
    truth = truth_from(dataset, issues)
    assert truth.image_ids.tolist() == [10]
    assert truth.image_sizes is not None
    assert truth.image_sizes.tolist() == [[7, 5]]
    assert issues.counts == {"duplicate-image-id": 1}


# Ids.


def test_ids_that_are_text() -> None:
    dataset = altered("images", "id", "ü10", 0)
    dataset["images"][1]["id"] = "b"
    dataset["annotations"][0]["image_id"], dataset["annotations"][1]["image_id"] = "ü10", "b"
    dataset["annotations"][0]["id"], dataset["annotations"][1]["id"] = "z", "y"
    truth = truth_from(dataset)
    assert truth.image_words == ["b", "ü10"]
    assert truth.image_ids.tolist() == [1, 0]
    assert truth.images.tolist() == [1, 0]
    assert truth.ids.tolist() == [2, 1]
    results = changed("image_id", "ü10")
    results[0]["image_id"] = "b"
    found = found_from(results, truth)
    assert found.images.tolist() == [0, 1]


def test_ids_of_two_kinds() -> None:
    with pytest.raises(ValueError, match=r"gt.json entry 1 \(id 9\): image_id is 'b', but others"):
        truth_from(altered("annotations", "image_id", "b"))
    truth = truth_from(DATASET)
    with pytest.raises(ValueError, match=r"dt.json entry 1: image_id is '10', but others are a"):
        found_from(changed("image_id", "10"), truth)
    issues = Issues(lenient=True)
    found = found_from(changed("image_id", "10"), truth, issues)
    assert found.images.tolist() == [10]
    assert issues.counts == {"mixed-ids": 1}


def test_ids_that_are_whole_floats() -> None:
    found = found_from(changed("category_id", 90.0), truth_from(DATASET))
    assert found.categories.tolist() == [3, 90]


# What is refused.

BAD = [
    ("score", ..., "score is missing or null"),
    ("score", None, "score is missing or null"),
    ("score", "0.5", "score must be a number. Got '0.5'"),
    ("bbox", ..., "bbox is missing or null"),
    ("bbox", [1, 2, 3], "bbox must hold 4 numbers. Got 3"),
    ("bbox", [1, 2, 3, "4"], "bbox must be a list of numbers"),
    ("image_id", ..., "image_id is missing or null"),
    ("image_id", 1.5, "image_id must be a whole number. Got 1.5"),
    ("image_id", 2**64, "image_id must fit 64 bits"),
    ("category_id", [3], "category_id must be a whole number. Got [3]"),
]


@pytest.mark.parametrize(("key", "value", "words"), BAD)
def test_results_that_lack_what_they_need(key: str, value: Any, words: str) -> None:
    results = changed(key, value)
    place = json.dumps(results).index("{", 2)
    with pytest.raises(ValueError) as caught:
        found_from(results, truth_from(DATASET))
    assert str(caught.value).startswith(f"dt.json entry 1: {words}")
    assert str(caught.value).endswith(f"detection at byte {place}")
    issues = Issues(lenient=True)
    found = found_from(results, truth_from(DATASET), issues)
    assert found.scores.tolist() == [0.1]
    assert len(issues) == 1
    assert issues.found[0].place == place


@pytest.mark.parametrize(("key", "value", "words"), [bad for bad in BAD if bad[0] != "score"])
def test_truths_that_lack_what_they_need(key: str, value: Any, words: str) -> None:
    dataset = altered("annotations", key, value)
    with pytest.raises(ValueError) as caught:
        truth_from(dataset)
    assert str(caught.value).startswith(f"gt.json entry 1 (id 9): {words}")
    issues = Issues(lenient=True)
    assert truth_from(dataset, issues).ids.tolist() == [7]
    assert len(issues) == 1


def test_every_bad_entry_is_counted() -> None:
    results = RESULTS + [{"image_id": 10, "category_id": 3, "bbox": [1, 2, 3, 4]}] * 5
    with pytest.raises(ValueError, match=r"entry 2: score .* \(5 such entries\)"):
        found_from(results, truth_from(DATASET))
    issues = Issues(lenient=True)
    assert len(found_from(results, truth_from(DATASET), issues)) == 2
    assert issues.counts == {"missing-score": 5}


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_ground_truth(tmp_path / "none.json")
    empty = tmp_path / "empty.json"
    empty.touch()
    with pytest.raises(ValueError, match=r"empty.json: expected JSON. The file is empty \(0 bytes"):
        read_ground_truth(empty)
    whole = json.dumps(DATASET)
    cut = tmp_path / "cut.json"
    for n in (1, 40, len(whole) // 2, len(whole) - 1):
        cut.write_text(whole[:n])
        with pytest.raises(ValueError, match=r"cut.json: expected .* byte \d+.*cut short"):
            read_ground_truth(cut)


def test_arguments() -> None:
    with pytest.raises(ValueError, match=r"task must be one of .* Got 'box'"):
        truth_from(DATASET, task="box")
    with pytest.raises(ValueError, match=r"threads must be >= 1. Got 0"):
        ground_truth_from(Source("a", b"{}"), threads=0)


@pytest.mark.slow
def test_a_file_beyond_four_gigabytes(tmp_path: Path) -> None:
    # A hole in the file reads as zeros, which JSON holds nowhere: it is refused where it begins,
    # and where white space fills two gigabytes, what stands behind is read at its true place.
    path = tmp_path / "large.json"
    with open(path, "wb") as file:
        file.write(b"[")
        blank = b" " * (1 << 24)
        for _ in range(130):
            file.write(blank)
        file.write(json.dumps(RESULTS)[1:].encode())
    found = read_detections(path, truth_from(DATASET))
    assert found.places is not None
    assert found.places[0] == 1 + 130 * (1 << 24) > 2**31
    assert found.boxes.tolist() == [[1.0, 2.0, 3.0, 4.0], [5.0, 6.25, 7.0, 8.0]]
    with open(path, "r+b") as file:
        file.truncate(2**32 + 5)
    with pytest.raises(ValueError, match=r"found b'\\x00' at byte 2181038\d+"):
        read_detections(path, truth_from(DATASET))


# Parity.


@pytest.mark.peer
def test_columns_are_what_pycocotools_loads(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    random = np.random.default_rng(3)
    images, classes = [10, 2**60 + 1], [3, 90]
    rows = [
        {"image_id": images[random.integers(2)], "category_id": classes[random.integers(2)],
         "bbox": [round(x, 3) for x in random.uniform(0, 40, 4)], "score": random.random()}
        for _ in range(300)
    ]  # fmt: skip
    for name, content in (("gt", DATASET), ("dt", rows)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    theirs = coco.COCO(str(tmp_path / "gt.json"))
    loaded = theirs.loadRes(str(tmp_path / "dt.json")).dataset["annotations"]
    truth = read_ground_truth(tmp_path / "gt.json")
    found = read_detections(tmp_path / "dt.json", truth)
    assert found.boxes.tolist() == [one["bbox"] for one in loaded]
    assert found.scores.tolist() == [one["score"] for one in loaded]
    assert found.images.tolist() == [one["image_id"] for one in loaded]
    assert found.categories.tolist() == [one["category_id"] for one in loaded]
    assert truth.areas.tolist() == [one["area"] for one in theirs.dataset["annotations"]]

"""The one call: goldens, what it takes, both backends alike, and how it refuses."""

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core import backend as backends
from drivetrain.detection import (
    STYLES,
    Detections,
    Federation,
    GroundTruth,
    Result,
    Style,
    evaluate,
)
from drivetrain.detection.evaluation import STAGES
from drivetrain.detection.examples import survey_data, survey_style

ALL = list(STYLES)


def toy() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    truth = {
        "images": [{"id": 1, "width": 100, "height": 100}, {"id": 2, "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400.0},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [40, 40, 30, 30], "area": 900.0},
            {"id": 3, "image_id": 2, "category_id": 1, "bbox": [0, 0, 50, 50], "area": 2500.0},
        ],
    }
    for one in truth["annotations"]:
        one["iscrowd"] = 0
    found = [
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.9},
        {"image_id": 1, "category_id": 2, "bbox": [40, 40, 30, 28], "score": 0.8},
        {"image_id": 2, "category_id": 1, "bbox": [0, 0, 50, 50], "score": 0.7},
        {"image_id": 2, "category_id": 1, "bbox": [60, 60, 5, 5], "score": 0.95},
    ]
    return truth, found


def columns(seed: int) -> tuple[GroundTruth, Detections]:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(0, 30)), int(rng.integers(0, 80))
    boxes = np.concatenate((rng.integers(0, 9, (n, 2)), rng.integers(1, 9, (n, 2))), axis=1) * 12.0
    near = boxes[rng.integers(0, n, m)] if n else np.tile([0.0, 0.0, 9.0, 9.0], (m, 1))
    truth = GroundTruth.from_arrays(
        images=rng.integers(1, 5, n),
        categories=rng.integers(1, 4, n),
        boxes=boxes,
        crowd=rng.random(n) < 0.15,
        ignore=rng.random(n) < 0.15,
        ids=rng.permutation(n) + 1,
        image_ids=[4, 2, 3, 1],
        category_ids=[3, 1, 2],
    )
    found = Detections.from_arrays(
        images=rng.integers(1, 5, m),
        categories=rng.integers(1, 4, m),
        boxes=near + rng.integers(0, 3, (m, 4)) * 2.0,
        scores=rng.integers(0, 9, m) / 8,
    )
    return truth, found


def same_bits(one: Result, other: Result) -> None:
    for name in ("precision", "recall", "scores"):
        ours, theirs = getattr(one.tables, name), getattr(other.tables, name)
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    assert repr(one.summary) == repr(other.summary)


# Goldens.


@pytest.mark.parametrize("backend", ["numba", "reference"])
@pytest.mark.parametrize(
    ("name", "ap"),
    [
        ("voc2007", 0.26839826839826836),
        ("voc2010", 0.24568668046928915),
        ("coco", 0.24816021974868288),
    ],
)
def test_the_survey_tells_the_styles_apart(name: str, ap: float, backend: str) -> None:
    assert evaluate(*survey_data(), style=survey_style(name), backend=backend).ap == ap


def test_the_toy_problem() -> None:
    # Class cat finds both, behind a false one: 2/3. Class dog: IoU 28/30 passes nine thresholds.
    result = evaluate(*toy())
    assert result.ap == pytest.approx((2 / 3 + 0.9) / 2)
    assert result.ap50 == pytest.approx((2 / 3 + 1) / 2)
    assert result.summary["AR1"] == pytest.approx((0.5 + 0.9) / 2)


# What it takes.


def test_paths_dictionaries_and_columns_agree(tmp_path: Path) -> None:
    truth, found = toy()
    paths = [tmp_path / "gt.json", tmp_path / "dt.json"]
    for path, value in zip(paths, (truth, found)):
        path.write_text(json.dumps(value))
    of_files = evaluate(*paths)
    same_bits(of_files, evaluate(truth, found))
    same_bits(of_files, evaluate(str(paths[0]), found))
    same_bits(of_files, evaluate(truth, str(paths[1])))
    same_bits(of_files, evaluate(of_files.truth, of_files.found))
    assert [one.name for one in of_files.per_class()] == ["cat", "dog"]


def test_entries_of_numpy_and_tensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    truth, found = toy()
    plain = evaluate(truth, found)
    for entry in found:
        entry["image_id"] = np.int64(entry["image_id"])
        entry["category_id"] = torch.tensor(entry["category_id"])
        entry["bbox"] = np.array(entry["bbox"], np.float32)
        entry["score"] = np.float64(entry["score"])
    same_bits(plain, evaluate(truth, tuple(found)))


def test_masks_of_every_kind() -> None:
    truth, found = toy()
    for entry in truth["annotations"]:
        x, y, w, h = entry["bbox"]
        entry["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    for entry, counts in zip(found, (b"04d", "04d", [0, 10000], [0, 10000])):
        entry["segmentation"] = {"size": [100, 100], "counts": counts}
    for entry in found[:2]:
        entry["segmentation"]["counts"] = [0, 10000]
    result = evaluate(truth, found, task="segm")
    assert result.summary["AP"] == 0.0
    same_bits(result, evaluate(truth, found, task="segm", backend="reference"))


def test_other_options() -> None:
    truth, found = toy()
    only = evaluate(truth, found, images=[2], categories=[1])
    assert only.image_ids.tolist() == [2]
    assert [one.id for one in only.per_class()] == [1]
    assert only.ap == pytest.approx(0.5)
    told: list[str] = []
    evaluate(truth, found, advance=told.append)
    assert tuple(told) == STAGES


def test_keypoints_have_their_ten_numbers() -> None:
    truth, found = toy()
    for entry in (*truth["annotations"], *found):
        x, y, w, h = entry["bbox"]
        entry["keypoints"] = [x, y, 2, x + w, y + h, 2]
        entry["num_keypoints"] = 2
    result = evaluate(truth, found, task="keypoints", sigmas=[0.1, 0.1])
    keys = "AP AP50 AP75 APm APl AR AR50 AR75 ARm ARl"
    assert list(result.summary) == keys.split()
    same_bits(
        result, evaluate(truth, found, task="keypoints", sigmas=[0.1, 0.1], backend="reference")
    )


def test_the_backend_of_the_context() -> None:
    with backends.use("reference"), pytest.raises(ValueError, match="pairs"):
        evaluate(*survey_data(), style="ultralytics")
    assert evaluate(*survey_data(), style="ultralytics").style.assignment == "pairs"


# Properties: both backends, one call or many, any threads, any order.


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([n for n in ALL if n != "ultralytics"]))
def test_both_backends_give_the_same_bits(seed: int, name: str) -> None:
    data = columns(seed)
    fast, slow = (evaluate(*data, style=name, backend=b) for b in ("numba", "reference"))
    for table in ("precision", "recall", "scores"):
        ours, theirs = getattr(fast.tables, table), getattr(slow.tables, table)
        np.testing.assert_array_equal(ours, theirs, err_msg=table)
    # Areas of stairs are sums of some hundred terms, added in one order by both.
    np.testing.assert_allclose(
        fast.average_precision, slow.average_precision, rtol=0, atol=100 * 2.2e-16
    )
    for one in fields(fast.events):
        ours, theirs = getattr(fast.events, one.name), getattr(slow.events, one.name)
        np.testing.assert_array_equal(ours, theirs, err_msg=one.name)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(ALL))
def test_styles_together_are_styles_alone(seed: int, names: list[str]) -> None:
    data = columns(seed)
    together = evaluate(*data, style=names)
    assert list(together) == names
    for name in names:
        same_bits(together[name], evaluate(*data, style=name))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(ALL))
def test_threads_change_nothing(seed: int, name: str) -> None:
    data = columns(seed)
    same_bits(*(evaluate(*data, style=name, threads=threads) for threads in (1, 3)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(ALL))
def test_the_order_of_rows_decides_only_between_ties(seed: int, name: str) -> None:
    truth, found = columns(seed)
    rng = np.random.default_rng(seed)
    found = replace(found, scores=rng.permutation(len(found)) / max(len(found), 1))
    order = rng.permutation(len(found))
    moved = replace(
        found,
        images=found.images[order],
        categories=found.categories[order],
        scores=found.scores[order],
        boxes=found.boxes[order],
    )
    same_bits(evaluate(truth, found, style=name), evaluate(truth, moved, style=name))


def test_what_a_verdict_says_is_what_the_kernels_say() -> None:
    result = evaluate(*columns(5))
    np.testing.assert_array_equal(result.verdict.tables.precision, result.precision)
    np.testing.assert_array_equal(result.verdict.ap, result.average_precision)


# LVIS.


def test_lvis_groups_classes_by_frequency() -> None:
    truth, found = columns(7)
    federation = Federation(frequency="rcf")  # of the classes 3, 1, 2
    result = evaluate(replace(truth, federation=federation), found, style="lvis")
    keys = "AP AP50 AP75 APs APm APl APr APc APf AR300 ARs ARm ARl"
    assert list(result.summary) == keys.split()
    scores = {one.id: one.ap for one in result.per_class()}
    for key, category in (("APr", 3), ("APc", 1), ("APf", 2)):
        np.testing.assert_equal(result.summary[key], scores[category])


# What is loaded.


def test_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys, drivetrain.detection as room\n"
        "for name in room.__all__: getattr(room, name)\n"
        "from drivetrain.detection.examples import survey_data\n"
        "room.evaluate(*survey_data()).to_markdown()\n"
        "heavy = {'torch', 'pandas', 'pyarrow', 'polars', 'matplotlib', 'rich', 'tyro'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_a_plain_style_loads_no_general_rules() -> None:
    code = (
        "import sys\n"
        "from drivetrain.detection import evaluate\n"
        "from drivetrain.detection.examples import survey_data\n"
        "evaluate(*survey_data())\n"
        "print([m for m in sys.modules if m.startswith('drivetrain.detection.protocols')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


# Edges.


def nothing() -> Detections:
    return Detections.from_arrays(images=[], categories=[], boxes=[], scores=[])


@pytest.mark.parametrize("name", ALL)
def test_no_detections_score_zero(name: str) -> None:
    truth, _ = survey_data()
    result = evaluate(truth, nothing(), style=name)
    assert result.ap == 0.0
    assert result.issues.counts["empty-detections"] == 1


@pytest.mark.parametrize("name", ALL)
def test_no_truths_have_no_answer(name: str) -> None:
    truth = GroundTruth.from_arrays(images=[], categories=[], boxes=[], image_ids=[1])
    result = evaluate(truth, nothing(), style=name)
    assert np.isnan(list(result.summary.values())).all()
    with pytest.warns(UserWarning, match="is NaN: no class of ground_truth has truths"):
        assert np.isnan(result.ap)


@pytest.mark.parametrize("task", ["bbox", "segm", "keypoints", "rotated"])
def test_an_empty_set_of_every_task(task: str) -> None:
    truth = GroundTruth.from_arrays(images=[], categories=[], boxes=[], image_ids=[1])
    assert np.isnan(evaluate(truth, nothing(), task=task).summary["AP"])


def test_huge_ids() -> None:
    truth, found = toy()
    for entry in (*truth["annotations"], *found):
        entry["image_id"] *= 2**61
        entry["category_id"] *= 2**60
    for entry in truth["annotations"]:
        entry["id"] = 2**63 - entry["id"]
    for section, unit in (("images", 2**61), ("categories", 2**60)):
        for entry in truth[section]:
            entry["id"] *= unit
    assert evaluate(truth, found).ap == evaluate(*toy()).ap


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"style": "cocoo"}, ValueError, r"Unknown style 'cocoo'\. Did you mean 'coco'\?"),
        ({"style": 7}, TypeError, "style must be a name, a Style, or some of them. Got int: 7"),
        ({"style": []}, TypeError, "style must be a name, a Style, or some of them. Got list"),
        ({"style": ["coco", "coco"]}, ValueError, "styles must have different names"),
        ({"style": None}, TypeError, "style must be a name"),
        ({"task": "box"}, ValueError, "task must be one of 'bbox'.*Did you mean 'bbox'"),
        ({"task": "segm"}, ValueError, "task 'segm' compares masks, and ground_truth has none"),
        ({"task": "keypoints"}, ValueError, "compares keypoints, and ground_truth has none"),
        ({"lenient": 1}, TypeError, "lenient must be True or False. Got int: 1"),
        ({"threads": 0}, ValueError, "threads must be >= 1. Got 0"),
        ({"threads": 1.5}, TypeError, "threads must be an integer"),
        ({"backend": "nunba"}, ValueError, "Did you mean 'numba'"),
        ({"backend": "torch"}, ValueError, "backend 'torch' is not offered here"),
        ({"protocol": "coco"}, TypeError, "evaluate has no option 'protocol'. Expected one of"),
        ({"image": [1]}, TypeError, "evaluate has no option 'image'. Did you mean 'images'"),
        ({"images": [[1]]}, ValueError, "images must be 1-d"),
        ({"categories": [0.5]}, ValueError, "categories must hold whole numbers"),
        ({"sigmas": []}, ValueError, "sigmas must be positive"),
        ({"sigmas": [0.1, -1]}, ValueError, "sigmas must be positive"),
        ({"sigmas": [float("nan")]}, ValueError, "sigmas must be finite"),
    ],
)
def test_hostile_settings(options: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        evaluate(*survey_data(), **options)


@pytest.mark.parametrize(
    ("truth", "found", "kind", "words"),
    [
        (3, [], TypeError, "ground_truth must be a path, GroundTruth, or a dictionary.* Got int"),
        ([], [], TypeError, "ground_truth must be a path, GroundTruth.* Got list"),
        (None, [], TypeError, "ground_truth must be .* Got NoneType"),
        (toy()[0], 3, TypeError, "detections must be a path, Detections, or a list.* Got int"),
        (toy()[0], [3], TypeError, "detections must be .* Got int at position 0"),
        (toy()[0], {}, TypeError, "detections must be .* Got dict"),
        (toy()[0], toy()[0], TypeError, "detections must be .* Got dict"),
        (toy()[0], [{"score": object()}], TypeError, "detections holds a object, which COCO's"),
        ("/nowhere/gt.json", [], FileNotFoundError, "nowhere"),
        (toy()[0], "/nowhere/dt.json", FileNotFoundError, "nowhere"),
        ({}, [], ValueError, "ground_truth: expected an object with the member 'annotations'"),
        (toy()[0], [{}], ValueError, "detections entry 0"),
    ],
)
def test_hostile_data(truth: Any, found: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        evaluate(truth, found)


@pytest.mark.parametrize(
    ("field", "value", "kind", "words"),
    [
        ("name", 3, TypeError, "name of a style must be a text. Got int"),
        ("thresholds", (), ValueError, "thresholds of style 'x' must be 1 to 32. Got 0"),
        ("thresholds", 0.5, TypeError, "thresholds of style 'x' must be a tuple. Got float"),
        ("thresholds", (float("nan"),), ValueError, "thresholds of style 'x' must be > 0 and <= 1"),
        ("thresholds", (0.0, 0.5), ValueError, "must be > 0 and <= 1. Got 0"),
        ("thresholds", (1.5,), ValueError, "must be > 0 and <= 1. Got 1.5"),
        ("thresholds", (0.9, 0.5), ValueError, "must rise. Got 0.5 after 0.9"),
        ("thresholds", tuple(np.linspace(0.1, 0.9, 33)), ValueError, "must be 1 to 32. Got 33"),
        ("thresholds", ("half",), TypeError, "must be a real number. Got str"),
        ("recalls", (), ValueError, "recalls of style 'x' must be at least one"),
        ("recalls", (0.5, 0.2), ValueError, "recalls of style 'x' must rise"),
        ("recalls", (-0.1,), ValueError, "recalls of style 'x' must be >= 0"),
        ("areas", (), ValueError, "areas of style 'x' must be 1 to 24. Got 0"),
        ("areas", (("all", 5, 1),), ValueError, "greatest area of 'all' .* must be >= 5. Got 1"),
        ("areas", (("all", 0),), TypeError, "must be .name, least, greatest.. Got"),
        ("areas", (("a", 0, 1), ("a", 0, 2)), ValueError, "must have different names. Got a, a"),
        ("max_detections", (), ValueError, "max_detections of style 'x' must be 1 to 255"),
        ("max_detections", (0,), ValueError, "must be >= 1. Got 0"),
        ("max_detections", (10, 1), ValueError, "must rise. Got 1 after 10"),
        ("max_detections", (1.5,), TypeError, "must be an integer. Got float"),
        ("max_per_image", 0, ValueError, "max_per_image of style 'x' must be >= 1"),
        ("assignment", "bset", ValueError, "Did you mean 'best'"),
        ("interpolation", "12-point", ValueError, "Did you mean '11-point'"),
        ("grid", "tens", ValueError, "grid of style 'x' must be one of 'tenths'"),
        ("group_of", None, ValueError, "group_of of style 'x' must be one of 'ignore'"),
        ("crowd", 1, TypeError, "crowd of style 'x' must be True or False. Got 1"),
    ],
)
def test_unsound_styles(field: str, value: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        evaluate(*survey_data(), style=Style(**{"name": "x", field: value}))


def test_lists_in_a_style_are_taken_for_tuples() -> None:
    loose = Style(name="x", thresholds=[0.5, np.float32(0.75)])  # type: ignore[arg-type]
    result = evaluate(*survey_data(), style=loose)
    assert result.style.thresholds == (0.5, 0.75)
    assert hash(result.style)


SHORT = [
    ("scores", lambda f: f.scores[:-1], ValueError, r"scores must be of shape \(24,\). Got \(23"),
    ("boxes", lambda f: f.boxes[:-1], ValueError, r"boxes must be of shape \(24, 4\). Got \(23"),
    ("boxes", lambda f: f.boxes[:, :3], ValueError, r"boxes must be of shape \(24, 4\)"),
    ("categories", lambda f: f.categories[1:], ValueError, "categories must be of shape"),
    ("categories", lambda f: f.categories + 0.5, ValueError, "categories must hold whole numbers"),
    ("areas", lambda f: np.ones(3), ValueError, "areas must be of shape"),
    ("images", lambda f: f.boxes, ValueError, "images must be 1-d"),
    ("scores", lambda f: None, TypeError, "scores must hold real numbers"),
    ("scores", lambda f: ["a"] * 24, TypeError, "scores must hold real numbers"),
    ("masks", lambda f: [], ValueError, "masks must be 24, one a row. Got 0"),
]


@pytest.mark.parametrize(("column", "spoil", "kind", "words"), SHORT)
def test_columns_that_do_not_fit(
    column: str, spoil: Any, kind: type[Exception], words: str
) -> None:
    _, found = survey_data()
    with pytest.raises(kind, match=words):
        replace(found, **{column: spoil(found)})


def test_truths_whose_columns_do_not_fit() -> None:
    truth, _ = survey_data()
    for column in ("ids", "crowd", "ignore", "areas", "boxes", "categories"):
        with pytest.raises(ValueError, match=f"{column} must be of shape"):
            replace(truth, **{column: getattr(truth, column)[:-1]})
    with pytest.raises(ValueError, match=r"image_sizes must be of shape \(7, 2\)"):
        replace(truth, image_sizes=np.zeros((6, 2), np.int64))
    with pytest.raises(TypeError, match="crowd must hold real numbers"):
        replace(truth, crowd=None)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: {"boxes": f.boxes.astype(">f8")},
        lambda f: {"boxes": np.asfortranarray(f.boxes)},
        lambda f: {"boxes": f.boxes.astype(np.float32)},  # whole numbers: the same values
        lambda f: {"scores": np.repeat(f.scores, 2)[::2]},
        lambda f: {"scores": f.scores.tolist()},
        lambda f: {"images": f.images.astype(np.uint8), "categories": f.categories.astype(float)},
        lambda f: {"boxes": np.frombuffer(f.boxes.tobytes()).reshape(-1, 4)},
    ],
)
def test_columns_of_any_layout(change: Any) -> None:
    truth, found = survey_data()
    same_bits(evaluate(truth, replace(found, **change(found))), evaluate(truth, found))


def test_an_object_that_holds_itself() -> None:
    truth, found = toy()
    found[0]["self"] = found
    with pytest.raises(TypeError, match="detections holds itself"):
        evaluate(truth, found)


def test_a_tensor_on_a_graph() -> None:
    torch = pytest.importorskip("torch")
    truth, found = toy()
    found[0]["bbox"] = torch.ones(4, requires_grad=True)
    with pytest.raises(TypeError, match="detections holds a Tensor"):
        evaluate(truth, found)
    with pytest.raises(TypeError, match="boxes cannot become a numpy array"):
        Detections.from_arrays(
            images=[1], categories=[1], scores=[1], boxes=torch.ones((1, 4), requires_grad=True)
        )


def test_defects_are_errors_unless_lenient() -> None:
    truth, found = toy()
    found[1]["score"] = float("nan")
    with pytest.raises(ValueError, match="detections entry 1"):
        evaluate(truth, found)
    result = evaluate(truth, found, lenient=True)
    assert result.ap == pytest.approx(1 / 3)
    assert result.issues.counts["nan-score"] == 1
    assert len(result.found) == 3


def test_a_style_of_ones_own() -> None:
    style = Style(name="mine", thresholds=(0.3, 0.6), areas=(("tiny", 0, 400), ("all", 0, 1e9)))
    result = evaluate(*toy(), style=style)
    assert list(result.summary) == ["AP", "AP_tiny", "AR100", "AR_tiny"]
    assert result.ap == pytest.approx((2 / 3 + 1) / 2)

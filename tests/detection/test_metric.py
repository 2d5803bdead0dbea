"""The streaming face: any cutting and any merging gives the bits of one evaluation."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection import (
    Detections,
    GroundTruth,
    MeanAveragePrecision,
    Result,
    evaluate,
)
from drivetrain.detection.examples import survey_data, survey_style

Images = list[tuple[dict[str, Any], dict[str, Any]]]


def stream(seed: int, task: str = "bbox") -> Images:
    """Some images with ties of scores, crowds, empty sides and shared overlaps."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(int(rng.integers(1, 9))):
        n, m = int(rng.integers(0, 5)), int(rng.integers(0, 8))
        at = rng.integers(0, 4, (n, 2)) * 8.0
        boxes = np.concatenate((at, at + rng.integers(1, 5, (n, 2)) * 8.0), axis=1)
        near = boxes[rng.integers(0, n, m)] if n else np.tile([0.0, 0.0, 8.0, 8.0], (m, 1))
        near = near + rng.integers(-1, 2, (m, 4)) * np.array([1.0, 1.0, 2.0, 2.0])
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        target: dict[str, Any] = {
            "boxes": boxes,
            "labels": rng.integers(0, 3, n),
            "iscrowd": rng.random(n) < 0.2,
        }
        found: dict[str, Any] = {
            "boxes": near,
            "labels": rng.integers(0, 3, m),
            "scores": rng.integers(0, 5, m) / 4,
        }
        if task == "segm":
            target["masks"], found["masks"] = pixels(boxes), pixels(near)
        if task == "keypoints":
            target["keypoints"], found["keypoints"] = (points(rng, b) for b in (boxes, near))
        images.append((found, target))
    return images


def pixels(boxes: np.ndarray) -> np.ndarray:
    grid = np.arange(64)
    rows = (grid >= boxes[:, 1:2]) & (grid < boxes[:, 3:4])
    columns = (grid >= boxes[:, 0:1]) & (grid < boxes[:, 2:3])
    return rows[:, :, None] & columns[:, None, :]


def points(rng: np.random.Generator, boxes: np.ndarray) -> np.ndarray:
    at = boxes[:, None, :2] + rng.random((len(boxes), 17, 2)) * 3
    return np.concatenate((at, rng.integers(0, 3, (len(boxes), 17, 1))), axis=2)


def fed(images: Images, cuts: Sequence[int], ids: Sequence[int] | None = None, **how: Any) -> Any:
    """A metric updated piece by piece; the cuts are where pieces begin."""
    metric = MeanAveragePrecision(**how)
    edges = [0, *sorted(cuts), len(images)]
    for low, high in pairwise(edges):
        part = images[low:high]
        metric.update(
            [one[0] for one in part],
            [one[1] for one in part],
            image_ids=None if ids is None else ids[low:high],
        )
    return metric


def assert_same_bits(one: Result, other: Result) -> None:
    for name in ("precision", "recall", "scores"):
        ours, theirs = getattr(one.tables, name), getattr(other.tables, name)
        assert ours.tobytes() == theirs.tobytes()
    assert one.average_precision.tobytes() == other.average_precision.tobytes()
    assert repr(one.summary) == repr(other.summary)
    np.testing.assert_array_equal(one.image_ids, other.image_ids)
    np.testing.assert_array_equal(one.found.scores, other.found.scores)
    np.testing.assert_array_equal(one.truth.boxes, other.truth.boxes)


# Goldens.


@pytest.mark.parametrize("name", ["voc2007", "voc2010", "coco"])
def test_the_survey_image_by_image(name: str) -> None:
    truth, found = survey_data()
    metric = MeanAveragePrecision(style=survey_style(name), box_format="xywh")
    for image in truth.image_ids:
        d, g = found.images == image, truth.images == image
        metric.update(
            [{"boxes": found.boxes[d], "scores": found.scores[d], "labels": found.categories[d]}],
            [{"boxes": truth.boxes[g], "labels": truth.categories[g]}],
        )
    assert metric.compute().ap == evaluate(truth, found, style=survey_style(name)).ap


def test_the_batch_is_what_evaluate_says() -> None:
    truth = GroundTruth.from_arrays(
        images=[0, 0, 1],
        categories=[1, 2, 1],
        boxes=[[0, 0, 40, 40], [50, 50, 20, 20], [5, 5, 30, 30]],
        crowd=[False, True, False],
    )
    found = Detections.from_arrays(
        images=[0, 0, 1],
        categories=[1, 2, 1],
        boxes=[[0, 0, 40, 38], [50, 50, 10, 10], [8, 8, 30, 30]],
        scores=[0.9, 0.9, 0.3],
    )
    metric = MeanAveragePrecision()
    metric.update(
        [
            {"boxes": [[0, 0, 40, 38], [50, 50, 60, 60]], "scores": [0.9, 0.9], "labels": [1, 2]},
            {"boxes": [[8, 8, 38, 38]], "scores": [0.3], "labels": [1]},
        ],
        [
            {"boxes": [[0, 0, 40, 40], [50, 50, 70, 70]], "labels": [1, 2], "iscrowd": [0, 1]},
            {"boxes": [[5, 5, 35, 35]], "labels": [1]},
        ],
    )
    assert_same_bits(metric.compute(), evaluate(truth, found))


# Properties.


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["coco", "voc2010", "ultralytics"]), st.data())
def test_any_cutting_gives_the_same_bits(seed: int, style: str, data: st.DataObject) -> None:
    images = stream(seed)
    cuts = data.draw(st.lists(st.integers(0, len(images)), max_size=5))
    whole, pieces = (fed(images, at, style=style).compute() for at in ([], cuts))
    assert_same_bits(whole, pieces)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["segm", "keypoints"]), st.data())
def test_any_cutting_of_masks_and_keypoints(seed: int, task: str, data: st.DataObject) -> None:
    images = stream(seed, task)
    cuts = data.draw(st.lists(st.integers(0, len(images)), max_size=3))
    whole, pieces = (fed(images, at, task=task).compute() for at in ([], cuts))
    assert_same_bits(whole, pieces)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.data())
def test_merging_in_order_gives_the_same_bits(seed: int, data: st.DataObject) -> None:
    images = stream(seed)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(images)), min_size=1, max_size=4)))
    edges = [0, *cuts, len(images)]
    shards = [fed(images[low:high], []) for low, high in pairwise(edges)]
    shards[0].merge(*shards[1:])
    assert_same_bits(shards[0].compute(), fed(images, []).compute())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["bbox", "segm"]), st.data())
def test_with_ids_any_order_of_merging_gives_the_same_bits(
    seed: int, task: str, data: st.DataObject
) -> None:
    images = stream(seed, task)
    ids = (7 * np.arange(len(images)) + 3).tolist()
    owner = data.draw(st.lists(st.integers(0, 3), min_size=len(ids), max_size=len(ids)))
    shuffled = data.draw(st.permutations(range(len(ids))))
    shards = [MeanAveragePrecision(task=task) for _ in range(4)]
    for i in shuffled:
        shards[owner[i]].update([images[i][0]], [images[i][1]], image_ids=[ids[i]])
    shards[2].merge(shards[0], shards[3])
    shards[2].merge(shards[1])
    assert_same_bits(shards[2].compute(), fed(images, [], ids, task=task).compute())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["bbox", "segm", "keypoints"]))
def test_a_state_is_all_there_is(seed: int, task: str) -> None:
    images = stream(seed, task)
    metric, twin = fed(images, [], task=task), MeanAveragePrecision(task=task)
    state = metric.state_dict()
    assert all(isinstance(value, np.ndarray) for value in state.values())
    twin.load_state_dict(state)
    assert_same_bits(twin.compute(), metric.compute())
    twin.update([images[0][0]], [images[0][1]])
    assert twin.n_images == metric.n_images + 1


# The face.


def test_box_formats_agree() -> None:
    images = stream(4)
    corners = fed(images, []).compute()
    for name in ("xywh", "cxcywh"):
        changed = [({**p, **boxes_as(name, p)}, {**t, **boxes_as(name, t)}) for p, t in images]
        # The coordinates are multiples of 1/2 below 2^10: every sum and half is exact.
        assert_same_bits(fed(changed, [], box_format=name).compute(), corners)


def boxes_as(name: str, one: dict[str, Any]) -> dict[str, Any]:
    low, high = one["boxes"][:, :2], one["boxes"][:, 2:]
    first = low if name == "xywh" else (low + high) / 2
    return {"boxes": np.concatenate((first, high - low), axis=1)}


def test_several_styles_at_once() -> None:
    both = fed(stream(1), [], style=["coco", "voc2007"]).compute()
    assert list(both) == ["coco", "voc2007"]
    assert_same_bits(both["voc2007"], fed(stream(1), [], style="voc2007").compute())


def test_reset_forgets() -> None:
    metric = fed(stream(1), [])
    metric.reset()
    assert metric.n_images == 0
    metric.update(*([one] for one in stream(2)[0]))
    assert_same_bits(metric.compute(), fed(stream(2)[:1], []).compute())


def test_difficult_and_ignored_targets_are_set_aside() -> None:
    for key in ("difficult", "ignore"):
        metric = MeanAveragePrecision(style="voc2010")
        metric.update(
            [{"boxes": [[0, 0, 9, 9]], "scores": [1.0], "labels": [1]}],
            [{"boxes": [[0, 0, 9, 9], [20, 20, 29, 29]], "labels": [1, 1], key: [0, 1]}],
        )
        # Precision is tp / (fp + tp + spacing(1)): an ulp below 1, as COCO has it.
    assert metric.compute().ap == pytest.approx(1.0)


def test_area_decides_the_range() -> None:
    metric = MeanAveragePrecision()
    metric.update(
        [{"boxes": [[0, 0, 10, 10]], "scores": [1.0], "labels": [1]}],
        [{"boxes": [[0, 0, 10, 10]], "labels": [1], "area": [2000.0]}],
    )
    summary = metric.compute().summary
    assert summary["APm"] == pytest.approx(1.0)
    assert np.isnan(summary["APs"])


def test_tensors_are_taken() -> None:
    torch = pytest.importorskip("torch")
    metric = MeanAveragePrecision()
    metric.update(
        [
            {
                "boxes": torch.tensor([[0.0, 0, 9, 9]]),
                "scores": torch.tensor([0.5]),
                "labels": torch.tensor([1]),
            }
        ],
        [{"boxes": torch.tensor([[0.0, 0, 9, 9]]), "labels": torch.tensor([1])}],
    )
    assert metric.compute().ap == pytest.approx(1.0)
    graph = {"boxes": torch.zeros((1, 4), requires_grad=True), "labels": [1], "scores": [0.5]}
    with pytest.raises(TypeError, match=r"preds\[0\]\['boxes'\] cannot become a numpy array"):
        metric.update([graph], [{"boxes": [], "labels": []}])
    assert metric.n_images == 1


def test_classes_are_those_seen_or_told() -> None:
    metric = MeanAveragePrecision(categories=[1, 2, 9])
    metric.update(
        [{"boxes": [[0, 0, 9, 9]] * 2, "scores": [0.5, 0.4], "labels": [1, 5]}],
        [{"boxes": [[0, 0, 9, 9]], "labels": [1]}],
    )
    assert metric.compute().category_ids.tolist() == [1, 2, 9]
    seen = MeanAveragePrecision()
    seen._merge_state(metric.state_dict())
    assert seen.compute().category_ids.tolist() == [1, 5]


# Edges.


def test_nothing_at_all() -> None:
    result = MeanAveragePrecision().compute()
    assert np.isnan(result.summary["AP"])
    metric = MeanAveragePrecision()
    metric.update([], [])
    metric.merge(MeanAveragePrecision())
    assert metric.n_images == 0


@pytest.mark.parametrize("task", ["bbox", "segm", "keypoints"])
def test_empty_images(task: str) -> None:
    nothing = {"boxes": [], "labels": [], "scores": [], "masks": np.zeros((0, 4, 4))}
    nothing["keypoints"] = []
    metric = MeanAveragePrecision(task=task)
    metric.update([nothing], [nothing])
    assert metric.n_images == 1
    for found, target in stream(3, task):
        metric.update([found], [target])
    assert metric.compute().summary["AP"] >= 0


GOOD = {"boxes": [[0, 0, 9, 9]], "labels": [1], "scores": [0.5]}


@pytest.mark.parametrize(
    ("preds", "target", "kind", "words"),
    [
        (GOOD, [GOOD], TypeError, "preds must be a list of dictionaries, one an image. Got dict."),
        ([GOOD], "ab", TypeError, "target must be a list of dictionaries, one an image. Got str."),
        ([GOOD], [], ValueError, "preds and target must be equally long.* Got 1 and 0."),
        ([3], [GOOD], TypeError, r"preds\[0\] must be a dictionary. Got int."),
        ([{}], [GOOD], ValueError, r"preds\[0\] has no 'labels'. It has nothing."),
        (
            [{"boxes": [], "labels": []}],
            [GOOD],
            ValueError,
            r"preds\[0\] has no 'scores'. It has 'boxes', 'labels'.",
        ),
        (
            [GOOD, {**GOOD, "scores": [0.5, 0.4]}],
            [GOOD, GOOD],
            ValueError,
            r"preds\[1\]\['scores'\] must be of shape \(1,\), as there are 1 labels. Got \(2,\).",
        ),
        (
            [{**GOOD, "boxes": [0, 0, 9, 9]}],
            [GOOD],
            ValueError,
            r"preds\[0\]\['boxes'\] must be of shape \(1, 4\)",
        ),
        (
            [{**GOOD, "labels": [1.5]}],
            [GOOD],
            ValueError,
            r"preds\[0\]\['labels'\] must hold whole numbers of int64. Got 1.5.",
        ),
        ([{**GOOD, "labels": ["cat"]}], [GOOD], TypeError, r"\['labels'\] must hold real numbers"),
        ([{**GOOD, "labels": [[1]]}], [GOOD], ValueError, r"\['labels'\] must be 1-d"),
        (
            [{**GOOD, "scores": [float("nan")]}],
            [GOOD],
            ValueError,
            r"preds\[0\]\['scores'\] must be finite. Got nan at position 0",
        ),
        (
            [GOOD],
            [{**GOOD, "boxes": [[0, 0, float("inf"), 9]]}],
            ValueError,
            r"target\[0\]\['boxes'\] must be finite. Got inf at position \(0, 2\)",
        ),
        ([GOOD], [{**GOOD, "area": [1, 2]}], ValueError, r"target\[0\]\['area'\] must be of shape"),
    ],
)
def test_hostile_updates_are_named_and_leave_nothing(
    preds: Any, target: Any, kind: type[Exception], words: str
) -> None:
    metric = MeanAveragePrecision()
    metric.update([GOOD], [GOOD])
    before = metric.compute()
    with pytest.raises(kind, match=words):
        metric.update(preds, target)
    assert metric.n_images == 1
    assert_same_bits(metric.compute(), before)


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ({"style": "cocoo"}, ValueError, "Did you mean 'coco'"),
        ({"style": ["coco", "vok"]}, ValueError, "Unknown style 'vok'"),
        ({"task": "boxes"}, ValueError, "task must be one of 'bbox'"),
        ({"box_format": "yxyx"}, ValueError, "box_format must be one of 'xyxy'.*Did you mean"),
        ({"sigma": [1]}, TypeError, "MeanAveragePrecision has no option 'sigma'. Did you mean"),
        ({"images": [1]}, TypeError, "MeanAveragePrecision has no option 'images'"),
    ],
)
def test_hostile_settings(how: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        MeanAveragePrecision(**how)


def test_an_image_is_added_once() -> None:
    metric = MeanAveragePrecision()
    metric.update([GOOD], [GOOD], image_ids=[5])
    with pytest.raises(ValueError, match="Got image id 5 again"):
        metric.update([GOOD], [GOOD], image_ids=[5])
    with pytest.raises(ValueError, match="Got image id 6 again"):
        metric.update([GOOD] * 2, [GOOD] * 2, image_ids=[6, 6])
    with pytest.raises(ValueError, match=r"image_ids must be 1, one an image\. Got 2\."):
        metric.update([GOOD], [GOOD], image_ids=[8, 9])
    with pytest.raises(ValueError, match="whole numbers"):
        metric.update([GOOD], [GOOD], image_ids=[0.5])
    with pytest.raises(ValueError, match="at every update, or at none"):
        metric.update([GOOD], [GOOD])
    with pytest.raises(ValueError, match="to all metrics that are merged, or to none"):
        metric.merge(fed([(GOOD, GOOD)], []))
    with pytest.raises(ValueError, match="Got image id 5 again"):
        metric.merge(metric)
    assert metric.n_images == 1


def test_huge_ids_and_labels() -> None:
    metric = MeanAveragePrecision()
    big = {**GOOD, "labels": [2**62]}
    metric.update([big], [big], image_ids=[-(2**62)])
    metric.update([GOOD], [GOOD], image_ids=[2**62])
    assert metric.compute().ap == pytest.approx(1.0)


def test_merging_what_cannot_be_merged() -> None:
    metric = fed([(GOOD, GOOD)], [])
    with pytest.raises(TypeError, match=r"merge takes MeanAveragePrecision\. Got int\."):
        metric.merge(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"task must be 'bbox' to be merged\. Got 'segm'\."):
        metric.merge(fed(stream(1, "segm"), [], task="segm"))
    with pytest.raises(ValueError, match="state is not of a MeanAveragePrecision"):
        metric.load_state_dict({"a": np.zeros(1)})
    assert metric.n_images == 1


def test_lenient_counts_and_skips() -> None:
    metric = MeanAveragePrecision(lenient=True)
    bad = {"boxes": [[0, 0, 9, 9], [0, 0, 9, 9]], "labels": [1, 1], "scores": [float("nan"), 0.5]}
    metric.update([bad], [GOOD])
    result = metric.compute()
    assert result.ap == pytest.approx(1.0)
    assert result.issues.counts["nan-score"] == 1


def test_keypoints_must_be_equally_many() -> None:
    metric = MeanAveragePrecision(task="keypoints", sigmas=[0.1] * 3)
    three = {**GOOD, "keypoints": np.zeros((1, 3, 3))}
    four = {**GOOD, "keypoints": np.zeros((1, 4, 3))}
    with pytest.raises(ValueError, match=r"keypoints must be equally many.* Got 3 and 4\."):
        metric.update([three, four], [three, three])
    with pytest.raises(ValueError, match=r"must be of shape \(1, keypoints, 3\)"):
        metric.update([{**GOOD, "keypoints": np.zeros((1, 3))}], [three])


def test_corners_in_the_wrong_order_are_refused_before_they_spoil_the_stream() -> None:
    metric = MeanAveragePrecision()
    good = {"boxes": [[0, 0, 5, 5]], "labels": [1]}
    turned = {"boxes": [[0, 0, 5, 5], [9, 0, 5, 5]], "labels": [1, 1], "scores": [0.5, 0.9]}
    empty = {"boxes": np.empty((0, 4)), "labels": [], "scores": []}
    words = r"preds\[1\]\['boxes'\] must have a width and height >= 0. Got -4 x 5 in box 1"
    with pytest.raises(ValueError, match=words):
        metric.update([empty, turned], [good, good])
    metric.update([{**good, "scores": [0.9]}], [good])
    # Precision is tp / (fp + tp + spacing(1)): an ulp below 1, as COCO has it.
    assert metric.compute().ap == pytest.approx(1.0)

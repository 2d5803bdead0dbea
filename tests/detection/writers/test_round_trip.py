"""What is written is read back to the last bit, or it is said that it will not be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.annotations import Detections, Federation, GroundTruth
from drivetrain.detection.conversion import convert
from drivetrain.detection.issues import Issues
from drivetrain.detection.masks import from_counts
from drivetrain.detection.readers.choose import choose_format, read_detections, read_ground_truth
from drivetrain.detection.writers.choose import FORMATS, write_detections, write_ground_truth

ANY = sorted(FORMATS)
# Formats that hold a box by x, y, width and height, the very numbers.
EXACT = ("coco", "csv", "parquet")
SIZES = np.array([[480, 640], [375, 500], [1, 1]])
NAMES = ("a.jpg", "dir/b.png", "c")


def truths(boxes: Any, **columns: Any) -> GroundTruth:
    n = len(boxes)
    given = {
        "images": np.arange(n) % 2 + 11,
        "categories": np.arange(n) % 3 + 5,
        "image_ids": [11, 12, 13],
        "category_ids": [5, 6, 7],
        "image_names": NAMES,
        "category_names": ("cat", "dog, large", 'the "é" <&>'),
        "image_sizes": SIZES,
    } | columns
    return GroundTruth.from_arrays(boxes=boxes, **given)


def detections(boxes: Any, scores: Any) -> Detections:
    n = len(boxes)
    return Detections.from_arrays(
        images=np.arange(n) % 3 + 11, categories=np.arange(n) % 3 + 5, boxes=boxes, scores=scores
    )


def target(folder: Path, to: str, name: str = "out") -> Path:
    return folder / (f"{name}.{to}" if to not in ("voc", "yolo") else name)


def told(to: str, path: Path) -> dict[str, Any]:
    if to == "yolo":
        return {"sizes": path / "sizes.csv"}
    return {"sizes": dict(zip(NAMES, SIZES.tolist()))} if to == "openimages" else {}


def in_order(columns: GroundTruth | Detections, truth: GroundTruth) -> list[tuple[Any, ...]]:
    """Return (image, class, row in the file) and the box of each entry, by image and class."""
    names = dict(zip(truth.image_ids.tolist(), truth.image_names))
    classes = dict(zip(truth.category_ids.tolist(), truth.category_names))
    stems = {one: name.rsplit("/", 1)[-1].split(".")[0] for one, name in names.items()}
    rows = zip(columns.images.tolist(), columns.categories.tolist(), columns.boxes.tolist())
    return sorted(
        ((stems[i], classes[k], *box) for i, k, box in rows), key=lambda row: (row[0], row[1])
    )


side = st.integers(0, 4000).map(lambda n: n / 8)
whole_boxes = st.lists(st.tuples(side, side, side, side), min_size=3, max_size=12)
# What a detector says: any float32, which is a double of full digits; none is denormal.
real = st.floats(0.0009765625, 600, width=32)
real_boxes = st.lists(st.tuples(real, real, real, real), min_size=3, max_size=12)


@pytest.mark.parametrize("to", EXACT)
@settings(deadline=None, max_examples=30)
@given(boxes=real_boxes, score=st.floats(0, 1))
def test_numbers_are_read_back_to_the_last_bit(
    to: str, boxes: list[Any], score: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, issues = tmp_path_factory.mktemp("exact"), Issues()
    truth = truths(boxes)
    found = detections(boxes, np.linspace(score, score / 3, len(boxes)))
    write_ground_truth(truth, target(folder, to), to=to, issues=issues)
    write_detections(found, truth, target(folder, to, "found"), to=to, issues=issues)
    again = read_ground_truth(target(folder, to), issues=issues)
    back = read_detections(target(folder, to, "found"), truth, issues=issues)
    assert [row[2:] for row in in_order(again, again)] == [
        row[2:] for row in in_order(truth, truth)
    ]
    np.testing.assert_array_equal(back.boxes, found.boxes)
    np.testing.assert_array_equal(back.scores, found.scores)
    np.testing.assert_array_equal(back.images, found.images)
    np.testing.assert_array_equal(back.categories, found.categories)


@settings(deadline=None, max_examples=30)
@given(boxes=whole_boxes)
def test_voc_holds_eighths_of_a_pixel_exactly(
    boxes: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, issues = tmp_path_factory.mktemp("voc"), Issues()
    truth = truths(boxes)
    found = detections(boxes, np.linspace(1, 0.1, len(boxes)))
    write_ground_truth(truth, folder / "t", to="voc", issues=issues)
    write_detections(found, truth, folder / "f", to="voc", issues=issues)
    again = read_ground_truth(folder / "t", issues=issues)
    back = read_detections(folder / "f", truth, issues=issues)
    assert in_order(again, again) == in_order(truth, truth)
    assert in_order(back, truth) == in_order(found, truth)
    assert "rounded-box" not in issues.counts


@pytest.mark.parametrize("to", ["voc", "yolo", "openimages"])
@settings(deadline=None, max_examples=20)
@given(boxes=real_boxes)
def test_what_is_rounded_is_said(
    to: str, boxes: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, issues = tmp_path_factory.mktemp("rounded"), Issues()
    truth = truths(boxes)
    write_ground_truth(truth, target(folder, to), to=to, issues=issues)
    again = read_ground_truth(target(folder, to), issues=issues, **told(to, target(folder, to)))
    got, want = in_order(again, again), in_order(truth, truth)
    if not any(kind == "rounded-box" for kind in issues.counts):
        assert got == want
    # Three roundings of numbers up to 1200 (corner + size), each of half a unit in the last place.
    tolerance = 3 * np.spacing(2048.0)
    for one, other in zip(got, want):
        assert one[:2] == other[:2]
        np.testing.assert_allclose(one[2:], other[2:], rtol=0, atol=tolerance)


@pytest.mark.parametrize("to", ANY)
def test_names_and_images_without_truths_survive(to: str, tmp_path: Path) -> None:
    truth, issues = truths([[1, 2, 30, 40], [3, 4, 50, 60], [5, 6, 7, 8]]), Issues()
    write_ground_truth(truth, target(tmp_path, to), to=to, issues=issues)
    again = read_ground_truth(target(tmp_path, to), issues=issues, **told(to, target(tmp_path, to)))
    assert sorted(again.category_names) == sorted(truth.category_names)
    known = 2 if to == "openimages" else 3
    assert len(again.image_ids) == known
    assert ("unlisted-images" in issues.counts) == (to == "openimages")
    assert choose_format(target(tmp_path, to)) == to


@pytest.mark.parametrize("to", ANY)
@pytest.mark.parametrize("loss", ["masks", "keypoints", "crowd", "ignore", "group_of", "rotated"])
def test_what_a_format_cannot_hold_is_an_error_or_told(to: str, loss: str, tmp_path: Path) -> None:
    value = {
        "masks": from_counts([[5, 2, 2, 2, 5]] * 2, [[4, 4]] * 2),
        "keypoints": np.ones((2, 3, 3)),
        "rotated": np.ones((2, 5)),
    }.get(loss, np.array([True, False]))
    small = np.array([[4, 4]] * 3)
    truth = replace(truths([[0, 0, 8, 8], [1, 1, 8, 8]], image_sizes=small), **{loss: value})
    held = {
        "coco": ("masks", "keypoints", "crowd", "ignore"),
        "voc": ("ignore",),
        "yolo": ("keypoints",),
        "csv": ("crowd", "ignore"),
        "parquet": ("crowd", "ignore"),
        "openimages": ("group_of",),
    }[to]
    out = target(tmp_path, to)
    if loss in held:
        write_ground_truth(truth, out, to=to, issues=Issues())
        more = {"keypoints": "keypoints", "masks": "segm"}
        options = told(to, out) | ({"task": more[loss]} if loss in more else {})
        again = read_ground_truth(out, issues=Issues(), **options)
        got = getattr(again, loss)
        if loss == "masks":
            np.testing.assert_array_equal(got.runs, truth.masks.runs)  # type: ignore[union-attr]
        elif loss == "keypoints":
            # One multiplication and one division by the size, each rounded once.
            np.testing.assert_allclose(got, value, rtol=2 * np.finfo(float).eps, atol=0)
        else:
            assert got.sum() == 1
    else:
        with pytest.raises(ValueError, match="cannot hold"):
            write_ground_truth(truth, out, to=to, issues=Issues())
        assert not any(tmp_path.iterdir())
        issues = Issues(lenient=True)
        write_ground_truth(truth, out, to=to, issues=issues)
        flags = loss in ("crowd", "ignore", "group_of")
        assert issues.counts[f"lost-{loss}"] == (1 if flags else 2)


def test_lvis_labels_survive_in_json(tmp_path: Path) -> None:
    federation = Federation(
        negative=np.array([[11, 5], [12, 7]]),
        not_exhaustive=np.array([[13, 6]]),
        frequency="rcf",
    )
    truth = replace(truths([[0, 0, 8, 8], [1, 1, 8, 8]]), federation=federation)
    write_ground_truth(truth, tmp_path / "t.json", to="coco", issues=Issues())
    again = read_ground_truth(tmp_path / "t.json", issues=Issues()).federation
    assert again is not None
    assert again.frequency == "rcf"
    np.testing.assert_array_equal(again.negative, federation.negative)
    np.testing.assert_array_equal(again.not_exhaustive, federation.not_exhaustive)


@pytest.mark.parametrize("to", ANY)
@pytest.mark.parametrize("via", ANY)
def test_conversions_meet(to: str, via: str, tmp_path: Path) -> None:
    """Any two formats hold the same problem: eighths of pixels in images of powers of two."""
    boxes = [[1.5, 2, 30, 40.25], [3, 4, 50, 60], [5, 6, 7, 8], [1, 1, 2, 2]]
    sizes = dict.fromkeys(NAMES, (512, 1024))
    truth = truths(boxes, image_sizes=np.array([[512, 1024]] * 3))
    found = detections(boxes, [0.5, 0.25, 0.25, 1])
    issues = Issues()
    write_ground_truth(truth, target(tmp_path, via, "t"), to=via, issues=issues)
    write_detections(found, truth, target(tmp_path, via, "f"), to=via, issues=issues)
    options = {"sizes": sizes} if via in ("yolo", "openimages") else {}
    sized = via not in ("csv", "parquet")
    if sized or to not in ("yolo", "openimages"):
        convert(target(tmp_path, via, "t"), target(tmp_path, to, "t2"), to=to, **options)
    convert(
        target(tmp_path, via, "f"),
        target(tmp_path, to, "f2"),
        to=to,
        what="detections",
        truth=truth,
        **options,
    )
    again = {"sizes": sizes} if to in ("yolo", "openimages") else {}
    back = read_detections(target(tmp_path, to, "f2"), truth, issues=issues, **again)
    assert in_order(back, truth) == in_order(found, truth)
    assert sorted(back.scores) == sorted(found.scores)
    if target(tmp_path, to, "t2").exists():
        kept = read_ground_truth(target(tmp_path, to, "t2"), issues=issues, **again)
        assert in_order(kept, kept) == in_order(truth, truth)


def test_bad_writes_leave_nothing(tmp_path: Path) -> None:
    truth = truths([[0, 0, 8, 8], [1, 1, 8, 8]])
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="not empty"):
        write_ground_truth(truth, full, to="voc", issues=Issues())
    assert [one.name for one in full.iterdir()] == ["mine.txt"]
    with pytest.raises(OSError, match="cannot write"):
        write_ground_truth(truth, tmp_path / "no" / "folder", to="yolo", issues=Issues())
    same = replace(truth, image_names=("x/a.jpg", "y/a.jpg", "c"))
    with pytest.raises(ValueError, match=r"image 'y/a.jpg' and 'x/a.jpg' would be one file"):
        write_ground_truth(same, tmp_path / "same", to="voc", issues=Issues())
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        write_ground_truth(
            replace(truth, image_names=("..", "b", "c")), tmp_path / "up", to="voc", issues=Issues()
        )
    with pytest.raises(ValueError, match="YOLO's boxes are parts of the image"):
        write_ground_truth(
            replace(truth, image_sizes=None), tmp_path / "sizeless", to="yolo", issues=Issues()
        )
    nan = detections([[0, 0, 1, 1]], [np.nan])
    with pytest.raises(ValueError, match="scores must be finite"):
        write_detections(nan, truth, tmp_path / "f.json", to="coco", issues=Issues())
    with pytest.raises(ValueError, match=r"to must be one of .* Did you mean 'voc'"):
        write_ground_truth(truth, tmp_path / "x", to="vocc", issues=Issues())
    assert [one.name for one in tmp_path.iterdir()] == ["full"]


def test_ids_of_text_stay_text_in_json_and_are_names_elsewhere(tmp_path: Path) -> None:
    text = (
        '{"images":[{"id":"two"},{"id":"one"}],"categories":[{"id":"k","name":"cat"}],'
        '"annotations":[{"id":1,"image_id":"two","category_id":"k","bbox":[0,0,8,8]}]}'
    )
    (tmp_path / "t.json").write_text(text)
    found = '[{"image_id":"two","category_id":"k","bbox":[0,0,8,8],"score":0.5}]'
    (tmp_path / "f.json").write_text(found)
    truth = read_ground_truth(tmp_path / "t.json", issues=Issues())
    convert(tmp_path / "t.json", tmp_path / "again.json", to="coco")
    again = read_ground_truth(tmp_path / "again.json", issues=Issues())
    assert again.image_words == truth.image_words == ["one", "two"]
    assert again.images.tolist() == truth.images.tolist()
    assert again.boxes.tolist() == truth.boxes.tolist()
    for to in ("coco", "csv"):
        out = tmp_path / f"f2.{to}"
        convert(tmp_path / "f.json", out, to=to, what="detections", truth=truth)
        back = read_detections(out, truth, issues=Issues())
        assert back.images.tolist() == [truth.image_words.index("two")]
    assert (tmp_path / "f2.csv").read_text().splitlines()[1].startswith("two,cat,")


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_ground_truth(truths([[0, 0, 8, 8]] * 2), tmp_path / "out", to="voc", issues=Issues())
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_converting_asks_for_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="truth must be given with detections"):
        convert(tmp_path, tmp_path / "x", to="csv", what="detections")
    with pytest.raises(ValueError, match="what must be one of 'truth', 'detections'"):
        convert(tmp_path, tmp_path / "x", to="csv", what="boxes")
    with pytest.raises(FileNotFoundError, match="There is no file or folder"):
        convert(tmp_path / "none", tmp_path / "x", to="csv")
    (tmp_path / "t.csv").write_text("image,class,x,y,w,h\na,b,1,1,-3,4\n")
    with pytest.raises(ValueError, match=r"width -3\.0"):
        convert(tmp_path / "t.csv", tmp_path / "t.json", to="coco")
    issues = convert(
        tmp_path / "t.csv", tmp_path / "t.json", to="coco", issues=Issues(lenient=True)
    )
    assert issues.counts["negative-box"] == 1

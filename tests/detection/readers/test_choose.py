"""Which reader a path gets, and what is said where there is none."""

from pathlib import Path

import numpy as np
import pytest

from drivetrain.detection.annotations import GroundTruth
from drivetrain.detection.issues import Issues
from drivetrain.detection.readers.choose import choose_format, read_detections, read_ground_truth


def fill(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


NAMELESS = {
    "nothing there": ("none", FileNotFoundError, "There is no file or folder"),
    "an empty folder": ("empty", ValueError, r"must hold .xml or .txt .* It holds nothing"),
    "two kinds": ("both", ValueError, r"1 .xml and 1 .txt files"),
    "a folder of folders": ("outer", ValueError, r"It holds inner/"),
    "a folder of tables": ("tables", ValueError, r"name the file that is meant: a.csv, b.json"),
    "an empty file": ("empty.txt", ValueError, "is empty"),
    "empty labels": ("quiet", ValueError, "the files are empty: tell format="),
    "prose": ("prose.txt", ValueError, r"fit no one format \(1 lines of no known kind"),
    "two texts": ("mixed", ValueError, r"fit no one format"),
    "either order": ("either", ValueError, r"format='padilla'.*format='cartucho'.*tell which"),
}


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    fill(tmp_path / "empty")
    fill(tmp_path / "both", a__xml="<annotation/>", a__txt="0 .5 .5 .1 .1")
    fill(tmp_path / "outer")
    fill(tmp_path / "outer" / "inner")
    fill(tmp_path / "tables", a__csv="x", b__json="{}")
    (tmp_path / "empty.txt").write_text(" \n")
    fill(tmp_path / "quiet", a__txt="", b__txt="\n")
    (tmp_path / "prose.txt").write_text("Lorem ipsum dolor.\n")
    dota = "1 1 9 1 9 9 1 9 plane 0\n"
    fill(tmp_path / "mixed", a__txt=dota, b__txt="cat 1 2 3 4\n")
    fill(tmp_path / "either", a__txt="cat 1 2 30 40\n")
    return tmp_path


@pytest.mark.parametrize("case", NAMELESS)
def test_what_cannot_be_named_is_said(case: str, zoo: Path) -> None:
    name, kind, words = NAMELESS[case]
    with pytest.raises(kind, match=words) as caught:
        choose_format(zoo / name)
    assert str(zoo / name) in str(caught.value)


def test_a_wrong_name_and_a_wrong_option_are_said(zoo: Path) -> None:
    with pytest.raises(ValueError, match=r"format must be one of .* Did you mean 'yolo'"):
        read_ground_truth(zoo / "both", format="yolo8", issues=Issues())
    with pytest.raises(TypeError, match=r"Unknown option 'size'.* Did you mean 'sizes'"):
        read_ground_truth(zoo / "both", format="yolo", issues=Issues(), size=3)
    with pytest.raises(ValueError, match=r"box_format must be one of 'xywh', 'xyxy', 'cxcywh'"):
        read_ground_truth(zoo / "both", format="csv", issues=Issues(), box_format="xy")
    with pytest.raises(FileNotFoundError, match="There is no file or folder"):
        read_ground_truth(zoo / "none", format="voc", issues=Issues())


def test_being_told_settles_it(zoo: Path) -> None:
    sizes = {"a": (100, 200)}
    truth = read_ground_truth(zoo / "both", format="yolo", issues=Issues(), sizes=sizes)
    np.testing.assert_allclose(truth.boxes, [[90, 45, 20, 10]])
    padilla = read_ground_truth(zoo / "either", format="padilla", issues=Issues())
    cartucho = read_ground_truth(zoo / "either", format="cartucho", issues=Issues())
    assert padilla.boxes.tolist() == [[1, 2, 30, 40]]
    assert cartucho.boxes.tolist() == [[0, 1, 30, 39]]


def test_whole_data_sets_are_entered(tmp_path: Path) -> None:
    voc = tmp_path / "VOC2012"
    fill(voc)
    fill(voc / "Annotations", a__xml="<annotation/>")
    assert choose_format(voc) == "voc"
    assert read_ground_truth(voc, issues=Issues()).image_names == ("a",)
    yolo = tmp_path / "yolo"
    fill(yolo, data__yaml="names: [cat, dog]\n")
    fill(yolo / "labels", a__txt="1 .5 .5 .25 .25\n")
    truth = read_ground_truth(yolo, issues=Issues(), sizes={"a": (64, 64)})
    assert truth.category_names == ("cat", "dog")
    assert truth.categories.tolist() == [1]


def test_sizes_come_from_pictures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    folder = fill(tmp_path / "labels", a__txt="0 .5 .5 .5 .5\n", b__txt="0 .5 .5 .5 .5\n")
    fill(tmp_path / "images")
    image.new("RGB", (64, 32)).save(tmp_path / "images" / "a.png")
    turned = image.Exif()
    turned[274] = 6
    image.new("RGB", (64, 32)).save(tmp_path / "images" / "b.jpg", exif=turned)
    image.new("RGB", (8, 8)).save(tmp_path / "images" / "alone.jpg")
    truth = read_ground_truth(folder, issues=Issues(), names=["cat"])
    assert truth.image_names == ("a", "alone", "b")
    assert truth.image_sizes is not None
    assert truth.image_sizes.tolist() == [[32, 64], [8, 8], [64, 32]]
    assert truth.boxes.tolist() == [[16, 8, 32, 16], [8, 16, 16, 32]]
    (tmp_path / "images" / "alone.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"alone.jpg is not a picture"):
        read_ground_truth(folder, issues=Issues(), names=["cat"])


def test_an_image_of_unknown_size_is_refused_or_dropped(tmp_path: Path) -> None:
    folder = fill(tmp_path / "labels", a__txt="0 .5 .5 .5 .5\n" * 2, b__txt="0 .5 .5 .5 .5\n")
    sizes = {"b.jpg": (64, 64)}
    with pytest.raises(ValueError, match=r"a.txt.* the size of image 'a' is not known"):
        read_ground_truth(folder, issues=Issues(), sizes=sizes, names=["cat"])
    issues = Issues(lenient=True)
    truth = read_ground_truth(folder, issues=issues, sizes=sizes, names=["cat"])
    assert len(truth) == 1
    assert issues.counts == {"unknown-size": 2}
    table = tmp_path / "sizes.csv"
    table.write_text("filename,width,height\na.jpg,64,32\nb.jpg,64,32\n")
    truth = read_ground_truth(folder, issues=Issues(), sizes=table, names=["cat"])
    assert truth.boxes[0].tolist() == [16, 8, 32, 16]
    table.write_text("filename,width,height\na.jpg,64,-1\n")
    with pytest.raises(ValueError, match=r"'a\.jpg' must have height and width >= 1"):
        read_ground_truth(folder, issues=Issues(), sizes=table, names=["cat"])


def test_yolo_numbers_mean_names_where_the_truth_counts_otherwise(tmp_path: Path) -> None:
    truth = GroundTruth.from_arrays(
        images=[1],
        categories=[44],
        boxes=[[0, 0, 9, 9]],
        category_ids=[13, 44],
        category_names=["cat", "dog"],
        image_names=["sub/a.jpg"],
        image_sizes=np.array([[64, 64]]),
    )
    folder = fill(tmp_path / "labels", a__txt="1 .5 .5 .5 .5 .9\n")
    with pytest.raises(ValueError, match=r"tell names="):
        read_detections(folder, truth, issues=Issues())
    found = read_detections(folder, truth, issues=Issues(), names=["cat", "dog"])
    assert found.categories.tolist() == [44]
    assert found.images.tolist() == [1]
    with pytest.raises(ValueError, match=r"category '1' is not among the 2 classes"):
        read_detections(folder, truth, issues=Issues(), names=["cat"])


def test_yolo_polygons_poses_and_rotated_boxes(tmp_path: Path) -> None:
    sizes = {"a": (64, 64)}
    square = "0 .25 .25 .75 .25 .75 .75 .25 .75\n"
    polygon = fill(tmp_path / "polygon", a__txt=square + "0 .5 .5 .5 .5\n")
    truth = read_ground_truth(polygon, issues=Issues(), sizes=sizes)
    assert truth.boxes.tolist() == [[16, 16, 32, 32]] * 2
    assert truth.masks is not None
    assert truth.areas.tolist() == truth.masks.areas.tolist() == [1024, 1024]
    plain = read_ground_truth(polygon, issues=Issues(), sizes=sizes, task="bbox")
    assert plain.masks is None and plain.boxes.tolist() == truth.boxes.tolist()
    four = fill(tmp_path / "four", a__txt=square)
    rotated = read_ground_truth(four, issues=Issues(), sizes=sizes, task="rotated")
    assert rotated.rotated is not None
    np.testing.assert_allclose(rotated.rotated[0, :4], [32, 32, 32, 32])
    pose = fill(tmp_path / "pose", a__txt="0 .5 .5 .5 .5 .25 .5 2 .75 .5 0\n")
    posed = read_ground_truth(pose, issues=Issues(), sizes=sizes, task="keypoints")
    assert posed.keypoints is not None and posed.visible is not None
    assert posed.keypoints.tolist() == [[[16, 32, 2], [48, 32, 0]]]
    assert posed.visible.tolist() == [1]
    found = fill(tmp_path / "found", a__txt="0 .25 .25 .75 .25 .75 .75 .5\n")
    scored = read_detections(found, truth, issues=Issues(), task="segm")
    assert scored.scores.tolist() == [0.5] and scored.masks is not None
    assert scored.boxes.tolist() == [[16, 16, 32, 32]]


def test_dota(tmp_path: Path) -> None:
    text = "imagesource:GoogleEarth\ngsd:0.1\n1 1 9 1 9 5 1 5 plane 0\n0 4 4 0 8 4 4 8 ship 1\n"
    truth = read_ground_truth(fill(tmp_path / "truth", P1__txt=text), issues=Issues())
    assert truth.rotated is not None
    np.testing.assert_allclose(truth.rotated[0], [5, 3, 8, 4, 0])
    np.testing.assert_allclose(sorted(truth.rotated[1, 2:4]), [np.sqrt(32)] * 2)
    np.testing.assert_allclose(truth.areas, [32, 32])
    assert truth.ignore.tolist() == [False, True]
    folder = fill(tmp_path / "found", Task1_plane__txt="P1 0.5 1 1 9 1 9 5 1 5\n")
    found = read_detections(folder, truth, issues=Issues())
    assert found.scores.tolist() == [0.5]
    assert found.rotated is not None
    np.testing.assert_allclose(found.rotated, truth.rotated[:1])
    assert found.boxes.tolist() == [[1, 1, 8, 4]]


def test_open_images_tree_labels_and_groups(tmp_path: Path) -> None:
    head = "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\n"
    (tmp_path / "t.csv").write_text(head + "a,/cat,0,.5,0,.5,0\na,/dog,.5,1,.5,1,1\n")
    labels = "ImageID,LabelName,Confidence\na,/cat,1\na,/fish,0\nb,/dog,0\nb,/cat,1\n"
    (tmp_path / "labels.csv").write_text(labels)
    tree = (
        '{"LabelName":"/entity","Subcategory":[{"LabelName":"/animal","Subcategory":'
        '[{"LabelName":"/cat"},{"LabelName":"/dog","Part":[{"LabelName":"/tail"}]}]},'
        '{"LabelName":"/fish"}]}'
    )
    (tmp_path / "tree.json").write_text(tree)
    truth = read_ground_truth(
        tmp_path / "t.csv",
        issues=Issues(),
        labels=tmp_path / "labels.csv",
        hierarchy=tmp_path / "tree.json",
    )
    assert truth.category_names == ("/animal", "/cat", "/dog", "/fish")
    assert truth.image_names == ("a", "b")
    assert truth.boxes.tolist() == [[0, 0, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]
    assert truth.group_of is not None and truth.group_of.tolist() == [False, True]
    assert truth.federation is not None
    assert truth.federation.parents.tolist() == [[2, 1], [3, 1]]
    # The cat of image a has its box there; every other verified pair is to be free of false ones.
    assert truth.federation.negative.tolist() == [[1, 4], [2, 2], [2, 3]]


HEAD = "image,class,x,y,w,h"
COLUMNS = {
    "a missing column": ("image,class,x,y,w\n", {}, r"no column for x y w h"),
    "a missing image": ("class,x,y,w,h\n", {}, r"no column for image: tell columns="),
    "a name twice": ("image,class,x,x,w,h\n", {}, r"names the column 'x' twice"),
    "no such column": (
        "image,class,x,y,w,h\n",
        {"columns": {"image": "Imgae"}},
        r"no column 'Imgae'",
    ),
    "no such name of ours": (
        "image,class,x,y,w,h\n",
        {"columns": {"imag": "a"}},
        r"Did you mean 'image'",
    ),
    "another form": ("image,class,x,y,w,h\n", {"box_format": "xyxy"}, r"no column for x1 y1 x2 y2"),
    "a cell short": ("image,class,x,y,w,h\na,b,1,2,3\n", {}, r"line 2: must have 6 cells"),
    "an open quote": ('image,class,x,y,w,h\na,"b,1,2,3,4\n', {}, r"no CSV from line 2"),
    "a word": ("image,class,x,y,w,h\na,b,1,2,3,four\n", {}, r"'h' is no number"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_columns_that_do_not_fit_are_said(case: str, tmp_path: Path) -> None:
    text, told, words = COLUMNS[case]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_ground_truth(tmp_path / "t.csv", format="csv", issues=Issues(), **told)


def test_columns_of_other_names_and_ids_for_names(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("frame no,kind,l,t,r,b,sure\n7,3,1,2,11,22,0.5\n")
    columns = {"image": "frame no", "class": "kind", "x1": "l", "y1": "t", "x2": "r", "y2": "b"}
    truth = GroundTruth.from_arrays(
        images=[7],
        categories=[3],
        boxes=[[0, 0, 1, 1]],
        image_names=["seven.jpg"],
        category_names=["cat"],
    )
    issues = Issues()
    found = read_detections(
        tmp_path / "t.csv", truth, issues=issues, columns=columns | {"score": "sure"}
    )
    assert found.boxes.tolist() == [[1, 2, 10, 20]]
    assert (found.images.tolist(), found.categories.tolist()) == ([7], [3])
    assert issues.counts == {"by-id": 2}


def test_a_name_that_two_images_share_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,class,x,y,w,h,score\na,cat,1,2,3,4,0.5\n")
    truth = GroundTruth.from_arrays(
        images=[1, 2],
        categories=[3, 3],
        boxes=[[0, 0, 1, 1]] * 2,
        image_names=["x/a.jpg", "y/a.jpg"],
        category_names=["cat"],
    )
    with pytest.raises(ValueError, match=r"t.csv entry 0 \(id a\): image 'a' is not among the 2"):
        read_detections(tmp_path / "t.csv", truth, issues=Issues())


def test_images_and_names_that_are_told_are_all_there_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,class,x,y,w,h\nb,cat,1,2,3,4\n")
    told = {"images": ["c", "b", "a"], "names": ["dog", "cat"]}
    truth = read_ground_truth(tmp_path / "t.csv", issues=Issues(), **told)
    assert truth.image_names == ("a", "b", "c")
    assert truth.category_names == ("dog", "cat")
    assert (truth.images.tolist(), truth.categories.tolist()) == ([2], [2])
    with pytest.raises(ValueError, match=r"image 'b' is not among the 1"):
        read_ground_truth(tmp_path / "t.csv", issues=Issues(), images=["a"])
    with pytest.raises(ValueError, match=r"names must not repeat. Got 'cat' 2 times"):
        read_ground_truth(tmp_path / "t.csv", issues=Issues(), names=["cat", "cat"])
    (tmp_path / "images.txt").write_text("b\nz\n")
    truth = read_ground_truth(tmp_path / "t.csv", issues=Issues(), images=tmp_path / "images.txt")
    assert truth.image_names == ("b", "z")

"""Broken files: words instead of a crash, and every entry either read or told."""

import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.inspection import inspect
from drivetrain.detection.issues import Issues
from drivetrain.detection.readers.choose import read_detections, read_ground_truth

Make = Callable[..., tuple[Any, Path, Path, dict[str, Any]]]
FORMATS = {"voc_scored": "voc", "csv_corners": "csv"}
BUDGET = 60


def files_of(path: Path) -> list[Path]:
    return sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one kind of damage done to them."""
    at = rng.randrange(len(data) + 1)
    other = rng.randrange(len(data) + 1)
    low, high = sorted((at, other))
    words = (b"nan", b"inf", b"-1e308", b"1e999", b"\0", b"\xff\xfe", b"<", b'"', b"&x;", b",,,")
    return rng.choice(
        (
            lambda: data[:at],
            lambda: data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :],
            lambda: data[:at] + rng.choice(words) + data[at:],
            lambda: data[:low] + data[high:],
            lambda: data[:high] + data[low:high] + data[high:],
            lambda: data[:at] + rng.randbytes(8) + data[at:],
            lambda: data.replace(b"\n", b" ", 3),
        )
    )()


def read(truth: Path, found: Path, name: str, told: dict[str, Any], issues: Issues) -> None:
    told = {"format": FORMATS.get(name, name)} | told
    truths = read_ground_truth(truth, issues=issues, **told)
    detections = read_detections(found, truths, issues=issues, **told)
    truths, detections = inspect(truths, detections, issues)
    assert isinstance(truths, GroundTruth) and isinstance(detections, Detections)
    for columns in (truths, detections):
        assert np.isfinite(columns.boxes).all()
        assert (columns.boxes[:, 2:] >= 0).all()
        assert np.isin(columns.images, truths.image_ids).all()
        assert np.isin(columns.categories, truths.category_ids).all()


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("side", ["truth", "found"])
def test_damaged_files_end_in_words(
    format_name: str, make: Make, tmp_path: Path, side: str, lenient: bool
) -> None:
    _, truth, found, told = make(format_name, tmp_path)
    rng = random.Random(f"{format_name} {side} {lenient}")
    files = files_of(truth if side == "truth" else found)
    for _ in range(BUDGET):
        file = rng.choice(files)
        whole = file.read_bytes()
        file.write_bytes(damaged(whole, rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                read(truth, found, format_name, told, Issues(lenient=lenient))
        except (ValueError, TypeError) as error:
            assert "\n" not in str(error).strip() and len(str(error)) > 10
        file.write_bytes(whole)


TEXT_FORMATS = ("yolo", "padilla", "cartucho", "voc")


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_no_line_is_lost_in_silence(name: str, make: Make, tmp_path: Path) -> None:
    """Lines in = entries out + issues of dropped entries."""
    _, truth, found, told = make(name, tmp_path)
    told = {"format": name} | told
    truths = read_ground_truth(truth, issues=Issues(), **told)
    rng = random.Random(name)
    junk = ["x", "0.5 0.5", "bird", "9999 0.1 0.1 0.1 0.1 0.5", "a1 0.5 1 2 3", "-1 nan 3 4 5 6"]
    files = [one for one in files_of(found) if one.name != "classes.txt"]
    for file in files:
        lines = file.read_text().splitlines()
        for _ in range(4):
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(junk))
        file.write_text("\n".join(lines))
    count = sum(bool(line.strip()) for file in files for line in file.read_text().splitlines())
    issues = Issues(lenient=True)
    kept = read_detections(found, truths, issues=issues, **told)
    assert len(kept) + len(issues) == count
    assert len(issues) > 0
    assert all(issue.done == "dropped" and issue.place for issue in issues)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.text(
        st.sampled_from('image,class,x,y,w,h,score\n01.5-e";\t\r nanabird<>/{}[]'), max_size=300
    )
)
@pytest.mark.parametrize("format", ["csv", "openimages", "voc", "yolo", "padilla", "dota", "auto"])
def test_random_text_ends_in_words(
    format: str, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("text") / "some.txt"
    path.write_text(text, newline="")
    truth = GroundTruth.from_arrays(
        images=[1], categories=[1], boxes=[[0, 0, 1, 1]], image_names=["a"], category_names=["bird"]
    )
    told = {"sizes": {"some": (64, 64)}}
    for lenient in (False, True):
        issues = Issues(lenient=lenient)
        for run in (
            lambda issues=issues: read_ground_truth(path, format=format, issues=issues, **told),
            lambda issues=issues: read_detections(
                path, truth, format=format, issues=issues, **told
            ),
        ):
            try:
                run()
            except ValueError as error:
                assert len(str(error)) > 10


CELLS = st.sampled_from(["a", "b", "", "bird", "1", "2.5", "-3", "nan", "1e400", "0x1", "1_0", "x"])


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.lists(CELLS, min_size=5, max_size=8), max_size=8))
def test_no_row_is_lost_in_silence(
    rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("rows") / "t.csv"
    lines = ["image,class,x,y,w,h,score", *(",".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    truth = GroundTruth.from_arrays(
        images=[1, 2],
        categories=[1, 1],
        boxes=[[0, 0, 1, 1]] * 2,
        image_names=["a", "b"],
        category_names=["bird"],
    )
    issues = Issues(lenient=True)
    found = read_detections(path, truth, format="csv", issues=issues)
    # Each entry is dropped for one reason at most by the table, and for two by its names.
    named = [issue for issue in issues if issue.kind in ("unknown-image", "unknown-category")]
    dropped = {issue.place for issue in issues if issue.done == "dropped"}
    assert len(found) + len(dropped) == sum(any(cell for cell in row) for row in rows)
    assert all(issue.place for issue in named)


def page(body: str) -> str:
    return f"<annotation>{body}</annotation>"


def thing(name: str = "<name>cat</name>", box: str = "1 2 30 40", more: str = "") -> str:
    sides = "".join(
        f"<{tag}>{value}</{tag}>"
        for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), box.split())
    )
    return f"<object>{name}<bndbox>{sides}</bndbox>{more}</object>"


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">'
    + "".join(f'<!ENTITY {chr(99 + i)} "{f"&{chr(98 + i)};" * 10}">' for i in range(9))
    + "]><annotation><object><name>&k;</name></object></annotation>"
)
XML = {
    "truncated": (page(thing())[:-5], "not well-formed"),
    "bomb": (BOMB, "<!DOCTYPE>"),
    "external": (
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation>&a;</annotation>',
        "<!DOCTYPE>",
    ),
    "another root": ("<html></html>", "must be an <annotation>"),
    "no name": (page(thing(name="")), "has no name"),
    "three corners": (page(thing(box="1 2 3")), "no bndbox of four numbers"),
    "words for corners": (page(thing(box="a b c d")), "no bndbox of four numbers"),
    "nothing": ("", "not well-formed"),
    "unknown encoding": ('<?xml version="1.0" encoding="klingon"?><annotation/>', "well-formed"),
}


@pytest.mark.parametrize("case", XML)
def test_bad_xml(case: str, tmp_path: Path) -> None:
    text, words = XML[case]
    (tmp_path / "bad.xml").write_text(text)
    (tmp_path / "good.xml").write_text(page(thing()))
    with pytest.raises(ValueError, match=words) as caught:
        read_ground_truth(tmp_path, issues=Issues())
    assert "bad.xml" in str(caught.value)
    issues = Issues(lenient=True)
    truth = read_ground_truth(tmp_path, issues=issues)
    assert len(truth) == 1 and len(issues) == 1
    assert list(truth.image_names) == ["bad", "good"]


def test_a_bomb_in_utf_16_is_seen(tmp_path: Path) -> None:
    (tmp_path / "bad.xml").write_bytes(BOMB.encode("utf-16"))
    with pytest.raises(ValueError, match="<!DOCTYPE>"):
        read_ground_truth(tmp_path, issues=Issues())
    (tmp_path / "bad.xml").write_bytes(BOMB.encode("utf-16-le"))
    with pytest.raises(ValueError, match="zero bytes"):
        read_ground_truth(tmp_path, issues=Issues())
    plain = '<?xml version="1.0" encoding="utf-16"?>' + page(thing())
    (tmp_path / "bad.xml").write_bytes(plain.encode("utf-16"))
    assert len(read_ground_truth(tmp_path, issues=Issues())) == 1


def test_deep_xml_is_read_or_refused(tmp_path: Path) -> None:
    deep = 20_000
    (tmp_path / "deep.xml").write_text(page("<part>" * deep + "</part>" * deep + thing()))
    assert len(read_ground_truth(tmp_path, issues=Issues())) == 1

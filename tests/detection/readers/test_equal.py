"""The same data in every format: the same columns, and the same numbers to the last bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.evaluation import evaluate
from drivetrain.detection.issues import Issues
from drivetrain.detection.readers.choose import choose_format, read_detections, read_ground_truth

Make = Callable[..., tuple[Any, Path, Path, dict[str, Any]]]

# The formats that know no difficult truths.
PLAIN = ("yolo", "padilla", "openimages")
FORMATS = {"voc_scored": "voc", "csv_corners": "csv"}


def read(
    truth: Path, found: Path, told: dict[str, Any], issues: Issues
) -> tuple[GroundTruth, Detections]:
    truths = read_ground_truth(truth, issues=issues, **told)
    return truths, read_detections(found, truths, issues=issues, **told)


def by_name(columns: GroundTruth | Detections, truth: GroundTruth) -> list[tuple[Any, ...]]:
    """Return the entries under names, in the order of images, then of the file."""
    images = dict(zip(truth.image_ids.tolist(), truth.image_names))
    classes = dict(zip(truth.category_ids.tolist(), truth.category_names))
    scores = columns.scores if isinstance(columns, Detections) else columns.areas
    rows = [
        (images[i].split(".")[0], classes[k], *box, score)
        for i, k, box, score in zip(
            columns.images.tolist(), columns.categories.tolist(), columns.boxes.tolist(), scores
        )
    ]
    return sorted(rows, key=lambda row: row[:2])


@pytest.mark.parametrize("seed", [0, 1])
def test_columns_are_the_same_to_the_last_bit(
    format_name: str, make: Make, tmp_path: Path, seed: int
) -> None:
    problem, truth, found, told = make(format_name, tmp_path, seed=seed)
    issues = Issues()
    got_truth, got_found = read(truth, found, told, issues)
    want_truth, want_found = problem.truth(), problem.found()
    assert by_name(got_truth, got_truth) == by_name(want_truth, want_truth)
    assert by_name(got_found, got_truth) == by_name(want_found, want_truth)
    assert [name.split(".")[0] for name in got_truth.image_names] == list(want_truth.image_names)
    assert sorted(got_truth.category_names) == list(want_truth.category_names)
    if format_name not in PLAIN:
        assert got_truth.ignore.sum() == problem.difficult.sum()
    assert len(issues) == 0


@pytest.mark.parametrize("style", ["coco", "voc2007", "voc2010"])
def test_every_format_gives_the_same_numbers(
    format_name: str, make: Make, tmp_path: Path, style: str
) -> None:
    problem, truth, found, told = make(format_name, tmp_path, seed=3)
    got = evaluate(*read(truth, found, told, Issues()), style=style, backend="reference")
    difficult = format_name not in PLAIN
    want = evaluate(
        problem.truth(difficult=difficult), problem.found(), style=style, backend="reference"
    )
    assert list(got.summary) == list(want.summary)
    np.testing.assert_array_equal(list(got.summary.values()), list(want.summary.values()))
    assert 0 < want.ap < 1
    np.testing.assert_array_equal(got.tables.precision, want.tables.precision)


def test_the_format_is_seen_from_the_content(format_name: str, make: Make, tmp_path: Path) -> None:
    _, truth, found, _ = make(format_name, tmp_path)
    want = FORMATS.get(format_name, format_name)
    assert choose_format(truth) == want
    if want == "cartucho":
        # No line of detections says ``difficult``: corners and sizes look alike.
        with pytest.raises(ValueError, match=r"padilla.*cartucho.*tell which"):
            choose_format(found)
    else:
        assert choose_format(found) == want


def test_devkit_s_overlap_is_the_continuous_one(make: Make, tmp_path: Path) -> None:
    """The devkit adds 1 to whole corners; x = xmin - 1, width = xmax - xmin + 1 is the same."""
    _, truth, found, told = make("voc", tmp_path, whole=True)
    truths, _ = read(truth, found, told, Issues())
    x, y, w, h = truths.boxes.T
    xmin, ymin, xmax, ymax = x + 1, y + 1, x + w, y + h
    for i in range(len(truths)):
        width = np.minimum(xmax[i], xmax) - np.maximum(xmin[i], xmin) + 1
        height = np.minimum(ymax[i], ymax) - np.maximum(ymin[i], ymin) + 1
        shared = np.where((width > 0) & (height > 0), width * height, 0)
        area = (xmax - xmin + 1) * (ymax - ymin + 1)
        devkit = shared / (area[i] + area - shared)
        ours_w = np.minimum(x[i] + w[i], x + w) - np.maximum(x[i], x)
        ours_h = np.minimum(y[i] + h[i], y + h) - np.maximum(y[i], y)
        inside = np.where((ours_w > 0) & (ours_h > 0), ours_w * ours_h, 0)
        np.testing.assert_array_equal(inside / (w[i] * h[i] + w * h - inside), devkit)

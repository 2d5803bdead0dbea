"""The detection section: its examples, its detectors, and figures that keep their word."""

import os
from decimal import Decimal

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

import torch

from drivetrain.bench.harness.case import Row
from drivetrain.bench.harness.store import Store
from drivetrain.data import digit_scenes
from drivetrain.detection import evaluate
from drivetrain.gallery.detection_figures import (
    bad_input,
    components,
    errors,
    interpolations,
    network,
    paired,
    peers,
    speed,
    task,
    twelve,
    waterfall,
)
from drivetrain.gallery.detection_figures.found import overlap
from drivetrain.gallery.page.sections import load


@pytest.fixture
def small(monkeypatch):
    """A tenth of the task, so that its figures take a second."""
    monkeypatch.setattr(task, "SPLITS", ((24, "train"), (16, "test")))
    monkeypatch.setattr(paired, "RESAMPLES", 40)
    task.task.cache_clear()
    yield task.task(0)
    task.task.cache_clear()


def test_every_figure_is_there():
    section = load("detection")
    assert set(section.timed) <= set(section.figures)
    assert "Three interpolations" in section.figures


def test_examples_meet_their_golden_values():
    figure = interpolations.figure(0)
    for number in figure.numbers:
        # One half by the sum of stairs is off by the rounding of its terms, an epsilon.
        assert abs(float(number.ours) - float(number.reference)) <= 2**-53, number
    for row in figure.table.rows:
        # The article's row 3 is two thirds; all are printed with four decimals.
        assert row[2] == row[3] and row[4] == row[5]


def test_detectors_are_deterministic_and_honest(small):
    train, test = digit_scenes(24), digit_scenes(16, split="test")
    again = [network.detect(network.train(train, 0, rounds=1), test) for _ in range(2)]
    assert np.array_equal(again[0].boxes, again[1].boxes)
    assert np.array_equal(again[0].scores, again[1].scores)
    found = components.detect(components.train(train), test)
    assert len(found.scores) and np.isfinite(found.boxes).all()
    for name, columns in small.found.items():
        ap = evaluate(small.truth, columns).ap50
        # Better than nothing; and nobody was shown the truths.
        assert 0.0 < ap < 0.95, name
    assert torch.get_num_threads() >= 1


def test_boxes_of_regions_are_the_inks():
    scenes = digit_scenes(6, split="test")
    found = components.regions(scenes)
    alone = [
        n
        for n in range(len(scenes.labels))
        if overlap(scenes.boxes[[n]], scenes.boxes[scenes.scene == scenes.scene[n]]).sum() == 1
        and not scenes.crowd[n]
    ]
    best = [
        overlap(scenes.boxes[[n]], found.boxes[found.scene == scenes.scene[n]]).max() for n in alone
    ]
    assert np.median(best) > 0.8


def test_gap_bars_sum_exactly(small):
    figure = waterfall.figure(0)
    for number in figure.numbers:
        assert number.ours == number.reference
    changes = [Decimal(row[2]) for row in figure.table.rows if row[2] and row[1] != "sum"]
    first, last = (Decimal(figure.table.rows[at][3]) for at in (0, -1))
    assert sum(changes) == last - first


def test_errors_and_intervals_are_drawn(small):
    drawn = errors.figure(0)
    assert "data:image/jpeg" in drawn.panels[0] and len(drawn.table.rows) == 8
    figure = paired.figure(0)
    for row in figure.table.rows:
        # Each is rounded to four decimals.
        assert abs(float(row[1]) - float(row[2]) - float(row[3])) <= 1.5e-4 + 1e-12


def test_bad_input_is_named_and_never_changes_the_number():
    figure = bad_input.figure(0)
    rows = {row[0]: row for row in figure.table.rows}
    assert rows["nothing wrong"][1] == rows["nothing wrong"][-1] == "0.7833"
    assert rows["no truths"][1].startswith("NaN") and "entry 0" in rows["NaN score"][-1]
    # Those that the corrected rules must give, whatever the others do.
    for case in ("annotation id used twice", "annotation id 0", "image ids are text"):
        assert rows[case][1].split()[0] == "0.7833"
    assert rows["infinite score of the best"][1].startswith("0.8675")
    for number in figure.numbers:
        assert int(number.ours) > int(number.reference)


@pytest.mark.peer
def test_twelve_numbers_are_pycocotools_to_the_last_bit(small):
    pytest.importorskip("pycocotools")
    figure = twelve.figure(0)
    assert "bit for bit" in figure.title
    assert {cell for row in figure.table.rows for cell in (row[3], row[6])} == {"0"}


def test_twelve_numbers_without_the_peer(small, monkeypatch):
    monkeypatch.setattr(twelve, "installed", dict)
    figure = twelve.figure(0)
    assert len(figure.table.header) == 3 and "not installed" in figure.table.note


def test_speed_shows_what_it_measured_and_what_is_stored(small, monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "installed", dict)
    monkeypatch.setattr(speed, "STORED", tmp_path / "none.jsonl")
    figure = speed.figure(0)
    assert figure.table is None and "ms from two files" in figure.title
    store = Store(tmp_path / "some.jsonl")
    shared = {"method": "detection", "case": "boxes", "what": "boxes", "unit": "s"}
    store.append(Row(**shared, contender="drivetrain", outcome="noted", ours=True, seconds=0.2))
    store.append(
        Row(**shared, contender="hotcoco", outcome="loss", seconds=0.1, ratio=0.5, floor=2.5)
    )
    monkeypatch.setattr(speed, "STORED", tmp_path / "some.jsonl")
    (row,) = speed.figure(0).table.rows
    assert row[2:4] == ("200 ms", "100 ms") and row[6:] == ("0.50 × (2.5)", "behind")


def test_peers_panics_and_warnings_are_told():
    class Panic(BaseException):
        pass

    class Judge:
        def numbers(self, truth, found):
            os.write(2, b"a warning of compiled code\n")
            if truth:
                raise Panic
            return np.zeros(12)

    assert peers.answer(Judge(), "x", "y").raised == "Panic"
    told = peers.answer(Judge(), "", "")
    assert told.warned and told.numbers is not None

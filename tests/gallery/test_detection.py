"""The detection section: its examples, its detectors, and figures that keep their word."""

from decimal import Decimal

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

import torch

from drivetrain.data import digit_scenes
from drivetrain.detection import evaluate
from drivetrain.gallery.detection_figures import (
    components,
    errors,
    interpolations,
    network,
    paired,
    task,
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

"""Sections drawn side by side in processes of their own."""

import os
import signal

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from drivetrain.gallery.page.build import build
from drivetrain.gallery.page.workers import Order, _Crew, draw_here, draw_side_by_side

CHEAP = {
    "approximation": ("Robbins-Monro", "One sample or all"),
    "optim": ("Coupled and decoupled",),
}


def test_processes_draw_the_same_bytes_as_one_and_count_every_figure(tmp_path, capsys):
    side = build(list(CHEAP), tmp_path / "side.html", pick=CHEAP, workers=2)
    lines = capsys.readouterr().err.splitlines()
    here = build(list(CHEAP), tmp_path / "here.html", pick=CHEAP, workers=1, progress=False)
    assert side.failed == here.failed == ()
    assert side.figures == here.figures == 3
    assert side.path.read_bytes() == here.path.read_bytes()
    assert [line.split(":")[0] for line in lines] == ["demo 1/3", "demo 2/3", "demo 3/3"]


def test_timed_figures_come_last_and_alone():
    orders = [
        Order(method="amp", together=("none",), alone=("late",), seed=0),
        Order(method="sd3", together=("none",), alone=("late",), seed=0),
    ]
    said = []
    results = draw_side_by_side(orders, said.append, workers=2)
    # Neither has a section, so each is drawn as an error: the order is what is tested.
    assert sorted(said[:2]) == ["amp, none", "sd3, none"]
    assert said[2:] == ["amp, late", "sd3, late"]
    assert all("has no section yet" in drawn.error for drawn in results.values())
    assert results == draw_here(orders, said.append)


def test_a_process_that_dies_loses_only_its_own():
    crew = _Crew(Order(method="optim", together=("one", "two"), alone=(), seed=0))
    crew.start()
    os.kill(crew.process.pid, signal.SIGKILL)
    results = {}
    while crew.listen(results, lambda words: None) == "working":
        pass
    assert set(results) == {("optim", "one"), ("optim", "two")}
    assert "exit code -9" in results["optim", "two"].error
    crew.connection.close()

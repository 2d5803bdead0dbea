"""Races and measures: what counts as won, lost, unequal, missing."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from drivetrain.bench.harness import run
from drivetrain.bench.harness.case import Contender, Measure, Race, Row
from drivetrain.core.errors import MissingDependency
from drivetrain.core.rooms import module_names


def constant(name: str, seconds: float, answer: float = 1.0) -> Callable[[], Contender]:
    """Return a thunk of a contender with a clock of its own, so that nothing depends on load."""

    class Reply:
        def __init__(self) -> None:
            self.seconds = seconds

    return lambda: Contender(name=name, run=Reply, answer=lambda: answer)


def absent() -> Contender:
    """Stand in for a peer that is not installed."""
    raise MissingDependency("river is not installed: pip install 'drivetrain[peers]'")


def same(ours: float, theirs: float) -> str:
    """Compare two answers to rounding."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-15)
    return "equal"


def race(*peers: Callable[[], Contender], **options: Any) -> list[Row]:
    """Return the rows of a race of ours, 2 ms a call, against the peers."""
    case = Race(
        name="case",
        what="w",
        ours=constant("drivetrain", 0.002)(),
        peers=peers,
        equal=same,
        **options,
    )
    return run._rows("optim", case, quick=False)


def test_wins_and_losses_are_told_by_the_floor_of_the_first_peer() -> None:
    rows = race(constant("peer", 0.004), constant("other", 0.001), floor=1.5, aim=3.0, repeats=3)
    assert [row.contender for row in rows] == ["drivetrain", "peer", "other"]
    assert [row.outcome for row in rows] == ["noted", "win", "loss"]
    assert rows[0].ratio is None
    assert [row.ratio for row in rows[1:]] == pytest.approx([2.0, 0.5], rel=1e-12)
    assert [row.floor for row in rows] == [None, 1.5, None]
    assert rows[0].ours and not rows[1].ours
    assert race(constant("peer", 0.004), floor=2.5)[1].outcome == "loss"


def test_work_becomes_a_rate() -> None:
    rows = race(constant("peer", 0.004), work=(8e6, "B"))
    assert [row.rate for row in rows] == pytest.approx([4e9, 2e9], rel=1e-12)
    assert rows[0].unit == "B/s"


def test_unequal_answers_are_not_timed() -> None:
    rows = race(constant("peer", 0.004, answer=1.0 + 1e-9), constant("other", 0.004))
    assert [(row.contender, row.outcome) for row in rows] == [
        ("drivetrain", "noted"),
        ("other", "win"),
        ("peer", "unequal"),
    ]
    assert rows[2].seconds is None and rows[2].ratio is None and "Not equal" in rows[2].words


def test_a_missing_peer_says_what_to_install_and_takes_the_goal_along() -> None:
    rows = race(absent, constant("other", 0.004), floor=1.5)
    assert [(row.contender, row.outcome) for row in rows[1:]] == [
        ("other", "win"),
        ("absent", "missing"),
    ]
    assert rows[1].floor is None
    assert rows[2].words == "river is not installed: pip install 'drivetrain[peers]'"


@pytest.mark.parametrize(
    ("value", "low", "high", "outcome"),
    [
        (0.5, 0.4, 0.6, "met"),
        (0.4, 0.4, None, "met"),
        (0.39, 0.4, None, "missed"),
        (0.61, None, 0.6, "missed"),
        (0.61, None, None, "noted"),
        (math.nan, 0.4, None, "missed"),
        (math.nan, None, 0.6, "missed"),
        (math.inf, 0.4, None, "met"),
    ],
)
def test_measures_are_held_against_their_bounds(
    value: float, low: float | None, high: float | None, outcome: str
) -> None:
    case = Measure(name="m", what="w", value=lambda: value, low=low, high=high)
    (row,) = run._rows("optim", case, quick=False)
    assert row.outcome == outcome and row.ours


def test_a_measure_may_miss_its_peer() -> None:
    (row,) = run._rows("optim", Measure(name="m", what="w", value=absent, low=1), quick=False)
    assert row.outcome == "missing" and "river" in row.words


def test_modules_are_found_by_walking() -> None:
    assert run.modules_of() == module_names("bench")
    assert "startup" in run.modules_of(["startup"])
    assert all(run.owner(module) == "optim" for module in run.modules_of(["optim"]))
    assert run.owner("flow_matching_rectified") == "flow_matching"
    with pytest.raises(ValueError, match="Did you mean 'startup'"):
        run.modules_of(["startupp"])


def test_every_module_yields_cases_lazily() -> None:
    import inspect
    from importlib import import_module

    for module in module_names("bench"):
        cases = import_module(f"drivetrain.bench.{module}").cases
        assert inspect.isgeneratorfunction(cases), f"{module}.cases must yield"

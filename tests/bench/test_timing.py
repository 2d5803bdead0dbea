"""Timing: interleaved, warmed up apart, honest about first calls and memory."""

import time

import numpy as np
import pytest

from drivetrain.bench.harness.case import Contender
from drivetrain.bench.harness.timing import (
    Timing,
    first_call,
    interleave,
    paired_ratio,
    peak_memory,
)


def test_contenders_alternate_and_turn_round() -> None:
    calls: list[str] = []
    pair = [Contender(name=name, run=lambda name=name: calls.append(name)) for name in "ab"]
    timings = interleave(pair, repeats=4)
    # Two calls each to warm up, then rounds forwards and backwards in turn.
    assert calls == [*"aabb", *"ab", *"ba", *"ab", *"ba"]
    assert {name: len(timing.rounds) for name, timing in timings.items()} == {"a": 4, "b": 4}


def test_setup_runs_before_each_call_outside_the_clock() -> None:
    state = {"ready": 0}

    def setup() -> None:
        time.sleep(0.02)
        state["ready"] += 1

    timing = interleave([Contender(name="a", run=lambda: None, setup=setup)], repeats=3)["a"]
    assert state["ready"] == 5
    assert timing.median < 0.01


def test_the_budget_ends_early_after_three_rounds() -> None:
    slow = Contender(name="a", run=lambda: time.sleep(0.01))
    assert len(interleave([slow], repeats=100, budget_s=0.0)["a"].rounds) == 3


def test_medians_quartiles_and_ratios() -> None:
    ours = Timing(rounds=(1.0, 2.0, 3.0, 4.0, 100.0), peak_bytes=None)
    theirs = Timing(rounds=(2.0, 6.0, 6.0, 8.0, 100.0), peak_bytes=None)
    assert ours.median == 3.0
    assert ours.quartiles == (2.0, 4.0)
    assert paired_ratio(ours, theirs) == 2.0
    assert Timing(rounds=(5.0,), peak_bytes=None).quartiles == (5.0, 5.0)
    with pytest.raises(ValueError, match="shorter"):
        paired_ratio(ours, Timing(rounds=(1.0,), peak_bytes=None))


def test_the_first_call_is_kept_with_its_answer() -> None:
    calls: list[int] = []
    start = first_call(Contender(name="a", run=lambda: calls.append(1) or len(calls)))
    assert start.answer == 1 and start.seconds > 0
    kept = first_call(Contender(name="b", run=lambda: 1, answer=lambda: "compared"))
    assert kept.answer == "compared"


def test_peak_memory_sees_what_is_touched_and_given_back() -> None:
    def touch() -> None:
        block = np.ones(8_000_000)  # 64 MB
        time.sleep(0.05)
        del block

    peak = peak_memory(touch)
    assert peak is not None and 50e6 < peak < 90e6
    assert (peak_memory(lambda: None) or 0) < 20e6

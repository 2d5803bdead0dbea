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


def test_every_contender_takes_its_turn_and_its_start() -> None:
    calls: list[str] = []

    def contender(name: str) -> Contender:
        return Contender(name=name, run=lambda: calls.append(name), setup=lambda: None)

    timings = interleave([contender(name) for name in "abc"], repeats=4)
    # Two calls each to warm up, then rounds that each begin with another.
    assert calls == [*"aabbcc", *"abc", *"bca", *"cab", *"abc"]
    assert {name: len(timing.rounds) for name, timing in timings.items()} == dict.fromkeys("abc", 4)


def test_short_calls_are_repeated_alike_and_long_ones_are_not() -> None:
    counts = {"short": 0, "long": 0}

    def run(name: str, seconds: float) -> None:
        counts[name] += 1
        time.sleep(seconds)

    pair = [
        Contender(name="short", run=lambda: run("short", 0.002)),
        Contender(name="long", run=lambda: run("long", 0.01)),
    ]
    timings = interleave(pair, repeats=2)
    assert counts["short"] == counts["long"]
    assert 2 + 2 * 5 <= counts["short"] <= 2 + 2 * 10  # turns of 20 ms of the shorter
    assert 0.002 <= timings["short"].median < 0.009
    counts["short"] = 0
    interleave([Contender(name="short", run=lambda: run("short", 0.6))], repeats=1)
    assert counts["short"] == 3


def test_setup_runs_before_each_call_outside_the_clock() -> None:
    state = {"ready": 0}

    def setup() -> None:
        time.sleep(0.02)
        state["ready"] += 1

    timing = interleave([Contender(name="a", run=lambda: None, setup=setup)], repeats=3)["a"]
    assert state["ready"] == 5
    assert timing.median < 0.01


def test_the_budget_ends_early_after_three_rounds() -> None:
    slow = Contender(name="a", run=lambda: time.sleep(0.01), setup=lambda: None)
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

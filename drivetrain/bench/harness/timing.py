"""Times contenders fairly: warmed up apart, interleaved in one process, medians with spread."""

import gc
import math
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from drivetrain.bench.harness.case import Contender

TURN_S, LONGEST_TURN_S = 0.02, 0.5
LONG_CALL_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds of one contender, round by round, and its rise in memory."""

    rounds: tuple[float, ...]
    peak_bytes: int | None

    @property
    def median(self) -> float:
        """The median of the rounds, seconds."""
        return statistics.median(self.rounds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and third quartile of the rounds, seconds."""
        if len(self.rounds) < 2:
            return self.rounds[0], self.rounds[0]
        first, _, third = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return first, third


@dataclass(frozen=True)
class Start:
    """What the first call of a contender took, compilation included, and what it answered."""

    seconds: float
    answer: Any


def first_call(contender: Contender) -> Start:
    """Call a contender for the first time; its answer is that of ``answer`` where it has one."""
    if contender.setup:
        contender.setup()
    began = time.perf_counter()
    result = contender.run()
    elapsed = time.perf_counter() - began
    return Start(
        seconds=float(getattr(result, "seconds", elapsed)),
        answer=contender.answer() if contender.answer else result,
    )


def interleave(
    contenders: Sequence[Contender], *, repeats: int, budget_s: float = 60.0
) -> dict[str, Timing]:
    """Time contenders in turn, round after round, so that a drifting machine hits all alike.

    A turn is as many calls as it takes to last ``TURN_S``, the same number for everyone, and
    counts with their mean: one short call would measure what its predecessor left in the
    caches. Where a contender has a ``setup``, everyone is called once a turn. Each round begins
    with another contender. Rounds stop early, after three at least, when ``budget_s`` is spent.
    """
    warm = {contender.name: _warm_up(contender) for contender in contenders}
    calls = _calls([seconds for seconds, _ in warm.values()])
    if any(contender.setup for contender in contenders):
        calls = 1
    rounds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    began = time.perf_counter()
    gc.collect()
    gc.disable()
    try:
        for number in range(repeats):
            first = number % len(contenders)
            for contender in [*contenders[first:], *contenders[:first]]:
                turn = [_timed(contender) for _ in range(calls)]
                rounds[contender.name].append(statistics.fmean(turn))
            if number >= 2 and time.perf_counter() - began > budget_s:
                break
    finally:
        gc.enable()
    return {
        name: Timing(rounds=tuple(times), peak_bytes=warm[name][1])
        for name, times in rounds.items()
    }


def _calls(seconds: Sequence[float]) -> int:
    """Return the calls a turn: enough for the fastest to last, not too many for the slowest."""
    enough = math.ceil(TURN_S / max(min(seconds), 1e-9))
    return max(1, min(enough, int(LONGEST_TURN_S / max(seconds))))


def paired_ratio(ours: Timing, theirs: Timing) -> float:
    """Return the median over the rounds of their seconds divided by ours."""
    return statistics.median(b / a for a, b in zip(ours.rounds, theirs.rounds, strict=True))


def _timed(contender: Contender) -> float:
    if contender.setup:
        contender.setup()
    began = time.perf_counter()
    result = contender.run()
    elapsed = time.perf_counter() - began
    # One that ran in another process reports its own clock, without the pipe between.
    return float(getattr(result, "seconds", elapsed))


def _warm_up(contender: Contender) -> tuple[float, int | None]:
    watched: list[float] = []
    peak = peak_memory(lambda: watched.append(_timed(contender)))
    # A long call is warm after its first: it has been called before, and watching costs it little.
    return (watched[0] if watched[0] > LONG_CALL_S else _timed(contender)), peak


def resident_bytes() -> int | None:
    """Return this process's resident memory, or None where the system does not say."""
    with suppress(OSError, ValueError), open("/proc/self/statm", encoding="ascii") as file:
        import resource

        return int(file.read().split()[1]) * resource.getpagesize()
    return None


def peak_memory(call: Callable[[], Any], *, interval_s: float = 0.0005) -> int | None:
    """Return the bytes by which resident memory rose at most while ``call`` ran.

    It samples, so a spike shorter than the interval is missed; memory that the process already
    holds and reuses does not count.
    """
    before = resident_bytes()
    if before is None:
        call()
        return None
    highest, done = before, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(interval_s):
            highest = max(highest, resident_bytes() or 0)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        call()
        highest = max(highest, resident_bytes() or 0)
    finally:
        done.set()
        watcher.join()
    return highest - before

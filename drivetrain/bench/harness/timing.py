"""Times contenders fairly: warmed up apart, interleaved in one process, medians with spread."""

import gc
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from drivetrain.bench.harness.case import Contender

WARM_UP_CALLS = 2


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds of one contender: the median, the quartiles, the first call, the memory peak."""

    median: float
    quartiles: tuple[float, float]
    cold: float
    peak_bytes: int | None


def interleave(
    contenders: Sequence[Contender], *, repeats: int, budget_s: float = 60.0
) -> dict[str, Timing]:
    """Time contenders in turn, round after round, so that a drifting machine hits all alike.

    Every second round goes backwards, so none always follows the same neighbour. Rounds stop
    early, after three at least, when ``budget_s`` is spent.
    """
    cold, peaks = {}, {}
    for contender in contenders:
        cold[contender.name], peaks[contender.name] = _first_calls(contender)
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    began = time.perf_counter()
    gc.collect()
    gc.disable()
    try:
        for number in range(repeats):
            for contender in contenders if number % 2 == 0 else reversed(contenders):
                seconds[contender.name].append(_timed(contender))
            if number >= 2 and time.perf_counter() - began > budget_s:
                break
    finally:
        gc.enable()
    return {
        name: Timing(
            median=statistics.median(times),
            quartiles=_quartiles(times),
            cold=cold[name],
            peak_bytes=peaks[name],
        )
        for name, times in seconds.items()
    }


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the round-by-round ratios theirs / ours."""
    return statistics.median(b / a for a, b in zip(ours, theirs, strict=True))


def _timed(contender: Contender) -> float:
    if contender.setup:
        contender.setup()
    began = time.perf_counter()
    result = contender.run()
    elapsed = time.perf_counter() - began
    # A contender that ran in another process reports its own clock, without the pipe.
    return float(getattr(result, "seconds", elapsed))


def _first_calls(contender: Contender) -> tuple[float, int | None]:
    cold = _timed(contender)
    for _ in range(WARM_UP_CALLS - 1):
        _timed(contender)
    peak = peak_memory(lambda: _timed(contender))
    return cold, peak


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


def _quartiles(times: list[float]) -> tuple[float, float]:
    if len(times) < 2:
        return times[0], times[0]
    first, _, third = statistics.quantiles(times, n=4, method="inclusive")
    return first, third

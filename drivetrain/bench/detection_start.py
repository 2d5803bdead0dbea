"""Detection in fresh processes: with the kernels cached, with nothing compiled, and its memory."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivetrain.bench.detection import share_threads
from drivetrain.bench.harness.case import Case, Contender, Measure, Race
from drivetrain.bench.problems import detection as problem
from drivetrain.core.errors import require

Files = tuple[Path, Path]
REPEATS = 5
#: Everything from the interpreter's start to the twelve numbers, and the most memory it took.
OURS = (
    "from drivetrain.detection import evaluate; "
    "result = evaluate({truth!r}, {found!r}, threads={threads}); print(result.ap)"
)
THEIRS = (
    "import contextlib, io; from hotcoco import COCO, COCOeval\n"
    "with contextlib.redirect_stdout(io.StringIO()):\n"
    "    truth = COCO({truth!r}); found = truth.load_res({found!r})\n"
    "    judge = COCOeval(truth, found, 'bbox')\n"
    "    judge.evaluate(); judge.accumulate(); judge.summarize()\n"
    "print(judge.stats[0])"
)


@dataclass(frozen=True)
class Process:
    """What a fresh process printed, and what it took.

    Attributes:
        ap: The AP it printed.
        seconds: Wall time from start to end.
        peak: The most memory that was resident, bytes.
    """

    ap: float
    seconds: float
    peak: int


@dataclass
class Peaks:
    """The most memory of two kinds of process, and words on it."""

    ours: Callable[[], Process]
    theirs: Callable[[], Process]
    words: str = ""

    def share(self) -> float:
        """Return ours over theirs, the median of a few processes each."""
        require("hotcoco", "drivetrain[peers]")
        ours, theirs = (
            statistics.median(run().peak for _ in range(3)) for run in (self.ours, self.theirs)
        )
        self.words = f"{ours / 1e6:.0f} MB, hotcoco {theirs / 1e6:.0f} MB"
        return ours / theirs


def cases() -> Iterator[Case]:
    """Yield the cold process, the first compilation ever and the peak memory."""
    threads = share_threads()
    folder = problem.home()
    problem.write_boxes(folder)
    files = folder / "gt.json", folder / "dt_bbox.json"
    with tempfile.TemporaryDirectory() as cache:
        ours = partial(fresh, OURS, files, threads, cache)
        ours()
        yield Race(
            name="boxes-cold-process",
            what="500,000 boxes by a fresh process, imports included, kernels cached",
            ours=Contender(name="drivetrain", run=ours),
            peers=(lambda: _hotcoco(files, threads),),
            equal=_same,
            # A process may take half as long again: the interpreter loads Numba.
            floor=2 / 3,
            aim=1.0,
            repeats=REPEATS,
        )
        peaks = Peaks(ours, partial(fresh, THEIRS, files, threads))
        yield Measure(
            name="boxes-peak-memory",
            what="most memory of that process, as a share of hotcoco's",
            value=peaks.share,
            high=1.2,
            aim=1.0,
            detail=lambda: peaks.words,
        )
    yield Measure(
        name="boxes-first-compilation",
        what="the same by the first process ever, which compiles every kernel",
        value=lambda: _compiling(files, threads).seconds,
        high=5.0,
        unit="s",
    )


def fresh(code: str, files: Files, threads: int, cache: str = "") -> Process:
    """Run code in a fresh interpreter.

    Args:
        code: A program with places for ``truth``, ``found`` and ``threads``; it prints the AP.
        files: Truths and detections.
        threads: For every library alike.
        cache: Folder of Numba's compiled kernels.

    Raises:
        RuntimeError: The process failed; its last words are told.
    """
    truth, found = map(os.fspath, files)
    report = (
        # ru_maxrss would count the process that this one was forked from.
        "\nstatus = open('/proc/self/status').read().split()"
        "\nprint(status[status.index('VmHWM:') + 1])"
        "\nimport time; print(time.clock_gettime(time.CLOCK_MONOTONIC))"
    )
    program = code.format(truth=truth, found=found, threads=threads) + report
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    if cache:
        environment["NUMBA_CACHE_DIR"] = cache
    began = time.clock_gettime(time.CLOCK_MONOTONIC)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the process failed: {done.stderr.strip()[-300:]}")
    ap, peak, ended = done.stdout.split()[-3:]
    return Process(ap=float(ap), seconds=float(ended) - began, peak=1024 * int(peak))


def _compiling(files: Files, threads: int) -> Process:
    with tempfile.TemporaryDirectory() as cache:
        return fresh(OURS, files, threads, cache)


def _hotcoco(files: Files, threads: int) -> Contender:
    require("hotcoco", "drivetrain[peers]")
    return Contender(name="hotcoco", run=partial(fresh, THEIRS, files, threads))


def _same(ours: Process, theirs: Process) -> str:
    assert ours.ap == theirs.ap, f"AP {ours.ap} and {theirs.ap}"
    return f"AP {ours.ap:.6f}, the same bits"

"""Detection in fresh processes: with the kernels cached, with nothing compiled, and its memory."""

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivetrain.bench.detection import share_threads
from drivetrain.bench.harness.case import Case, Contender, Measure, Race
from drivetrain.bench.harness.fresh import Process, compiling, fresh
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
        ours = partial(_run, OURS, files, threads, cache)
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
        peaks = Peaks(ours, partial(_run, THEIRS, files, threads))
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


def _program(code: str, files: Files, threads: int) -> str:
    truth, found = map(os.fspath, files)
    return code.format(truth=truth, found=found, threads=threads)


def _run(code: str, files: Files, threads: int, cache: str = "") -> Process:
    rayon = {"RAYON_NUM_THREADS": str(threads)}
    return fresh(_program(code, files, threads), cache=cache, environment=rayon)


def _compiling(files: Files, threads: int) -> Process:
    return compiling(_program(OURS, files, threads))


def _hotcoco(files: Files, threads: int) -> Contender:
    require("hotcoco", "drivetrain[peers]")
    return Contender(name="hotcoco", run=partial(_run, THEIRS, files, threads))


def _same(ours: Process, theirs: Process) -> str:
    (a,), (b,) = ours.words, theirs.words
    assert float(a) == float(b), f"AP {a} and {b}"
    return f"AP {float(a):.6f}, the same bits"

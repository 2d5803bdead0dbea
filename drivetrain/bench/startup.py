"""How fast the house opens its door: imports and help, beside the import of torch."""

import statistics
import subprocess
import sys
from collections.abc import Iterator

from drivetrain.bench.harness.case import Case, Contender, Measure, Race

COMMAND = "from drivetrain.commands.shell.router import main; main({words!r})"
REPEATS = 9


def cases() -> Iterator[Case]:
    """Yield the import time and the two helps."""
    yield Measure(
        name="import",
        what="import drivetrain in a fresh interpreter",
        value=import_milliseconds,
        high=10.0,
        unit="ms",
        detail=lambda: f"median of {REPEATS}; torch is not loaded",
    )
    yield _help_race("help", ["--help"], floor=20.0)
    yield _help_race("verb-help", ["optim", "memory", "--help"], floor=8.0)


def import_milliseconds() -> float:
    """Return the median milliseconds of ``import drivetrain``, interpreter start excluded.

    Raises:
        AssertionError: It loaded torch.
    """
    code = (
        "import sys, time; began = time.perf_counter(); import drivetrain; "
        "elapsed = time.perf_counter() - began; assert 'torch' not in sys.modules; "
        "print(1e3 * elapsed)"
    )
    return statistics.median(float(_python(code).stdout) for _ in range(REPEATS))


def _help_race(name: str, words: list[str], *, floor: float) -> Race:
    line = " ".join(["drivetrain", *words])
    return Race(
        name=name,
        what=f"`{line}`, the whole process, against a process that imports torch",
        ours=Contender(name="drivetrain", run=lambda: _python(COMMAND.format(words=words))),
        peers=(lambda: Contender(name="import torch", run=lambda: _python("import torch")),),
        equal=_both_ended_well,
        floor=floor,
        repeats=REPEATS,
    )


def _both_ended_well(ours: "subprocess.CompletedProcess[str]", theirs: object) -> str:
    assert "usage: drivetrain" in ours.stdout
    return "different work: a yardstick, not a rival"


def _python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )

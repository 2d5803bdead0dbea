"""How fast the house opens its door: imports, help, and the first call of a kernel."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from drivetrain.bench.harness.case import Case, Contender, Measure, Race

COMMAND = "from drivetrain.commands.shell.router import main; main({words!r})"
REPEATS = 9


def cases() -> Iterator[Case]:
    """Yield the import time, the two helps and the first steps."""
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
    with tempfile.TemporaryDirectory() as folder:
        ours = partial(first_step, "drivetrain.optim", folder)
        ours()
        yield _first_step_race("first-step", "after `drivetrain warmup`", ours)
    yield _first_step_race("first-step-compiling", "with nothing compiled yet", _first_step_cold)


@dataclass(frozen=True)
class Elapsed:
    """The seconds that a fresh process measured of itself."""

    seconds: float


def first_step(module: str, cache: str) -> Elapsed:
    """Return the time to the first AdamW step of a process, torch's import excluded.

    Args:
        module: Where AdamW comes from.
        cache: Folder of Numba's compiled kernels.
    """
    code = (
        "import time, torch; p = torch.nn.Parameter(torch.zeros(1000)); "
        "p.grad = torch.ones(1000); began = time.perf_counter(); "
        f"from {module} import AdamW; AdamW([p], fused=True).step(); "
        "print(time.perf_counter() - began)"
    )
    return Elapsed(float(_python(code, {**os.environ, "NUMBA_CACHE_DIR": cache}).stdout))


def _first_step_cold() -> Elapsed:
    with tempfile.TemporaryDirectory() as folder:
        return first_step("drivetrain.optim", folder)


def _first_step_race(name: str, when: str, ours: Callable[[], Elapsed]) -> Race:
    return Race(
        name=name,
        what=f"the first AdamW step of a process, import of torch excluded, {when}",
        ours=Contender(name="drivetrain", run=ours),
        peers=(lambda: Contender(name="torch fused", run=partial(first_step, "torch.optim", "")),),
        equal=lambda ours, theirs: "times only",
        repeats=5,
    )


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


def _python(
    code: str, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )

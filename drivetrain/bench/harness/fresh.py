"""A program in a fresh interpreter, and what it took."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass

# ru_maxrss would count the process that this one was forked from.
_REPORT = """
import time
_status = open('/proc/self/status').read().split()
print(_status[_status.index('VmHWM:') + 1], time.process_time())
print(time.clock_gettime(time.CLOCK_MONOTONIC))
"""


@dataclass(frozen=True)
class Process:
    """What a fresh process printed, and what it took.

    Attributes:
        words: What it printed, parted at spaces.
        seconds: Wall time from start to end.
        cpu_seconds: Processor time of all its threads.
        peak: The most memory that was resident, bytes.
    """

    words: tuple[str, ...]
    seconds: float
    cpu_seconds: float
    peak: int


def fresh(
    program: str, *, cache: str = "", environment: Mapping[str, str] | None = None
) -> Process:
    """Run a program in a fresh interpreter.

    Args:
        program: Python.
        cache: Folder of Numba's compiled kernels; the usual one where empty.
        environment: Variables to add.

    Raises:
        RuntimeError: The process failed; its last words are told.
    """
    began = time.clock_gettime(time.CLOCK_MONOTONIC)
    done = subprocess.run(
        [sys.executable, "-c", program + _REPORT],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **(environment or {}), **({"NUMBA_CACHE_DIR": cache} if cache else {})},
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the process failed: {done.stderr.strip()[-300:]}")
    *words, peak, cpu, ended = done.stdout.split()
    return Process(tuple(words), float(ended) - began, float(cpu), 1024 * int(peak))


def compiling(program: str, *, environment: Mapping[str, str] | None = None) -> Process:
    """Run a program with no kernel compiled yet; see `fresh`."""
    with tempfile.TemporaryDirectory() as cache:
        return fresh(program, cache=cache, environment=environment)

"""Peers that need an environment of their own, raced from here over a pipe."""

import os
import subprocess
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivetrain.bench.harness import worker
from drivetrain.bench.harness.case import Contender
from drivetrain.core.errors import MissingDependency


@dataclass(frozen=True)
class Reply:
    """What a peer in another process answered, and its own clock's seconds for it."""

    answer: Any
    seconds: float


def isolated(
    name: str,
    *,
    python: str | os.PathLike[str],
    adapter: str | os.PathLike[str],
    grade: Callable[[Any], Any] = lambda answer: answer,
    **arrays: Any,
) -> Contender:
    """Return a contender that runs ``adapter`` in the interpreter ``python``.

    The adapter is a Python file with ``prepare(**arrays) -> Callable[[], array]``. Only what the
    returned function does is timed, by the other process's clock; what turns its result into an
    array (``__array__``) is not.

    Args:
        name: As printed.
        python: The interpreter.
        adapter: The file.
        grade: Turns its answer into what is compared.
        arrays: What ``prepare`` is given.

    Raises:
        MissingDependency: There is no such interpreter, or the adapter cannot import its peer.
    """
    if not Path(python).exists():
        raise MissingDependency(f"{name} needs its own environment: no interpreter at {python}")
    process = subprocess.Popen(
        [os.fspath(python), worker.__file__, os.fspath(adapter)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        _ask(process, name, "prepare", arrays)
    except BaseException:
        _close(process)
        raise
    run: Callable[[], Reply] = lambda: _ask(process, name, "run", {})  # noqa: E731
    contender = Contender(name=name, run=run, answer=lambda: grade(run().answer))
    # The contender owns the process: when a case is done and dropped, so is the interpreter.
    weakref.finalize(contender, _close, process)
    return contender


def _ask(process: "subprocess.Popen[bytes]", name: str, verb: str, arrays: dict[str, Any]) -> Reply:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError(f"{name} has no pipe")
    try:
        worker.send(process.stdin, {"do": verb}, arrays)
        message = worker.receive(process.stdout)
    except BrokenPipeError:
        message = None
    if message is None:
        raise RuntimeError(f"{name} ended with exit code {process.wait()} in its own process.")
    header, answers = message
    if not header["ok"]:
        kind = MissingDependency if "ModuleNotFound" in header["error"] else RuntimeError
        raise kind(f"{name}: {header['error']}")
    return Reply(answer=answers.get("answer"), seconds=float(header.get("seconds", 0.0)))


def _close(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

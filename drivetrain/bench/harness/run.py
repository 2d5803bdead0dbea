"""Runs cases: equality first, then time, and turns each into rows."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module

from drivetrain.bench.harness.case import Case, Contender, Measure, Race, Row
from drivetrain.bench.harness.machine import describe
from drivetrain.bench.harness.timing import Start, Timing, first_call, interleave, paired_ratio
from drivetrain.core import cpu
from drivetrain.core.errors import MissingDependency, unknown
from drivetrain.core.rooms import method_names, module_names


def set_threads(threads: int) -> None:
    """Give every library the same number of threads."""
    import numba
    import torch

    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, cpu.usable_cores()))


def limit_libraries(threads: int) -> None:
    """Limit the thread pools that only look at the environment, before they are loaded."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))


def owner(module: str) -> str:
    """Return the method that a bench module belongs to: ``optim_lowbit`` is part of ``optim``.

    A module whose name begins with no method's is about the house itself and owns its name.
    """
    owners = [name for name in method_names() if module == name or module.startswith(f"{name}_")]
    return max(owners, key=len, default=module)


def modules_of(names: list[str] | None = None) -> list[str]:
    """Return the bench modules to run for the given methods or modules; all where none is named.

    Raises:
        ValueError: A name is neither a method with benchmarks nor a bench module.
    """
    modules = module_names("bench")
    if not names:
        return modules
    chosen: list[str] = []
    for name in names:
        found = [module for module in modules if name in (module, owner(module))]
        if not found and name in method_names():
            raise ValueError(f"{name} has no benchmarks yet: it is not built in this version.")
        if not found:
            raise unknown("method", name, {*modules, *map(owner, modules), *method_names()})
        chosen += [module for module in found if module not in chosen]
    return chosen


def run_module(module: str, *, threads: int, only: str = "", quick: bool = False) -> Iterator[Row]:
    """Run one bench module's cases and yield their rows.

    Args:
        module: A module of ``drivetrain.bench``.
        threads: For every library alike.
        only: Run the cases whose name contains this.
        quick: Three rounds a race, to see that all is well rather than to quote.
    """
    set_threads(threads)
    machine = describe(threads)
    for case in import_module(f"drivetrain.bench.{module}").cases():
        if only and only not in case.name:
            continue
        for row in _rows(owner(module), case, quick):
            row.machine = machine
            yield row


def _rows(method: str, case: Case, quick: bool) -> list[Row]:
    if isinstance(case, Measure):
        return [_measure(method, case)]
    return _race(method, case, 3 if quick else case.repeats)


def _measure(method: str, case: Measure) -> Row:
    row = Row(method=method, case=case.name, what=case.what, contender="drivetrain", outcome="met")
    row.ours = True
    try:
        row.value = float(case.value())
    except MissingDependency as error:
        row.outcome, row.words = "missing", str(error)
        return row
    row.unit, row.aim, row.floor = case.unit, case.aim, _bound(case)
    row.words = case.detail() if case.detail else ""
    if case.low is None and case.high is None:
        row.outcome = "noted"
    elif not _within(row.value, case.low, case.high):
        row.outcome = "missed"
    return row


def _bound(case: Measure) -> float | None:
    return case.low if case.low is not None else case.high


def _within(value: float, low: float | None, high: float | None) -> bool:
    # Written so that NaN is never within.
    return (low is None or value >= low) and (high is None or value <= high)


@dataclass
class _LineUp:
    """Who races, who sits out and why, and what their first calls showed."""

    starts: dict[str, Start]
    peers: list[Contender] = field(default_factory=list)
    absent: list[Row] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    # The name of the peer that the goal was set against: the first, the one people use today.
    rival: str | None = None


def _race(method: str, case: Race, repeats: int) -> list[Row]:
    """Start everyone, compare answers, then time those that agree with ours."""
    line_up = _line_up(method, case)
    timings = interleave([case.ours, *line_up.peers], repeats=repeats)
    ours = timings[case.ours.name]
    rows = [_row(method, case, ours, line_up.starts[case.ours.name])]
    rows[0].ours = True
    for peer in line_up.peers:
        row = _row(method, case, timings[peer.name], line_up.starts[peer.name])
        row.contender, row.words = peer.name, line_up.words[peer.name]
        row.ratio = paired_ratio(ours, timings[peer.name])
        if peer.name == line_up.rival:
            row.floor, row.aim = case.floor, case.aim
        row.outcome = "win" if row.ratio >= (row.floor or 1.0) else "loss"
        rows.append(row)
    return rows + line_up.absent


def _line_up(method: str, case: Race) -> _LineUp:
    """Build the peers and compare their answers; those that differ or are missing sit out."""
    ours = first_call(case.ours)
    line_up = _LineUp(starts={case.ours.name: ours})
    for number, build in enumerate(case.peers):
        name = build.__name__.strip("_").replace("_", " ")
        row = Row(method=method, case=case.name, what=case.what, contender=name, outcome="missing")
        try:
            peer = build()
            row.contender = peer.name
            line_up.starts[peer.name] = first_call(peer)
            words = case.equal(ours.answer, line_up.starts[peer.name].answer)
        except MissingDependency as error:
            row.words = str(error)
        except AssertionError as error:
            row.outcome, row.words = "unequal", str(error) or "the answers differ"
        else:
            line_up.peers.append(peer)
            line_up.words[peer.name] = words
            line_up.rival = peer.name if number == 0 else line_up.rival
            continue
        line_up.absent.append(row)
    return line_up


def _row(method: str, case: Race, timing: Timing, start: Start) -> Row:
    return Row(
        method=method,
        case=case.name,
        what=case.what,
        contender=case.ours.name,
        outcome="noted",
        unit=f"{case.work[1]}/s" if case.work else "",
        seconds=timing.median,
        spread=timing.quartiles,
        cold_seconds=start.seconds,
        peak_bytes=timing.peak_bytes,
        rate=case.work[0] / timing.median if case.work else None,
    )

"""Two JSON files to all numbers: a glance in this run, and the stored run of the benchmark."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from drivetrain.bench.harness.case import Row
from drivetrain.bench.harness.store import Store
from drivetrain.bench.peers.cocoeval import Evaluator
from drivetrain.core.rooms import PACKAGE
from drivetrain.detection import evaluate
from drivetrain.gallery.detection_figures.peers import installed, write
from drivetrain.gallery.detection_figures.task import B, task
from drivetrain.gallery.page.draw import FULL, log_axis, panel
from drivetrain.gallery.page.palette import BLUE, GRID, MUTED
from drivetrain.gallery.page.section import Figure, Number, Table

STORED = PACKAGE.parent / "docs" / "bench.jsonl"
OURS, LEAST_ROUNDS, MOST_ROUNDS, ENOUGH = "drivetrain", 2, 9, 2.0
WORDS = {"win": "ahead", "loss": "behind", "noted": "", "unequal": "unequal", "missing": "missing"}


def figure(seed: int) -> Figure:
    """Return the figure: seconds on the scenes' files now, and the stored races."""
    here = task(seed)
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder), here.truth, here.found[B], "found")
        size = sum(path.stat().st_size for path in paths)
        times = seconds({OURS: lambda: evaluate(*paths).summary, **_peers(paths)})
    rows = [row for row in Store(STORED).latest() if row.method == "detection"]
    return Figure(
        title=_title(times),
        panels=(_dots(times),),
        caption=f"{len(here.found[B]):,} detections of B on {len(here.scenes)} scenes, "
        f"{size / 1e6:.1f} MB of JSON: read, match, and average, warm, every library with its "
        "defaults. Medians of a few interleaved rounds in one process."
        + (" The table is the stored run, on the machine that it names." if rows else ""),
        table=_table(rows),
        numbers=tuple(
            Number(
                what=f"{name} / ours",
                ours=f"{value / times[OURS]:.1f} ×",
                reference="1 ×",
                source="this run",
            )
            for name, value in times.items()
            if name != OURS
        ),
        timed=True,
    )


def seconds(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of each call, interleaved after one round to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(MOST_ROUNDS + 1):
        for name, call in calls.items():
            # The slow ones are not made to run as often as the quick ones.
            if len(taken[name]) >= LEAST_ROUNDS and sum(taken[name]) > ENOUGH:
                continue
            began = time.perf_counter()
            call()
            if number:
                taken[name].append(time.perf_counter() - began)
    return {name: float(np.median(each)) for name, each in taken.items()}


def _peers(paths: tuple[Path, Path]) -> dict[str, Callable[[], object]]:
    def call(one: Evaluator) -> Callable[[], object]:
        return lambda: one.numbers(*paths)

    return {name: call(one) for name, one in installed().items()}


def _title(times: dict[str, float]) -> str:
    others = {name: value for name, value in times.items() if name != OURS}
    if not others:
        return f"{1000 * times[OURS]:.0f} ms from two files to all numbers"
    nearest = min(others, key=others.__getitem__)
    ratio = others[nearest] / times[OURS]
    said = f"{ratio:.1f} times as quick as" if ratio >= 1 else f"{1 / ratio:.1f} times as slow as"
    return f"From two files to all numbers, in this run {said} {nearest}, the quickest other"


def _table(rows: list[Row]) -> Table | None:
    if not rows:
        return None
    own = {row.case: row for row in rows if row.ours}
    cells = [
        _race(row, own[row.case])
        for row in rows
        if not row.ours and row.seconds is not None and row.case in own
    ]
    cells += [
        (row.what, "", f"{row.value:,.4g} {row.unit}".strip(), "", "", "", _goal(row), row.outcome)
        for row in rows
        if row.value is not None
    ]
    machine = rows[-1].machine
    return Table(
        header=(
            "race or measure",
            "against",
            "ours warm",
            "its warm",
            "cold, ours | its",
            "peak, ours | its",
            "its / ours (goal)",
            "outcome",
        ),
        rows=tuple(cells),
        note=f"Stored: {machine.get('cpu', '')}, {machine.get('threads', '?')} threads of "
        f"{machine.get('cores', '?')} cores. drivetrain bench detection measures it where you are.",
    )


def _race(row: Row, ours: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} × {_goal(row)}".strip()
    return (
        row.what,
        row.contender,
        _ms(ours.seconds),
        _ms(row.seconds),
        _both(ours.cold_seconds, row.cold_seconds, 1.0, "s"),
        _both(ours.peak_bytes, row.peak_bytes, 1e6, "MB"),
        ratio,
        WORDS.get(row.outcome, row.outcome),
    )


def _goal(row: Row) -> str:
    return "" if row.floor is None else f"({row.floor:g})"


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1000 * seconds:,.0f} ms"


def _both(ours: float | None, its: float | None, unit: float, name: str) -> str:
    if ours is None or its is None:
        return ""
    return f"{ours / unit:,.2f} | {its / unit:,.2f} {name}"


def _dots(times: dict[str, float]) -> str:
    def paint(ax: Axes) -> None:
        least = min(times.values()) / 2
        for place, (name, value) in enumerate(times.items()):
            ink = BLUE if name == OURS else MUTED
            ax.hlines(place, least, value, color=GRID, lw=5)
            ax.plot(value, place, "o", color=ink, ms=9)
            ax.text(value * 1.15, place, f"{1000 * value:,.0f} ms", color=ink, va="center")
        log_axis(ax, "x", steps=(1, 2, 5))
        ax.set_yticks(range(len(times)), list(times))
        for label, name in zip(ax.get_yticklabels(), times, strict=True):
            label.set_color(BLUE if name == OURS else MUTED)
        ax.set(xlim=(least, max(times.values()) * 3), ylim=(len(times) - 0.5, -0.6))
        ax.set_xlabel("seconds")
        ax.grid(axis="y", visible=False)

    said = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in times.items())
    return panel(paint, alt=f"Seconds from files to numbers: {said}.", width=FULL, height=230)

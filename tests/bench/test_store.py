"""The store: rows survive, torn lines do not matter, the last run counts."""

import io
import json
import math
from pathlib import Path

from drivetrain.bench.harness.case import Row
from drivetrain.bench.harness.store import Store
from drivetrain.bench.harness.table import cells, quantity, render, seconds, tally


def row(contender: str = "drivetrain", case: str = "adamw", **values: object) -> Row:
    """Return a row with the given values."""
    values = {"outcome": "noted", "ours": contender == "drivetrain", **values}
    return Row(method="optim", case=case, what="w", contender=contender, **values)  # type: ignore[arg-type]


def test_rows_come_back_as_they_went(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.jsonl")
    rows = [row(seconds=0.25, spread=(0.2, 0.3)), row("torch", outcome="win", ratio=1.5)]
    for each in rows:
        store.append(each)
    back = store.latest()
    assert [r.contender for r in back] == ["drivetrain", "torch"]
    assert back[1].ratio == 1.5 and list(back[0].spread or ()) == [0.2, 0.3]


def test_the_last_run_of_a_case_replaces_the_older_one_whole(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.jsonl")
    for each in (row(seconds=1.0), row("gone"), row(case="other"), row(seconds=2.0), row("torch")):
        store.append(each)
    assert [(r.case, r.contender, r.seconds) for r in store.latest()] == [
        ("adamw", "drivetrain", 2.0),
        ("adamw", "torch", None),
        ("other", "drivetrain", None),
    ]


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    Store(path).append(row())
    with path.open("a") as file:
        file.write('{"method": "optim", "case"')
    assert len(Store(path).latest()) == 1
    Store(path).append(row("torch"))
    with path.open("a") as file:
        file.write('[1, 2]\n{"unrelated": 1}\n\x00\n')
    assert [r.contender for r in Store(path).latest()] == ["drivetrain", "torch"]


def test_nan_is_stored_as_json_can(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    Store(path).append(row(value=math.nan))
    assert json.loads(path.read_text())["value"] is None


def test_units() -> None:
    assert [seconds(v) for v in (None, 2.0, 0.0123, 4.56e-6, 7e-9)] == [
        "", "2 s", "12.3 ms", "4.56 µs", "7 ns",
    ]  # fmt: skip
    assert quantity(27.3e9, "B/s") == "27.3 GB/s"
    assert quantity(0.9497, "") == "0.9497"


def test_the_table_shows_losses_as_plainly_as_wins() -> None:
    from rich.console import Console

    rows = [
        row(seconds=0.010, spread=(0.009, 0.011), peak_bytes=1_000_000),
        row("torch", outcome="loss", ratio=0.83, seconds=0.0083, floor=1.1, aim=1.5),
        row("river", outcome="missing", words="river is not installed"),
        row(case="error", value=2e-4, outcome="missed", floor=1e-4),
    ]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(rows))
    text = console.export_text()
    for word in ("0.83x", "loss", "1.1, aim 1.5", "±10 %", "1 MB", "not installed", "missed"):
        assert word in text, word
    assert tally(rows) == "0 won, 1 lost, 0 met, 1 missed, 1 missing"
    assert len(cells(rows[0], first=True)) == 10

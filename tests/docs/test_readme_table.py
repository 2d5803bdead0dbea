"""The README's table is what the stored benchmark run says."""

import subprocess
import sys
from pathlib import Path

from drivetrain.bench.harness.case import Row
from drivetrain.bench.harness.summary import HEADER, markdown
from drivetrain.core.rooms import method_names

ROOT = Path(__file__).resolve().parents[2]


def row(case: str, **values: object) -> Row:
    """Return a row of optim's."""
    values = {"what": "w", "contender": "torch fused", **values}
    return Row(method="optim", case=case, **values)  # type: ignore[arg-type]


def cells(table: str, title: str) -> list[str]:
    """Return the cells of one method's line."""
    line = next(line for line in table.splitlines() if line.startswith(f"| {title}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_readme_is_up_to_date() -> None:
    script = ROOT / "docs" / "readme_table.py"
    done = subprocess.run([sys.executable, script, "--check"], check=False)
    assert done.returncode == 0, "make readme"


def test_the_twelve_are_listed_and_unmeasured_ones_claim_nothing() -> None:
    lines = markdown([]).splitlines()
    assert len(lines) == 2 + len(method_names())
    assert all(line.count("|") == len(HEADER) + 1 for line in lines)
    assert cells(markdown([]), "FlashAttention")[1:] == ["planned", "", "", "", ""]
    assert cells(markdown([]), "Adam")[1:] == ["works", "`drivetrain.optim`", "", "", ""]


def test_the_first_race_with_a_goal_is_shown_and_losses_count() -> None:
    rows = [
        row("free", outcome="win", ratio=9.0),
        row("step", outcome="win", ratio=1.284, floor=1.1),
        row("clip", outcome="loss", ratio=1.4, floor=1.5),
        row("stream", outcome="missed", value=0.8, floor=0.9, contender="drivetrain", ours=True),
        row("error", outcome="met", value=0.1, floor=0.9, contender="drivetrain", ours=True),
        row("other", outcome="unequal"),
    ]
    shown = cells(markdown(rows), "Adam")
    assert shown[3:] == ["torch fused, step", "1.28x", "2 of 5"]

"""Time ours and theirs in one run, answers compared first."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from drivetrain.commands.shell.messages import EXIT_FINDING

if TYPE_CHECKING:
    from drivetrain.bench.harness.case import Row
    from drivetrain.bench.harness.store import Store


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Time ours and theirs in one run, answers compared first, and keep the rows."""

    methods: tyro.conf.Positional[tuple[str, ...]] = ()
    """Methods to run; all that have benchmarks where none is named."""
    only: str = ""
    """Run the cases whose name contains this."""
    threads: int = 1
    """Threads for every library alike."""
    quick: bool = False
    """Three rounds a race: to see that all is well, not to quote."""
    store: Path = Path("bench.jsonl")
    """JSON-lines file that rows are added to."""
    show: bool = False
    """Show the last stored rows instead of measuring."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads must be >= 1. Got {self.threads}.")

    def run(self) -> int:
        """Run the cases and print the table; 1 where a race or a measure missed its goal."""
        from rich.console import Console

        from drivetrain.bench.harness.store import Store
        from drivetrain.bench.harness.table import render, tally

        rows = self._stored(Store(self.store)) if self.show else self._measured(Store(self.store))
        if not rows:
            raise ValueError(f"No rows: nothing matches in {self.store if self.show else 'bench'}.")
        # Without a terminal nothing should be cut off.
        console = Console(width=None if Console().is_terminal else 200)
        console.print(render(rows))
        machine = rows[-1].machine
        console.print(
            f"{machine.get('cpu')}, {machine.get('vectors')}, {machine.get('threads')} thread(s); "
            + ", ".join(f"{name} {v}" for name, v in machine.get("versions", {}).items())
        )
        console.print(tally(rows))
        return EXIT_FINDING if any(map(_fell_short, rows)) else 0

    def _stored(self, store: "Store") -> "list[Row]":
        from drivetrain.bench.harness.run import modules_of, owner

        wanted = {owner(module) for module in modules_of(list(self.methods))}
        rows = [row for row in store.latest() if row.method in wanted]
        return [row for row in rows if self.only in row.case]

    def _measured(self, store: "Store") -> "list[Row]":
        from drivetrain.bench.harness.run import limit_libraries, modules_of, run_module
        from drivetrain.core.files import check_writable
        from drivetrain.core.progress import progress

        modules = modules_of(list(self.methods))
        check_writable(self.store)
        limit_libraries(self.threads)
        rows: list[Row] = []
        with progress("bench", len(modules)) as advance:
            for module in modules:
                advance(module)
                for row in run_module(
                    module, threads=self.threads, only=self.only, quick=self.quick
                ):
                    store.append(row)
                    rows.append(row)
        return rows


def _fell_short(row: "Row") -> bool:
    if row.outcome in ("missed", "unequal"):
        return True
    # Losing to a peer that no goal was set against is news, not a failure.
    return row.outcome == "loss" and row.floor is not None

"""Progress for people, metrics for machines: a rich bar on a terminal, JSON lines on disk."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Advance = Callable[[str], None]


@contextmanager
def progress(title: str, total: int) -> Iterator[Advance]:
    """Show a bar of ``total`` steps on standard error; yield what advances it by one.

    The yielded function takes a few words on the step that begins. Without a terminal there is
    one plain line a step and no control characters.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield _plain(console.file, title, total)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total)
        begun = False

        def advance(words: str) -> None:
            nonlocal begun
            bar.update(task, advance=int(begun), description=f"{title}: {words}")
            begun = True

        yield advance
        bar.update(task, completed=total, description=title)


def _plain(stream: Any, title: str, total: int) -> Advance:
    done = 0

    def advance(words: str) -> None:
        nonlocal done
        done += 1
        print(f"{title} {done}/{total}: {words}", file=stream, flush=True)

    return advance


class MetricsLog:
    """A JSON-lines file that is appended to, one whole line a record.

    Example:
        >>> import tempfile
        >>> log = MetricsLog(Path(tempfile.mkdtemp()) / "metrics.jsonl")
        >>> log.append({"step": 1, "loss": 0.5})
        >>> log.read()
        [{'step': 1, 'loss': 0.5}]
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def append(self, record: dict[str, Any]) -> None:
        """Add one record; a line is written by a single call, so lines never interleave.

        Raises:
            OSError: The file cannot be written.
            ValueError: NaN or infinity, which JSON does not know.
        """
        line = json.dumps(record, allow_nan=False) + "\n"
        with self.path.open("a+b") as file:
            # A run that was killed in mid-line leaves half a record: start on a line of our own.
            if file.tell() and not _ends_with_newline(file):
                line = "\n" + line
            file.write(line.encode())

    def read(self) -> list[dict[str, Any]]:
        """Return all whole records; what an interrupted run left half written is passed over."""
        if not self.path.is_file():
            return []
        records = []
        for line in self.path.read_text(encoding="utf8", errors="replace").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(record, dict):
                records.append(record)
        return records


def _ends_with_newline(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")

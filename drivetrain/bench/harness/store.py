"""Keeps rows as JSON lines: one run after another, the last one of each case counts."""

import dataclasses
import math
import os
from datetime import UTC, datetime
from typing import Any

from drivetrain.bench.harness.case import Row
from drivetrain.core.progress import MetricsLog

FILE = "bench.jsonl"


class Store:
    """A file of rows, appended to as they are measured: an interrupted run keeps what it has."""

    def __init__(self, path: str | os.PathLike[str] = FILE) -> None:
        self._log = MetricsLog(path)

    def append(self, row: Row) -> None:
        """Add one row with the time of day.

        Raises:
            OSError: The file cannot be written.
        """
        record = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **dataclasses.asdict(row)}
        self._log.append({name: _jsonable(value) for name, value in record.items()})

    def latest(self) -> list[Row]:
        """Return the rows of the last run of each case, in the order they were first stored."""
        runs: dict[tuple[str, str], dict[str, Row]] = {}
        names = {field.name for field in dataclasses.fields(Row)}
        for record in self._log.read():
            if not {"method", "case", "what", "contender", "outcome"} <= record.keys():
                continue
            row = Row(**{name: value for name, value in record.items() if name in names})
            rows = runs.setdefault((row.method, row.case), {})
            # Our own row opens each run of a case: what stood there is of an older run.
            if row.ours:
                rows.clear()
            rows[row.contender] = row
        return [row for rows in runs.values() for row in rows.values()]


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

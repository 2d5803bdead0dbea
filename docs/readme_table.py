"""Writes the README's table of the twelve methods from the stored benchmark run.

``python docs/readme_table.py`` rewrites the table; with ``--check`` it only compares.
"""

import re
import sys
from pathlib import Path

from drivetrain.bench.harness.store import Store
from drivetrain.bench.harness.summary import markdown
from drivetrain.core.files import write_text

ROOT = Path(__file__).resolve().parent.parent
BETWEEN = re.compile(r"(<!-- table: make readme -->\n).*?(<!-- end of table -->)", re.DOTALL)


def rewritten(text: str) -> str:
    """Return the README's text with the table as the stored run says it today."""
    table = markdown(Store(ROOT / "docs" / "bench.jsonl").latest())
    found, count = BETWEEN.subn(lambda match: match[1] + table + match[2], text)
    if count != 1:
        raise ValueError(f"README.md must hold the table's two marks once. Got {count}.")
    return found


def main() -> int:
    """Rewrite or check; return 1 where a check finds the table out of date."""
    path = ROOT / "README.md"
    before = path.read_text(encoding="utf8")
    after = rewritten(before)
    if "--check" in sys.argv:
        return int(before != after)
    write_text(path, after)
    return 0


if __name__ == "__main__":
    sys.exit(main())

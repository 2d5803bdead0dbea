"""How the documentation is built: Sphinx, furo, and pages in Markdown."""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

from drivetrain.bench.harness.case import Row
from drivetrain.bench.harness.store import Store
from drivetrain.bench.harness.table import COLUMNS, cells, tally

sys.path.insert(0, str(Path(__file__).parent))

project = "drivetrain"
author = "The drivetrain authors"
project_copyright = "The drivetrain authors. Apache-2.0"
version = release = installed_version("drivetrain")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "markup",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False

html_theme = "furo"
html_math_renderer = "mathml"
html_title = "drivetrain"
html_show_sphinx = False
html_copy_source = False

STORED = Path(__file__).with_name("bench.jsonl")
NUMBERS = re.compile(r"<!-- numbers: (\w+) -->")


def numbers(method: str) -> str:
    """Return a method's stored benchmark rows as a Markdown table."""
    rows = [row for row in Store(STORED).latest() if row.method == method]
    if not rows:
        return f"No run is stored. `drivetrain bench {method}` measures where you are."
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(_cells(row) for row in rows)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{table}\n\n{tally(rows)}. {_machine(rows[0])}"


def _cells(row: Row) -> list[str]:
    texts = cells(row, first=row.ours)
    return [text.replace("|", "\\|").replace("\n", " ") for text in texts]


def _machine(row: Row) -> str:
    kept = {"python": "Python ", "cpu": "", "vectors": "", "threads": "threads: "}
    parts = [f"{words}{row.machine[name]}" for name, words in kept.items() if name in row.machine]
    versions = [f"{name} {number}" for name, number in row.machine.get("versions", {}).items()]
    return "Measured with " + ", ".join(parts + versions) + "."


def _fill(app: Sphinx, name: str, source: list[str]) -> None:
    source[0] = NUMBERS.sub(lambda match: numbers(match[1]), source[0])


def setup(app: Sphinx) -> None:
    """Put the stored figures where a page asks for them."""
    app.connect("source-read", _fill)

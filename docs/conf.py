"""How the documentation is built: Sphinx, furo, and pages in Markdown."""

import re
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

from drivetrain.bench.harness.case import Row
from drivetrain.bench.harness.store import Store
from drivetrain.bench.harness.table import COLUMNS, cells, tally

project = "drivetrain"
author = "The drivetrain authors"
project_copyright = "The drivetrain authors. Apache-2.0"
version = release = installed_version("drivetrain")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
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


# Docstrings are written to be read in an editor: plain words, $math$, |x|, names like coef_.
# What follows turns that into the markup that Sphinx expects.
CODE = re.compile(r"(``.+?``|`[^`]+`_?|:\w+:`[^`]+`|\$[^$]+\$)")
PLAIN = (
    (re.compile(r"(?<!\\)\|"), r"\\|"),
    (re.compile(r"(?<![\w\\])(\w*[A-Za-z0-9])_(?![\w])"), r"\1\\_"),
    (re.compile(r"(?<=[(,=] )\*(?=\w)|(?<=[(,=])\*(?=\w)"), r"\\*"),
)


def _words(text: str) -> str:
    """Return a line of prose with its mathematics marked and stray markup characters escaped."""
    pieces = CODE.split(text)
    for number, piece in enumerate(pieces):
        if number % 2 and piece.startswith("$"):
            pieces[number] = f":math:`{piece[1:-1].strip()}`"
        elif number % 2 == 0:
            for found, written in PLAIN:
                piece = found.sub(written, piece)
            pieces[number] = piece
    return "".join(pieces)


def _table(rows: list[str], indent: str) -> list[str]:
    """Return a Markdown table as reStructuredText writes it."""
    cells = [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]
    lines = [f"{indent}.. list-table::", f"{indent}   :header-rows: 1", ""]
    for number, row in enumerate(cells):
        if number != 1:
            lines += [f"{indent}   {'-' if i else '* -'} {_words(c)}" for i, c in enumerate(row)]
    return ["", *[line.replace("   - ", "     - ", 1) for line in lines], ""]


def _docstring(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Rewrite a docstring in place: formulas, tables and prose; examples stay as they are."""
    text, lines[:] = iter([*lines, ""]), []
    rows: list[str] = []
    example = False
    for line in text:
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        indent = line[: len(line) - len(line.lstrip())]
        if not example and line.lstrip().startswith("|") and line.rstrip().endswith("|"):
            rows.append(line)
            continue
        if rows:
            lines += _table(rows, rows[0][: len(rows[0]) - len(rows[0].lstrip())])
            rows = []
        if line.lstrip().startswith("$$"):
            formula = line.strip()
            while not (formula.endswith("$$") and len(formula) > 2):
                formula += " " + next(text).strip()
            lines += ["", f"{indent}.. math:: {formula.strip('$').strip()}", ""]
        elif example or line.lstrip().startswith((".. ", ":")):
            lines.append(line)
        else:
            lines.append(_words(line))


def setup(app: Sphinx) -> None:
    """Put the stored figures where a page asks for them, and mark up docstrings."""
    app.connect("source-read", _fill)
    # Before napoleon, which listens at the default priority of 500.
    app.connect("autodoc-process-docstring", _docstring, priority=400)

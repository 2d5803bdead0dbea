"""Sphinx extension: docstrings as they are written, and mathematics without a network.

Docstrings are written to be read in an editor: plain words, $math$, |x|, names like coef_.
What follows turns that into the markup that Sphinx expects, and formulas into MathML.
"""

import html
import re
from xml.etree import ElementTree

from docutils.nodes import SkipNode, math, math_block
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from numpy.typing import ArrayLike
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation
from sphinx.writers.html5 import HTML5Translator

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


MATHML = "{http://www.w3.org/1998/Math/MathML}"
# Named characters that HTML knows and XML does not.
ENTITY = re.compile(r"&(?!lt;|gt;|amp;|quot;|apos;)\w+;")
ACCENTS = set("ˉˆ˜~˙¯^→")
ElementTree.register_namespace("", MATHML.strip("{}"))
ARRAY_LIKE = stringify_annotation(ArrayLike, "smart")
NDARRAY = re.compile(r"~numpy\.ndarray\[~?tuple\[[^\]]*\], ~numpy\.dtype\[(.+?)\]\]")


def _signature(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: object,
    given: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Write array types as the source does, not as numpy spells them out."""
    return _shortened(given), _shortened(returned)


def _shortened(text: str | None) -> str | None:
    if text is None:
        return None
    return NDARRAY.sub(r"NDArray[\1]", text.replace(ARRAY_LIKE, "ArrayLike"))


def _skipped(
    app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object
) -> bool | None:
    """Leave out what scikit-learn adds to every estimator: its words refer to its own pages."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def _mathml(tex: str, block: bool) -> str:
    try:
        text = tex2mathml(tex.replace(r"\dots", r"\ldots"), as_block=block)
    except MathError:
        # Better the formula as it was typed than none.
        return f"<code>{html.escape(tex)}</code>"
    formula = ElementTree.fromstring(ENTITY.sub(lambda match: html.unescape(match[0]), text))
    for node in formula.iter(f"{MATHML}munderover"):
        _untangle(node)
    if block:
        # The theme lets formulas scroll, and then cuts the tops of tall ones.
        formula.set("style", "overflow: visible; margin: 0.8em 0")
    return ElementTree.tostring(formula, encoding="unicode")


def _untangle(node: ElementTree.Element) -> None:
    """Put an index beside an accented letter: docutils puts it below, as of a sum."""
    letter, index, accent = node
    if accent.text not in ACCENTS:
        return
    node.tag = f"{MATHML}msub"
    accented = ElementTree.Element(f"{MATHML}mover", accent="true")
    accented.extend([letter, accent])
    node[:] = [accented, index]


def _inline(self: HTML5Translator, node: math) -> None:
    self.body.append(_mathml(node.astext(), block=False))
    raise SkipNode


def _displayed(self: HTML5Translator, node: math_block) -> None:
    self.body.append(f'<div class="formula">{_mathml(node.astext(), block=True)}</div>')
    raise SkipNode


def setup(app: Sphinx) -> None:
    """Join Sphinx; before napoleon, which listens at the default priority of 500."""
    app.connect("autodoc-process-docstring", _docstring, priority=400)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skipped)
    app.add_html_math_renderer("mathml", (_inline, None), (_displayed, None))

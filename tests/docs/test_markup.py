"""What the documentation makes of docstrings: escapes, tables, formulas."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("sphinx")


@pytest.fixture(scope="module")
def markup() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "docs" / "markup.py"
    spec = importlib.util.spec_from_file_location("drivetrain_docs_markup", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("plain", "marked"),
    [
        ("plain words", "plain words"),
        ("the norm |x| of x", r"the norm \|x\| of x"),
        ("read coef_ after fit", r"read coef\_ after fit"),
        ("``coef_`` and `x`_ stay", "``coef_`` and `x`_ stay"),
        ("snake_case stays", "snake_case stays"),
        ("gain $a_k = 1/k$ decays", "gain :math:`a_k = 1/k` decays"),
        ("many as (n, *shape)", r"many as (n, \*shape)"),
        ("**bold** stays", "**bold** stays"),
        (":math:`|x|` stays", ":math:`|x|` stays"),
    ],
)
def test_words(markup: ModuleType, plain: str, marked: str) -> None:
    assert markup._words(plain) == marked


def rewritten(markup: ModuleType, text: str) -> list[str]:
    lines = text.split("\n")
    markup._docstring(None, "class", "name", None, None, lines)
    return [line for line in lines if line.strip()]


def test_displayed_formulas(markup: ModuleType) -> None:
    assert rewritten(markup, "$$a = b$$") == [".. math:: a = b"]
    assert rewritten(markup, "    $$\n    a = |b|\n    $$") == ["    .. math:: a = |b|"]


def test_tables(markup: ModuleType) -> None:
    table = "| name | size |\n|---|---|\n| ``a`` | 1 |\nafter"
    assert rewritten(markup, table) == [
        ".. list-table::",
        "   :header-rows: 1",
        "   * - name",
        "     - size",
        "   * - ``a``",
        "     - 1",
        "after",
    ]


def test_examples_stay_as_they_are(markup: ModuleType) -> None:
    text = ">>> coef_ | 1\ncoef_ | 1\n\ncoef_ again"
    assert rewritten(markup, text) == [">>> coef_ | 1", "coef_ | 1", r"coef\_ again"]


def test_an_index_stands_beside_an_accented_letter(markup: ModuleType) -> None:
    formula = "".join(markup._mathml(r"\bar w_n", block=False).split())
    assert "<msub><moveraccent" in formula
    assert "munderover" not in formula
    assert "munderover" in markup._mathml(r"\sum_{k=1}^n k", block=True)


def test_unknown_formulas_are_shown_as_typed(markup: ModuleType) -> None:
    assert markup._mathml(r"\foo < 1", block=False) == r"<code>\foo &lt; 1</code>"

"""Fills the page's template: no network, no script, colours for light and dark."""

import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from drivetrain import __version__
from drivetrain.core.cpu import model_name
from drivetrain.core.rooms import method_names, summary
from drivetrain.gallery.page.palette import INKS
from drivetrain.gallery.page.section import Chapter
from drivetrain.gallery.page.svg import isolate

_FOLDER = Path(__file__).parent
_PACKAGES = ("numpy", "scipy", "numba", "torch", "scikit-learn", "matplotlib")


def render(chapters: Sequence[Chapter], *, seed: int, sole: bool) -> str:
    """Return the HTML of the page.

    Args:
        chapters: The sections, drawn.
        seed: Shown in the command of each figure.
        sole: Whether one section was asked for, so the page's command names it.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["inline"] = _inline
    environment.filters["minus"] = _minus
    template = environment.from_string((_FOLDER / "page.html.j2").read_text(encoding="utf8"))
    return template.render(
        chapters=chapters,
        contents=_contents(chapters),
        inks=INKS,
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf8")),
        seed=seed,
        command="drivetrain demo" + (f" {chapters[0].method}" if sole else ""),
        sources=_sources(chapters),
        versions=_versions(),
        processor=model_name(),
    )


def _contents(chapters: Sequence[Chapter]) -> list[tuple[str, str, str, Chapter | None]]:
    shown = {chapter.method: chapter for chapter in chapters}
    rows = []
    for method in sorted({*method_names(), *shown}):
        title, _, words = summary(method).rstrip(".").partition(": ")
        rows.append((method, title, words, shown.get(method)))
    return rows


def _inline(svg: str, prefix: str) -> Markup:
    # Panels are made by draw.panel, never from outside text, so they pass unescaped.
    return Markup(isolate(svg, prefix))


def _minus(text: str) -> str:
    return re.sub(r"-(?=\d)", "−", text)


def _sources(chapters: Sequence[Chapter]) -> list[str]:
    named = (
        source
        for chapter in chapters
        for each in chapter.drawn
        if each.figure
        for source in each.figure.sources
    )
    return list(dict.fromkeys(named))


def _versions() -> list[tuple[str, str]]:
    rows = [("drivetrain", __version__), ("Python", platform.python_version())]
    for package in _PACKAGES:
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return rows

"""Fills the template of report pages: parts with figures, no network, no script."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from drivetrain.gallery.page.palette import INKS
from drivetrain.gallery.page.section import Figure
from drivetrain.gallery.page.svg import isolate

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a report: its name in the contents, and its figures."""

    name: str
    figures: list[Figure]


def render_report(
    parts: Sequence[Part],
    *,
    brand: str,
    title: str,
    headline: str,
    lead: str,
    footer: tuple[str, Sequence[str]],
) -> str:
    """Return the HTML of the parts that hold a figure.

    Args:
        parts: In the order of the page.
        brand: The words above the headline.
        title: Of the browser's tab.
        headline: The statement on top.
        lead: The paragraph under it.
        footer: The heading at the end, and the lines under it.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # Panels are made here, their texts escaped, so they pass unescaped.
    environment.globals["inline"] = lambda svg, prefix: Markup(isolate(svg, prefix))
    environment.filters["minus"] = lambda text: re.sub(r"(?<![\w.])-(?=\d)", "−", text)
    template = environment.from_string((_FOLDER / "report.html.j2").read_text(encoding="utf8"))
    return template.render(
        chapters=[part for part in parts if part.figures],
        inks=INKS,
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf8")),
        brand=brand,
        title=title,
        headline=headline,
        lead=lead,
        footer=footer,
    )

"""Turns matplotlib's SVG files into small fragments that live inside one page."""

import re
from html import escape

from drivetrain.gallery.page.palette import INKS

# Wider panels scroll in their own box on a phone, where their text would shrink too far.
WIDE = 500
_PROLOGUE = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_STYLE = re.compile(r"<style.*?</style>", re.DOTALL)
_ROOT = re.compile(r"<svg[^>]*>")
_VIEW_BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
_FONT_FAMILY = re.compile(r"font-family:[^;\"]*;?\s*")
_NO_TURN = re.compile(r' transform="rotate\(-0 [^)]*\)"')
_DECIMALS = re.compile(r"(-?\d+\.\d{2})\d+")
_LONG_PATH = re.compile(r'\bd="[^"]{400,}"')
_TENTHS = re.compile(r"(-?\d+\.\d)\d+")
_NUMBER_ATTRIBUTES = re.compile(r'\b(?:d|x|y|width|height)="[^"]*"')
_IDENTITY = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'href="#([^"]*)"|url\(#([^)]*)\)')
_EMPTY = re.compile(r"<(g|defs)>\s*</\1>|<(?:g|defs)/>")
_SPACE = re.compile(r"\s*\n\s*")


def fragment(text: str, alt: str) -> str:
    """Return an inline SVG element: scaled by its box, coloured by the page, named for readers.

    Args:
        text: What matplotlib's SVG backend wrote, with texts as texts.
        alt: What a person who cannot see the panel should know of it.

    Raises:
        ValueError: ``alt`` is empty, or the text is no SVG.
    """
    if not alt.strip():
        raise ValueError("alt must say what the panel shows. Got an empty text.")
    box = _VIEW_BOX.search(text)
    if box is None:
        raise ValueError("text must be an SVG with a viewBox.")
    body = _STYLE.sub("", _PROLOGUE.sub("", text))
    body = _ROOT.sub("", body, count=1).rsplit("</svg>", 1)[0]
    body = _colours(_shorten(body))
    width, height = float(box.group(1)), float(box.group(2))
    kind = "panel wide" if width > WIDE else "panel"
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{escape(alt)}">{body}</svg>'
    )


def isolate(svg: str, prefix: str) -> str:
    """Return the SVG with its ids made unique within a page by a prefix."""
    return _REFERENCE.sub(
        lambda match: match.group(0).replace("#", f"#{prefix}", 1),
        _IDENTITY.sub(lambda match: f' id="{prefix}{match.group(1)}"', svg),
    )


def _shorten(body: str) -> str:
    body = _NO_TURN.sub("", _FONT_FAMILY.sub("", body)).replace("xlink:href", "href")
    body = _NUMBER_ATTRIBUTES.sub(lambda match: _DECIMALS.sub(r"\1", match.group(0)), body)
    # A tenth of a pixel is enough for a curve, not for the outline of a small marker.
    body = _LONG_PATH.sub(lambda match: _TENTHS.sub(r"\1", match.group(0)), body)
    used = {name for pair in _REFERENCE.findall(body) for name in pair if name}
    body = _IDENTITY.sub(lambda match: match.group(0) if match.group(1) in used else "", body)
    body = _SPACE.sub(" ", body).replace("> <", "><").replace(' "', '"')
    while (shorter := _EMPTY.sub("", body)) != body:
        body = shorter
    return body.strip()


def _colours(body: str) -> str:
    for ink in INKS:
        body = body.replace(ink.sentinel, f"var(--{ink.name})")
    return body

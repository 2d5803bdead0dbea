"""The colours of the page, each in a light and a dark shade.

Figures are drawn in sentinel colours that no artist uses by chance; the SVG then refers to CSS
variables instead, and the page's style sheet gives those their shades. So one drawing serves
light and dark mode alike.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ink:
    """A colour: its CSS variable, the sentinel it is drawn in, and its two shades."""

    name: str
    sentinel: str
    light: str
    dark: str


def _blend(low: str, high: str, share: float) -> str:
    pairs = ((int(low[i : i + 2], 16), int(high[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _ramp(count: int, low: str, middle: str, high: str) -> list[str]:
    shades = []
    for i in range(count):
        share = 2 * i / (count - 1)
        shades.append(_blend(low, middle, share) if share <= 1 else _blend(middle, high, share - 1))
    return shades


# Shades of text and series have a contrast of at least 4.5 to the paper of their mode.
_NAMED = (
    ("paper", "#ffffff", "#14161a"),
    ("ink", "#1c1f24", "#e8e9eb"),
    ("muted", "#5d646e", "#a0a7b2"),
    ("grid", "#e4e6ea", "#2b2f37"),
    ("axis", "#b4bac3", "#4d545f"),
    ("blue", "#2160b5", "#82b3f7"),
    ("orange", "#b84a14", "#f39b6a"),
    ("teal", "#0c7a69", "#58ccb5"),
    ("purple", "#7c43a6", "#c99df2"),
    ("gold", "#876300", "#dfba4c"),
    ("high", "#ffffff", "#0c1420"),
)
LEVELS = 13
_LIGHT = _ramp(LEVELS, "#f1f5fb", "#7aa5da", "#12376f")
_DARK = _ramp(LEVELS, "#1b2330", "#3d6aa8", "#cfe2ff")

INKS: tuple[Ink, ...] = tuple(
    Ink(name, f"#fe00{number:02x}", light, dark)
    for number, (name, light, dark) in enumerate(_NAMED)
) + tuple(
    Ink(f"level-{number}", f"#fd00{number:02x}", light, dark)
    for number, (light, dark) in enumerate(zip(_LIGHT, _DARK, strict=True))
)

_SENTINELS = {ink.name: ink.sentinel for ink in INKS}
PAPER, INK, MUTED, GRID, AXIS = (
    _SENTINELS[name] for name in ("paper", "ink", "muted", "grid", "axis")
)
BLUE, ORANGE, TEAL, PURPLE, GOLD, HIGH = (
    _SENTINELS[name] for name in ("blue", "orange", "teal", "purple", "gold", "high")
)
SEQUENCE: tuple[str, ...] = tuple(_SENTINELS[f"level-{number}"] for number in range(LEVELS))

"""What a section of the demo is made of: plain data that the page prints."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Number:
    """A figure of ours beside the reference's.

    Attributes:
        what: What is measured, in words.
        ours: Our value, formatted.
        reference: The value it is held against, formatted.
        source: Where the reference's value comes from: a paper's equation, a closed form, a peer.
    """

    what: str
    ours: str
    reference: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under a header; the first column names the row, the others are read as numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"a row must have {len(self.header)} cells. Got {len(row)}: {row}")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure: its panels, the caption that reads them, and the numbers under it.

    Attributes:
        title: A statement, not a label: what the reader should see.
        panels: SVG texts of ``draw.panel``. They stand side by side and wrap on a phone.
        caption: What is drawn and how it was made.
        numbers: Ours beside the reference's.
        table: Shown under the panels.
        timed: Whether it holds measured times, which no seed repeats.
        sources: The data it is computed from, with their licences.
    """

    title: str
    panels: tuple[str, ...] = ()
    caption: str = ""
    numbers: tuple[Number, ...] = ()
    table: Table | None = None
    timed: bool = False
    sources: tuple[str, ...] = ()


Draw = Callable[[int], Figure]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One method's section: a paragraph, then figures that are drawn when the page is built.

    Attributes:
        title: The heading.
        paragraph: What the section shows.
        figures: Name, as progress and links show it, to the module in the gallery whose
            ``figure(seed)`` draws it (imported only then), or to such a function.
        timed: Names of the figures that measure time: drawn last, while nothing else runs.
    """

    title: str
    paragraph: str
    figures: dict[str, str | Draw]
    timed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        strangers = set(self.timed) - set(self.figures)
        if strangers:
            raise ValueError(f"timed must name figures. Got {sorted(strangers)}.")


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure as the page shows it, or the words of the error that came in its place."""

    name: str
    figure: Figure | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A method's section with its figures drawn."""

    method: str
    title: str
    paragraph: str
    drawn: tuple[Drawn, ...]

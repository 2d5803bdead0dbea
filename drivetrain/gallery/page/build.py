"""Runs the sections and writes the page."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drivetrain.core.cpu import usable_cores
from drivetrain.core.errors import require
from drivetrain.core.files import check_writable, write_text
from drivetrain.core.progress import Advance
from drivetrain.core.progress import progress as progress_bar
from drivetrain.gallery.page.section import Chapter, Section
from drivetrain.gallery.page.sections import load, section_names
from drivetrain.gallery.page.workers import Order, Results, draw_here, draw_side_by_side

Pick = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Built:
    """The page that was written, and what is missing in it.

    Attributes:
        path: The file.
        size: Its bytes.
        figures: How many figures it shows.
        failed: ``METHOD/figure: error`` of each figure that could not be drawn.
    """

    path: Path
    size: int
    figures: int
    failed: tuple[str, ...]


def build(
    methods: Sequence[str] | None = None,
    out: str | os.PathLike[str] = "drivetrain-demo.html",
    *,
    seed: int = 0,
    progress: bool = True,
    workers: int | None = None,
    pick: Pick | None = None,
) -> Built:
    """Draw the sections of the methods and write them as one self-contained HTML page.

    A figure that fails leaves its error in its place and is named in the result; the others are
    drawn all the same.

    Args:
        methods: Names of methods that have a section; None or none for all of them.
        out: The file; its folder is made. An older page there stays until the new one is whole.
        seed: Of every random stream. The same seed gives the same page, measured times apart.
        progress: Whether to show a bar on standard error, one step a figure.
        workers: Sections drawn at a time, a process each; as many as there are cores where not
            given. With 1, or a single section, all is drawn in this process. As always with
            processes, a script that calls this needs ``if __name__ == "__main__":``.
        pick: For each method, the figures to draw; all of them where not given.

    Raises:
        ValueError: A method is unknown or has no section yet.
        MissingDependency: matplotlib or jinja2 is not installed.
        OSError: The file cannot be written.
    """
    for package in ("matplotlib", "jinja2"):
        require(package, "drivetrain[report]")
    path = Path(out)
    _demand_writable(path)
    # A word given twice is drawn once, in the order given.
    sections = {method: load(method) for method in dict.fromkeys(methods or section_names())}
    orders = [_order(method, section, seed, pick) for method, section in sections.items()]
    steps = sum(len(order.together) + len(order.alone) for order in orders)
    crew = min(len(orders), usable_cores() if workers is None else workers)
    with progress_bar("demo", steps) if progress else _silent() as advance:
        results = (
            draw_here(orders, advance) if crew <= 1 else draw_side_by_side(orders, advance, crew)
        )
    chapters = [_chapter(method, section, results) for method, section in sections.items()]
    return _written(chapters, path, seed)


def _written(chapters: list[Chapter], path: Path, seed: int) -> Built:
    from drivetrain.gallery.page.render import render

    page = render(chapters, seed=seed, sole=len(chapters) == 1)
    write_text(path, page)
    drawn = [(chapter.method, each) for chapter in chapters for each in chapter.drawn]
    return Built(
        path=path,
        size=len(page.encode()),
        figures=sum(each.figure is not None for _, each in drawn),
        failed=tuple(f"{method}/{each.name}: {each.error}" for method, each in drawn if each.error),
    )


def _order(method: str, section: Section, seed: int, pick: Pick | None) -> Order:
    wanted = section.figures if pick is None else pick.get(method, ())
    return Order(
        method=method,
        together=tuple(name for name in wanted if name not in section.timed),
        alone=tuple(name for name in wanted if name in section.timed),
        seed=seed,
    )


def _chapter(method: str, section: Section, results: Results) -> Chapter:
    drawn = [results[method, name] for name in section.figures if (method, name) in results]
    return Chapter(
        method=method, title=section.title, paragraph=section.paragraph, drawn=tuple(drawn)
    )


def _demand_writable(path: Path) -> None:
    # Learn it before a minute of drawing, not after.
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(f"out must be a file. Got the folder {path}.")
    check_writable(path)


@contextmanager
def _silent() -> Iterator[Advance]:
    yield lambda words: None

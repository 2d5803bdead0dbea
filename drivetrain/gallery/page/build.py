"""Runs the sections and writes the page."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from drivetrain.core.errors import require, unknown
from drivetrain.core.files import write_text
from drivetrain.core.progress import Advance
from drivetrain.core.progress import progress as progress_bar
from drivetrain.core.rooms import method_names, module_names
from drivetrain.gallery.page.section import Chapter, Draw, Drawn, Section


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
) -> Built:
    """Draw the sections of the methods and write them as one self-contained HTML page.

    A figure that fails leaves its error in its place and is named in the result; the others are
    drawn all the same.

    Args:
        methods: Names of methods that have a section; None or none for all of them.
        out: The file; its folder is made. An older page there stays until the new one is whole.
        seed: Of every random stream. The same seed gives the same page, measured times apart.
        progress: Whether to show a bar on standard error, one step a figure.

    Raises:
        ValueError: A method is unknown or has no section yet.
        MissingDependency: matplotlib or jinja2 is not installed.
        OSError: The file cannot be written.
    """
    for package in ("matplotlib", "jinja2"):
        require(package, "drivetrain[report]")
    path = Path(out)
    _demand_writable(path)
    chosen = _chosen(methods)
    steps = sum(len(section.figures) for section in chosen.values())
    with progress_bar("demo", steps) if progress else _silent() as advance:
        chapters = [_chapter(method, part, seed, advance) for method, part in chosen.items()]
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


def section_names() -> list[str]:
    """Return the methods that have a section, sorted."""
    return module_names("gallery")


def load(method: str) -> Section:
    """Return a method's section.

    Raises:
        ValueError: No such method, or it has no section yet.
    """
    _demand_section(method)
    section = import_module(f"drivetrain.gallery.{method}").SECTION
    if not isinstance(section, Section):
        raise TypeError(f"gallery.{method}.SECTION must be a Section. Got {type(section)}.")
    return section


def _demand_section(method: str) -> None:
    if method not in section_names():
        if method in method_names():
            raise ValueError(
                f"{method} has no section yet. Expected one of: {', '.join(section_names())}."
            )
        raise unknown("method", method, method_names())


def _chosen(methods: Sequence[str] | None) -> dict[str, Section]:
    # A word given twice is drawn once, in the order given.
    names = list(dict.fromkeys(methods or section_names()))
    for name in names:
        _demand_section(name)
    return {name: _load_or_blame(name) for name in names}


def _load_or_blame(method: str) -> Section:
    # A section that cannot even be imported is shown as one figure that could not be drawn.
    try:
        return load(method)
    except Exception as error:
        blamed = error

        def fail(seed: int) -> NoReturn:
            raise blamed

        return Section(title=method, paragraph="", figures={"loading": fail})


def _demand_writable(path: Path) -> None:
    # Learn it before a minute of drawing, not after.
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(f"out must be a file. Got the folder {path}.")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"out must be in a writable folder. Got {path}.")


def _chapter(method: str, section: Section, seed: int, advance: Advance) -> Chapter:
    drawn = []
    for name, draw in section.figures.items():
        advance(f"{method}, {name}")
        drawn.append(_attempt(name, draw, seed))
    return Chapter(
        method=method, title=section.title, paragraph=section.paragraph, drawn=tuple(drawn)
    )


def _attempt(name: str, draw: Draw, seed: int) -> Drawn:
    # Whatever a figure raises is shown in its place: one broken figure must not lose the rest.
    try:
        return Drawn(name=name, figure=draw(seed))
    except Exception as error:
        words = " ".join(str(error).split()) or "no words"
        return Drawn(name=name, error=f"{type(error).__name__}: {words}")


@contextmanager
def _silent() -> Iterator[Advance]:
    yield lambda words: None

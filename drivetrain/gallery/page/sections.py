"""Finds the sections by walking the gallery, and draws their figures one at a time."""

from importlib import import_module

from drivetrain.core.errors import unknown
from drivetrain.core.rooms import method_names, module_names
from drivetrain.gallery.page.section import Drawn, Figure, Section


def section_names() -> list[str]:
    """Return the methods that have a section, sorted."""
    return module_names("gallery")


def load(method: str) -> Section:
    """Return a method's section, ``SECTION`` of its module.

    Raises:
        ValueError: No such method, or it has no section yet.
    """
    if method not in section_names():
        if method in method_names():
            raise ValueError(
                f"{method} has no section yet. Expected one of: {', '.join(section_names())}."
            )
        raise unknown("method", method, method_names())
    section = import_module(f"drivetrain.gallery.{method}").SECTION
    if not isinstance(section, Section):
        raise TypeError(f"gallery.{method}.SECTION must be a Section. Got {type(section)}.")
    return section


def draw(method: str, name: str, seed: int) -> Drawn:
    """Draw one figure; whatever it raises becomes the words in its place.

    Raises:
        KeyboardInterrupt: And nothing else: one broken figure must not lose the rest.
    """
    try:
        return Drawn(name=name, figure=_figure(load(method), name, seed))
    except Exception as error:
        words = " ".join(str(error).split()) or "no words"
        return Drawn(name=name, error=f"{type(error).__name__}: {words}")


def _figure(section: Section, name: str, seed: int) -> Figure:
    # Named by its module, a figure that cannot be imported fails alone.
    where = section.figures[name]
    drawing = (
        import_module(f"drivetrain.gallery.{where}").figure if isinstance(where, str) else where
    )
    figure = drawing(seed)
    if not isinstance(figure, Figure):
        raise TypeError(f"figure(seed) must return a Figure. Got {type(figure).__name__}.")
    return figure

"""Finds the rooms of the house by walking its folders, so that adding one edits no list.

A room is a package directly under ``drivetrain``; a *method* is a room that holds
``citation.bib``, the papers it comes from. Nothing here imports a room: docstrings are read
from the source, which keeps ``drivetrain --help`` fast.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def room_names() -> list[str]:
    """Return the names of all rooms, sorted."""
    return sorted(path.parent.name for path in PACKAGE.glob("[a-z]*/__init__.py"))


def method_names() -> list[str]:
    """Return the names of the methods, sorted: the rooms that cite papers."""
    return sorted(path.parent.name for path in PACKAGE.glob("[a-z]*/citation.bib"))


def module_names(room: str) -> list[str]:
    """Return the public modules of a room, sorted: one a method in commands, gallery and bench."""
    return sorted(p.stem for p in (PACKAGE / room).glob("[a-z]*.py"))


def is_built(method: str) -> bool:
    """Tell whether a method holds more than its name and its papers."""
    return bool(module_names(method))


def first_line(path: Path) -> str:
    """Return the first line of the docstring of a Python file, without importing it."""
    with path.open(encoding="utf8") as file:
        line = file.readline().strip()
    return line.strip('"').strip() if line.startswith('"""') else ""


def summary(room: str, module: str = "__init__") -> str:
    """Return the one line in which a room, or a module of it, says what it is."""
    return first_line(PACKAGE / room / f"{module}.py")

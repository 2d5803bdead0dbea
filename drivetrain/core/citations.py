"""The papers a method comes from, kept as BibTeX beside its code."""

from drivetrain.core.errors import unknown
from drivetrain.core.rooms import PACKAGE, method_names


def citation(method: str) -> str:
    """Return the BibTeX entries of a method's papers.

    Raises:
        ValueError: No method has that name.
    """
    if method not in method_names():
        raise unknown("method", method, method_names())
    return (PACKAGE / method / "citation.bib").read_text(encoding="utf8").strip()

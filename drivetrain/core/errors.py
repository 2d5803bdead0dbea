"""Errors that say what was given, what was expected and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


class MissingDependency(ImportError):
    """An optional package is not installed; the message says how to get it."""


class CheckpointError(ValueError):
    """A file on disk is not the checkpoint it should be: missing parts, truncated, corrupt."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest choice, or an empty string."""
    lowered = {choice.lower(): choice for choice in choices}
    near = get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f" Did you mean {lowered[near[0]]!r}?" if near else ""


def unknown(kind: str, word: object, choices: Iterable[str]) -> ValueError:
    """Return the error for a word that is none of the choices, with the nearest one named.

    Example:
        >>> unknown("method", "optin", ["optim", "amp"])
        ValueError("Unknown method 'optin'. Did you mean 'optim'?")
    """
    listed = sorted(choices)
    hint = did_you_mean(str(word), listed) or f" Expected one of: {', '.join(listed)}."
    return ValueError(f"Unknown {kind} {word!r}.{hint}")


def require(module: str, install: str) -> ModuleType:
    """Import an optional module.

    Args:
        module: Dotted name to import.
        install: What to give to ``pip install``, such as ``drivetrain[report]``.

    Raises:
        MissingDependency: The module is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if error.name is None or error.name.split(".")[0] != package:
            raise
        missing = error.name if find_spec(package) else package
        raise MissingDependency(f"{missing} is not installed: pip install '{install}'") from None

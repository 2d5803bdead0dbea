"""From words to a verb: tyro reads the flags off the frozen dataclass."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module

import tyro

from drivetrain.commands.shell.messages import EXIT_USAGE, fail

HELP = ("-h", "--help")


def parse(module: str, verb: str, words: list[str], program: str) -> Callable[[], int | None]:
    """Return the bound ``run`` method of the verb that the words describe.

    Raises:
        SystemExit: After help (0), or after one line on a mistake in the flags (2).
    """
    kind = getattr(import_module(f"drivetrain.commands.{module}"), verb)
    if any(word in HELP for word in words):
        return tyro.cli(kind, prog=program, args=words).run  # type: ignore[no-any-return]
    captured = io.StringIO()
    try:
        with contextlib.redirect_stderr(captured), _wide():
            return tyro.cli(kind, prog=program, args=words).run  # type: ignore[no-any-return]
    except SystemExit as leaving:
        if leaving.code == EXIT_USAGE:
            fail(f"{one_line(captured.getvalue())} See: {program} --help")
        else:
            sys.stderr.write(captured.getvalue())
        raise


def one_line(box: str) -> str:
    """Return the message inside tyro's box: what is wrong, and what it takes for the likely aim.

    tyro draws the box in Unicode, or in ASCII where the output's encoding is not UTF-8.
    """
    parts = _parts(re.sub(r"\x1b\[[0-9;]*m", "", box))
    message = " ".join(parts[0])
    if message.startswith("Missing from"):
        named = [row.split()[0] for row in parts[0] if re.match(r"--?[a-z]|[A-Z]+$", row)]
        message = f"Missing: {', '.join(named)}"
    # What a dataclass itself refuses already names the argument.
    message = re.sub(r"^Error parsing [A-Z]\w*: ", "", message)
    meant = [part[1].split()[0] for part in parts if len(part) > 1 and "you meant" in part[0]]
    return message.rstrip(" .") + "." + (f" Did you mean {meant[0]}?" if meant else "")


def _parts(box: str) -> list[list[str]]:
    """Split a box at its rules, title left out."""
    parts: list[list[str]] = [[]]
    for row in re.sub("[╭╮╰╯│]", " ", box).splitlines():
        row = row.strip()
        if row and set(row) <= {"─", "-"}:
            parts.append([])
        elif row and not row.startswith("─ "):
            parts[-1].append(row)
    # In Unicode the title stands in the border; in ASCII it is a part of its own.
    found = [part for part in parts if part]
    return found[1:] if found and "╭" not in box else found or [["Invalid arguments"]]


@contextlib.contextmanager
def _wide() -> Iterator[None]:
    # tyro breaks messages to the terminal's width, which it takes from here; one line must not be.
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "4000"
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before

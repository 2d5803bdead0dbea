"""Shell completion: tyro writes the script for the whole tree of commands."""

from importlib import import_module
from typing import Any

import tyro

from drivetrain.commands.shell.messages import fail
from drivetrain.commands.shell.verbs import house_commands, kebab, verbs
from drivetrain.core.rooms import module_names

SHELLS = ("bash", "zsh", "tcsh", "fish")


def complete(words: list[str]) -> int:
    """Print or write the completion script: ``--tyro-write-completion SHELL PATH``."""
    if len(words) < 2 or words[1] not in SHELLS:
        return fail(f"{words[0]} takes a shell: one of {', '.join(SHELLS)}.")
    tyro.extras.subcommand_cli_from_dict(tree(), prog="drivetrain", args=words)
    return 0


def tree() -> dict[str, Any]:
    """Return all commands as nested dictionaries of dataclasses."""
    found: dict[str, Any] = {}
    for name in module_names("commands"):
        module = import_module(f"drivetrain.commands.{name}")
        classes = {kebab(verb): getattr(module, verb) for verb in verbs(name)}
        found[name] = next(iter(classes.values())) if name in house_commands() else classes
    return found

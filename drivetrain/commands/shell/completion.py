"""Shell completion: tyro writes the script for the whole tree of commands."""

from importlib import import_module

import tyro

from drivetrain.commands.shell.messages import fail
from drivetrain.commands.shell.verbs import house_commands, kebab, verbs
from drivetrain.core.rooms import module_names

SHELLS = ("bash", "zsh", "tcsh", "fish")


def complete(words: list[str]) -> int:
    """Print or write the completion script: ``--tyro-write-completion SHELL PATH``."""
    if len(words) < 2 or words[1] not in SHELLS:
        return fail(f"{words[0]} takes a shell: one of {', '.join(SHELLS)}.")
    if words[0].startswith("--tyro-write") and len(words) < 3:
        return fail(f"{words[0]} takes a shell and the file to write.")
    tree().cli(prog="drivetrain", args=words)
    return 0


def tree() -> tyro.extras.SubcommandApp:
    """Return all commands, those of a method in a group of its name."""
    app = tyro.extras.SubcommandApp()
    for name in module_names("commands"):
        module = import_module(f"drivetrain.commands.{name}")
        house = name in house_commands()
        group = app if house else tyro.extras.SubcommandApp()
        for verb in verbs(name):
            group.command(name=name if house else kebab(verb))(getattr(module, verb))
        if not house:
            app.command(group, name=name)
    return app

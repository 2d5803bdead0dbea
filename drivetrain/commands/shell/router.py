"""The ``drivetrain`` command: finds the method and the verb, and imports nothing else.

``drivetrain METHOD VERB --flags`` runs one frozen dataclass of ``drivetrain/commands/METHOD.py``;
``drivetrain doctor`` and the other house commands are modules with a single verb. Methods, house
commands and their one-line descriptions are found by walking folders, not by importing them.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from drivetrain.commands.shell.messages import fail, guarded, prepare_streams
from drivetrain.commands.shell.verbs import house_commands, kebab, verbs
from drivetrain.core.errors import did_you_mean
from drivetrain.core.rooms import PACKAGE, is_built, method_names, module_names, summary

USAGE = "usage: drivetrain [--debug] COMMAND [VERB] [--flags]"
COMPLETION = ("--tyro-print-completion", "--tyro-write-completion")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0, 1 (a finding) or 2 (a mistake)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    prepare_streams()
    debug = bool(words) and words[0] == "--debug"
    sys.exit(guarded(lambda: route(words[1:] if debug else words), debug=debug))


def route(words: list[str]) -> int:
    """Run one command given as words; return the exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0
    if words[0] == "--version":
        return _show_version()
    if words[0].replace("_", "-") in COMPLETION:
        from drivetrain.commands.shell.completion import complete

        return complete(words)
    return _command(words[0], words[1:])


def overview() -> str:
    """Return the help of the whole: the twelve methods, a line each, and the house commands."""
    methods = method_names()
    width = max(map(len, methods))
    lines = [USAGE, "", summary("."), "", "methods:"]
    lines += [f"  {name:<{width}}  {_described(name)}" for name in methods]
    lines += ["", "commands:"]
    lines += [f"  {name:<{width}}  {summary('commands', name)}" for name in house_commands()]
    lines += [
        "",
        "drivetrain METHOD --help lists a method's verbs; --debug shows whole tracebacks.",
    ]
    return "\n".join(lines)


def _command(word: str, rest: list[str]) -> int:
    name = word.replace("-", "_")
    if name not in module_names("commands"):
        return _no_such_command(name, word)
    if name in house_commands():
        return _run(name, next(iter(verbs(name))), rest, f"drivetrain {name}")
    classes = {kebab(verb): verb for verb in verbs(name)}
    if not rest or rest[0] in ("-h", "--help"):
        print(_method_help(name))
        return 0
    if rest[0] not in classes:
        hint = did_you_mean(rest[0], classes) or f" Expected one of: {', '.join(sorted(classes))}."
        return fail(f"Unknown verb {rest[0]!r} of {name}.{hint}")
    return _run(name, classes[rest[0]], rest[1:], f"drivetrain {name} {rest[0]}")


def _run(module: str, verb: str, rest: list[str], program: str) -> int:
    from drivetrain.commands.shell.parse import parse

    command: Callable[[], int | None] = parse(module, verb, rest, program)
    return command() or 0


def _no_such_command(name: str, word: str) -> int:
    if name in method_names():
        state = "has no commands" if is_built(name) else "is not built in this version"
        return fail(f"{name} {state}; the papers: drivetrain cite {name}")
    hint = did_you_mean(name, [*method_names(), *house_commands()])
    return fail(f"Unknown command {word!r}.{hint or ' drivetrain --help lists them.'}")


def _method_help(name: str) -> str:
    described = {kebab(verb): line for verb, line in verbs(name).items()}
    width = max(map(len, described))
    lines = [f"usage: drivetrain {name} VERB [--flags]", "", summary(name), "", "verbs:"]
    lines += [f"  {verb:<{width}}  {line}" for verb, line in described.items()]
    also = [room for room in ("bench", "gallery") if (PACKAGE / room / f"{name}.py").is_file()]
    shown = {"bench": f"drivetrain bench {name}", "gallery": f"drivetrain demo {name}"}
    if also:
        lines += ["", "see also: " + ", ".join(shown[room] for room in also)]
    return "\n".join(lines)


def _described(method: str) -> str:
    return summary(method) + ("" if is_built(method) else " (planned)")


def _show_version() -> int:
    from drivetrain import __version__

    print(f"drivetrain {__version__} ({Path(__file__).parents[2]})")
    return 0

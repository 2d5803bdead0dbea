"""What a person reads when something goes wrong: one line, and an exit code for scripts."""

import io
import os
import sys
from collections.abc import Callable

EXIT_FINDING = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def prepare_streams() -> None:
    """Let output go on where a stream is closed or its encoding lacks a character."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller, as in ``drivetrain --help >&-``
            setattr(sys, name, open(os.devnull, "w", encoding="utf8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            # An escape says which character it was; a question mark would make µs and ms alike.
            stream.reconfigure(errors="backslashreplace")


def fail(message: str) -> int:
    """Print one line on standard error; return the exit code of a mistake, 2."""
    print(f"drivetrain: {' '.join(message.split())}", file=sys.stderr)
    return EXIT_USAGE


def guarded(command: Callable[[], int], *, debug: bool = False) -> int:
    """Run a command; turn its errors into one line and an exit code.

    With ``debug`` the traceback is shown as well. A closed pipe (``| head``) ends in silence,
    Ctrl-C in one word.
    """
    try:
        return command()
    except BrokenPipeError:
        # Python flushes standard output again on its way out; give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError, ArithmeticError, MemoryError) as error:
        if debug:
            raise
        return fail(_sentence(error))


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__

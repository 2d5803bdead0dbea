"""Lines of text files with their numbers, and numbers out of words."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from drivetrain.detection.issues import Issue, Issues

Line = tuple[int, list[str]]

# Lists of classes or images that lie among the labels.
_NOT_LABELS = frozenset(("classes.txt", "train.txt", "val.txt", "test.txt", "labels.txt"))


def label_files(path: Path) -> list[Path]:
    """Return the files of labels of a folder by name, without lists of classes or images."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.glob("*.txt") if file.name not in _NOT_LABELS)


def read_text(path: Path, issues: Issues) -> str | None:
    """Return a file's text (UTF-8, a byte order mark is dropped), or None where it is not text.

    Raises:
        ValueError: Not UTF-8 text, unless lenient: the file is dropped.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 text: byte 0x{data[error.start]:02x} at {error.start}"
        refuse_file(issues, path, "not-text", what, place=error.start)
        return None
    if "\0" in text:
        refuse_file(issues, path, "not-text", "is not text: it holds zero bytes")
        return None
    return text


def read_lines(path: Path, issues: Issues) -> Iterator[Line]:
    """Yield the number (from 1) and the words of each line that is not empty."""
    text = read_text(path, issues)
    for number, line in enumerate((text or "").split("\n"), 1):
        words = line.split()
        if words:
            yield number, words


def numbers(words: Sequence[str]) -> list[float] | None:
    """Return words as numbers; None if one is none (Python's ``1_000`` is none).

    Example:
        >>> numbers(["1", "2.5e1"]), numbers(["1", "x"])
        ([1.0, 25.0], None)
    """
    try:
        values = [float(word) for word in words]
    except ValueError:
        return None
    return None if "_" in "".join(words) else values


def refuse_file(
    issues: Issues, path: Path, kind: str, what: str, *, place: int | None = None
) -> None:
    """Record that a whole file cannot be read: an error, or the file is dropped."""
    issues.refuse(Issue(kind=kind, source=str(path), what=what, done="dropped", place=place))


def refuse_line(issues: Issues, path: Path, line: int, kind: str, what: str) -> None:
    """Record that a line cannot be read: an error, or the line is dropped."""
    issues.refuse(
        Issue(
            kind=kind,
            source=str(path),
            what=f"line {line}: {what}",
            done="dropped",
            place=line,
        )
    )


def shown(words: Sequence[str], width: int = 60) -> str:
    """Return a line's words for a message, shortened."""
    text = " ".join(words)
    return repr(text if len(text) <= width else text[: width - 3] + "...")

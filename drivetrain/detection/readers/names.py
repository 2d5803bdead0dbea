"""Names of images and classes: lists that are told, and which id a name stands for."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import fspath
from pathlib import Path

import numpy as np

from drivetrain.core.errors import did_you_mean
from drivetrain.detection.annotations import GroundTruth, Ids
from drivetrain.detection.findings import tell
from drivetrain.detection.issues import Issue, Issues
from drivetrain.detection.readers.told import Path as PathLike

_SUFFIX = re.compile(r"\.[A-Za-z]{1,5}[0-9]?$")


def stem(name: str) -> str:
    """Return an image's name without folders and without the suffix of a picture.

    Example:
        >>> stem("JPEGImages/2007_000032.jpg"), stem("frame1.25")
        ('2007_000032', 'frame1.25')
    """
    return _SUFFIX.sub("", name.replace("\\", "/").rsplit("/", 1)[-1])


def spelled(ids: Ids, words: Sequence[str]) -> list[str]:
    """Return ids as text: the words that they are ranks of, if their file had words for ids.

    Example:
        >>> spelled(np.array([1, 0]), ["a", "b"]), spelled(np.array([7]), [])
        (['b', 'a'], ['7'])
    """
    return [words[one] if words else str(one) for one in ids.tolist()]


def listed(what: str, told: Sequence[str] | PathLike) -> list[str]:
    """Return a told list of names: the sequence, or the lines of a file, or a YAML's ``names``.

    Raises:
        ValueError: The file is missing or holds no names, or a name repeats.
    """
    if isinstance(told, (str, Path)) or not isinstance(told, (Sequence, Mapping)):
        names = _names_in(what, Path(fspath(told)))
    elif isinstance(told, Mapping):
        names = [str(value) for _, value in sorted(told.items())]
    else:
        names = [str(name) for name in told]
    word, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        raise ValueError(f"{what} must not repeat. Got {word!r} {times} times.")
    return names


def _names_in(what: str, path: Path) -> list[str]:
    if not path.is_file():
        raise ValueError(f"{what} must be a list or a file of names. There is no file {path}.")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{what} must be a text file of names. {path} is not UTF-8.") from None
    if path.suffix.lower() in (".yaml", ".yml"):
        names = yaml_names(text)
    else:
        names = [line.strip() for line in text.split("\n") if line.strip()]
    if not names:
        raise ValueError(f"{what}: {path} holds no names.")
    return names


def yaml_names(text: str) -> list[str]:
    """Return the class names of a YOLO ``data.yaml``: a list in one line or several, or a map.

    Example:
        >>> yaml_names("names: ['cat', \\"dog\\"]")
        ['cat', 'dog']
        >>> yaml_names("nc: 2\\nnames:\\n  0: cat\\n  1: dog  # not a wolf")
        ['cat', 'dog']
    """
    found = re.search(r"^names[ \t]*:(.*(?:\n(?:[ \t\-\]}].*|[ \t]*|#.*)(?=\n|\Z))*)", text, re.M)
    if not found:
        return []
    body = re.sub(r"(^|\s)#.*", "", found.group(1), flags=re.M)
    if body.strip()[:1] in ("[", "{"):
        items = re.findall(r"""(?:'[^']*'|"[^"]*"|[^,\[\]{}\n]+)+""", body)
    else:
        items = [line for line in body.split("\n") if line.strip()]
    return [name for name in (_scalar(item) for item in items) if name]


def _scalar(item: str) -> str:
    text = re.sub(r"^\s*(-\s+|-$|\d+\s*:\s*)?", "", item).strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


class Names:
    """Which id a name stands for, among the images or the classes of a truth.

    A name is looked for as it is, then without folders and suffix (images only). If none of the
    names asked for is known, they are tried as ids.
    """

    def __init__(
        self, what: str, ids: Ids, names: Sequence[str], words: Sequence[str] = ()
    ) -> None:
        self.what = what
        self.by_id = dict(zip(spelled(ids, words), ids.tolist()))
        self.exact = _unambiguous(zip(names, ids.tolist()))
        self.loose: dict[str, int] = {}
        if what == "image":
            self.loose = _unambiguous((stem(name), one) for name, one in zip(names, ids.tolist()))

    @classmethod
    def images(cls, truth: GroundTruth) -> "Names":
        """Return the names of a truth's images."""
        return cls("image", truth.image_ids, truth.image_names, truth.image_words)

    @classmethod
    def categories(cls, truth: GroundTruth) -> "Names":
        """Return the names of a truth's classes."""
        return cls("category", truth.category_ids, truth.category_names, truth.category_words)

    def named(self, name: str) -> int | None:
        """Return the id of a name, or None."""
        one = self.exact.get(name)
        return self.loose.get(stem(name)) if one is None and self.loose else one

    def find(self, asked: Sequence[str], issues: Issues, source: str) -> dict[str, int]:
        """Return the ids of the distinct names asked for, without those that are not known."""
        known = {name: self.named(name) for name in asked}
        if asked and not any(one is not None for one in known.values()):
            known = {name: self.by_id.get(name) for name in asked}
            if self.exact and any(one is not None for one in known.values()):
                what = f"{self.what} names such as {asked[0]!r} are read as ids"
                issues.note(Issue(kind="by-id", source=source, what=what, done="repaired"))
        return {name: one for name, one in known.items() if one is not None}

    def hint(self, name: str) -> str:
        """Return the nearest known name for a message."""
        return did_you_mean(name, list(self.exact)[:2000])


def _unambiguous(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the ids of the names that stand for one thing; no name and a shared one for none."""
    ids: dict[str, int] = {}
    shared = {""}
    for name, one in pairs:
        if name in ids:
            shared.add(name)
        ids[name] = one
    return {name: one for name, one in ids.items() if name not in shared}


def codes_of(
    names: Names,
    asked: Sequence[str],
    issues: Issues,
    place: Callable[[int], tuple[str, int | None]],
) -> Ids:
    """Return the id of each entry's name, and of names that are not known the smallest integer.

    Raises:
        ValueError: A name that is not known, unless lenient.
    """
    distinct = list(dict.fromkeys(asked))
    ids = names.find(distinct, issues, place(0)[0] if distinct else "")
    missing = np.iinfo(np.int64).min
    every = {name: ids.get(name, missing) for name in distinct}
    codes = np.fromiter(map(every.__getitem__, asked), np.int64, len(asked))
    many = {"image": "images", "category": "classes"}[names.what]

    def issue_of(row: int) -> Issue:
        file, line = place(row)
        known = len(names.by_id)
        return Issue(
            kind=f"unknown-{names.what}",
            source=file,
            what=f"{names.what} {asked[row]!r} is not among the {known} {many} of the truth."
            f"{names.hint(asked[row])}",
            done="dropped",
            entry=row,
            id=asked[row],
            place=line,
        )

    tell(issues, np.flatnonzero(codes == missing), issue_of)
    return codes
